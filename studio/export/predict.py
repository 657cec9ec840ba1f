"""Labels of another folder by a run's classifier; nothing is trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from studio.errors import FolderError, RunError
from studio.export.nearest import Nearest, nearest_trained
from studio.images.folder import Refused
from studio.progress import Stop
from studio.runs.model import label_each, load_classifier
from studio.runs.resume import cannot_predict
from studio.runs.run import Run
from studio.runs.table import check_out, safe_name, safe_path, write_csv

if TYPE_CHECKING:
    from studio.images.canvases import Canvases
    from studio.images.folder import Folder

PREDICT_COLUMNS = ("path", "label", "confidence")
MOST_LIKELY = 5


@dataclass(frozen=True)
class Predictions:
    """Labels of the N images of a folder that a run was not trained on.

    paths: relative to the folder; labels: class names; confidence: in [0, 1], the probability of
    the label; refused: files that are no usable images; likeliest: for each image the five best
    classes at most, with their probabilities, best first; nearest: the training images nearest to
    each, None where nobody asked, or `problem` says why there are none; folder, canvases: the
    images themselves.
    """

    paths: list[str]
    labels: list[str]
    confidence: list[float]
    refused: tuple[Refused, ...]
    folder: Folder = field(repr=False)
    canvases: Canvases = field(repr=False)
    likeliest: list[list[tuple[str, float]]] = field(default_factory=list, repr=False)
    nearest: Nearest | None = None
    problem: str = ""


def predictions(
    run: Run,
    folder: Path,
    *,
    cache_dir: Path,
    device: str | None = None,
    progress: Callable[[str, int, int], None] | None = None,
    stop: Stop | None = None,
    follow_links: bool = False,
    nearest: int = 0,
    nearest_links: bool = False,
) -> Predictions:
    """Label the images of another folder with the run's classifier; nothing is trained.

    Args:
        run: A run with a classifier.
        folder: The images.
        cache_dir: Where decoded images are kept.
        device: A torch device; None takes the GPU when there is one.
        progress: Told (what is being done, done, total).
        stop: Asked now and then.
        follow_links: Whether links that leave the folder are followed.
        nearest: How many training images to find that are nearest to each image.
        nearest_links: Whether links that leave the run's own folder are followed for that.

    Raises:
        RunError: The run has no classifier yet.
        FolderError: The folder cannot be used.
        Stopped: `stop` said so.
    """
    from studio.runs.inputs import images_for

    if why := cannot_predict(run):
        raise RunError(why)

    def tell(stage: str, done: int, total: int) -> None:
        if progress is not None:
            progress(stage, done, total)

    classifier = load_classifier(run.path / "model", device=device)
    scanned, canvases = images_for(
        classifier.backbone,
        folder,
        cache_dir=cache_dir,
        progress=lambda done, total: tell("reading images", done, total),
        stop=stop,
        follow_links=follow_links,
    )
    each = label_each(
        classifier, canvases, progress=lambda done, total: tell("labelling", done, total), stop=stop
    )
    names = run.info.class_names
    shares, classes = each.mean(0).topk(min(MOST_LIKELY, len(names)), dim=-1)
    likeliest = [
        [(names[label], share) for label, share in zip(*best, strict=True)]
        for best in zip(classes.tolist(), shares.tolist(), strict=True)
    ]
    del classifier
    found, problem = None, ""
    if nearest > 0:
        try:
            found = nearest_trained(
                run, scanned, canvases, k=nearest, cache_dir=cache_dir, device=device,
                progress=lambda done, total: tell("encoding training images", done, total),
                stop=stop, follow_links=nearest_links,
            )  # fmt: skip
        except FolderError as error:
            problem = f"{error} Without the training images none can be nearest."
    return Predictions(
        [image.path for image in scanned.images],
        [best[0][0] for best in likeliest],
        [best[0][1] for best in likeliest],
        tuple(scanned.refused),
        scanned,
        canvases,
        likeliest,
        found,
        problem,
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
    over: bool = False,
) -> Predictions:
    """As `predictions`, written to `out_csv`: path, label, confidence (0 to 1). over: in the place
    of an earlier table, if need be.

    Raises:
        RunError: The run has no classifier yet, or out_csv cannot be written, see `check_out`.
        FolderError: The folder cannot be used.
    """
    # Before hours are spent on looking at the images.
    check_out(out_csv, PREDICT_COLUMNS, over=over)
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
