"""Features on disk: computed once per image and model.

A model's features lie in shards: files of at most `SHARD_ROWS` rows that are written once and never
changed, each with the keys of its images. So an image is known again whatever set it comes in, one
new image costs one row, and a process that is killed while it encodes loses at most one shard.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from studio.cache_folder import touch
from studio.clip.backbone import Backbone
from studio.clip.encode import Images, encode_images
from studio.clip.precision import float32_asked_for
from studio.errors import ModelError
from studio.files import replace_file
from studio.progress import Progress, Stop
from studio.ranks import ALONE, Ranks
from studio.untrusted import Unreadable, load_tensors, tensor_shapes

SHARD_ROWS = 2048
_SMALL_ROWS, _MOST_SMALL = 256, 32  # a folder that grows image by image: merged now and then

Keys = NDArray[np.int64]


def image_features(
    backbone: Backbone,
    images: Images,
    *,
    keys: Sequence[str],
    cache_dir: Path,
    progress: Progress | None = None,
    stop: Stop | None = None,
    on_disk: bool = False,
    ranks: Ranks = ALONE,
) -> Tensor:
    """Raw features (N, d) float32, from the cache where the same image met the same model before.

    Args:
        backbone: the model.
        images: the image set.
        keys: N strings that identify what the images show, or where their files lie and how they
            stand (path, size and time of change).
        cache_dir: the studio's cache folder.
        progress: called with (done, total) over the images that have to be encoded; of copies, one.
        stop: asked before each batch; raises `Stopped`.
        on_disk: the system may write the features to the cache's disk where it wants the room; they
            go with the tensor.
        ranks: who help to encode (`help_encode`); this is the writer.
    """
    shards = Shards(cache_dir / "features" / kept_under(backbone), backbone.embed_dim)
    wanted = np.array([hashed(key) for key in keys], dtype=np.int64)
    room = _room_on_disk(cache_dir, len(keys), backbone.embed_dim) if on_disk else None
    features, known = shards.read(wanted, into=room)
    missing = np.flatnonzero(~known)
    _, first, which = np.unique(wanted[missing], return_index=True, return_inverse=True)
    once = missing[np.sort(first)]  # of images that show the same, one
    ranks.same(torch.from_numpy(once))

    def done(before: int) -> Progress | None:
        return None if progress is None else lambda i, _: progress(before + i, len(once))

    for begin, part in _shares(once):
        some = _Subset(images, part.tolist())
        fresh = encode_images(backbone, some, progress=done(begin), stop=stop, ranks=ranks)
        _refuse_unless_finite(fresh)
        shards.add(wanted[part], fresh)
        features[torch.from_numpy(part)] = fresh
    copies = np.delete(np.arange(len(missing)), first)
    of = missing[first[which[copies]]]
    features[torch.from_numpy(missing[copies])] = features[torch.from_numpy(of)]
    return features


def kept_under(backbone: Backbone) -> str:
    """The name of a model's features. Who asks for float32 gets none that were made in half
    precision; else all machines share what there is, whatever each of them multiplies in.
    """
    return backbone.fingerprint + ("-float32" if float32_asked_for() else "")


def _refuse_unless_finite(features: Tensor) -> None:
    """Raise ModelError where features (n, d) are no numbers: one spoils the mean of all."""
    bad = int((~features.isfinite().all(1)).sum())
    if bad:
        raise ModelError(
            f"The model gives no finite numbers for {bad} of {len(features)} images. Its weights "
            "may be damaged, or too large for half precision: try STUDIO_PRECISION=float32."
        )


def _room_on_disk(cache_dir: Path, images: int, width: int) -> Tensor | None:
    """(N, d) zeros in a file without a name; None where the disk has no room for it."""
    if not images:
        return None
    with contextlib.suppress(OSError), tempfile.TemporaryFile(dir=cache_dir) as file:
        # All of it now: a mapped file that finds the disk full later ends the process.
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, 4 * images * width)
            mapped = np.memmap(file, np.float32, "r+", shape=(images, width))
            return torch.from_numpy(mapped)
    return None


def help_encode(backbone: Backbone, images: Callable[[], Images], *, ranks: Ranks) -> Images:
    """Do a part of what the writer does in `image_features` with the same model and images.

    images: asked for them once the writer has its own, which can then be read from the cache;
    returned.
    """
    once: Tensor = ranks.same(torch.empty(0))
    found = images()
    for _, part in _shares(once.numpy()):
        encode_images(backbone, _Subset(found, part.tolist()), ranks=ranks)
    return found


def _shares(once: Keys) -> Iterator[tuple[int, Keys]]:
    """Images that are encoded and then kept at one go, with how many come before."""
    for begin in range(0, len(once), SHARD_ROWS):
        yield begin, once[begin : begin + SHARD_ROWS]


class _Subset:
    """Some of the images, in the order of the given indices."""

    def __init__(self, images: Images, indices: Sequence[int]) -> None:
        self._images, self._indices = images, indices

    def __len__(self) -> int:
        return len(self._indices)

    def batch(self, indices: Sequence[int]) -> Tensor:
        return self._images.batch([self._indices[i] for i in indices])


def hashed(key: str) -> int:
    """The number that an image is kept under, from what it shows or where it lies."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "little", signed=True)


@dataclass(frozen=True)
class Shards:
    """One model's features, `width` numbers for each image, in the files of a folder.

    What is damaged or another kind of file is passed over: its images are encoded again.
    """

    folder: Path
    width: int

    def read(self, wanted: Keys, *, into: Tensor | None = None) -> tuple[Tensor, NDArray[np.bool_]]:
        """Features (N, width) of the images with these keys (N,), and which of them are known.

        The rows of the others are zero. into: (N, width) zeros that get them; None: new ones.
        """
        features = torch.zeros(len(wanted), self.width) if into is None else into
        known = np.zeros(len(wanted), dtype=bool)
        shards = [(file, keys) for file in self._files() if (keys := self._keys(file)) is not None]
        if not shards or not len(wanted):
            return features, known
        kept = np.concatenate([keys for _, keys in shards])
        shard = np.repeat(np.arange(len(shards)), [len(keys) for _, keys in shards])
        row = np.concatenate([np.arange(len(keys)) for _, keys in shards])
        order = np.argsort(kept, kind="stable")
        at = np.searchsorted(kept, wanted, sorter=order).clip(max=len(kept) - 1)
        place = order[at]
        found = kept[place] == wanted
        of_shard = np.where(found, shard[place], -1)
        by_shard = np.argsort(of_shard, kind="stable")  # not all images once a shard
        ends = np.searchsorted(of_shard[by_shard], np.arange(len(shards) + 1))
        for number in np.unique(shard[place[found]]).tolist():
            rows = _rows(shards[number][0])
            if rows is None:  # else it would hide those that are encoded now
                with contextlib.suppress(OSError):
                    shards[number][0].unlink(missing_ok=True)
                continue
            of_it = by_shard[ends[number] : ends[number + 1]]
            features[torch.from_numpy(of_it)] = rows[torch.from_numpy(row[place[of_it]])]
            known[of_it] = True
        return features, known

    def add(self, keys: Keys, features: Tensor) -> None:
        """Keep the features (n, width) of the images with these keys (n,).

        On a full disk they are computed anew next time.
        """
        small, merged = self._small(), list[Path]()
        if len(small) >= _MOST_SMALL:
            for file in small:
                more, rows = self._keys(file), _rows(file)
                if more is not None and rows is not None:
                    keys, features = np.concatenate([more, keys]), torch.cat([rows, features])
                    merged.append(file)
        tensors = {"keys": torch.from_numpy(keys), "features": features.contiguous()}
        with contextlib.suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            shard = self.folder / f"{uuid.uuid4().hex[:24]}.safetensors"
            replace_file(shard, lambda partial: save_file(tensors, partial))
            for file in merged:
                file.unlink(missing_ok=True)

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("*.safetensors"))

    def _small(self) -> list[Path]:
        """Shards of fewer than `_SMALL_ROWS` images."""
        most, found = _SMALL_ROWS * (4 * self.width + 8), list[Path]()
        for file in self._files():
            with contextlib.suppress(OSError):  # another process has merged it away
                if file.stat().st_size < most:
                    found.append(file)
        return found

    def _keys(self, file: Path) -> Keys | None:
        """The keys of a shard without its features; None where it is none of this model's."""
        try:
            shapes = tensor_shapes(file)
            if shapes.get("features") != (*shapes["keys"], self.width):
                return None
            with safe_open(file, "pt") as opened:
                keys = opened.get_tensor("keys")
        except Exception:  # damaged; or another process has merged it away
            return None
        return None if keys.dtype != torch.int64 else np.asarray(keys.numpy(), dtype=np.int64)


def _rows(file: Path) -> Tensor | None:
    """A shard's features; None where they cannot be used."""
    try:
        features = load_tensors(file)["features"]
    except (Unreadable, KeyError):
        return None
    if features.dtype != torch.float32 or not bool(features.isfinite().all()):
        return None
    touch(file)
    return features
