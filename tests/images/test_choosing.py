from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from studio.errors import FolderError
from studio.images import choosing, picker
from studio.images.choosing import MOST_COMPLETIONS, MOST_RECENT, RecentFolders, completions
from studio.images.folder import scan
from tests.session.test_session import make


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with some folders and files."""
    for name in ("photos/cats", "photos/Dogs", "photos/dogs 10", "photos/dogs 2", "phone",
                 ".hidden", "photos/.thumbs"):  # fmt: skip
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "photograph.jpg").touch()
    return tmp_path


def names(found: list[str], of: Path) -> list[str]:
    """Relative to a folder; each ends with a slash."""
    assert all(path.endswith("/") for path in found)
    return [str(Path(path).relative_to(of)) for path in found]


# Completions ----------------------------------------------------------------------------------


def test_a_typed_path_goes_on_to_sub_folders(home: Path) -> None:
    assert names(completions(f"{home}/pho", roots=()), home) == ["phone", "photos"]
    inside = ["cats", "Dogs", "dogs 2", "dogs 10"]
    assert names(completions(f"{home}/photos/", roots=()), home / "photos") == inside
    assert names(completions(f' "{home}/photos/do', roots=()), home / "photos") == inside[1:]
    assert names(completions(f"{home}/PHOTO", roots=()), home) == ["photos"]


def test_hidden_folders_come_when_their_dot_is_typed(home: Path) -> None:
    assert names(completions(f"{home}/.", roots=()), home) == [".hidden"]
    assert names(completions(f"{home}/photos/.t", roots=()), home / "photos") == [".thumbs"]


@pytest.mark.parametrize("text", ["relative/pa", "pho", "\0", "/\0", "/no/such/folder/x", ""])
def test_what_is_no_path_has_no_completion(home: Path, text: str) -> None:
    assert completions(text, roots=()) == []


def test_a_tilde_is_the_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(home))
    assert names(completions("~/pho", roots=()), home) == ["phone", "photos"]


def test_completions_stay_within_the_roots(home: Path) -> None:
    root = home / "photos"
    (root / "out").symlink_to(home / "phone")
    (root / "in").symlink_to(root / "cats")
    roots = [root]
    inside = ["cats", "Dogs", "dogs 2", "dogs 10", "in"]
    assert names(completions(f"{root}/", roots=roots), root) == inside
    assert completions(f"{root}/out/", roots=roots) == []
    assert completions(f"{root}/../", roots=roots) == []
    assert completions(f"{home}/pho", roots=roots) == [f"{root}/"], "on the way to a root"
    assert completions("", roots=roots) == [f"{root}/"]
    assert completions("/etc/", roots=roots) == []


def test_a_folder_of_thousands_is_not_read_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(60):
        (tmp_path / f"folder {number}").mkdir()
    assert len(completions(f"{tmp_path}/", roots=())) == MOST_COMPLETIONS
    monkeypatch.setattr(choosing, "_MOST_ENTRIES", 5)
    assert len(completions(f"{tmp_path}/", roots=())) == 5


def test_where_no_path_can_be_typed_nothing_is_told_of_the_machine(home: Path) -> None:
    for options in ({"public": True}, {"local": False}, {"public": True, "roots": (home,)}):
        closed = make(home, **options)
        closed.data.recent.add(home / "phone")
        assert closed.folders.completions(f"{home}/") == []
        assert closed.folders.last() == []
        assert not closed.folders.can_pick
        with pytest.raises(FolderError):
            closed.folders.pick()
    assert make(home).folders.completions(f"{home}/phot") == [f"{home}/photos/"]


# Recent folders -------------------------------------------------------------------------------


def test_recent_folders_come_newest_first_and_those_gone_are_left_out(home: Path) -> None:
    recent, again = RecentFolders(home / "cache"), RecentFolders(home / "cache")
    for name in ("phone", "photos", "phone"):
        recent.add(home / name)
    assert again.there() == [home / "phone", home / "photos"]
    (home / "phone").rmdir()
    assert again.there() == [home / "photos"]


def test_only_so_many_are_kept(tmp_path: Path) -> None:
    recent = RecentFolders(tmp_path)
    for number in range(20):
        (tmp_path / str(number)).mkdir()
        recent.add(tmp_path / str(number))
    there = recent.there()
    assert len(there) == MOST_RECENT
    assert there[0] == tmp_path / "19"


@pytest.mark.parametrize("text", ["", "{", "{}", "7", "[7, null]", '["a\\u0000b"]'])
def test_a_damaged_list_is_an_empty_one(tmp_path: Path, text: str) -> None:
    (tmp_path / "folders.json").write_text(text)
    recent = RecentFolders(tmp_path)
    assert recent.there() == []
    recent.add(tmp_path)
    assert json.loads((tmp_path / "folders.json").read_text()) == [str(tmp_path)]


def test_a_full_disk_forgets(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    RecentFolders(tmp_path / "file" / "cache").add(tmp_path)


# A mistyped folder ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("photo", "photos"), ("Photos/cats", "photos/cats"), ("potos/cats", "photos/cats"),
     ("photos/cat", "photos/cats"), ("potos/birds", "photos"), ("photos/DOGS", "photos/Dogs")],
)  # fmt: skip
def test_a_mistyped_folder_is_told_with_the_one_that_was_meant(
    home: Path, typed: str, meant: str
) -> None:
    if (home / typed).is_dir():  # on a disk that knows no capitals
        pytest.skip("the same folder")
    with pytest.raises(FolderError) as told:
        scan(home / typed)
    assert str(told.value) == f"There is no folder {home / typed}; did you mean {home / meant}?"


def test_nothing_is_made_up_where_nothing_is_near(home: Path) -> None:
    with pytest.raises(FolderError, match="check the path"):
        scan(home / "xyzzy")


# The window -----------------------------------------------------------------------------------


def prints(text: str) -> tuple[str, ...]:
    return sys.executable, "-c", f"print({text!r})"


def test_the_window_runs_in_a_process_of_its_own(tmp_path: Path) -> None:
    assert picker.pick_folder(command=prints(str(tmp_path))) == tmp_path
    for nothing in (prints(""), prints("()"), (sys.executable, "-c", "raise SystemExit(1)"),
                    ("/no/such/program",)):  # fmt: skip
        assert picker.pick_folder(command=nothing) is None
    hangs = (sys.executable, "-c", "import time; time.sleep(600)")
    assert picker.pick_folder(command=hangs, timeout=0.5) is None
    assert "tkinter" not in sys.modules


def test_without_a_display_there_is_no_window(monkeypatch: pytest.MonkeyPatch) -> None:
    if sys.platform in ("darwin", "win32"):
        pytest.skip("these have one")
    picker._has_tkinter.cache_clear()
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    try:
        assert not picker.available()
    finally:
        picker._has_tkinter.cache_clear()


def test_what_the_window_gives_lies_within_the_roots(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen: list[Any] = [home / "phone", home / "photos" / "cats", None]
    monkeypatch.setattr(picker, "available", lambda: True)
    monkeypatch.setattr(picker, "pick_folder", lambda: chosen.pop(0))
    session = make(home, roots=(home / "photos",))
    with pytest.raises(FolderError, match="--root"):
        session.folders.pick()
    assert session.folders.pick() == home / "photos" / "cats"
    assert session.folders.pick() is None
