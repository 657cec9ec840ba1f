"""Features on disk: computed once per (image, model)."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from studio.cache_folder import touch
from studio.clip.backbone import Backbone
from studio.clip.encode import Images, encode_images
from studio.files import replace_file
from studio.progress import Progress, Stop
from studio.untrusted import Unreadable, load_tensors


def image_features(
    backbone: Backbone,
    images: Images,
    *,
    keys: Sequence[str],
    cache_dir: Path,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> Tensor:
    """Raw features (N, d) float32, from the cache where the same images met the same model before.

    Args:
        backbone: the model.
        images: the image set.
        keys: N strings that identify the images' contents (path, size and time of change).
        cache_dir: the studio's cache folder.
        progress: called with (done, total) over the images that have to be encoded.
        stop: asked before each batch; raises `Stopped`.
    """
    folder = cache_dir / "features" / backbone.fingerprint
    # One file per set; an image found in the set's earlier file is not encoded again.
    name = hashlib.sha256("\n".join(sorted(keys)).encode()).hexdigest()[:24]
    file = folder / f"{name}.safetensors"
    hashes = [_hash(key) for key in keys]
    known = _read(file)
    if known is None:
        known = _read_latest(folder)
    missing = [i for i, h in enumerate(hashes) if known is None or h not in known]
    if missing:
        fresh = encode_images(backbone, _Subset(images, missing), progress=progress, stop=stop)
        known = dict(known or {})
        known.update({hashes[i]: row for i, row in zip(missing, fresh, strict=True)})
    assert known is not None
    features = torch.stack([known[h] for h in hashes])
    if missing or not file.is_file():
        _write(file, hashes, features)
    return features


class _Subset:
    """Some of the images, in the order of the given indices."""

    def __init__(self, images: Images, indices: Sequence[int]) -> None:
        self._images, self._indices = images, indices

    def __len__(self) -> int:
        return len(self._indices)

    def batch(self, indices: Sequence[int]) -> Tensor:
        return self._images.batch([self._indices[i] for i in indices])


def _hash(key: str) -> int:
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "little", signed=True)


def _read(file: Path) -> dict[int, Tensor] | None:
    if not file.is_file():
        return None
    try:
        stored = load_tensors(file)
        keys, features = stored["keys"], stored["features"]
    except (Unreadable, KeyError):
        return None  # a torn or foreign file: encode again and replace it
    if keys.shape != features.shape[:1] or keys.dtype != torch.int64 or features.ndim != 2:
        return None
    if features.dtype != torch.float32 or not bool(features.isfinite().all()):
        return None
    touch(file)
    return dict(zip(keys.tolist(), features, strict=True))


def _read_latest(folder: Path) -> dict[int, Tensor] | None:
    """The newest stored set of this model: a grown folder is encoded only where it is new."""
    files = (
        sorted(folder.glob("*.safetensors"), key=lambda f: f.stat().st_mtime)
        if folder.is_dir()
        else []
    )
    return _read(files[-1]) if files else None


def _write(file: Path, hashes: Sequence[int], features: Tensor) -> None:
    """On a full disk they are computed anew next time."""
    tensors = {"keys": torch.tensor(hashes), "features": features.contiguous()}
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_file(file, lambda partial: save_file(tensors, partial))
