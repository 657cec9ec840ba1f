"""Runs in a temporary folder, and methods that say what a test tells them to."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from studio.runs.store import Run, RunStore
from tests.views.conftest import Make, make_outcome


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs")


def create(store: RunStore, **changes: Any) -> Run:
    known = {"name": "My Photos", "method": "coft", "model": "embedded", "folder": "/photos"}
    return store.create(**{**known, **changes})


@pytest.fixture
def run(store: RunStore) -> Iterator[Run]:
    """A run that this process works on."""
    run = create(store)
    yield run
    if run.path.exists():
        run.set_status(state="finished")


class Clock:
    """A clock that a test moves on."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


Script = Callable[[Any], Iterator[Any]]


@pytest.fixture
def as_method(monkeypatch: pytest.MonkeyPatch) -> Callable[[Script], str]:
    """Make a generator function of a task a method that runs can use; returns its name."""
    from studio.methods import METHODS, Method

    def register(script: Script) -> str:
        monkeypatch.setitem(sys.modules, "scripted", SimpleNamespace(fit=script))
        monkeypatch.setitem(METHODS, "scripted", Method("scripted", "Scripted", "scripted"))
        return "scripted"

    return register


@pytest.fixture
def outcome() -> Make:
    return make_outcome
