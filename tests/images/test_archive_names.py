from __future__ import annotations

import io
import unicodedata
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from studio.errors import FolderError
from studio.images.archive_names import member_names
from studio.images.encodings import LEGACY, decode_text, guess_encoding
from studio.images.uploads import take_uploads

FRUIT = {
    "utf-8": ["Äpfel/1.jpg", "Möhren/2.jpg", "苹果/3.jpg"],
    "gbk": ["苹果/0.jpg", "香蕉/1.jpg", "红绿灯/2.jpg"],
    "cp932": ["りんご/1.jpg", "バナナ/2.jpg", "写真/3.jpg"],
    "big5": ["蘋果/0.jpg", "香蕉/1.jpg", "腳踏車/2.jpg"],
    "cp949": ["사과/0.jpg", "바나나/1.jpg", "고양이/2.jpg"],
    "cp437": ["Äpfel/1.jpg", "Möhren/2.jpg"],
    "cp850": ["maçã/1.jpg", "pão/2.jpg"],
    "cp1252": ["Größe/1.jpg", "café/2.jpg"],
    "cp1251": ["яблоко/1.jpg", "груша/2.jpg"],
    "cp866": ["яблоко/1.jpg", "груша/2.jpg"],
}


def picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (4, 4)).save(file, "JPEG")
    return file.getvalue()


def packed(path: Path, names: list[bytes], content: bytes = b"x") -> str:
    """A zip with these bytes as names, and no flag that says what they are."""
    with zipfile.ZipFile(path, "w") as archive:
        for i, name in enumerate(names):
            archive.writestr(f"{i:03d}".ljust(max(3, len(name)), "q"), content)
    data = path.read_bytes()
    for i, name in enumerate(names):
        data = data.replace(f"{i:03d}".ljust(max(3, len(name)), "q").encode(), name)
    path.write_bytes(data)
    return str(path)


@pytest.mark.parametrize("encoding", sorted(FRUIT))
def test_names_are_read_as_they_were_packed_and_a_guess_is_said(tmp_path: Path, encoding: str):
    names = FRUIT[encoding]
    path = packed(tmp_path / "a.zip", [name.encode(encoding) for name in names], picture())
    told: list[str] = []
    folder = take_uploads([path], tmp_path / "uploads", tell=told.append)
    found = {p.relative_to(folder).as_posix() for p in folder.rglob("*.jpg")}
    assert found == set(names)
    assert bool(told) == (encoding != "utf-8")
    assert all("a.zip" in line and "read as" in line for line in told)


def test_a_macs_accents_are_composed(tmp_path: Path):
    names = [unicodedata.normalize("NFD", name).encode() for name in FRUIT["utf-8"]]
    with zipfile.ZipFile(packed(tmp_path / "a.zip", names)) as archive:
        found, note = member_names(archive)
    assert list(found.values()) == FRUIT["utf-8"]
    assert note == ""


def test_marked_names_are_not_guessed(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("é/ÿþ.jpg", b"x")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert member_names(archive) == ({archive.infolist()[0]: "é/ÿþ.jpg"}, "")


def test_a_name_cannot_be_guessed_out_of_the_folder(tmp_path: Path):
    names = [
        b"../\xc6\xbb.jpg",
        b"/\xc6\xbb.jpg",
        b"a\\..\\..\\\xc6.jpg",
        b"C:\\\xc6.jpg",
        b"ok.jpg",
    ]
    folder = take_uploads([packed(tmp_path / "a.zip", names)], tmp_path / "deep" / "uploads")
    assert [p.name for p in folder.rglob("*") if p.is_file()] == ["ok.jpg"]
    assert len(list(tmp_path.rglob("*.jpg"))) == 1


def test_usual_endings_and_none_are_taken_by_content(tmp_path: Path):
    names = [b"a.jfif", b"b.avif", b"no_ending", b"c.jpg_large"]
    packed(tmp_path / "a.zip", names, picture())
    packed(tmp_path / "b.zip", [b"readme", b"Thumbs.db", b"d.xyz"], b"no picture")
    folder = take_uploads([str(tmp_path / "a.zip"), str(tmp_path / "b.zip")], tmp_path / "up")
    assert sorted(p.name.encode() for p in folder.iterdir()) == sorted(names)


def test_what_arrived_instead_of_images_is_named(tmp_path: Path):
    path = packed(tmp_path / "a.zip", [b"a.jxl", b"b.svg"])
    with pytest.raises(FolderError, match="JPEG XL, SVG"):
        take_uploads([path], tmp_path / "up")


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.lists(st.binary(min_size=1, max_size=12), min_size=1, max_size=4))
def test_any_bytes_are_decoded_or_refused_but_never_more(names: list[bytes]):
    try:
        encoding = guess_encoding(names)
    except ValueError:
        return
    assert encoding in ("utf-8", *LEGACY)
    for name in names:
        name.decode(encoding)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.text(st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\ufeff")))
def test_utf_8_and_marked_utf_16_are_never_guessed(text: str):
    assert decode_text(text.encode()) == (text, "")
    assert decode_text(text.encode("utf-8-sig")) == (text, "")
    assert decode_text(text.encode("utf-16")) == (text, "")
