"""Which of the images that a page looks at a judge is asked about next."""

from __future__ import annotations

import numpy as np

from studio.errors import RunError
from studio.runs.judge_purpose import Purpose
from studio.runs.judging import ChooseImages
from studio.runs.soft import Soft, soft_labels
from studio.scores.similar import Vectors
from studio.session.encoded import prompts_of
from studio.session.opened import Opened
from studio.session.similar import vectors_of
from studio.session.source import OpenedFolder
from studio.session.task import Task


def choose_for(opened: Opened, task: Task, purpose: Purpose) -> ChooseImages:
    """See `runs.judging.ChooseImages`; encodes the images where nothing is known of them yet.

    task: told of each step.
    """
    looking = vectors_of(opened)
    if looking is None:
        raise RunError(opened.problem)
    while looking.pending:  # in another lane, which this task must not outlive
        task.rest(0.1)
    vectors: Vectors = looking.result()
    soft = soft_labels(opened.outcome, lambda: _zero_shot(opened, task))
    return purpose.chooser(soft, vectors.units, vectors.rows)


def _zero_shot(opened: Opened, task: Task) -> Soft:
    names = opened.outcome.class_names
    state = opened.session.data.state
    preview = state.preview if state.folder is opened.folder else None  # other images may be here
    if isinstance(opened.source, OpenedFolder) and preview is not None and preview.encoded:
        return preview.encoded.label_softly(names, preview.prompts, truth=None)[1]
    from studio.runs.first_labels import encode_images

    opened = opened.read()
    assert opened.folder is not None
    assert opened.canvases is not None
    encoded = encode_images(
        folder=opened.folder, canvases=opened.canvases, model=opened.model,
        cache_dir=opened.session.options.cache_dir, begin=task.begin, stop=task.stopping,
    )  # fmt: skip
    found = encoded.label_softly(names, prompts_of(opened), truth=None)[1]
    missing = np.float32(1 / len(names))
    return np.where((opened.at >= 0)[:, None], found[opened.at], missing)
