"""What a finished run says of images that are dropped on the page, found out in the background.

The images are gone afterwards; what was found out, and small pictures of the first of them, stay.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path

from studio.analysis.predicted import Answers, Near, Predicted
from studio.errors import RunError
from studio.export.predict import PREDICT_COLUMNS, Predictions, predictions
from studio.images.uploads import take_uploads
from studio.runs.encoding import LOADING
from studio.runs.reader import RunReader
from studio.runs.resume import cannot_predict
from studio.runs.table import safe_name, safe_path, write_csv
from studio.session.opened import Opened, open_run
from studio.session.session import Session
from studio.session.source import OpenedRun
from studio.session.task import Task

SHOWN, NEAREST, CLASSES = 24, 4, 3
"""Images that are shown, training images beside each, and classes with their probabilities."""


def has_classifier(run_path: Path) -> bool:
    """Whether a run can label other images."""
    return (run_path / "model" / "model.json").is_file()


def predict_uploads(session: Session, run_id: str, files: Sequence[str]) -> Task:
    """The task whose value is the `Answers` of a run about uploaded files.

    Raises:
        StudioError: there is no such run, it has no classifier, or no usable image arrived.
    """
    run = session.store.get(run_id)
    if why := cannot_predict(run):
        raise RunError(why)
    limits, cache = session.options.limits, session.options.cache_dir
    folder = take_uploads(
        files, cache / "uploads", allowance=None if limits is None else limits.allowance
    )
    reader = session.reader(run_id)

    def work(task: Task) -> Answers:
        try:
            with session.data.turns.taken(task.stopping):
                return _answers(session, reader, folder, task)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    return session.tasks.ask(("predicted", folder.name), LOADING, work)


def _answers(session: Session, reader: RunReader, folder: Path, task: Task) -> Answers:
    progress = task.begin(LOADING)
    names = {"reading images": "Reading the images", "labelling": "Labelling",
             "encoding training images": "Encoding the training images"}  # fmt: skip
    said = ""

    def tell(stage: str, done: int, total: int) -> None:
        nonlocal progress, said
        if stage != said:
            said, progress = stage, task.begin(names[stage])
        progress(done, total)

    done = predictions(
        reader.run, folder, cache_dir=session.options.cache_dir, progress=tell, stop=task.stopping,
        nearest=NEAREST,
        nearest_links=reader.info.follow_links and session.options.links_allowed,
    )  # fmt: skip
    opened = None if done.nearest is None else open_run(session, OpenedRun(reader.run.id))
    rows = (
        (safe_path(path), safe_name(label), f"{share:.6f}")
        for path, label, share in zip(done.paths, done.labels, done.confidence, strict=True)
    )
    place = session.options.cache_dir / "exports" / secrets.token_hex(16)
    place.mkdir(parents=True, exist_ok=True)
    table = write_csv(place / "predictions.csv", PREDICT_COLUMNS, rows)
    images = [_image(session, done, i, opened) for i in range(min(SHOWN, len(done.paths)))]
    return Answers(images, len(done.paths), done.refused, table, done.problem)


def _image(session: Session, done: Predictions, index: int, opened: Opened | None) -> Predicted:
    nearest = []
    if done.nearest is not None and opened is not None:
        number = {path: i for i, path in enumerate(opened.outcome.paths)}
        for path, cosine in done.nearest.of(index):
            at = number[path]
            label = opened.outcome.name(int(opened.outcome.final_labels[at]))
            nearest.append(Near(path, label, cosine, opened.picture(at)))
    return Predicted(
        done.paths[index],
        session.pictures.small(done.folder, done.canvases, index),
        done.likeliest[index][:CLASSES],
        nearest,
    )
