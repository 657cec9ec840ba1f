"""Which images of a run or a folder are worth an answer: `python -m studio suggest`, `run.suggest`.

Nothing is asked here and nothing leaves the machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from studio.api.table import Table
from studio.api.target import Target
from studio.ask.judge_cost import images_wanted
from studio.errors import RunError
from studio.progress import Begin, Stop, never, unless
from studio.runs.corrections import Corrections, Subjects, folder_corrections
from studio.runs.given import Correction
from studio.runs.outcome import Outcome
from studio.runs.reader import RunReader
from studio.runs.resume import what_to_do
from studio.runs.run import Run

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from studio.coft.events import Progress
    from studio.runs.soft import Rows

SEPARATOR = "|"
"""Between the names of a shortlist; within a name it has a backslash before it."""


COLUMNS = ("path", "pseudo-label", "shortlist", "why")


def suggest(order: Target, *, begin: Begin, stop: Stop = never) -> Table:
    """The images worth an answer, the one worth most first: path, pseudo-label, shortlist, why.

    A shortlist has 3 to 5 names, the likeliest first, with `|` between them. What was answered
    already, by whomever, counts, and is not suggested again.

    Raises:
        StudioError: Something cannot be used as given.
    """
    if order.root is not None:
        images_wanted(order.budget)  # before hours are spent on looking at the images
        return _of_folder(order, order.root, begin=begin, stop=stop)
    return suggest_of(order.run(), order.budget, cache=order.cache, begin=begin, stop=stop)


def suggest_of(run: Run, budget: str, *, cache: Path, begin: Begin, stop: Stop = never) -> Table:
    """The same for a run, by its last labels. Errors as of `suggest`."""
    from studio.api.still_there import still_there
    from studio.runs.soft import soft_labels

    images_wanted(budget)  # before hours are spent on looking at the images
    reader = RunReader(run)
    reader.refresh()
    outcome = reader.outcome()
    if outcome is None:
        raise RunError(f"run {run.id} has no labels yet: {what_to_do(run)}")
    there = still_there(reader, outcome, cache=cache, begin=begin, stop=stop)
    soft = soft_labels(outcome, there.zero_shot)[there.rows]
    said = Corrections.of(run).current()
    return _table(outcome, there.features, soft, said, budget, rows=there.rows)


def _of_folder(order: Target, root: Path, *, begin: Begin, stop: Stop) -> Table:
    from studio.ask.relabel import Relabeller
    from studio.clip.texts import TextTower
    from studio.coft.start import ZeroShotStart
    from studio.runs.encoding import encode
    from studio.runs.inputs import prompts_of
    from studio.runs.outcome_of import zero_shot_outcome
    from studio.settings import Settings

    folder, canvases, names, prompts = order.open(root, begin=begin, stop=stop, tell=lambda _: None)
    backbone, folder, features = encode(
        folder=folder, canvases=canvases, model=order.model, cache_dir=order.cache,
        begin=begin, stop=stop,
    )  # fmt: skip
    texts = prompts_of(Settings(), backbone, prompts, names).texts(names)
    start = ZeroShotStart.of(backbone, features, TextTower(backbone).class_vectors(texts))
    progress, images = unless(begin("Labelling all images together"), stop), len(folder.images)

    def listen(told: Progress) -> None:
        share = told.done / max(told.total * 2 / 3, 1)  # the last third is what follows answers
        progress(round(images * min(share, 0.99)), images)

    first = Relabeller.of(start, listen=listen).first.float()
    progress(images, images)  # it may have come to rest early
    paths = tuple(image.path for image in folder.images)
    kept = folder_corrections(
        folder.root, cache_dir=order.cache, subjects=lambda: Subjects(paths, names)
    )
    confidence, labels = first.max(1)
    outcome = zero_shot_outcome(
        paths=paths, class_names=names, labels=labels.numpy(), confidence=confidence.numpy()
    )
    return _table(outcome, features.numpy(), first.numpy(), kept.current(), order.budget)


def _table(
    outcome: Outcome,
    features: NDArray[np.float32],
    soft: NDArray[np.float32],
    said: Mapping[str, Correction],
    budget: str,
    *,
    rows: Rows | None = None,
) -> Table:
    """features, soft: of the images `rows` of the outcome; None: of all of them."""
    from studio.ask.choose import choose
    from studio.runs.given import NONE

    names = list(outcome.class_names)
    number = {name: label for label, name in enumerate(names)}
    own = np.arange(len(features)) if rows is None else rows
    paths = [outcome.paths[image] for image in own]
    answers = {
        place: number.get(said[path].label, NONE)
        for place, path in enumerate(paths)
        if path in said
    }
    wanted = images_wanted(budget, classes=len(names))
    found = choose(features, soft, answers, wanted)
    cells = (
        [paths[q.image] for q in found],
        [outcome.name(int(outcome.labels[own[q.image]])) for q in found],
        [shortlist([names[c] for c in q.shortlist]) for q in found],
        [q.why(names) for q in found],
    )
    return Table(dict(zip(COLUMNS, cells, strict=True)))


def shortlist(names: Sequence[str]) -> str:
    """Names as one cell: `cat|dog`."""
    return SEPARATOR.join(name.replace(SEPARATOR, f"\\{SEPARATOR}") for name in names)
