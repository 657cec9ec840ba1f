from __future__ import annotations

import json
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save

from studio.files import read_json, read_json_lines
from studio.untrusted import (
    MOST_DEPTH,
    Unreadable,
    load_array,
    load_json,
    load_object,
    load_tensors,
    open_file,
    parse_json,
    read_file,
    tensor_shapes,
)
from tests.quick import quick

GOOD = save({"a": torch.arange(6).reshape(2, 3), "b": torch.ones(4)})


@quick(200)
@given(st.binary(max_size=60) | st.text('{}[]",:\\\n 019.eE+-aNIntfu\ud800é', max_size=60))
def test_json_of_any_kind_is_a_value_or_unreadable(data: Any):
    try:
        value = parse_json(data)
    except Unreadable:
        return
    json.dumps(value, allow_nan=False)


@pytest.mark.parametrize("depth", [MOST_DEPTH + 1, 900, 100_000])
@pytest.mark.parametrize(("left", "right"), [("[", "]"), ('{"a":', "}")])
def test_what_is_nested_too_deep_is_unreadable(depth: int, left: str, right: str):
    with pytest.raises(Unreadable, match=r"nested too deep|no JSON"):
        parse_json(left * depth + "1" + right * depth)
    assert parse_json(left * 5 + "1" + right * 5)


def test_a_flat_list_may_be_long():
    assert len(parse_json(json.dumps([{"a": [1]}] * 1000))) == 1000


def test_numbers_that_are_no_json_are_none():
    assert parse_json('{"a": NaN, "b": [Infinity, -Infinity]}') == {"a": None, "b": [None, None]}
    with pytest.raises(Unreadable, match="no JSON"):
        parse_json("1" + "0" * 5000)


@pytest.mark.parametrize("what", ["missing", "folder", "pipe", "loop", "device", "name"])
def test_only_ordinary_files_are_opened(what: str, tmp_path: Path):
    path = tmp_path / "x.json"
    if what == "folder":
        path.mkdir()
    elif what == "pipe":  # to open it would wait for ever
        os.mkfifo(path)
    elif what == "loop":
        path.symlink_to(path.name)
    elif what == "device":
        path.symlink_to("/dev/zero")
    elif what == "name":
        path = tmp_path / "\0"
    for read in (open_file, read_file, load_json, load_object, tensor_shapes, load_array):
        with pytest.raises(Unreadable):
            read(path)
    assert read_json(path) is None
    assert read_json_lines(path) == ([], 0)


def test_a_file_that_is_too_long_is_not_read(tmp_path: Path):
    path = tmp_path / "x.json"
    path.write_bytes(b"")
    os.truncate(path, 1 << 40)  # takes no room
    with pytest.raises(Unreadable, match="too long"):
        load_json(path)


def test_the_reason_names_the_file(tmp_path: Path):
    path = tmp_path / "run.json"
    path.write_text("[]")
    with pytest.raises(Unreadable, match=r"^run\.json is no JSON object$"):
        load_object(path)
    path.write_text("{")
    with pytest.raises(Unreadable, match=r"^run\.json is no JSON$"):
        load_object(path)


@quick(300)
@given(st.data())
def test_tensors_are_read_or_unreadable_whatever_was_done_to_the_file(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
):
    path = tmp_path_factory.mktemp("x") / "a.safetensors"
    spoilt = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 4))):
        spoilt[data.draw(st.integers(0, len(spoilt) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(spoilt[: data.draw(st.integers(0, len(spoilt)))])
    try:
        shapes = tensor_shapes(path)
    except Unreadable:
        return
    try:
        tensors = load_tensors(path)
    except Unreadable:
        return
    assert {name: tuple(t.shape) for name, t in tensors.items()} == shapes


def head(**entry: Any) -> bytes:
    text = json.dumps({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **entry}})
    return struct.pack("<Q", len(text)) + text.encode() + bytes(8)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\xff" * 64, struct.pack("<Q", 1 << 62), head(shape=[10**18]), head(shape=[-2]),
        head(data_offsets=[0, 10**12]), head(data_offsets=[8, 0]), head(dtype="PICKLE"),
        head(shape="2"), head(shape=[True]), head(shape=[2.0]), head(data_offsets=None),
        struct.pack("<Q", 2) + b"[]", struct.pack("<Q", 9) + b'{"a": []}',
    ],
)  # fmt: skip
def test_heads_that_promise_what_is_not_there_are_seen_before_memory_is_taken(
    tmp_path: Path, data: bytes
):
    path = tmp_path / "a.safetensors"
    path.write_bytes(head())
    assert tensor_shapes(path) == {"a": (2,)}
    path.write_bytes(data)
    with pytest.raises(Unreadable):
        tensor_shapes(path)
    with pytest.raises(Unreadable):
        load_tensors(path)


@pytest.mark.parametrize("data", [b"", b"\x93NUMPY\x01\x00\xff\xff", b"PK\x03\x04", "pickle"])
def test_arrays_that_are_none_are_unreadable(tmp_path: Path, data: Any):
    path = tmp_path / "a.npy"
    np.save(path, np.arange(3))
    assert load_array(path, mapped=True).tolist() == [0, 1, 2]
    if data == "pickle":
        np.save(path, np.array([{"a": 1}], object), allow_pickle=True)
    else:
        path.write_bytes(data)
    with pytest.raises(Unreadable, match=r"a\.npy"):
        load_array(path)
