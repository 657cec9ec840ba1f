"""Sentences about a class, without a language model: fixed templates with a place for the name.

A model that was trained on captions wants sentences ("plain"), one that was trained on names wants
the bare name ("name"); averaging over several sentences ("ensemble") smooths out the wording.
"""

from __future__ import annotations

from collections.abc import Sequence

from studio.errors import SettingsError

TEMPLATES: dict[str, tuple[str, ...]] = {
    "plain": ("a photo of a {}.",),  # the paper's initial prompt
    "name": ("{}",),
    "ensemble": (
        "a photo of a {}.",
        "a picture showing a {}.",
        "a close-up of a {}.",
        "a {} seen from a distance.",
        "a blurry snapshot of a {}.",
        "a dark photo of a {}.",
        "several of the {} together.",
        "an artist's picture of a {}.",
    ),
}
"""Named sets of templates; {} stands for the class name."""


def sentences(class_name: str, templates: str | Sequence[str] = "plain") -> list[str]:
    """The class name put into each template, in order.

    templates: a name of TEMPLATES, or templates of one's own; one without {} is kept as it is,
    which lets finished sentences (a language model's, a user's) pass through.
    Raises SettingsError for an unknown name or when there is no template at all.
    """
    if isinstance(templates, str):
        if templates not in TEMPLATES:
            raise SettingsError(
                f"There are no templates called “{templates}”; use one of {', '.join(TEMPLATES)}."
            )
        templates = TEMPLATES[templates]
    if not templates:
        raise SettingsError("There is no template; give at least one sentence with {} in it.")
    # not str.format: a class name or a user's sentence may hold braces of its own
    return [template.replace("{}", class_name) for template in templates]
