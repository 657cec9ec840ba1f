"""Many image files -> canvases, in threads."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from studio.errors import Stopped
from studio.images.canvas_shards import Pixels, compressed
from studio.images.decoding import ImageRefused
from studio.images.resize import Resize, square
from studio.progress import Stop


class Decoded(NamedTuple):
    """pixels: a canvas; picture: the same compressed, b"" where that is not wanted."""

    pixels: Pixels
    picture: bytes = b""


def decode_all(
    files: Sequence[Path],
    *,
    size: int,
    resize: Resize,
    max_pixels: int,
    compress: bool,
    stop: Stop,
) -> Iterator[Decoded | ImageRefused]:
    """Decodes in threads (Pillow releases the interpreter lock), yields in the order given.

    Args:
        files: the images.
        size: side of the canvases in pixels.
        resize: how an image is brought to it.
        max_pixels: most that are decoded of one image.
        compress: whether each canvas is compressed as well.
        stop: asked between images.

    Raises:
        Stopped: `stop` returned true.
    """

    def work(file: Path) -> Decoded | ImageRefused:
        try:
            pixels = square(file, size=size, resize=resize, max_pixels=max_pixels)
        except ImageRefused as refused:
            return refused
        return Decoded(pixels, compressed(pixels) if compress else b"")

    pool = ThreadPoolExecutor(workers(), thread_name_prefix="decode")
    ahead: deque[Future[Decoded | ImageRefused]] = deque()
    try:
        for file in files:
            ahead.append(pool.submit(work, file))
            if len(ahead) >= 4 * workers():  # enough to keep all busy, few enough for the memory
                yield ahead.popleft().result()
            if stop():
                raise Stopped("Stopped while the images were read.")
        while ahead:
            yield ahead.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def workers() -> int:
    """How many threads decode at a time."""
    return min(8, max(2, os.cpu_count() or 2))
