"""A Job on the visitor's own account, as the page asks for it."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from studio.errors import RunError, StudioError
from studio.runs import follow
from studio.session.session import Session
from studio.session.start import at_hand
from studio.settings import Settings
from studio.ui import page
from studio.ui.train.account import AccountBox
from studio.ui.train.tab import TrainTab

TOKEN = "hf_secret_of_somebody"
ASKED = ("ann", "t4-small", 30)


class Hub:
    """A Job that runs until it is cancelled; its bucket stays empty."""

    def __init__(self) -> None:
        self.stage, self.jobs, self.fault = "RUNNING", list[Any](), ""

    def create_bucket(self, *_: Any, **__: Any) -> None:
        if self.fault:
            raise ValueError(self.fault)

    def batch_bucket_files(self, *_: Any, **__: Any) -> None: ...

    def run_job(self, **asked: Any) -> SimpleNamespace:
        self.jobs.append(asked)
        return SimpleNamespace(id="job-1")

    def inspect_job(self, **_: Any) -> SimpleNamespace:
        return SimpleNamespace(status=SimpleNamespace(stage=self.stage, message=None))

    def cancel_job(self, **_: Any) -> None:
        self.stage = "CANCELED"

    def list_bucket_tree(self, *_: Any, **__: Any) -> list[Any]:
        return []


@pytest.fixture
def hub(loaded: Session, monkeypatch: pytest.MonkeyPatch) -> Hub:
    made = Hub()
    monkeypatch.setattr(follow, "EVERY_S", 0.05)
    loaded.remote.space = "bob/coft"
    loaded.remote.hub = lambda token: made if token == TOKEN else pytest.fail(token)
    return made


def request(session: Session) -> Any:
    return at_hand(session, method="zero-shot", settings=Settings())


def test_a_job_is_started_followed_and_cancelled(
    loaded: Session, hub: Hub, capfd: pytest.CaptureFixture[str]
) -> None:
    box = AccountBox(loaded)
    said = box.said(request(loaded), *ASKED)
    assert "0.20 $ at most, on the account ann" in said
    assert "38 files" in said  # 37 images, of which one is damaged, and the class names
    assert hub.jobs == []
    run_id = box.start(request(loaded), f" {TOKEN} ", *ASKED)
    assert len(hub.jobs) == 1
    assert loaded.active() == run_id
    assert loaded.store.get(run_id).status()["stage"] == "waiting for t4-small of ann"
    TrainTab(loaded).end()
    for _ in range(200):
        if loaded.active() is None:
            break
        time.sleep(0.05)
    status = loaded.store.get(run_id).status()
    assert (status["state"], status["reason"]) == ("failed", "the Job ended: canceled")
    kept = [p for folder in (loaded.options.runs_dir, loaded.options.cache_dir)
            for p in Path(folder).rglob("*") if p.is_file()]  # fmt: skip
    assert not [path for path in kept if TOKEN.encode() in path.read_bytes()]
    assert TOKEN not in "".join(capfd.readouterr())


def test_what_the_hub_refuses_leaves_no_run(loaded: Session, hub: Hub) -> None:
    hub.fault = f"402: {TOKEN} has no credit"
    box = AccountBox(loaded)
    with pytest.raises(RunError, match=r"402: \.\.\. has no credit"):
        box.start(request(loaded), TOKEN, *ASKED)
    with pytest.raises(RunError, match="needs a token"):
        box.start(request(loaded), " ", *ASKED)
    with pytest.raises(StudioError):
        box.start(request(loaded), TOKEN, "no name", "t4-small", 30)
    assert loaded.store.list() == []
    loaded.remote.space = ""
    with pytest.raises(RunError, match="is no Space"):
        box.said(request(loaded), *ASKED)


@pytest.mark.parametrize("space", ["", "bob/coft"])
def test_the_box_is_there_on_a_space(session: Session, space: str) -> None:
    session.options = replace(session.options, space=space)
    built = page.build(session, models=["embedded"])
    boxes = {block.elem_id: block for block in built.blocks.values() if hasattr(block, "elem_id")}
    assert boxes["account"].visible is bool(space)
    assert json.dumps(boxes["account-token"].get_config()["type"]) == '"password"'
