from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as some

from studio.files import append_json, read_json, read_json_lines, write_json
from studio.texts import all_writable, writable

ANY_TEXT = some.text(some.characters())  # lone surrogates too
ANY_VALUE = some.recursive(
    some.none() | some.booleans() | some.integers() | ANY_TEXT,
    lambda inner: some.lists(inner) | some.dictionaries(ANY_TEXT, inner),
)


@given(ANY_TEXT)
def test_whatever_comes_out_can_be_written(text: str) -> None:
    assert writable(text).encode().decode() == writable(text)
    fine = text.encode("utf-8", "ignore").decode()
    assert writable(fine) is fine


@given(ANY_VALUE)
def test_values_keep_their_shape(value: object) -> None:
    made = all_writable(value)
    json.dumps(made, ensure_ascii=False).encode()
    assert all_writable(made) is made


def test_two_halves_become_one_character_and_a_lone_one_is_replaced() -> None:
    assert writable("\ud83d\ude00") == "\U0001f600"
    assert writable("a\ud800b\udfff") == "a\ufffdb\ufffd"


def test_tuples_with_names_keep_them() -> None:
    class Pair(NamedTuple):
        first: str
        second: str

    assert all_writable(Pair("\ud800", "b")) == Pair("\ufffd", "b")


def test_a_name_that_is_not_utf_8_survives_a_file(tmp_path: Path) -> None:
    value = {"path": "photo\udce9.jpg", "name": "ü"}
    write_json(tmp_path / "a.json", value)
    append_json(tmp_path / "a.jsonl", value)
    assert read_json(tmp_path / "a.json") == value
    assert read_json_lines(tmp_path / "a.jsonl")[0] == [value]
