"""Labels of another folder by a run's classifier; nothing is trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from studio.errors import RunError
from studio.images.folder import Refused
from studio.runs.model import label_each, load_classifier
from studio.runs.resume import what_to_do
from studio.runs.run import Run
from studio.runs.table import safe_name, safe_path, write_csv

PREDICT_COLUMNS = ("path", "label", "confidence")


@dataclass(frozen=True)
class Predictions:
    """Labels of the N images of a folder that a run was not trained on.

    paths: relative to the folder; labels: class names; confidence: in [0, 1], the probability of
    the label; refused: files that are no usable images.
    """

    paths: list[str]
    labels: list[str]
    confidence: list[float]
    refused: tuple[Refused, ...]


def predictions(
    run: Run,
    folder: Path,
    *,
    cache_dir: Path,
    device: str | None = None,
    progress: Callable[[str, int, int], None] | None = None,
    follow_links: bool = False,
) -> Predictions:
    """Label the images of another folder with the run's classifier; nothing is trained.

    Args:
        run: A run with a classifier.
        folder: The images.
        cache_dir: Where decoded images are kept.
        device: A torch device; None takes the GPU when there is one.
        progress: Told (what is being done, done, total).
        follow_links: Whether links that leave the folder are followed.

    Raises:
        RunError: The run has no classifier yet.
        FolderError: The folder cannot be used.
    """
    from studio.runs.inputs import images_for

    if not (run.path / "model" / "model.json").is_file():
        raise RunError(f"run {run.id} has no classifier: {what_to_do(run)}")

    def tell(stage: str, done: int, total: int) -> None:
        if progress is not None:
            progress(stage, done, total)

    classifier = load_classifier(run.path / "model", device=device)
    scanned, canvases = images_for(
        classifier.backbone,
        folder,
        cache_dir=cache_dir,
        progress=lambda done, total: tell("reading images", done, total),
        follow_links=follow_links,
    )
    each = label_each(
        classifier, canvases, progress=lambda done, total: tell("labelling", done, total)
    )
    confidence, labels = each.mean(0).max(-1)
    names = run.info.class_names
    return Predictions(
        [image.path for image in scanned.images],
        [names[label] for label in labels.tolist()],
        confidence.tolist(),
        tuple(scanned.refused),
    )


def predict(
    run: Run,
    folder: Path,
    out_csv: Path,
    *,
    cache_dir: Path,
    device: str | None = None,
    progress: Callable[[str, int, int], None] | None = None,
    follow_links: bool = False,
) -> Predictions:
    """As `predictions`, written to `out_csv`: path, label, confidence (0 to 1).

    Raises:
        RunError: The run has no classifier yet.
        FolderError: The folder cannot be used, or out_csv cannot be written.
    """
    done = predictions(
        run, folder, cache_dir=cache_dir, device=device, progress=progress,
        follow_links=follow_links,
    )  # fmt: skip
    rows = (
        (safe_path(path), safe_name(label), f"{share:.6f}")
        for path, label, share in zip(done.paths, done.labels, done.confidence, strict=True)
    )
    write_csv(out_csv, PREDICT_COLUMNS, rows)
    return done
