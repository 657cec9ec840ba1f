"""Every image of a folder decoded once, into small squares of equal size on disk.

What everything else reads: features, training and thumbnails take their pixels from `Canvases`;
where the squares ("canvases") lie in the cache folder is the business of
`studio.images.canvas_cache`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from studio.cache_folder import touch
from studio.errors import FolderError, Stopped
from studio.forking import Lock
from studio.images.canvas_cache import (
    Place,
    Places,
    ShardStore,
    store_path,
    whole_folder,
)
from studio.images.canvas_index import Verdict
from studio.images.canvas_shards import CompressedShard, Pixels, compresses
from studio.images.canvas_summary import FEWEST, texts_of
from studio.images.decoding import (
    MAX_PIXELS,
    ImageRefused,
    quiet_pillow,
)
from studio.images.decoding_many import decode_all, workers
from studio.images.folder import (
    Folder,
    ImageFile,
    Refused,
    natural_key,
    nothing_usable,
    scan,
)
from studio.images.moved import take_along
from studio.images.read_ahead import ReadAhead
from studio.images.resize import CROP, Resize, square
from studio.progress import Progress, Stop, never
from studio.untrusted import Unreadable

if TYPE_CHECKING:
    import torch

_PROGRESS_EVERY_S = 0.1
CANVAS_SIZE = 224
"""What most CLIP models look at. Canvases of exactly the model's size are its own preprocessing; a
second resize from a larger canvas cost the embedded model 0.009 of zero-shot accuracy."""


def canvas_size(image_size: int) -> int:
    """Side of the canvases for a model that looks at images of `image_size` pixels."""
    return max(CANVAS_SIZE, image_size)


class Canvases:
    """The images of a folder as uint8 RGB squares of side `size`, in the order of folder.images.

    They come from shards on disk or, those that the disk had no room for, from the image files
    themselves, decoded again each time; `on_disk` says whether all of them are on disk, `note` why
    they are not, in a sentence for people.
    """

    def __init__(
        self,
        *,
        size: int,
        files: Sequence[Path],
        places: Sequence[Place | None],
        contents: Sequence[str] | npt.NDArray[np.bytes_] = (),
        resize: Resize = CROP,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        """Take what is known of N images.

        Args:
            size: side of the canvases, in pixels.
            files: N paths.
            places: N places on disk, None where the file has to be decoded.
            contents: N hashes of what the canvases show, as texts or as an array of bytes.
            resize: how an image is brought to that size.
            max_pixels: most that are decoded of one image.
        """
        self.size, self.resize = size, resize
        self._contents = contents
        self._files, self._places = files, Places.of(places)
        self.on_disk = bool((self._places.shard >= 0).all())
        self.note = ""
        self._max_pixels = max_pixels
        self._pool: ThreadPoolExecutor | None = None
        self._ahead = ReadAhead(self._gather, images=len(files))

    def __len__(self) -> int:
        return len(self._files)

    @property
    def contents(self) -> tuple[str, ...]:
        """Hashes of what the canvases show, "" where that is not known."""
        if isinstance(self._contents, np.ndarray):
            return texts_of(self._contents)
        return tuple(self._contents) or ("",) * len(self)

    def batch(self, indices: Iterable[int] | npt.NDArray[np.int64] | torch.Tensor) -> torch.Tensor:
        """The images with these indices: (B, 3, size, size) uint8, contiguous, a copy.

        Raises IndexError for an index out of range, and FolderError when an image that has to be
        decoded again cannot be.
        """
        import torch  # here, so that scanning a folder does not pay for the import

        array = indices if hasattr(indices, "__array__") else list(indices)
        return torch.from_numpy(self._ahead.batch(np.asarray(array, dtype=np.int64).reshape(-1)))

    def some(self, indices: Sequence[int]) -> Canvases:
        """The images with these indices alone, in this order."""
        contents = self.contents
        return Canvases(
            size=self.size,
            resize=self.resize,
            files=[self._files[i] for i in indices],
            places=self._places.some(indices),
            contents=[contents[i] for i in indices],
            max_pixels=self._max_pixels,
        )

    def image(self, index: int) -> Image.Image:
        """One canvas as a picture, for thumbnails; it carries none of the file's metadata."""
        return as_picture(self._gather(np.array([index], dtype=np.int64))[0])

    def _gather(self, indices: npt.NDArray[np.int64]) -> Pixels:
        out = np.empty((len(indices), 3, self.size, self.size), dtype=np.uint8)
        slow: list[tuple[int, int]] = []
        for position, index in enumerate(indices.tolist()):
            place = self._places[index]
            if place is None or isinstance(place.shard, CompressedShard):
                slow.append((position, index))
            else:
                out[position] = place.shard[place.row]
        if len(slow) == 1:
            out[slow[0][0]] = self._decoded(slow[0][1])
        elif slow:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(workers(), thread_name_prefix="decode")
            decoded = self._pool.map(self._decoded, [index for _, index in slow])
            for (position, _), pixels in zip(slow, decoded, strict=True):
                out[position] = pixels
        return out

    def _decoded(self, index: int) -> Pixels:
        """From the compressed canvas, or from the file where there is none or it is damaged."""
        place, file = self._places[index], self._files[index]
        try:
            if place is not None:
                return place.shard[place.row]
        except Unreadable:
            pass
        try:
            return square(file, size=self.size, resize=self.resize, max_pixels=self._max_pixels)
        except ImageRefused as refused:
            raise FolderError(
                f"{file} can no longer be read ({refused}); put it back, or open the folder again."
            ) from None


def as_picture(pixels: Pixels) -> Image.Image:
    """A canvas (3, size, size) as a picture."""
    return Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))


class OneFile:
    """An image whose canvas is made from its file when it is asked for. See `Pictures`."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def image(self, _index: int) -> Image.Image:
        """The same as `Canvases.image`. Raises ImageRefused."""
        with quiet_pillow():
            return as_picture(
                square(self._file, size=CANVAS_SIZE, resize=CROP, max_pixels=MAX_PIXELS)
            )


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


class Files(Sequence[Path]):
    """The paths of a folder's images, each made when it is asked for."""

    def __init__(self, root: Path, images: Sequence[ImageFile]) -> None:
        self._root, self._images = root, images

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: Any) -> Any:
        return self._root / self._images[index].path


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
