"""Several images in one picture, for programs."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from studio.images.canvases import Canvases
from studio.ui.tools.sheet import _picture


def test_an_image_that_is_gone_leaves_its_place_empty(tmp_path: Path) -> None:
    gone = Canvases(size=8, files=[tmp_path / "no.jpg"], places=[None])
    opened: Any = SimpleNamespace(place=lambda index: index, canvases=gone)
    assert _picture(opened, 0) is None
