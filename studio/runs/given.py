"""Corrections on their way: as a table that people write and read, and as a fit takes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from studio.errors import RunError
from studio.runs.table import plain_name, plain_path, read_csv, safe_name, safe_path, write_csv

if TYPE_CHECKING:
    from torch import Tensor

Verdict = Literal["accepted", "relabelled", "rejected"]
VERDICTS: tuple[str, ...] = get_args(Verdict)

UNKNOWN, REJECTED = -1, -2
"""What `given_vector` says of images without a label: nothing known, and to be left out."""

COLUMNS = ("path", "label", "correction")
GIVEN_FILE = "given.csv"
"""In a run's folder: what the run was started with."""
_SHOWN = 5


@dataclass(frozen=True)
class Correction:
    """What counts for one image. label: a class name; empty when the image is rejected."""

    verdict: Verdict
    label: str = ""


@dataclass(frozen=True)
class Counts:
    """How many images are corrected, and how."""

    accepted: int = 0
    relabelled: int = 0
    rejected: int = 0

    @property
    def total(self) -> int:
        """All corrected images."""
        return self.accepted + self.relabelled + self.rejected


def count(corrections: Mapping[str, Correction]) -> Counts:
    """Images by verdict."""
    verdicts = [correction.verdict for correction in corrections.values()]
    return Counts(*(verdicts.count(cast(Verdict, verdict)) for verdict in VERDICTS))


def write_corrections(path: Path, corrections: Mapping[str, Correction]) -> Path:
    """Write them as CSV with the columns path, label, correction, which `read_corrections` reads.

    Raises:
        RunError: The file cannot be written.
    """
    rows = (
        (safe_path(image), safe_name(correction.label), correction.verdict)
        for image, correction in sorted(corrections.items())
    )
    return write_csv(path, COLUMNS, rows)


def read_corrections(path: Path) -> dict[str, Correction]:
    """Corrections from a CSV: a labels.csv of the studio, or one that a person wrote.

    With a column `correction`, rows in which it is empty say nothing. Without one, every row that
    has a label gives it.

    Raises:
        RunError: It cannot be read, lacks a column, or a row makes no sense: which one is said.
    """
    head, rows = read_csv(path)
    missing = [name for name in COLUMNS[:2] if name not in head]
    if missing:
        raise RunError(f"{path} has no column {listed(missing)}: its head must be path,label")
    if "correction" not in head and "clean_probability" in head:
        raise RunError(
            f"{path} holds labels that a model gave, not corrections; "
            "add a column `correction` that says accepted, relabelled or rejected where you did so"
        )
    corrections: dict[str, Correction] = {}
    for number, row in rows:
        image, label = plain_path(row["path"].strip()), plain_name(row["label"].strip())
        verdict = row["correction"].strip().lower() if "correction" in head else "relabelled"
        if not verdict or ("correction" not in head and not label):
            continue
        if verdict not in VERDICTS:
            raise RunError(f"{path}, line {number}: correction must be one of {listed(VERDICTS)}")
        if not image or (verdict != "rejected" and not label):
            raise RunError(f"{path}, line {number}: a path and a label are needed")
        corrections[image] = Correction(
            cast(Verdict, verdict), "" if verdict == "rejected" else label
        )
    return corrections


@dataclass(frozen=True)
class Given:
    """Corrections as a fit takes them.

    Attributes:
        vector: (N,) int64: a class's index where the label is given, UNKNOWN, or REJECTED.
        missing: Paths of corrections whose image is not among the N.
    """

    vector: NDArray[np.int64]
    missing: tuple[str, ...]

    @property
    def labels(self) -> int:
        """Images whose label is given."""
        return int((self.vector >= 0).sum())

    @property
    def rejected(self) -> int:
        """Images that are left out."""
        return int((self.vector == REJECTED).sum())

    @property
    def warning(self) -> str:
        """What to tell when images are missing."""
        count = len(self.missing)
        images = "1 corrected image is" if count == 1 else f"{count} corrected images are"
        return f"{images} not in the folder any more: {listed(self.missing)}"

    def tensor(self) -> Tensor | None:
        """The vector as a method takes it; None when nothing is given."""
        import torch

        return torch.from_numpy(self.vector) if self.labels or self.rejected else None


def given_vector(
    corrections: Mapping[str, Correction],
    *,
    paths: Sequence[str],
    class_names: Sequence[str],
    what: str = "corrections",
) -> Given:
    """Corrections in the order of a fit's images.

    Args:
        corrections: By path.
        what: What they are called when something is wrong with them.
        paths: Of the N images.
        class_names: The C names.

    Raises:
        RunError: A label is not among the class names, or none of the images is there.
    """
    index = {name: number for number, name in enumerate(class_names)}
    strange = sorted({c.label for c in corrections.values() if c.label and c.label not in index})
    if strange:
        raise RunError(
            f"The {what} name classes that are not in the list: {listed(strange)}. "
            "Add them to the class names, or take those rows out."
        )
    place = {path: number for number, path in enumerate(paths)}
    vector = np.full(len(paths), UNKNOWN, np.int64)
    missing = [path for path in corrections if path not in place]
    if corrections and len(missing) == len(corrections):
        raise RunError(
            f"None of the {len(missing)} images of the {what} is in the folder "
            f"({listed(missing)}): "
            "paths are relative to the folder of images."
        )
    for path, correction in corrections.items():
        if path in place:
            vector[place[path]] = index.get(correction.label, REJECTED)
    return Given(vector, tuple(missing))


def usable(
    corrections: Mapping[str, Correction], *, paths: Iterable[str], class_names: Iterable[str]
) -> dict[str, Correction]:
    """The corrections of images that are there, as far as their classes are among the names."""
    there, names = set(paths), {"", *class_names}
    return {
        path: correction
        for path, correction in corrections.items()
        if path in there and correction.label in names
    }


def keep_given(
    folder: Path,
    corrections: Mapping[str, Correction],
    *,
    paths: Sequence[str],
    class_names: Sequence[str],
) -> Given:
    """`given_vector`, and a copy of the corrections in a run's folder, where it stays.

    Raises:
        RunError: As `given_vector`, or the copy cannot be written.
    """
    given = given_vector(corrections, paths=paths, class_names=class_names)
    if corrections:
        write_corrections(folder / GIVEN_FILE, corrections)
    return given


def listed(names: Iterable[str]) -> str:
    """The first few of some names."""
    names = list(names)
    return ", ".join(names[:_SHOWN]) + (" ..." if len(names) > _SHOWN else "")
