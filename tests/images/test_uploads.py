from __future__ import annotations

import io
import os
import random
import shutil
import stat
import struct
import time
import warnings
import zipfile
import zlib
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from studio.errors import FolderError
from studio.images import kinds, uploads
from studio.images.uploads import SPARE, TAKEN, Allowance, take_uploads


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


def test_images_are_moved_and_nothing_is_left_behind(tmp_path: Path) -> None:
    files = [put(tmp_path / "up", n) for n in ("a.jpg", "b.PNG", "c.svg", "d.txt", ".e.jpg")]
    folder = take_uploads(files, tmp_path / "uploads")
    assert taken(folder) == ["a.jpg", "b.PNG"]
    assert not Path(files[0]).exists()
    assert not any(Path(file).exists() for file in files)
    assert not (tmp_path / "up").exists()


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
    with pytest.raises(FolderError, match="At most 3"):
        take_uploads([file], tmp_path / "uploads")
    files = [put(tmp_path / "up", f"{i}.jpg") for i in range(4)]
    with pytest.raises(FolderError, match="At most 3"):
        take_uploads(files, tmp_path / "uploads")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not really", b"no zip"])
def test_a_broken_zip_is_said(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(FolderError, match="cannot be read"):
        take_uploads([put(tmp_path, "set.zip", content)], tmp_path / "uploads")


@pytest.mark.slow
def test_twenty_thousand_files_of_one_name_take_seconds(tmp_path: Path) -> None:
    """To try 2, 3, 4 and so on anew for each of them took 19 minutes."""
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for i in range(20_000):
            archive.writestr("photo.jpg" if i % 2 else "PHOTO.jpg", b"x")
    began = time.process_time()
    folder = take_uploads([str(path)], tmp_path / "uploads")
    assert time.process_time() - began < 30
    names = [name.lower() for name in os.listdir(folder)]
    assert len(names) == len(set(names)) == 20_000


def test_what_a_zip_holds_is_counted_while_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its headers may say anything."""
    file = pack(tmp_path / "set.zip", {"big.jpg": random.Random(0).randbytes(5_000_000)})
    monkeypatch.setattr(zipfile.ZipExtFile, "read", lambda self, n=-1: b"x" * 1_000_000)
    with pytest.raises(FolderError, match="refused"):
        take_uploads([file], tmp_path / "uploads")
    assert list((tmp_path / "uploads").iterdir()) == []


@pytest.mark.parametrize("kind", ["zip", "files"])
def test_what_is_too_much_leaves_nothing(tmp_path: Path, kind: str) -> None:
    members = {f"{i}.jpg": random.Random(i).randbytes(600_000) for i in range(4)}
    files = [pack(tmp_path / "set.zip", members)]
    if kind == "files":
        files = [put(tmp_path / "up", name, content) for name, content in members.items()]
    with pytest.raises(FolderError, match="1 MB are taken at most"):
        take_uploads(files, tmp_path / "uploads", allowance=Allowance(bytes=1 << 20))
    assert list((tmp_path / "uploads").iterdir()) == []
    assert not any(Path(file).exists() for file in files)


def test_room_on_the_disk_is_looked_at_before_and_while_unpacking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = [10 << 30, SPARE - 1]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free.pop(0)))
    members = {"a.jpg": random.Random(0).randbytes(3_000_000)}
    with pytest.raises(FolderError, match="not enough room on the disk"):
        take_uploads([pack(tmp_path / "set.zip", members)], tmp_path / "uploads")
    free[:] = [SPARE + 2_000_000]
    with pytest.raises(FolderError, match="259 MB are needed"):
        take_uploads([pack(tmp_path / "set.zip", members)], tmp_path / "uploads")
    assert list((tmp_path / "uploads").iterdir()) == []


def test_uploads_together_have_a_limit_too(tmp_path: Path) -> None:
    def send() -> None:
        file = put(tmp_path / "up", "a.jpg", b"x" * 600_000)
        take_uploads([file], tmp_path / "uploads", allowance=Allowance(kept=1 << 20))

    send()
    with pytest.raises(FolderError, match="more than 1 MB in all"):
        send()


def test_an_image_with_too_many_pixels_is_named(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.new("1", (2000, 1000)).save(buffer, "PNG")
    with pytest.raises(FolderError, match=r"big\.png has 2 megapixels"):
        take_uploads(
            [pack(tmp_path / "set.zip", {"big.png": buffer.getvalue()})],
            tmp_path / "uploads",
            allowance=Allowance(pixels=1_000_000),
        )


def test_a_list_of_a_million_members_is_not_even_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "MAX_DIRECTORY", 1000)
    file = pack(tmp_path / "set.zip", {f"{i}.jpg": b"x" for i in range(50)})
    monkeypatch.setattr(zipfile, "ZipFile", lambda *_: pytest.fail("it was read"))
    with pytest.raises(FolderError, match="lists too many files"):
        take_uploads([file], tmp_path / "uploads")


def test_whatever_a_damaged_zip_trips_over_is_one_line(tmp_path: Path) -> None:
    """zlib.error, struct.error, ValueError, UnicodeDecodeError: none of them may get away."""
    members = {f"f{i}/ü{i}.jpg": random.Random(i).randbytes(300) * 3 for i in range(6)}
    whole, noise = Path(pack(tmp_path / "whole.zip", members)).read_bytes(), random.Random(0)
    refused = 0
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(noise.randint(1, 12)):
            data[noise.randrange(len(data))] = noise.randrange(256)
        if noise.random() < 0.2:
            del data[noise.randrange(len(data)) :]
        try:
            take_uploads([put(tmp_path / "up", "set.zip", bytes(data))], tmp_path / "uploads")
        except FolderError as error:
            refused += "\n" not in str(error)
    assert refused > 50
    assert not (tmp_path / "up").exists()


@pytest.mark.parametrize("error", [zlib.error("x"), struct.error("x"), ValueError("x"), KeyError()])
def test_no_error_of_an_archive_gets_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    file = pack(tmp_path / "set.zip", {"a.jpg": b"x"})

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(zipfile.ZipFile, "open", fail)
    with pytest.raises(FolderError, match="cannot be read"):
        take_uploads([file], tmp_path / "uploads")


def test_a_name_that_is_too_long_is_cut(tmp_path: Path) -> None:
    names = [f"{'ü' * 200}{i}.jpg" for i in range(3)]
    file = pack(tmp_path / "set.zip", dict.fromkeys(names, b"x"))
    assert len(taken(take_uploads([file], tmp_path / "uploads"))) == 3


def test_nothing_usable_is_said(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match=r"No image arrived, and a\.txt is none: class"):
        take_uploads([put(tmp_path, "a.txt")], tmp_path / "uploads")
    file = pack(tmp_path / "set.zip", {"labels.csv": b"path,label", "a.svg": b"<svg/>"})
    with pytest.raises(FolderError, match="that is read here: SVG, a drawing; upload jpg"):
        take_uploads([file], tmp_path / "uploads")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a.tar", "of archives only zip files are read"),
        ("a.tar.gz", "of archives only zip files are read"),
        ("a.RAR", "of archives only zip files are read"),
        ("a.7z", "of archives only zip files are read"),
        ("a.jxl", "JPEG XL, which is not read here"),
        ("IMG_0001", "has no ending that says what it is"),
        ("a.exe", "the studio reads no such files; upload jpg, png"),
    ],
)
def test_what_is_not_taken_is_told_what_it_is(name: str, said: str) -> None:
    line = kinds.not_taken(name)
    assert line.startswith(name)
    assert said in line
    assert not name.lower().endswith(TAKEN)
