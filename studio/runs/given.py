"""What was said about images, and how a fit takes it. As a table it is in `given_table`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from studio.errors import RunError
from studio.images.image_names import ImageNames
from studio.images.names import Matcher
from studio.numbers import plural, some

if TYPE_CHECKING:
    from torch import Tensor

Verdict = Literal["accepted", "relabelled", "rejected", "judged"]
VERDICTS: tuple[str, ...] = get_args(Verdict)
"""All but `judged` are a person's; that one is a vision-language model's."""

UNKNOWN, REJECTED = -1, -2
"""What `given_vector` says of images without a label: nothing known, and to be left out."""
NONE = -2
"""What it says of images that were judged to be none of the names that were asked about."""

NAMING = ("accepted", "relabelled")
"""Verdicts that need a label."""


@dataclass(frozen=True)
class Correction:
    """What counts for one image.

    label: a class name; empty when the image is rejected, or judged to be none of the names that
    were asked about; judged: where a person spoke, what a judge said before or after; None: it
    said nothing.
    """

    verdict: Verdict
    label: str = ""
    judged: str | None = None

    @property
    def by_person(self) -> bool:
        """Whether a person said it; else a judge did."""
        return self.verdict != "judged"

    @property
    def judged_label(self) -> str | None:
        """What a judge said: a class name, empty = none of the names; None: it said nothing."""
        return self.judged if self.by_person else self.label

    def over(self, before: Correction | None) -> Correction:
        """What counts once this is said after `before`: a judge never overrides a person."""
        if before is None:
            return self
        if self.by_person:
            known = before.judged_label if self.judged is None else self.judged
            return replace(self, judged=known)
        return replace(before, judged=self.label) if before.by_person else self


@dataclass(frozen=True)
class Counts:
    """How many images are corrected, and how."""

    accepted: int = 0
    relabelled: int = 0
    rejected: int = 0
    judged: int = 0

    @property
    def by_person(self) -> int:
        """Images that a person spoke of."""
        return self.accepted + self.relabelled + self.rejected

    @property
    def total(self) -> int:
        """All of them, those included that only a judge spoke of."""
        return self.by_person + self.judged


def count(corrections: Mapping[str, Correction]) -> Counts:
    """Images by verdict."""
    verdicts = [correction.verdict for correction in corrections.values()]
    return Counts(*(verdicts.count(cast(Verdict, verdict)) for verdict in VERDICTS))


@dataclass(frozen=True)
class Given:
    """Corrections as a fit takes them.

    Attributes:
        vector: (N,) int64: a class's index where the label is given, UNKNOWN, or REJECTED.
        judged: (N,) int64: a class's index where the label is judged, UNKNOWN, or NONE; also where
            a person spoke of the same image.
        missing: Paths of corrections whose image is not among the N.
        corrections: All of them, by the images' own paths and with the classes' own names.
    """

    vector: NDArray[np.int64]
    judged: NDArray[np.int64]
    missing: tuple[str, ...]
    corrections: Mapping[str, Correction] = field(default_factory=dict)

    @property
    def labels(self) -> int:
        """Images whose label is given."""
        return int((self.vector >= 0).sum())

    @property
    def rejected(self) -> int:
        """Images that are left out."""
        return int((self.vector == REJECTED).sum())

    @property
    def judgements(self) -> int:
        """Images whose label is judged, and that no person spoke of."""
        return int(((self.judged >= 0) & (self.vector == UNKNOWN)).sum())

    @property
    def warning(self) -> str:
        """What to tell when images are missing."""
        count = len(self.missing)
        images = "1 corrected image is" if count == 1 else f"{count} corrected images are"
        return f"{images} not in the folder any more: {some(self.missing)}"

    def tensor(self) -> Tensor | None:
        """The vector as a method takes it; None when nothing is given."""
        import torch

        return torch.from_numpy(self.vector) if self.labels or self.rejected else None

    def judged_tensor(self) -> Tensor | None:
        """What was judged as a method takes it; None when nothing was."""
        import torch

        return torch.from_numpy(self.judged) if (self.judged != UNKNOWN).any() else None


def given_vector(
    corrections: Mapping[str, Correction],
    *,
    paths: Sequence[str],
    class_names: Sequence[str],
    what: str = "corrections",
    roots: Iterable[Path] = (),
) -> Given:
    """Corrections in the order of a fit's images.

    Args:
        corrections: By path, however it is written.
        roots: The folder of the images as it may be called, see `ImageNames`.
        what: What they are called when something is wrong with them.
        paths: Of the N images.
        class_names: The C names.

    Raises:
        RunError: A label is not among the class names, none of the images is there, or one image
            is given two labels.
    """
    matcher = Matcher(class_names)
    spoken = {label for c in corrections.values() for label in (c.label, c.judged) if label}
    index = matcher.find_each(sorted(spoken))
    strange = sorted(label for label, found in index.items() if found is None)
    if strange:
        raise RunError(
            f"The {what} name classes that are not in the list: {some(strange)}. "
            "Add them to the class names, or take those rows out."
        )
    names, place = ImageNames(paths, roots=roots), {path: n for n, path in enumerate(paths)}
    vector, judged = np.full((2, len(paths)), UNKNOWN, np.int64)
    missing: list[str] = []
    resolved: dict[str, Correction] = {}
    for path, correction in corrections.items():
        found = names.find(path)
        own = _by_own_names(correction, index, class_names)
        if found is None:
            missing.append(path)
            resolved[path] = own
            continue
        before = resolved.get(found)
        if before is not None and before.by_person == own.by_person and before.label != own.label:
            raise RunError(
                f"The {what} give {found} two labels: {before.label or before.verdict} and "
                f"{own.label or own.verdict}."
            )
        resolved[found] = own.over(before)
    number = {name: label for label, name in enumerate(class_names)}
    for path, own in resolved.items():
        if path in place:
            if own.by_person:
                vector[place[path]] = number.get(own.label, REJECTED)
            if own.judged_label is not None:
                judged[place[path]] = number.get(own.judged_label, NONE)
    if corrections and len(missing) == len(corrections):
        raise RunError(
            f"{plural(len(missing), 'image')} of the {what}, and none is in the folder "
            f"({some(missing)}): paths are relative to the folder of images."
        )
    return Given(vector, judged, tuple(missing), resolved)


def _by_own_names(
    correction: Correction, index: Mapping[str, int | None], class_names: Sequence[str]
) -> Correction:
    """The same with the names of the classes as the list spells them."""
    at = index.get(correction.label)
    judged = correction.judged
    if judged and (known := index.get(judged)) is not None:
        judged = class_names[known]
    return replace(correction, label="" if at is None else class_names[at], judged=judged)


def usable(
    corrections: Mapping[str, Correction], *, paths: Iterable[str], class_names: Iterable[str]
) -> dict[str, Correction]:
    """The corrections of images that are there, as far as their classes are among the names."""
    there, names = set(paths), {"", *class_names}
    return {
        path: correction
        if correction.judged is None or correction.judged in names
        else replace(correction, judged=None)
        for path, correction in corrections.items()
        if path in there and correction.label in names
    }
