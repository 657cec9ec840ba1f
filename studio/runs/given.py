"""Corrections on their way: as a table that people write and read, and as a fit takes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from studio.errors import RunError
from studio.images.image_names import ImageNames, plain
from studio.images.names import Matcher, same
from studio.runs.table import plain_name, plain_path, read_csv, safe_name, safe_path, write_csv

if TYPE_CHECKING:
    from torch import Tensor

Verdict = Literal["accepted", "relabelled", "rejected"]
VERDICTS: tuple[str, ...] = get_args(Verdict)

UNKNOWN, REJECTED = -1, -2
"""What `given_vector` says of images without a label: nothing known, and to be left out."""

COLUMNS = ("path", "label", "correction")
PATH_HEADS = ("path", "file_name", "filename", "file", "image", "image_path", "filepath", "img")
"""What other tools call the column `path`."""
LABEL_HEADS = ("label", "class", "class_name", "category")
"""What they call the column `label`."""
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


def read_corrections(
    path: Path,
    *,
    images: ImageNames | None = None,
    tell: Callable[[str], None] | None = None,
) -> dict[str, Correction]:
    """Corrections from a CSV: a labels.csv of the studio, or one that a person or a tool wrote.

    With a column `correction`, rows in which it is empty say nothing. Without one, every row that
    has a label gives it.

    Args:
        path: Of the table. Its columns may be called as in PATH_HEADS and LABEL_HEADS.
        images: Those of the folder, whose names the table may spell in other ways.
        tell: Told of rows that repeat others, with their lines, and of a guessed encoding.

    Raises:
        RunError: It cannot be read, lacks a column, a row makes no sense, or rows contradict each
            other: which ones is said.
    """
    head, rows = read_csv(path, tell=tell)
    columns = [next((n for n in names if n in head), None) for names in (PATH_HEADS, LABEL_HEADS)]
    missing = [name for name, found in zip(COLUMNS, columns, strict=False) if found is None]
    if missing:
        raise RunError(f"{path} has no column {listed(missing)}: its head must be path,label")
    path_column, label_column = (str(name) for name in columns)
    if "correction" not in head and "clean_probability" in head:
        raise RunError(
            f"{path} holds labels that a model gave, not corrections; "
            "add a column `correction` that says accepted, relabelled or rejected where you did so"
        )
    said: dict[str, list[tuple[int, Correction]]] = {}
    for number, row in rows:
        image, label = plain_path(row[path_column].strip()), plain_name(row[label_column].strip())
        verdict = row["correction"].strip().lower() if "correction" in head else "relabelled"
        if not verdict or ("correction" not in head and not label):
            continue
        if verdict not in VERDICTS:
            raise RunError(f"{path}, line {number}: correction must be one of {listed(VERDICTS)}")
        if not image or (verdict != "rejected" and not label):
            raise RunError(f"{path}, line {number}: a path and a label are needed")
        correction = Correction(cast(Verdict, verdict), "" if verdict == "rejected" else label)
        key = plain(image) if images is None else images.key(image)
        said.setdefault(key, []).append((number, correction))
    _check_repeated(path, said, tell)
    return {image: found[-1][1] for image, found in said.items()}


def _check_repeated(
    path: Path,
    said: Mapping[str, Sequence[tuple[int, Correction]]],
    tell: Callable[[str], None] | None,
) -> None:
    """Rows of one image must say the same; those that do are told, the others are an error."""
    again = {image: found for image, found in said.items() if len(found) > 1}
    against = [
        f"{image} is " + " and ".join(f"{c.label or c.verdict} (line {n})" for n, c in found)
        for image, found in again.items()
        if len({same(correction.label) for _, correction in found}) > 1
    ]
    if against:
        images = "1 image has" if len(against) == 1 else f"{len(against)} images have"
        raise RunError(
            f"{path}: {images} more than one label: {listed(against, 20)}; leave one row for each"
        )
    if again and tell is not None:
        lines = [
            f"{image} (lines {', '.join(str(number) for number, _ in found)})"
            for image, found in again.items()
        ]
        tell(f"{path.name} has more than one row for {listed(lines, 20)}; they say the same")


@dataclass(frozen=True)
class Given:
    """Corrections as a fit takes them.

    Attributes:
        vector: (N,) int64: a class's index where the label is given, UNKNOWN, or REJECTED.
        missing: Paths of corrections whose image is not among the N.
        corrections: All of them, by the images' own paths and with the classes' own names.
    """

    vector: NDArray[np.int64]
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
    index = {c.label: matcher.find(c.label) for c in corrections.values() if c.label}
    strange = sorted(label for label, found in index.items() if found is None)
    if strange:
        raise RunError(
            f"The {what} name classes that are not in the list: {listed(strange)}. "
            "Add them to the class names, or take those rows out."
        )
    names, place = ImageNames(paths, roots=roots), {path: n for n, path in enumerate(paths)}
    vector = np.full(len(paths), UNKNOWN, np.int64)
    missing: list[str] = []
    resolved: dict[str, Correction] = {}
    for path, correction in corrections.items():
        at, found = index.get(correction.label), names.find(path)
        label = "" if at is None else class_names[at]
        if found is None:
            missing.append(path)
        elif found in resolved and resolved[found].label != label:
            raise RunError(
                f"The {what} give {found} two labels: {resolved[found].label or 'rejected'} and "
                f"{label or 'rejected'}."
            )
        else:
            vector[place[found]] = REJECTED if at is None else at
        resolved[path if found is None else found] = Correction(correction.verdict, label)
    if corrections and len(missing) == len(corrections):
        raise RunError(
            f"None of the {len(missing)} images of the {what} is in the folder "
            f"({listed(missing)}): "
            "paths are relative to the folder of images."
        )
    return Given(vector, tuple(missing), resolved)


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
    roots: Iterable[Path] = (),
) -> Given:
    """`given_vector`, and a copy of the corrections in a run's folder, where it stays.

    Raises:
        RunError: As `given_vector`, or the copy cannot be written.
    """
    given = given_vector(corrections, paths=paths, class_names=class_names, roots=roots)
    if corrections:
        write_corrections(folder / GIVEN_FILE, given.corrections)
    return given


def listed(names: Iterable[str], most: int = _SHOWN) -> str:
    """The first few of some names."""
    names = list(names)
    return ", ".join(names[:most]) + (" ..." if len(names) > most else "")
