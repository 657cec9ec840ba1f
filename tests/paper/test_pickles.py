"""The two published pickles are read, and nothing in a pickle is ever run."""

from __future__ import annotations

import io
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.errors import FolderError
from studio.paper.pickles import read_pickle


@pytest.mark.parametrize("protocol", range(5))
@pytest.mark.parametrize("kind", ["<i8", ">i4", "u1", "f4", "?"])
def test_arrays_of_numbers_are_read(protocol: int, kind: str) -> None:
    array = np.arange(12).reshape(3, 4).astype(kind)
    values = {"rows": array, "columns": np.asfortranarray(array), "plain": [1, "two", None]}
    read = read_pickle(pickle.dumps(values, protocol=protocol), source="file")
    assert read["plain"] == [1, "two", None]
    for name in ("rows", "columns"):
        np.testing.assert_array_equal(read[name], array)
        assert read[name].dtype == array.dtype


def test_what_torch_saves_is_read() -> None:
    import torch

    file = io.BytesIO()
    torch.save({"noisy_label": np.array([3, 1, 2]), "names": ["a"]}, file)
    read = read_pickle(file.getvalue(), source="file")
    assert read["noisy_label"].tolist() == [3, 1, 2]
    assert read["names"] == ["a"]


class _Runs:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def test_a_pickle_that_would_run_something_is_refused_and_runs_nothing(tmp_path: Path) -> None:
    made = tmp_path / "made"
    data = pickle.dumps({"data": _Runs(made)})
    with pytest.raises(FolderError, match=r"it asks for posix\.mkdir|it asks for nt\.mkdir"):
        read_pickle(data, source="file")
    assert not made.exists()
    pickle.loads(data)  # it would have
    assert made.exists()


@pytest.mark.parametrize(
    "value",
    [
        {"x": np.array([object], dtype=object)},
        {"x": np.array(["text"])},
        {"x": np.zeros(1, dtype=[("a", "i4")])},
        {"x": np.float64(1)},
        {"x": Path("a")},
        ["no", "dictionary"],
    ],
)
def test_whatever_else_is_refused(value: object) -> None:
    with pytest.raises(FolderError, match="file is not the file that was published"):
        read_pickle(pickle.dumps(value, protocol=2), source="file")


@pytest.mark.parametrize(
    "data", [b"", b"\x80", b"PK\x03\x04", b"cos\nsystem\n(S'true'\ntR.", b"}b."]
)
def test_damaged_ones_are_one_line_for_the_user(data: bytes) -> None:
    with pytest.raises(FolderError, match="file is not the file that was published"):
        read_pickle(data, source="file")
