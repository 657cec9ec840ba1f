from __future__ import annotations

import stat
import zipfile
from pathlib import Path

import pytest

from studio.errors import FolderError
from studio.images import uploads
from studio.images.uploads import take_uploads


def put(folder: Path, name: str, content: bytes = b"picture") -> str:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    return str(folder / name)


def pack(path: Path, members: dict[str, bytes]) -> str:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return str(path)


def taken(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_images_are_moved_and_other_files_left(tmp_path: Path) -> None:
    files = [put(tmp_path / "up", n) for n in ("a.jpg", "b.PNG", "c.svg", "d.txt", ".e.jpg")]
    folder = take_uploads(files, tmp_path / "uploads")
    assert taken(folder) == ["a.jpg", "b.PNG"]
    assert not Path(files[0]).exists()
    assert Path(files[3]).exists()


def test_files_of_the_same_name_do_not_replace_each_other(tmp_path: Path) -> None:
    files = [put(tmp_path / str(i), "photo.jpg", bytes([i])) for i in range(3)]
    folder = take_uploads([*files, files[0]], tmp_path / "uploads")
    assert len(taken(folder)) == 3
    assert {p.read_bytes() for p in folder.iterdir()} == {b"\0", b"\1", b"\2"}


def test_a_zip_keeps_its_sub_folders(tmp_path: Path) -> None:
    file = pack(tmp_path / "set.zip", {"cat/1.jpg": b"a", "dog/1.jpg": b"b", "readme.txt": b"c"})
    assert taken(take_uploads([file], tmp_path / "uploads")) == ["cat/1.jpg", "dog/1.jpg"]


def test_members_that_leave_the_folder_are_passed_over(tmp_path: Path) -> None:
    names = ["../evil.jpg", "/etc/evil.jpg", "a/../../evil.jpg", "C:\\evil.jpg", "C:/evil.jpg",
             "..\\evil.jpg", "__MACOSX/evil.jpg", "good.jpg"]  # fmt: skip
    file = pack(tmp_path / "set.zip", dict.fromkeys(names, b"x"))
    folder = take_uploads([file], tmp_path / "deep" / "uploads")
    assert taken(folder) == ["good.jpg"]
    assert not list(tmp_path.rglob("evil.jpg"))


def test_links_in_a_zip_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w") as archive:
        link = zipfile.ZipInfo("link.jpg")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("good.jpg", b"x")
    assert taken(take_uploads([str(path)], tmp_path / "uploads")) == ["good.jpg"]


def test_a_bomb_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    file = pack(tmp_path / "set.zip", {"big.jpg": bytes(50_000_000)})
    with pytest.raises(FolderError, match="refused"):
        take_uploads([file], tmp_path / "uploads")
    assert list((tmp_path / "uploads").iterdir()) == []


def test_too_many_images_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_FILES", 3)
    file = pack(tmp_path / "set.zip", {f"{i}.jpg": b"x" for i in range(4)})
    with pytest.raises(FolderError, match="at most 3"):
        take_uploads([file], tmp_path / "uploads")
    files = [put(tmp_path / "up", f"{i}.jpg") for i in range(4)]
    with pytest.raises(FolderError, match="At most 3"):
        take_uploads(files, tmp_path / "uploads")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not really", b"no zip"])
def test_a_broken_zip_is_said(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(FolderError, match="cannot be read"):
        take_uploads([put(tmp_path, "set.zip", content)], tmp_path / "uploads")


def test_nothing_usable_is_said(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match="No image arrived"):
        take_uploads([put(tmp_path, "a.txt")], tmp_path / "uploads")
