"""Which images of a run are similar (`scores.similar`), found out in the background.

Features come from the cache on disk, where labelling or training left them; only when somebody has
emptied it are the images encoded again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from studio.images.canvases import Canvases
from studio.images.folder import Folder
from studio.progress import Begin
from studio.runs.encoding import ENCODING, LOADING, model_for
from studio.scores.graph_files import GraphFiles
from studio.scores.neighbours import Floats, unit
from studio.scores.similar import Similar, Vectors
from studio.scores.unit_files import FEWEST, UnitFiles, in_memory
from studio.session.opened import Opened, places_in
from studio.session.tasks import Task


def vectors_of(opened: Opened) -> Task | None:
    """The task whose value is the `Vectors` of a run; None when its images are gone."""
    if not opened.there:
        return None
    return opened.session.tasks.ask(
        ("vectors", opened.key), LOADING, lambda task: _vectors(opened.read(task), task)
    )


def similar_of(opened: Opened) -> Task | None:
    """The task whose value is the `Similar` of a run; None when its images are gone."""
    before = vectors_of(opened)
    if before is None:
        return None

    def make(task: Task) -> Similar:
        full = opened.read()
        canvases, at = full.canvases, full.at
        assert canvases is not None
        vectors: Vectors = before.result()  # it was asked for first, and has ended by now
        graphs = GraphFiles(opened.session.options.cache_dir)
        return Similar.of(
            vectors, lambda i: canvases.image(int(at[i])), graphs=graphs, begin=task.begin
        )

    return opened.session.tasks.ask(("similar", opened.key), "Comparing the images", make)


def _vectors(opened: Opened, task: Task) -> Vectors:
    assert opened.folder is not None
    assert opened.canvases is not None
    return find_vectors(
        opened.outcome.paths, folder=opened.folder, canvases=opened.canvases, model=opened.model,
        cache_dir=opened.session.options.cache_dir, begin=task.begin,
    )  # fmt: skip


def find_vectors(
    paths: Sequence[str],
    *,
    folder: Folder,
    canvases: Canvases,
    model: str,
    cache_dir: Path,
    begin: Begin,
) -> Vectors:
    """The `Vectors` of images of a folder, from the cache where it has them.

    Args:
        paths: of a run's N images.
        folder: where they lie.
        canvases: all images of the folder.
        model: what looks at them.
        cache_dir: the studio's cache folder.
        begin: told of each step.

    Raises:
        StudioError: the model cannot be loaded.
    """
    backbone, folder, canvases = model_for(
        folder=folder, canvases=canvases, model=model, cache_dir=cache_dir, begin=begin
    )
    from studio.clip.store import kept_under
    from studio.runs import inputs

    at = places_in(paths, folder)
    rows = np.flatnonzero(at >= 0)
    every = np.array_equal(at, np.arange(len(folder.images)))

    def features(*, on_disk: bool = False) -> Floats:
        found = inputs.encode(
            backbone, folder, canvases, cache_dir, progress=begin(ENCODING), on_disk=on_disk
        ).numpy()
        return found if every else found[at[rows]]

    if len(paths) < FEWEST:
        return Vectors(rows, unit(features()))
    # Their own file is found without the features, which take a quarter of a minute to gather.
    digest = hashlib.blake2b(kept_under(backbone).encode())
    keys = inputs.keys_of(folder, canvases)
    for place in at[rows].tolist():
        digest.update(f"{keys[place]}\n".encode("utf-8", "surrogateescape"))
    try:
        kept = UnitFiles(cache_dir).of(digest.hexdigest(), lambda: features(on_disk=True))
    except OSError:  # the disk has no room for it
        kept = in_memory(features())
    return Vectors(rows, kept.units, kept)  # type: ignore[arg-type]
