"""The first images of a folder while the rest of it is being read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from studio.images.canvas_shards import Pixels
from studio.images.canvases import as_picture
from studio.images.folder import Folder, ImageFile

MOST = 48
"""Images that are shown of a folder that is not read yet; at 224 pixels a side they take 7 MB."""


@dataclass(frozen=True)
class Arriving:
    """A folder as far as it is shown yet, and its pictures; never changes once taken."""

    folder: Folder
    canvases: tuple[Pixels, ...] = ()

    def __len__(self) -> int:
        return len(self.canvases)

    def image(self, index: int) -> Image.Image:
        """The canvas of an image of the folder, as `Canvases.image` gives it."""
        return as_picture(self.canvases[index])

    def with_image(self, file: ImageFile, pixels: Pixels) -> Arriving:
        """The same with one image more; with `MOST` of them it stays as it is."""
        if len(self) >= MOST:
            return self
        folder = Folder(self.folder.root, (*self.folder.images, file), ())
        return Arriving(folder, (*self.canvases, pixels))

    @classmethod
    def none_of(cls, root: Path) -> Arriving:
        """Nothing of this folder has been read yet."""
        return cls(Folder(root.resolve(), (), ()))
