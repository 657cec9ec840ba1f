"""Graphs of nearest images on disk: found once for an image set and a model.

A graph is kept under a hash of the features themselves and of what makes it, so that it can never
belong to other images or another model. Labelling together, neighbour shares, the map and Explore
all ask here.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from studio.cache_folder import touch
from studio.errors import Stopped
from studio.files import replace_file
from studio.progress import Progress, Stop
from studio.scores import graph
from studio.scores.neighbours import Floats, Neighbours, nearest, unit
from studio.untrusted import Unreadable, load_tensors

if TYPE_CHECKING:
    from torch import Tensor

FEWEST = 1000
"""Of fewer images a graph is not kept: it is found about as soon as it is read."""
_PART_ROWS = 65_536


class Key:
    """What the graph of (N, d) unit vectors is kept under; they are taken in block by block."""

    def __init__(self, shape: tuple[int, ...], *, gpu: bool = False) -> None:
        exact = graph.is_exact(shape[0], gpu=gpu)
        made = (graph.VERSION, graph.KEPT, graph.SEED, exact, shape)
        self._digest = hashlib.blake2b(repr(made).encode(), digest_size=16)

    def take(self, units: Floats) -> None:
        """The next vectors (n, d)."""
        self._digest.update(np.ascontiguousarray(units, np.float32).data)

    def text(self) -> str:
        """The key, once all were taken."""
        return self._digest.hexdigest()


def key_of(units: Floats, *, gpu: bool = False) -> str:
    """What the graph of (N, d) unit vectors is kept under."""
    key = Key(units.shape, gpu=gpu)
    for begin in range(0, len(units), _PART_ROWS):
        key.take(units[begin : begin + _PART_ROWS])
    return key.text()


@dataclass(frozen=True)
class GraphFiles:
    """The graphs in a cache folder."""

    cache_dir: Path

    def of_features(
        self,
        features: Tensor,
        *,
        gpu: bool = False,
        progress: Progress | None = None,
        stop: Stop | None = None,
    ) -> Neighbours:
        """The graph of raw features (N, d), see `of`."""
        return self.of(unit(features.numpy()), gpu=gpu, progress=progress, stop=stop)

    def of(
        self,
        units: Floats,
        *,
        key: str = "",
        gpu: bool = False,
        progress: Progress | None = None,
        stop: Stop | None = None,
    ) -> Neighbours:
        """The graph of (N, d) unit vectors, from the disk where it is there.

        Args:
            units: see `neighbours.unit`.
            key: what it is kept under, where that is known already.
            gpu: whether images may be compared on a GPU.
            progress: told (images done, N) where they have to be compared.
            stop: asked now and then.

        Raises:
            Stopped: `stop` said so.
        """
        if len(units) < FEWEST:
            return _found(lambda: nearest(units, k=graph.KEPT, progress=progress, stop=stop))
        file = self._file(key or key_of(units, gpu=gpu))
        kept = _read(file, len(units))
        if kept is not None:
            return kept
        found = _found(
            lambda: graph.graph(
                np.asarray(units, np.float32), gpu=gpu, progress=progress, stop=stop
            )
        )
        _write(file, found)
        return found

    def keep(self, key: str, found: Neighbours) -> None:
        """Have `of` give this graph under this key from now on."""
        _write(self._file(key), found)

    def _file(self, key: str) -> Path:
        return self.cache_dir / "graphs" / f"{key}.safetensors"


def _found(find: Callable[[], Neighbours | None]) -> Neighbours:
    found = find()
    if found is None:
        raise Stopped
    return found


def _read(file: Path, number: int) -> Neighbours | None:
    """None: there is none that can be used."""
    try:
        stored = load_tensors(file)
        indices, cosines = stored["indices"].numpy(), stored["cosines"].numpy()
    except (Unreadable, KeyError):
        return None
    right = indices.shape == cosines.shape == (number, min(graph.KEPT, number - 1))
    if not right or indices.dtype != np.int32 or cosines.dtype != np.float32:
        return None
    if not np.isfinite(cosines).all() or indices.min() < 0 or indices.max() >= number:
        return None
    touch(file)
    return Neighbours(indices.astype(np.int64), cosines)


def _write(file: Path, found: Neighbours) -> None:
    """On a full disk it is found anew next time."""
    import torch
    from safetensors.torch import save_file

    tensors = {
        "indices": torch.from_numpy(found.indices.astype(np.int32)),
        "cosines": torch.from_numpy(np.ascontiguousarray(found.cosines)),
    }
    with contextlib.suppress(OSError):
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(file, lambda partial: save_file(tensors, partial))
