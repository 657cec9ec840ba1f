"""A studio with a folder of small pictures, a tiny model and a worker, without a browser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

gradio = pytest.importorskip("gradio")

from studio.runs.store import RunStore  # noqa: E402
from studio.runs.worker import Worker  # noqa: E402
from studio.ui.studio import Options, Studio  # noqa: E402


@contextmanager
def open_studio(folder: Path) -> Iterator[Studio]:
    options = Options(runs_dir=folder / "runs", cache_dir=folder / "cache")
    made = Studio(options, Worker(RunStore(options.runs_dir), cache_dir=options.cache_dir))
    yield made
    made.workspace.stop()
    made.worker.stop()
    made.workspace.wait(400)
    made.worker.wait(400)


def load(studio: Studio, images: Path, model: Path) -> Studio:
    """Give a studio images, class names and zero-shot labels."""
    studio.workspace.use_folder(images)
    studio.workspace.wait(400)
    studio.workspace.label(studio.workspace.view.names_text, str(model))
    studio.workspace.wait(400)
    assert studio.workspace.view.error == ""
    assert studio.workspace.view.preview is not None
    return studio


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    with open_studio(tmp_path) as made:
        yield made


@pytest.fixture
def loaded(studio: Studio, image_folder: Path, tiny_model: Path) -> Studio:
    return load(studio, image_folder, tiny_model)


def event(data: Any) -> Any:
    """What gradio hands to a handler when the page sends `data`."""
    return SimpleNamespace(_data=data)


def page(name: str = "page-1") -> Any:
    """The request of an open page."""
    return SimpleNamespace(session_hash=name)
