"""Labels that came with the images, checked: which are clean, the least clean first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from studio.errors import RunError
from studio.images.image_names import ImageNames
from studio.images.names import Matcher
from studio.numbers import some
from studio.runs.given import Correction, given_vector
from studio.runs.given_table import read_corrections
from studio.runs.result import CheckedLabels
from studio.runs.table import safe_name, safe_path, write_csv
from studio.scores import accuracy, auroc, clean_precision
from studio.scores.cleanliness import combined, neighbour_share

if TYPE_CHECKING:
    from studio.coft.events import Finished, Judged

CHECKED_FILE = "checked.csv"
"""In a run's folder: what came of the labels."""
CLAIMED_FILE = "claimed.csv"
"""In a run's folder: the labels that the run was to check, as `read_labels` reads them."""
COLUMNS = ("path", "label", "combined_score", "clean_probability", "clean", "suggested")


def read_labels(
    path: Path,
    *,
    images: ImageNames | None = None,
    tell: Callable[[str], None] | None = None,
) -> dict[str, str]:
    """Class names by image, from a CSV with the columns path and label; empty labels say nothing.

    images, tell: see `read_corrections`.

    Raises:
        RunError: It cannot be read or lacks a column, or it has no label at all.
    """
    labels = {
        image: correction.label
        for image, correction in read_corrections(path, images=images, tell=tell).items()
        if correction.label
    }
    if not labels:
        raise RunError(f"{path} has no labels to check: its head must be path,label")
    return labels


def keep_labels(folder: Path, labels: Mapping[str, str]) -> None:
    """Keep a copy of the labels to check in a run's folder, so that it can be repeated.

    Raises:
        RunError: It cannot be written.
    """
    rows = ((safe_path(image), safe_name(label)) for image, label in labels.items())
    write_csv(folder / CLAIMED_FILE, ("path", "label"), rows)


def claimed(
    labels: Mapping[str, str],
    *,
    paths: Sequence[str],
    class_names: Sequence[str],
    aliases: Mapping[str, str] | None = None,
    roots: Iterable[Path] = (),
) -> tuple[NDArray[np.int64], str]:
    """(N,) the labels in the order of a fit's images, -1 = none; and a warning, "" if all is well.

    Class names are matched as those of sub-folders are: case, spaces, underscores and hyphens do
    not matter, and aliases (other name -> class name) are understood.

    Raises:
        RunError: A label is not among the class names, or no image is in the folder.
    """
    matcher, meant = Matcher(class_names, aliases), {}
    for label, at in matcher.find_each(labels.values()).items():
        meant[label] = label if at is None else class_names[at]
    claims = {path: Correction("relabelled", meant[label]) for path, label in labels.items()}
    given = given_vector(
        claims, paths=paths, class_names=class_names, what="labels to check", roots=roots
    )
    if not given.missing:
        return given.vector, ""
    return given.vector, (
        f"{len(given.missing)} of the labels to check are of images that are not in the folder or "
        f"were refused: {some(given.missing)}"
    )


def check_labels(
    path: Path,
    claims: NDArray[np.int64],
    *,
    judged: Judged,
    finished: Finished,
    features: NDArray[np.float32],
    paths: Sequence[str],
    class_names: Sequence[str],
    truth: NDArray[np.int64] | None,
    candidates: NDArray[np.int64] | None = None,
    given: NDArray[np.int64] | None = None,
) -> CheckedLabels:
    """Write `CHECKED_FILE` into the folder `path`; returns what the run's result says of it.

    A label's clean probability is the mean of both models'; it is clean when both judge it so.
    The combined score, by which rows are sorted, is that of `scores.cleanliness.combined`.

    Args:
        path: The run's folder.
        claims: (N,) from `claimed`.
        judged: The last judgement of the fit, which was of these labels.
        finished: What the trained classifier says.
        features: (N, d), in the space in which cosines are compared.
        paths: Of the N images.
        class_names: The C names.
        truth: (N,) -1 = unknown, or None; for measuring only.
        candidates: (N, K) images that are most alike; for where all images have a claim.
        given: (N,) labels of a person, below 0 = none. They stand in `judged`, so of an image that
            has one it is not the claim that was judged: the claim is right if it says the same.
    """
    at = np.flatnonzero(claims >= 0)
    labels = claims[at]
    is_label = finished.top_labels.numpy()[at] == labels[:, None]
    probability = judged.clean_probability.numpy()[:, at].mean(axis=0)
    clean = np.asarray(judged.clean.numpy()[:, at].all(axis=0), np.bool_)
    if given is not None:
        said, same = given[at] >= 0, given[at] == labels
        probability = np.where(said, same.astype(probability.dtype), probability)
        clean = np.where(said, same, clean)
    score = combined(
        confidence=(finished.top_probabilities.numpy()[at] * is_label).sum(axis=1),
        neighbours=neighbour_share(
            features[at], labels, candidates=candidates if len(at) == len(claims) else None
        ),
        phase1_confidence=judged.confidence.numpy()[:, at],
    )
    suggested = finished.labels.numpy()[at]
    rows = (
        (
            safe_path(paths[at[i]]), safe_name(class_names[labels[i]]), f"{score[i]:.6f}",
            f"{probability[i]:.6f}", str(bool(clean[i])).lower(),
            safe_name(class_names[suggested[i]]),
        )
        for i in np.argsort(score, kind="stable")
    )  # fmt: skip
    write_csv(path / CHECKED_FILE, COLUMNS, rows)
    true_labels = None if truth is None else truth[at]
    return CheckedLabels(
        labels=len(at),
        clean=float(clean.mean()),
        accuracy=accuracy(labels, true_labels),
        precision=clean_precision(labels, clean, true_labels),
        auroc=auroc(probability, labels, true_labels),
        combined_auroc=auroc(score, labels, true_labels),
    )
