"""Every image of a folder decoded once, into small squares of equal size on disk.

What everything else reads: features, training and thumbnails take their pixels from `Canvases`.
`studio.images.preparing` makes them of a folder; where the squares ("canvases") lie in the cache
folder is the business of `studio.images.canvas_cache`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from studio.errors import FolderError
from studio.images.canvas_cache import Place, Places
from studio.images.canvas_shards import CompressedShard, Pixels
from studio.images.canvas_summary import texts_of
from studio.images.decoding import MAX_PIXELS, ImageRefused, quiet_pillow
from studio.images.decoding_many import workers
from studio.images.folder import ImageFile
from studio.images.read_ahead import ReadAhead
from studio.images.resize import CROP, Resize, square
from studio.untrusted import Unreadable

if TYPE_CHECKING:
    import torch

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


class Files(Sequence[Path]):
    """The paths of a folder's images, each made when it is asked for."""

    def __init__(self, root: Path, images: Sequence[ImageFile]) -> None:
        self._root, self._images = root, images

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: Any) -> Any:
        return self._root / self._images[index].path
