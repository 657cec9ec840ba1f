"""A window of its own: what it is asked for, how it ends, and where there can be none."""

from __future__ import annotations

import io
import json
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from studio.errors import FolderError, StudioError
from studio.images import picker
from studio.images.choosing import RecentFolders
from studio.images.machine import MachineFolders
from studio.ui.window import NO_SANDBOX, NO_WINDOW, Window, check_window, run

URL = "http://127.0.0.1:7860/"


class Webview:
    """What the window's process uses of pywebview. chosen: what the dialog answers."""

    class WebViewException(Exception):  # noqa: N818
        pass

    FileDialog = SimpleNamespace(FOLDER="folder")

    def __init__(self, chosen: tuple[str, ...] | None = None, *, works: bool = True) -> None:
        self.settings: dict[str, bool] = {}
        self.chosen, self.works, self.closed = chosen, works, False
        self.windows: list[tuple[str, str]] = []
        self.opened_at: list[str] = []

    def create_window(self, title: str, url: str, **_: Any) -> Any:
        self.windows.append((title, url))
        return SimpleNamespace(create_file_dialog=self.ask, destroy=self.close)

    def ask(self, kind: str, *, directory: str) -> tuple[str, ...] | None:
        assert kind == "folder"
        self.opened_at.append(directory)
        return self.chosen

    def close(self) -> None:
        self.closed = True

    def start(self, begin: Any, **kept: Any) -> None:
        if not self.works:
            raise self.WebViewException("You must have either QT or GTK")
        assert self.settings == {"ALLOW_DOWNLOADS": True}
        begin()
        while not self.closed:
            pass


@pytest.mark.parametrize("chosen", [("/photos",), None, ()])
def test_the_window_answers_each_question_and_closes_with_the_studio(
    chosen: tuple[str, ...] | None,
) -> None:
    webview, answers = Webview(chosen), io.StringIO()
    code = run(URL, "/kept", webview=webview, asked=["folder\n"] * 2, answers=answers)
    assert code == 0
    assert webview.windows == [("CoFT Studio", URL)]
    # At home first, never in the folder of the package, which is where the process works.
    home = str(Path.home())
    assert webview.opened_at == [home, "/" if chosen else home]
    expected = "/photos" if chosen else None
    assert [json.loads(line) for line in answers.getvalue().splitlines()] == [expected] * 2
    broken = Webview(works=False)
    assert run(URL, "/kept", webview=broken, asked=[], answers=answers) == NO_WINDOW


def process(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", f"import sys\n{code}")


def test_folders_are_chosen_in_its_dialog_from_before_the_page_is_built_until_it_is_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(picker, "_has_tkinter", lambda: False)
    asked = r"""for answer, line in zip(('"/photos"', 'null', 'noise'), sys.stdin):
    print(answer, flush=True)
assert sys.argv[1:] == ["http://127.0.0.1:7860/", "/kept"]"""
    picked: list[Path | None] = []

    def ask() -> None:
        while (first := picker.pick_folder()) is None:
            time.sleep(0.01)
        picked.extend([first, picker.pick_folder(), picker.pick_folder()])

    assert not picker.available()
    with Window(kept=Path("/kept"), command=process(asked)) as window:
        assert picker.available()
        assert picker.pick_folder() is None  # the page is built, and nothing is shown yet
        asking = threading.Thread(target=ask, daemon=True)
        asking.start()
        assert window.show(URL)
        asking.join(10)
        assert picked == [Path("/photos"), None, None]
        assert not picker.available()


def test_a_window_that_ends_by_itself_does_not_end_the_studio(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shown(code: str) -> bool:
        with Window(kept=tmp_path, command=process(code)) as window:
            return window.show(URL)

    assert shown("") is True
    assert shown("sys.exit(7)") is False
    assert f"still at {URL}" in capsys.readouterr().out
    monkeypatch.setattr("studio.ui.window._by_qt", lambda: True)
    assert shown("import os; os.abort()") is False, "as Qt does that lacks a library"
    assert "libxcb-cursor0" in capsys.readouterr().out
    with pytest.raises(StudioError, match="No window could be opened"):
        shown(f"sys.exit({NO_WINDOW})")
    with pytest.raises(StudioError, match=r"could not be started: .*nowhere"):
        Window(kept=tmp_path, command=("/nowhere/python",)).show(URL)


def test_what_a_window_needs_is_said_before_anything_is_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("studio.ui.window.installed", lambda name: False)
    with pytest.raises(StudioError, match=r"pip install 'pywebview\[qt\]"):
        check_window()
    monkeypatch.setattr("studio.ui.window.installed", lambda name: True)
    monkeypatch.setattr("studio.ui.window.has_display", lambda: False)
    with pytest.raises(StudioError, match="needs a screen"):
        check_window()
    monkeypatch.setattr("studio.ui.window.has_display", lambda: True)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv(NO_SANDBOX, raising=False)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    check_window()
    monkeypatch.setattr("os.geteuid", lambda: 0)
    with pytest.raises(StudioError, match=f"as another user, or set {NO_SANDBOX}=1"):
        check_window()
    monkeypatch.setenv(NO_SANDBOX, "1")
    check_window()


def test_what_the_dialog_gives_is_checked_like_a_typed_path(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    for folder in (inside, outside):
        folder.mkdir()
    recent = RecentFolders(tmp_path / "cache")
    machine = MachineFolders(recent=recent, roots=(inside,), local=True)
    with picker.by(lambda: outside), pytest.raises(FolderError):
        machine.pick()
    with picker.by(lambda: inside):
        assert machine.pick() == inside
