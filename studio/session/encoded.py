"""The model that has looked at what is opened, loaded in the background when somebody needs it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from studio.ask.accuracy import checks
from studio.cache import Same
from studio.errors import RunError
from studio.imports import import_torch
from studio.prompts.prompt_set import PromptSet
from studio.runs.encoding import ENCODING, LOADING, model_for
from studio.runs.first_labels import TOO_LONG, Encoded, best, encode_images
from studio.runs.reader import STAGES
from studio.scores.similar import Vectors
from studio.session.opened import Opened, places_in
from studio.session.similar import vectors_of
from studio.session.source import OpenedFolder
from studio.session.tasks import Task
from studio.session.weigher import Weigher
from studio.session.weighing import ASKED_AMONG, Subject

if TYPE_CHECKING:
    from torch import Tensor

    from studio.clip.texts import TextTower


def encoded_of(opened: Opened) -> Task:
    """The task whose value is the `Encoded` of a run's folder.

    Raises:
        RunError: its images are gone.
    """
    folder, session = opened.folder, opened.session
    if not opened.there:
        raise RunError(f"{opened.problem} Without its images nothing can be searched or asked.")
    view = session.data.state
    ready = view.preview.encoded if view.preview is not None and view.folder is folder else None
    images = 0 if folder is None else len(folder.images)
    if ready is not None and ready.model == opened.model and len(ready) == images:
        return Task.of(ready)  # what labelled the images at hand

    def encode(task: Task) -> Encoded:
        full = opened.read(task)
        assert full.folder is not None
        assert full.canvases is not None
        return encode_images(
            folder=full.folder,
            canvases=full.canvases,
            model=opened.model,
            cache_dir=session.options.cache_dir,
            begin=task.begin,
            stop=task.stopping,
        )

    return session.tasks.ask(("encoded", *opened.key[:2]), LOADING, encode, again=True)


def drawn_order(opened: Opened) -> NDArray[np.int64]:
    """All images in the order in which they are checked (`studio.ask.accuracy.checks`)."""
    by = [stage for name, stage in opened.stages.items() if name in STAGES][-1]
    return opened.session.askings.order(
        opened.source, Same(by.labels, by.confidence), lambda: checks(by.labels, by.confidence)
    )


def _some_of(opened: Opened, rows: NDArray[np.int64], task: Task) -> Encoded:
    """Some of the run's images, as the model sees them; all of them are in the folder."""
    assert opened.folder is not None
    assert opened.canvases is not None
    cache_dir = opened.session.options.cache_dir
    backbone, folder, canvases = model_for(
        folder=opened.folder, canvases=opened.canvases, model=opened.model, cache_dir=cache_dir,
        begin=task.begin, stop=task.stopping,
    )  # fmt: skip
    from studio.runs import inputs

    places = opened.at[rows].tolist()
    if folder is not opened.folder:  # read again for this model
        places = places_in([opened.outcome.paths[i] for i in rows], folder).tolist()
    some = replace(folder, images=tuple(folder.images[i] for i in places))
    features = inputs.encode(
        backbone, some, canvases.some(places), cache_dir,
        progress=task.begin(ENCODING), stop=task.stopping,
    )  # fmt: skip
    return Encoded.of(backbone, features, model=opened.model, cache_dir=cache_dir)


class Searcher:
    """What finds the images nearest to a text: the text tower, and the vectors of the images.

    Of a million images the features themselves are not held: their vectors in half precision, which
    the map and the nearest images are made from as well, tell the same cosines.
    """

    def __init__(self, tower: TextTower, vectors: Vectors) -> None:
        self._tower, self._vectors = tower, vectors

    def nearest(
        self, text: str, class_names: Sequence[str], prompts: PromptSet
    ) -> NDArray[np.int64]:
        """Numbers of the run's images that are nearest to a text, best first; arguments and errors
        as of `Encoded.nearest`.
        """
        from studio.clip.space import Space

        tower, kept = self._tower, self._vectors.kept
        assert kept is not None
        if tower.cut_short([text]):
            raise RunError(TOO_LONG)
        backbone = tower.backbone
        texts = prompts.only(class_names).texts(class_names, (backbone.template,))
        space = Space.of(
            image_features=torch_of(kept.mean), class_vectors=tower.class_vectors(texts),
            scale=backbone.logit_scale, center=backbone.center,
        )  # fmt: skip
        along = space.texts(tower.features([text]))[0].numpy()
        cosines = kept.along(along) if backbone.center else kept.cosines(along)
        return self._vectors.rows[best(cosines)]


def torch_of(mean: NDArray[np.float32]) -> Tensor:
    """(1, d): a set of one image, whose mean is that of all."""
    import torch

    return torch.from_numpy(mean)[None]


def searcher_of(opened: Opened) -> Task:
    """The task whose value is the `Searcher` of a run of very many images.

    Raises:
        RunError: its images are gone.
    """
    before = vectors_of(opened)
    if before is None:
        raise RunError(f"{opened.problem} Without its images nothing can be searched or asked.")

    def make(task: Task) -> Searcher:
        vectors = before.result()  # it was asked for first, and has ended by now
        task.begin(LOADING)
        import_torch()
        from studio.clip.backbone import load_backbone
        from studio.clip.texts import TextTower

        tower = TextTower(load_backbone(opened.model, begin=task.begin))
        tower.let_go_of_images()
        return Searcher(tower, vectors)

    return opened.session.tasks.ask(("searcher", opened.key), LOADING, make, again=True)


def prompts_of(opened: Opened) -> PromptSet:
    """What the zero-shot labels were made with, for the space is centred by it."""
    if isinstance(opened.source, OpenedFolder):
        preview = opened.session.data.state.preview
        return PromptSet() if preview is None else preview.prompts
    return opened.session.reader(opened.source.run_id).prompts


def subject_of(opened: Opened) -> Task:
    """The task whose value is what answers about these images are weighed by.

    Raises:
        RunError: its images are gone.
    """
    names, prompts = opened.outcome.class_names, prompts_of(opened)
    paths = opened.outcome.paths
    before = encoded_of(opened) if len(paths) <= ASKED_AMONG else None
    if not opened.there:
        raise RunError(f"{opened.problem} Without its images nothing can be searched or asked.")

    def make(task: Task) -> Subject:
        full = opened.read(task)
        rows = np.flatnonzero(full.at >= 0)
        if before is None:
            rows = np.sort(drawn_order(opened)[:ASKED_AMONG])
            rows = rows[full.at[rows] >= 0]
            start = _some_of(full, rows, task).start(names, prompts)
            here = np.arange(len(rows))
        else:
            # It was asked for first, and has ended by now.
            start, here = before.result().start(names, prompts), full.at[rows]
        task.begin("Comparing the images")
        mine = paths if len(rows) == len(paths) else tuple(paths[i] for i in rows)
        return Subject(rows, mine, names, Weigher(start, here, names))

    key = ("subject", opened.key, names, json.dumps(prompts.to_dict(), sort_keys=True))
    return opened.session.tasks.ask(key, "Comparing the images", make, again=True)
