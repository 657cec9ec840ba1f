"""A folder that was moved or renamed is known again: its canvases go with it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeAlias

from studio.images.canvas_cache import ShardStore, store_path
from studio.images.canvas_index import root_of
from studio.images.canvas_shards import Pixels, shows
from studio.images.folder import ImageFile

_LOOKED_AT = 8  # images whose pixels are compared

Decode: TypeAlias = Callable[[Path], Pixels]


def take_along(
    cache_dir: Path,
    *,
    root: Path,
    files: Sequence[ImageFile],
    size: int,
    max_pixels: int,
    kind: str,
    decode: Decode,
) -> None:
    """Give a folder without canvases those of one that is gone and that held the same images.

    The same are images of the same path, size and time of change, at least half of what is there
    now; of `_LOOKED_AT` of them the pixels are compared as well. Uploads are never looked at: one
    visitor's images are not another's.

    Args:
        cache_dir: the studio's cache folder.
        root: the folder.
        files: what is in it now.
        size: side of the canvases, in pixels.
        max_pixels: see `store_path`.
        kind: see `store_path`.
        decode: an image file to its canvas; may raise anything where it is no image.
    """
    at = partial(store_path, cache_dir, size=size, max_pixels=max_pixels, kind=kind)
    path = at(root=root)
    if path.exists() or _is_upload(root, cache_dir) or not (cache_dir / "canvases").is_dir():
        return
    for other in sorted((cache_dir / "canvases").iterdir()):
        before = root_of(other)
        if before is None or before.exists() or _is_upload(before, cache_dir):
            continue
        if other != at(root=before):  # of another size or kind
            continue
        store = ShardStore(cache_dir, root=before, size=size, max_pixels=max_pixels, kind=kind)
        if _same(store, root, files, decode):
            del store  # nothing of it may be open where it is renamed
            with contextlib.suppress(OSError):
                os.rename(other, path)
            return


def _same(store: ShardStore, root: Path, files: Sequence[ImageFile], decode: Decode) -> bool:
    known = [file for file in files if store.place(file) is not None]
    if 2 * len(known) < len(files) or not known:
        return False
    for file in known[:: -(-len(known) // _LOOKED_AT)]:
        place = store.place(file)
        try:
            if place is None or not shows(place.shard, place.row, decode(root / file.path)):
                return False
        except Exception:  # whatever a decoder trips over
            return False
    return True


def _is_upload(root: Path, cache_dir: Path) -> bool:
    return (cache_dir / "uploads").resolve() in root.resolve().parents
