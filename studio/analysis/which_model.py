"""Which model suits these images, in words; and what to try where the embedded one knows little."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studio.clip.presets import PRESETS, RECOMMENDED, Preset, is_embedded
from studio.numbers import UNKNOWN, percent
from studio.runs.command import text_table

if TYPE_CHECKING:
    from studio.runs.which_model import Ranked
    from studio.scores.consensus import Standing

BELOW_PROMISING = ("doubtful", "near chance")


def recommended(model: str, level: str, z: float | None) -> list[tuple[str, Preset]]:
    """Real models to try where the embedded one's verdict is below promising, with their names.

    Args:
        model: The model that made the labels; only the embedded one is too small for much.
        level: Of its verdict, see `studio.scores.knowledge`.
        z: Likewise; None means that there are too few images to tell, and no reason to fetch.
    """
    if not is_embedded(model) or level not in BELOW_PROMISING or z is None:
        return []
    return [(name, PRESETS[name]) for name in RECOMMENDED]


def conclusion(ranked: Ranked) -> str:
    """What the ranking says, in a sentence or two; ties are said."""
    first = [looked for looked, standing in ranked.models if standing.place == 1]
    if len(ranked.models) == 1:
        return "Only one model was asked, so there is nothing to compare it with."
    names = [looked.model for looked in first]
    if len(first) == 1:
        said = f"{names[0]} agrees most with all models together."
    else:
        fastest = max(first, key=lambda looked: looked.images_per_second).model
        said = (
            f"{', '.join(names[:-1])} and {names[-1]} are too close to call; "
            f"{fastest} is the fastest of them."
        )
    if len(ranked.models) == 2:
        said += " With two models, that mostly means the surer one: ask a third."
    if all(looked.level == "near chance" for looked, _ in ranked.models):
        said += " None of them seems to know these images."
    return said


def meaning(ranked: Ranked) -> str:
    """What the scores are."""
    return (
        f"Agreement: to how many of the {ranked.images} images looked at a model gives the label "
        "that all of them together give; a model that the others bear out has more say in it. "
        "Models share a place when the difference may be chance. Agreement is not the share of "
        "right labels: an error that most models share counts as right."
    )


def shown_agreement(ranked: Ranked, standing: Standing) -> float | None:
    """A model's agreement; None where there is no other to agree with."""
    return standing.agreement if len(ranked.models) > 1 else None


def places(ranked: Ranked) -> list[str]:
    """The place of each model, the best first: `1`, or `1 =` where it is shared."""
    numbers = [standing.place for _, standing in ranked.models]
    return [f"{n} =" if numbers.count(n) > 1 else f"{n}" for n in numbers]


def ranking_text(ranked: Ranked) -> str:
    """The ranking for a terminal: a table, what it says, what the scores are."""
    known = any(looked.accuracy is not None for looked, _ in ranked.models)
    head = ["place", "model", "agreement", "right, estimated", "verdict", "images/s"]
    lines = []
    for place, (looked, standing) in zip(places(ranked), ranked.models, strict=True):
        line = [
            place, looked.model, percent(shown_agreement(ranked, standing)),
            UNKNOWN if looked.estimate is None else looked.estimate.text(), looked.level,
            f"{looked.images_per_second:.0f}",
        ]  # fmt: skip
        lines.append([*line, percent(looked.accuracy)] if known else line)
    parts = [text_table([*head, "right"] if known else head, lines), conclusion(ranked)]
    parts += [f"Left out: {model}: {why}" for model, why in ranked.failed]
    if known:
        parts.append("Right: by the names of the sub-folders; the ranking does not know it.")
    parts.append(meaning(ranked))
    best = ranked.models[0][0]
    for name, facts in recommended(best.model, best.level, best.z):
        parts.append(f"Worth a try: --model {name} ({facts.download_mb} MB, {facts.licence}).")
    return "\n\n".join(parts)
