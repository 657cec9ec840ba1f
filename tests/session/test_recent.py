"""Recent folders as a session offers them."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio.images import machine
from studio.session.session import Session
from tests.session.test_session import make


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with some folders."""
    for name in ("photos/cats", "phone"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path


def test_an_opened_folder_is_recent_but_the_demo_and_uploads_are_not(
    session: Session, image_folder: Path
) -> None:
    for source in ("folder", "upload"):
        session.data.use_folder(image_folder, source=source)
        session.data.wait()
        assert session.folders.last() == [str(image_folder)]
    session.data.use_folder(image_folder / "nowhere")
    session.data.wait()
    assert session.folders.last() == [str(image_folder)]


def test_pages_that_ask_again_and_again_do_not_keep_the_disk_busy(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(machine, "monotonic", lambda: now[0])
    session, asked = make(home), []
    there = session.data.recent.there
    monkeypatch.setattr(session.data.recent, "there", lambda: asked.append(1) or there())
    session.data.recent.add(home / "phone")
    for _ in range(20):
        assert session.folders.last() == [str(home / "phone")]
    assert len(asked) == 1
    (home / "phone").rmdir()
    now[0] += 60
    assert session.folders.last() == []


def test_recent_folders_outside_of_the_roots_are_not_offered(home: Path) -> None:
    confined = make(home, roots=(home / "photos",))
    confined.data.recent.add(home / "phone")
    confined.data.recent.add(home / "photos" / "cats")
    assert confined.folders.last() == [str(home / "photos" / "cats")]
