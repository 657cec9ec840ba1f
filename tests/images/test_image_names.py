from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.errors import RunError
from studio.images.image_names import ImageNames, plain
from studio.runs.given import Correction, given_vector
from studio.runs.given_table import read_corrections

ROOT = Path("/data/Bilder")
PATHS = ["cat/0.jpg", "cat/ä.jpg", "images/1.jpg", "Bilder/2.jpg", "2.jpg", "a b/ü ß.png"]


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("cat/0.jpg", "cat/0.jpg"),
        ("./cat/0.jpg", "cat/0.jpg"),
        ("cat\\0.jpg", "cat/0.jpg"),
        (".\\cat\\0.jpg", "cat/0.jpg"),
        ("cat//0.jpg", "cat/0.jpg"),
        ("cat/../cat/./0.jpg", "cat/0.jpg"),
        (" cat/0.jpg ", "cat/0.jpg"),
        ("cat/a\u0308.jpg", "cat/ä.jpg"),
        ("/data/Bilder/cat/0.jpg", "cat/0.jpg"),
        ("file:///data/Bilder/cat/0.jpg", "cat/0.jpg"),
        ("Bilder/cat/0.jpg", "cat/0.jpg"),
        ("Bilder\\cat\\0.jpg", "cat/0.jpg"),
        ("C:\\Users\\me\\Bilder\\cat\\0.jpg", "cat/0.jpg"),
        ("/home/else/Bilder/cat/0.jpg", "cat/0.jpg"),
        ("Bilder/2.jpg", "Bilder/2.jpg"),  # as it stands, before the folder's own name is taken off
        ("Bilder/Bilder/2.jpg", "Bilder/2.jpg"),
        ("/data/Bilder/2.jpg", "2.jpg"),
        ("0.jpg", None),
        ("CAT/0.jpg", None),
        ("/data/other/cat/0.jpg", None),
        ("../Bilder/cat/0.jpg", None),
        ("", None),
    ],
)
def test_one_image_has_one_name(name: str, path: str | None):
    assert ImageNames(PATHS, roots=[ROOT]).find(name) == path


def test_two_files_that_differ_in_form_only_are_told_apart_by_their_very_names():
    pair = ["cat/\u00e4.jpg", "cat/a\u0308.jpg", "x\\y.jpg", "x/y.jpg"]
    names = ImageNames(pair)
    assert [names.find(path) for path in pair] == pair
    assert names.find("./cat/\u00e4.jpg") is None
    assert names.find("./x/y.jpg") is None


PART = st.text(st.sampled_from("aBä\u0308é .-_0苹"), min_size=1, max_size=6).filter(
    lambda part: part.strip(". ") and part == part.strip()
)
TREE = st.lists(st.lists(PART, min_size=1, max_size=3).map("/".join), min_size=1, max_size=5)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(TREE, st.sampled_from(["NFC", "NFD"]), st.booleans(), st.sampled_from(["", "./", "r", "R/"]))
def test_however_a_name_is_written_it_is_the_same_image(
    tree: list[str], form: str, backslash: bool, before: str
):
    paths = list({plain(path): path for path in tree}.values())
    names = ImageNames(paths, roots=[Path("/top/R")])
    for path in paths:
        text = unicodedata.normalize(form, path)  # type: ignore[arg-type]
        text = {"r": "/top/R/"}.get(before, before) + text
        assert names.find(text.replace("/", "\\") if backslash else text) == path


# --- tables --------------------------------------------------------------------------------------


def table(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "labels.csv"
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize(
    ("head", "separator"),
    [("path,label", ","), ("file_name,label", ","), ("filename;class", ";"), ("Image\tClass", "\t"),
     ("image_path|category", "|"), ("label,path", ",")],
)  # fmt: skip
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_tables_of_other_tools(tmp_path: Path, head: str, separator: str, encoding: str):
    row = ("cat/ä.jpg", "Kätzchen")
    row = row[::-1] if head.startswith("label") else row
    path = table(tmp_path, f"{head}\r\n{separator.join(row)}\r\n", encoding)
    told: list[str] = []
    found = read_corrections(path, tell=told.append)
    assert found == {"cat/ä.jpg": Correction("relabelled", "Kätzchen")}
    assert bool(told) == (encoding == "cp1252")


def test_rows_that_say_the_same_are_told_with_their_lines(tmp_path: Path):
    text = (
        "path,label\ncat/0.jpg,cat\nBilder/cat/0.jpg,cat\nb.jpg,dog\n/data/Bilder/cat/0.jpg,cat\n"
    )
    told: list[str] = []
    images = ImageNames(PATHS, roots=[ROOT])
    found = read_corrections(table(tmp_path, text), images=images, tell=told.append)
    assert list(found) == ["cat/0.jpg", "b.jpg"]
    assert len(told) == 1
    assert "cat/0.jpg (lines 2, 3, 5)" in told[0]


@pytest.mark.parametrize("other", ["cat/0.jpg", "./cat/0.jpg", "Bilder\\cat\\0.jpg"])
def test_rows_that_contradict_each_other_are_an_error_with_their_lines(tmp_path: Path, other: str):
    path = table(tmp_path, f"path,label\ncat/0.jpg,cat\n2.jpg,dog\n{other},dog\n")
    images = ImageNames(PATHS, roots=[ROOT])
    with pytest.raises(RunError, match=r"1 image has more than one label.*cat \(line 2\) and dog"):
        read_corrections(path, images=images)


def test_corrections_are_kept_under_the_images_own_names():
    corrections = {
        "Bilder\\cat\\0.jpg": Correction("relabelled", "Hot-Dog"),
        "gone.jpg": Correction("relabelled", "cat"),
        "./2.jpg": Correction("rejected"),
    }
    given_labels = given_vector(
        corrections, paths=PATHS, class_names=["hot dog", "cat"], roots=[ROOT]
    )
    assert given_labels.vector.tolist() == [0, -1, -1, -1, -2, -1]
    assert given_labels.missing == ("gone.jpg",)
    assert given_labels.corrections["cat/0.jpg"] == Correction("relabelled", "hot dog")
    twice = {"2.jpg": Correction("relabelled", "cat"), "/data/Bilder/2.jpg": Correction("rejected")}
    with pytest.raises(RunError, match="two labels"):
        given_vector(twice, paths=PATHS, class_names=["cat", "dog"], roots=[ROOT])


CELL = st.text(st.sampled_from("abä,;\t\"' =-0"), min_size=1, max_size=6).filter(str.strip)


@settings(max_examples=120, deadline=None, derandomize=True)
@given(
    rows=st.lists(st.tuples(PART, CELL), min_size=1, max_size=6, unique_by=lambda r: plain(r[0]))
)
def test_a_table_is_read_as_it_was_written(rows: list[tuple[str, str]]):
    import tempfile

    from studio.runs.given_table import write_corrections

    corrections = {path: Correction("relabelled", label.strip()) for path, label in rows}
    with tempfile.TemporaryDirectory() as folder:
        write_corrections(Path(folder) / "given.csv", corrections)
        found = read_corrections(Path(folder) / "given.csv")
    assert {path: c.label for path, c in found.items()} == {
        plain(path): c.label for path, c in corrections.items()
    }
