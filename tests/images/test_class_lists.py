from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.errors import FolderError
from studio.images.class_lists import class_text, parse_classes, read_classes
from studio.images.names import Matcher, canonical, clean, same


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("tench, Tinca\ngoldfish, Carassius\ndrake", "tench, Tinca|goldfish, Carassius|drake"),
        ('"tench, Tinca tinca", goldfish', "tench, Tinca tinca|goldfish"),
        ("cat, dog,\nbird, fish", "cat|dog|bird|fish"),
        ("cat;dog; bird", "cat|dog|bird"),
        ("['cat', 'dog']", "cat|dog"),
        ('[\n  "cat",\n  "dog"\n]', "cat|dog"),
        ("- cat\n- dog", "cat|dog"),
        ("-1\n0\n+1", "-1|0|+1"),
        ("+\n-\n=", "+|-|="),
        ("5 euro\n10 euro", "5 euro|10 euro"),
        ("1 person\n2 people", "1 person|2 people"),
        ("Boeing 737\nBoeing 747", "Boeing 737|Boeing 747"),
        ("A\na\nb", "A|a|b"),
        ("“cat”\n'dog'", "cat|dog"),
        ("5\"\n5'", "5\"|5'"),
        ("rock 'n' roll\n'80s", "rock 'n' roll|'80s"),
    ],
)  # fmt: skip
def test_a_list_gives_all_its_names(text: str, names: str):
    assert "|".join(parse_classes(text).names) == names


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0,cat\n1,dog", "0 to 1"),
        ("0: cat\n1: dog", "0 to 1"),
        ("1. cat\n2. dog", "1 to 2"),
        ("0 cat\n1 dog", "0 to 1"),
        ("1 cat\n2 dog\n3 bird", "1 to 3"),
        ("class_name\ncat\ndog", "heading"),
        ("Classes:\ncat\ndog", "heading"),
        ("id,name\n0,cat\n1,dog", "heading"),
        ("id\tclass\n0\tcat\n1\tdog", "heading"),
        ("names:\n  0: cat\n  1: dog", "heading"),
        ("cat,120\ndog,80", "numbers behind"),
        ("class,count\ncat,120\ndog,80", "heading"),
        ("cat\ndog\ncat", "more than once"),
    ],
)
def test_what_is_no_name_is_left_out_and_said(text: str, said: str):
    found = parse_classes(text)
    names = [name for name in found.names if name != "bird"]
    assert names == ["cat", "dog"]
    assert said in " ".join(found.notes)


def test_an_index_names_folders_too():
    assert parse_classes("0,cat\n1,dog").aliases == {"0": "cat", "1": "dog"}
    assert parse_classes("n1\ttench, Tinca\nn2\tdrake").aliases == {
        "n1": "tench, Tinca",
        "n2": "drake",
    }


def test_commas_inside_lines_and_names_spelled_alike_are_said():
    assert "commas belong" in " ".join(parse_classes("a, b\nc").notes)
    assert "“A” and “a”" in " ".join(parse_classes("A\na").notes)
    assert parse_classes("cat\ndog").notes == ()


@pytest.mark.parametrize(
    "data",
    [
        "\ufeffÄpfel\nBirnen".encode(),
        "Äpfel\r\nBirnen\r\n".encode("utf-16"),
        "Äpfel\nBirnen".encode("utf-16-le"),
        b"\xfe\xff" + "Äpfel\nBirnen".encode("utf-16-be"),
        "Äpfel\nBirnen".encode("utf-32"),
        "Äpfel\nBirnen".encode("cp1252"),
        "A\u0308pfel\nBirnen".encode(),
    ],
)
def test_files_in_any_encoding(tmp_path: Path, data: bytes):
    (tmp_path / "names.txt").write_bytes(data)
    found = read_classes(tmp_path / "names.txt")
    assert found.names == ("Äpfel", "Birnen")
    assert bool(found.notes) == (
        data in ("Äpfel\nBirnen".encode(e) for e in ("cp1252", "utf-16-le"))
    )


def test_binary_files_are_no_lists(tmp_path: Path):
    (tmp_path / "names.txt").write_bytes(bytes(range(256)) * 4)
    with pytest.raises(FolderError, match=r"names\.txt"):
        read_classes(tmp_path / "names.txt")


NAME = (
    st.text(st.sampled_from("aAbZ0159 _-+,.;:'\"#ß²é\u0301\t=[]•*"), min_size=1, max_size=9)
    | st.sampled_from(["class", "Name", "id", "0 cat", "1 dog", "1. a", "2. b", "- x", "a,1"])
).map(clean).filter(bool)  # fmt: skip
NAMES = st.lists(NAME, min_size=2, max_size=7, unique_by=same)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(NAMES)
def test_a_list_survives_its_round_trip(names: list[str]):
    assert list(parse_classes(class_text(names)).names) == names


@settings(max_examples=200, deadline=None, derandomize=True)
@given(NAMES, st.dictionaries(NAME, st.integers(0, 6), max_size=4))
def test_aliases_survive_it_too(names: list[str], others: dict[str, int]):
    aliases = {other: names[at % len(names)] for other, at in others.items()}
    found = parse_classes(class_text(names, aliases))
    assert list(found.names) == names
    assert {k: v for k, v in found.aliases.items() if k in aliases} == aliases


@settings(max_examples=300, deadline=None, derandomize=True)
@given(NAMES)
def test_every_name_finds_its_own_class_and_no_spelling_finds_a_wrong_one(names: list[str]):
    matcher = Matcher(names)
    for at, name in enumerate(names):
        assert matcher.find(name) == at
        for text in (name.swapcase(), name.replace(" ", "-"), f" {name} "):
            found = matcher.find(text)
            assert found is None or canonical(names[found]) == canonical(text)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.text(max_size=20))
def test_cleaning_is_done_once(text: str):
    assert clean(clean(text)) == clean(text)
    assert same(same(text)) == same(text)


def test_matching():
    matcher = Matcher(["hot dog", "A", "a", "5 euro", "euro"], {"n1": "hot dog", "a": "A"})
    assert [matcher.find(t) for t in ("Hot-Dog", "HOTDOG", "n-1", "N1")] == [0, 0, 0, 0]
    assert [matcher.find(t) for t in ("A", "a", "5_euro", "Euro", "cat", "")] == [
        1,
        1,
        3,
        4,
        None,
        None,
    ]
    assert matcher.find_folder("007.hot_dog") == 0
    assert matcher.find_folder("10_euro") == 4
    assert Matcher(["A", "a"]).find("ａ") is None  # a full-width letter may be either
