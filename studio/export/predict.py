"""Labels of another folder by a run's classifier; nothing is trained."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from studio.errors import RunError
from studio.runs.model import label_each, load_classifier
from studio.runs.run import Run
from studio.runs.table import safe_name, safe_path, write_csv

PREDICT_COLUMNS = ("path", "label", "confidence")


def predict(
    run: Run,
    folder: Path,
    out_csv: Path,
    *,
    cache_dir: Path,
    device: str | None = None,
    progress: Callable[[str, int, int], None] | None = None,
    follow_links: bool = False,
) -> dict[str, Any]:
    """Label the images of another folder with the run's classifier; nothing is trained.

    Args:
        run: A run with a classifier.
        folder: The images.
        out_csv: Where the labels go: path, label, confidence (0 to 1).
        cache_dir: Where decoded images are kept.
        device: A torch device; None takes the GPU when there is one.
        progress: Told (what is being done, done, total).
        follow_links: Whether links that leave the folder are followed.

    Returns:
        {"out", "images", "refused": number, "refused_files": [{path, reason, detail}]}.

    Raises:
        RunError: The run has no classifier yet.
        FolderError: The folder cannot be used, or out_csv cannot be written.
    """
    from studio.runs.inputs import images_for

    if not (run.path / "model" / "model.json").is_file():
        raise RunError(f"run {run.id} has no trained classifier yet; wait for it to finish")

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
    rows = (
        (safe_path(image.path), safe_name(names[label]), f"{share:.6f}")
        for image, label, share in zip(
            scanned.images, labels.tolist(), confidence.tolist(), strict=True
        )
    )
    write_csv(out_csv, PREDICT_COLUMNS, rows)
    return {
        "out": str(out_csv),
        "images": len(scanned.images),
        "refused": len(scanned.refused),
        "refused_files": [vars(refused) for refused in scanned.refused],
    }
