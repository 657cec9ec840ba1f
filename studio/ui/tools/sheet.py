"""One picture with several images in it, numbered: what a program that sees is shown of a list."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from studio.errors import FolderError
from studio.room import CACHE, writing
from studio.session.opened import Opened

SIDE, LINE, COLUMNS = 160, 18, 5
"""Pixels of an image and of the line below it, and images in a row."""

MOST = 40
_GAP = 6


def contact_sheet(opened: Opened, indices: Sequence[int], lines: Sequence[str]) -> dict[str, Any]:
    """Images of a run side by side as a JPEG that the page may serve, in the form of a gradio file.

    Args:
        opened: The run and its images.
        indices: Of the images; the first is number 1.
        lines: What stands below each, after its number.
    """
    columns = max(1, min(COLUMNS, len(indices)))
    rows = max(1, -(-len(indices) // columns))
    wide, high = SIDE + _GAP, SIDE + LINE + _GAP
    sheet = Image.new("RGB", (columns * wide + _GAP, rows * high + _GAP), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for number, (index, line) in enumerate(zip(indices, lines, strict=True)):
        x, y = _GAP + number % columns * wide, _GAP + number // columns * high
        picture = _picture(opened, index)
        if picture is not None:
            sheet.paste(picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS), (x, y))
        text = _fitting(f"{number + 1}. {line}" if picture else f"{number + 1}. not found", font)
        draw.text((x, y + SIDE + 2), text, fill="black", font=font)
    folder = opened.session.options.cache_dir / "exports" / secrets.token_hex(16)
    file = folder / "images.jpg"
    with writing(opened.session.options.cache_dir, what=CACHE):
        folder.mkdir(parents=True)
        sheet.save(file, "JPEG", quality=85)
    return as_file(file, opened.session.address(file))


def as_file(file: Path, address: str) -> dict[str, Any]:
    """How gradio hands a file to a program; a picture reaches an MCP client as a picture."""
    return {"path": str(file), "url": address, "orig_name": file.name,
            "meta": {"_type": "gradio.FileData"}}  # fmt: skip


def _picture(opened: Opened, index: int) -> Image.Image | None:
    place = opened.place(index)
    if place is None or opened.canvases is None:
        return None
    try:
        return opened.canvases.image(place)
    except (FolderError, OSError):  # it is gone
        return None


def _fitting(text: str, font: Any) -> str:
    """As much of a text as stands below one image; the font has no signs beyond Latin-1."""
    text = text.encode("latin-1", "replace").decode("latin-1")
    if font.getlength(text) <= SIDE:
        return text
    while text and font.getlength(f"{text}...") > SIDE:
        text = text[:-1]
    return f"{text}..."
