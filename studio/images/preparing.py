"""A folder made into canvases: scanned, decoded where that was not done before, kept on disk."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from studio.cache_folder import touch
from studio.errors import Stopped
from studio.forking import Lock
from studio.images.canvas_cache import Places, ShardStore, store_path, whole_folder
from studio.images.canvas_index import Verdict
from studio.images.canvas_shards import Pixels, compresses
from studio.images.canvas_summary import FEWEST
from studio.images.canvases import CANVAS_SIZE, Canvases, Files
from studio.images.decoding import MAX_PIXELS, ImageRefused, quiet_pillow
from studio.images.decoding_many import decode_all
from studio.images.folder import Folder, ImageFile, Refused, natural_key, nothing_usable, scan
from studio.images.moved import take_along
from studio.images.resize import CROP, Resize, square
from studio.progress import Progress, Stop, never

_PROGRESS_EVERY_S = 0.1


def prepare(
    root: Path,
    *,
    cache_dir: Path,
    size: int = CANVAS_SIZE,
    resize: Resize = CROP,
    progress: Progress | None = None,
    stop: Stop | None = None,
    arrived: Callable[[ImageFile, Pixels], None] | None = None,
    note: Callable[[str], None] | None = None,
    max_pixels: int = MAX_PIXELS,
    follow_links: bool = False,
) -> tuple[Folder, Canvases]:
    """Scans a folder and decodes its images; those that were decoded before are not read again.

    A file counts as unchanged while its path, size and time of change stay the same.
    size: side of the canvases in pixels; resize: how an image is brought to it. progress: called
    with (images done, images in all), at most ten times a second and at the end. stop: asked
    between images; what was read by then is kept in the cache. arrived: given each image as soon as
    it is decoded, with its canvas (3, size, size) uint8; not those that were decoded before. note:
    told before, in a sentence, when the cache has no room for the canvases. follow_links: see
    `studio.images.folder.scan`.
    Raises FolderError (no such folder, not a folder, no usable image) and Stopped.
    """
    root, stop = Path(root), stop or never
    scanned = scan(root, follow_links=follow_links)
    known = _unchanged(scanned, cache_dir, size=size, resize=resize, max_pixels=max_pixels)
    if known is not None:
        _Report(progress, len(scanned.images), 0).finished()
        return known
    compress = compresses(len(scanned.images), size=size)
    with (
        _only_one(f"{scanned.root}|{size}|{max_pixels}{resize}", stop),
        quiet_pillow(),
        _store(cache_dir, scanned, size, resize, max_pixels, compress) as store,
    ):
        unkept = store.no_room_for(sum(store.place(file) is None for file in scanned.images))
        room = not unkept
        compress = compress and room
        if unkept and note is not None:
            note(unkept)
        to_decode = [
            file
            for file in scanned.images
            if (verdict := store.verdict(file)) is None
            or (verdict.usable and room and store.place(file) is None)
        ]
        report = _Report(progress, len(scanned.images), len(scanned.images) - len(to_decode))
        paths = [scanned.root / file.path for file in to_decode]
        decoded = decode_all(
            paths, size=size, resize=resize, max_pixels=max_pixels, compress=compress, stop=stop
        )
        for file, image in zip(to_decode, decoded, strict=True):
            if isinstance(image, ImageRefused):
                store.refuse(file, image.reason, image.detail)
            else:
                store.keep(file, image.pixels, picture=image.picture, on_disk=room)
                if arrived is not None:
                    arrived(file, image.pixels)
            report.one_more()
        store.publish(scanned.images)
        report.finished()
        folder, canvases = _outcome(scanned, store, size, resize, max_pixels)
        canvases.note = unkept
        return folder, canvases


def _unchanged(
    scanned: Folder, cache_dir: Path, *, size: int, resize: Resize, max_pixels: int
) -> tuple[Folder, Canvases] | None:
    """A large folder that is as it was when it was last read; None of all others."""
    if len(scanned.images) < FEWEST:
        return None
    path = store_path(
        cache_dir, root=scanned.root, size=size, max_pixels=max_pixels, kind=str(resize)
    )
    found = whole_folder(path, scanned, size=size)
    if found is None:
        return None
    (summary, places), folder = found, scanned
    if summary.refused:
        refused = {item.path for item in summary.refused}
        images = tuple(file for file in scanned.images if file.path not in refused)
        if len(images) != len(places):
            return None
        folder = replace(scanned, images=images, refused=_in_order(scanned, summary.refused))
    canvases = Canvases(
        size=size, resize=resize, files=Files(scanned.root, folder.images), places=places,
        contents=summary.content, max_pixels=max_pixels,
    )  # fmt: skip
    touch(path / "index.json")  # what is looked at stays longest
    return folder, canvases


def _in_order(scanned: Folder, refused: Sequence[Refused]) -> tuple[Refused, ...]:
    return tuple(sorted([*scanned.refused, *refused], key=lambda item: natural_key(item.path)))


def _store(
    cache_dir: Path, scanned: Folder, size: int, resize: Resize, max_pixels: int, compress: bool
) -> ShardStore:
    """The folder's canvases on disk, those of before included where it was moved or renamed."""

    def decode(file: Path) -> Pixels:
        return square(file, size=size, resize=resize, max_pixels=max_pixels)

    kind = str(resize)
    take_along(
        cache_dir, root=scanned.root, files=scanned.images, size=size, max_pixels=max_pixels,
        kind=kind, decode=decode,
    )  # fmt: skip
    return ShardStore(
        cache_dir, root=scanned.root, size=size, max_pixels=max_pixels, kind=kind,
        compress=compress,
    )  # fmt: skip


def _outcome(
    scanned: Folder, store: ShardStore, size: int, resize: Resize, max_pixels: int
) -> tuple[Folder, Canvases]:
    images: list[ImageFile] = []
    refused: list[Refused] = []
    for file in scanned.images:
        verdict = store.verdict(file) or Verdict("unreadable", "it changed while it was read")
        if verdict.usable:
            images.append(file)
        else:
            refused.append(Refused(file.path, verdict.reason, verdict.detail))
    if not images:
        raise nothing_usable(scanned, [*scanned.refused, *refused])
    places = Places.of([store.place(file) for file in images])
    contents = [store.content(file) for file in images]
    lasting = not any(item.reason == "unreadable" for item in refused)  # it may be readable soon
    if len(scanned.images) >= FEWEST and lasting:
        store.summarise(scanned, refused, places, contents)
    canvases = Canvases(
        size=size, resize=resize, files=Files(scanned.root, images), places=places,
        contents=contents, max_pixels=max_pixels,
    )  # fmt: skip
    return replace(scanned, images=tuple(images), refused=_in_order(scanned, refused)), canvases


_locks: dict[str, Lock] = {}
_locks_guard = Lock()


@contextmanager
def _only_one(key: str, stop: Stop) -> Iterator[None]:
    """Of two threads (two browser tabs) that ask for one folder the second waits for the first."""
    with _locks_guard:
        lock = _locks.setdefault(key, Lock())
    while not lock.acquire(timeout=_PROGRESS_EVERY_S):
        if stop():
            raise Stopped("Stopped while waiting for the images to be read.")
    try:
        yield
    finally:
        lock.release()


class _Report:
    """Calls `progress`, but not for every single image."""

    def __init__(self, progress: Progress | None, total: int, done: int) -> None:
        self._progress, self._total, self._done = progress, total, done
        self._last = 0.0

    def one_more(self) -> None:
        self._done += 1
        now = time.monotonic()
        if self._progress and self._done < self._total and now - self._last >= _PROGRESS_EVERY_S:
            self._last = now
            self._progress(self._done, self._total)

    def finished(self) -> None:
        if self._progress:
            self._progress(self._total, self._total)
