"""A window of its own: what it is asked for, how it ends, and where there can be none."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from studio.errors import FolderError, StudioError
from studio.images import picker
from studio.images.choosing import RecentFolders
from studio.images.machine import MachineFolders
from studio.ui.window import NO_WINDOW, check_window, run, show

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

    def create_window(self, title: str, url: str, **_: Any) -> Any:
        self.windows.append((title, url))
        return SimpleNamespace(create_file_dialog=self.ask, destroy=self.close)

    def ask(self, kind: str) -> tuple[str, ...] | None:
        assert kind == "folder"
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
    expected = "/photos" if chosen else None
    assert [json.loads(line) for line in answers.getvalue().splitlines()] == [expected] * 2
    broken = Webview(works=False)
    assert run(URL, "/kept", webview=broken, asked=[], answers=answers) == NO_WINDOW


def process(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", f"import sys\n{code}")


def test_folders_are_chosen_in_its_dialog_as_long_as_it_is_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picker, "_has_tkinter", lambda: False)
    picked: list[Path | None] = []
    of_popen = picker.by

    def asked(ask: Any) -> Any:
        context = of_popen(ask)
        picked.append(ask())
        picked.append(ask())
        picked.append(ask())
        return context

    monkeypatch.setattr(picker, "by", asked)
    answers = r"""for answer, line in zip(('"/photos"', 'null', 'noise'), sys.stdin):
    print(answer, flush=True)
assert sys.argv[1:] == ["http://127.0.0.1:7860/", "/kept"]"""
    assert not picker.available()
    assert show(URL, kept=Path("/kept"), command=process(answers))
    assert picked == [Path("/photos"), None, None]
    assert not picker.available()


def test_a_window_that_ends_by_itself_does_not_end_the_studio(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert show(URL, kept=tmp_path, command=process("")) is True
    assert show(URL, kept=tmp_path, command=process("sys.exit(7)")) is False
    assert f"still at {URL}" in capsys.readouterr().out
    with pytest.raises(StudioError, match="No window could be opened"):
        show(URL, kept=tmp_path, command=process(f"sys.exit({NO_WINDOW})"))


def test_what_a_window_needs_is_said_before_anything_is_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("studio.ui.window.installed", lambda name: False)
    with pytest.raises(StudioError, match=r"coft-studio\[desktop\]"):
        check_window()
    monkeypatch.setattr("studio.ui.window.installed", lambda name: True)
    monkeypatch.setattr("studio.ui.window.has_display", lambda: False)
    with pytest.raises(StudioError, match="needs a screen"):
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
