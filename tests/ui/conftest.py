"""A studio with a folder of small pictures, a tiny model and a worker, without a browser."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from studio.runs.form import RunForm
from studio.runs.store import RunStore
from studio.runs.worker import Worker
from studio.session.options import Options
from studio.session.session import Session
from studio.session.source import AT_HAND, OpenedRun
from studio.ui.explore.correct import CorrectPanel
from studio.ui.explore.tab import ExploreTab
from studio.ui.parts import file_url, fresh
from studio.ui.train.tab import TrainTab
from tests.runs.conftest import create

QUICK = (
    "seed_selection=leaderboard\nfilter=none\nphase1_min_steps=0\nphase1_batch=8\nn_ctx=4\n"
    "train_near_chance=true\nfirst_label_weight=0"
)
"""Settings with which a run on a few small pictures ends soon."""


@pytest.fixture(autouse=True, scope="session")
def _no_server() -> Iterator[None]:
    """Pages are built here and never served: gradio would make some 80 routes twice for each."""
    app = gr.routes.App
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app, "create_app", staticmethod(lambda *_, **__: app()))
        yield


@contextmanager
def open_studio(folder: Path) -> Iterator[Session]:
    options = Options(runs_dir=folder / "runs", cache_dir=folder / "cache")
    # The 500 nouns that a model's knowledge is compared with are the same for all tests.
    nouns = Path(os.environ["STUDIO_CACHE"]) / "nouns"
    nouns.mkdir(parents=True, exist_ok=True)
    options.cache_dir.mkdir(parents=True, exist_ok=True)
    if not (options.cache_dir / "nouns").exists():
        (options.cache_dir / "nouns").symlink_to(nouns)
    worker = Worker(RunStore(options.runs_dir), cache_dir=options.cache_dir)
    made = Session(options, worker, address=file_url)
    yield made
    made.data.stop()
    made.worker.stop()
    made.data.wait(400)
    made.worker.wait(400)


def load(session: Session, images: Path, model: Path) -> Session:
    """Give a studio images, class names and zero-shot labels."""
    session.data.use_folder(images)
    session.data.wait(400)
    session.data.label(session.data.state.names_text, str(model))
    session.data.wait(400)
    assert session.data.state.error == ""
    assert session.data.state.preview is not None
    return session


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with open_studio(tmp_path) as made:
        yield made


@pytest.fixture
def loaded(session: Session, image_folder: Path, tiny_model: Path) -> Session:
    return load(session, image_folder, tiny_model)


def start(tab: TrainTab, tiny: str, text: str = "", **changes: Any) -> str:
    """Press Start with a form as it stands at first, but for what is named; the run's id."""
    common = {"phase1_epochs": 1.0, "phase2_epochs": 1.0, "k": 4.0, "inference": "ensemble"}
    form = RunForm(
        names=tab.session.data.state.names_text, model=tiny, seed=0.0, common=common, others=text
    )
    return tab.begin(replace(form, **changes))


def sent(parts: dict[str, Any], shown: Any = None) -> dict[str, Any]:
    """What a poll sends, by the name of the part; `shown` is what the page has then."""
    told, values = fresh(shown or {}, parts)
    return {**values, "shown": told}


@pytest.fixture(scope="module")
def shared_images(image_folder: Path) -> Path:
    """The images of `shared`; a module may have others."""
    return image_folder


def with_a_copy(image_folder: Path, folder: Path) -> Path:
    """A folder of the same images, of which one stands there twice."""
    images = Path(shutil.copytree(image_folder, folder / "images"))
    shutil.copy(images / "blue_line" / "3.png", images / "blue_line" / "3 (copy).png")
    return images


def explore_tab(session: Session) -> ExploreTab:
    """The Explore tab of a session, with its components."""
    made = ExploreTab(session)
    with gr.Blocks():
        made.build()
    return made


def correct_panel(session: Session) -> CorrectPanel:
    """What corrects labels in a session, with its components."""
    made = CorrectPanel(session)
    with gr.Blocks():
        made.build()
    return made


def run_without_images(session: Session, image_folder: Path, tiny: str, folder: Path) -> str:
    """A run of the session over images that are gone by now; its id."""
    copy = shutil.copytree(image_folder, folder / "copy")
    session.data.use_folder(copy)
    session.data.wait()
    run_id = start(TrainTab(session), tiny, method="zero-shot")
    assert session.worker.wait(400)
    shutil.rmtree(copy)
    session.data.use_folder(image_folder)
    session.data.wait()
    return run_id


@contextmanager
def stopped_before_labels(session: Session, like: str) -> Iterator[str]:
    """The newest run: over the images of another one, and stopped before it had any labels."""
    run = create(session.store, folder=session.store.get(like).info.folder)
    run.set_status(state="stopped")
    yield run.id
    session.store.delete(run.id)


@pytest.fixture(scope="module")
def shared(
    tmp_path_factory: pytest.TempPathFactory, shared_images: Path, tiny_model: Path
) -> Iterator[Session]:
    """One loaded session for all tests of a module, which only look, or undo what they do."""
    with open_studio(tmp_path_factory.mktemp("shared")) as made:
        yield load(made, shared_images, tiny_model)


@pytest.fixture(scope="module")
def run_id(shared: Session, tiny_model: Path) -> str:
    """A finished run of `shared`."""
    made = start(TrainTab(shared), str(tiny_model), QUICK)
    assert shared.worker.wait(400)
    return made


@pytest.fixture
def panel(shared: Session, run_id: str) -> Iterator[CorrectPanel]:
    """Everything that a test says, of the run or before any, is undone after it."""
    yield correct_panel(shared)
    for source in (OpenedRun(run_id), AT_HAND):
        while shared.corrections(source).undo() is not None:
            pass


def event(data: Any) -> Any:
    """What gradio hands to a handler when the page sends `data`."""
    return SimpleNamespace(_data=data)


def page(name: str = "page-1") -> Any:
    """The request of an open page."""
    return SimpleNamespace(session_hash=name)
