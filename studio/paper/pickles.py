"""Reads two published pickles, CIFAR-100's batches and CIFAR-100-N's labels, without running them.

A pickle is a program. This reader knows the five names that numpy's arrays need and puts classes of
its own in their place, so that even these run nothing of numpy; any other name is refused.
"""

from __future__ import annotations

import io
import pickle
import re
import zipfile
from typing import Any

import numpy as np
import numpy.typing as npt

from studio.errors import FolderError

_KINDS = re.compile(r"[biu][1248]|f[48]")  # nothing that holds objects


class _Dtype:
    def __init__(self, kind: str, *_flags: object) -> None:
        self.kind, self.order = kind, "<"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = ">" if state[1] == ">" else "<"

    def real(self) -> np.dtype[Any]:
        if not isinstance(self.kind, str) or not _KINDS.fullmatch(self.kind):
            raise pickle.UnpicklingError(f"an array of {self.kind!r}")
        return np.dtype(self.order + self.kind)


class _Array:
    def __init__(self, *_made_of: object) -> None:
        self.value: npt.NDArray[Any] | None = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _version, shape, dtype, fortran, data = state
        if not isinstance(dtype, _Dtype):
            raise pickle.UnpicklingError("an array without a type")
        # Python 2 wrote bytes as text.
        raw = data.encode("latin1") if isinstance(data, str) else bytes(data)
        flat = np.frombuffer(raw, dtype.real())
        self.value = flat.reshape(shape, order="F" if fortran else "C")


def _encode(text: str, encoding: str = "latin1") -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"text in {encoding!r}")
    return text.encode("latin1")


class _Nothing:
    """In the place of numpy.ndarray, which is only ever named."""


_KNOWN: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("numpy", "ndarray"): _Nothing,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _encode,
}


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _KNOWN[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}") from None


def read_pickle(data: bytes, *, source: str) -> dict[str, Any]:
    """A pickled dictionary of plain values and arrays; a file of torch.save (a zip) is one as well.

    Raises:
        FolderError: it holds anything else, or is damaged; names `source`.
    """
    try:
        if zipfile.is_zipfile(io.BytesIO(data)):
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                name = next(n for n in archive.namelist() if n.endswith("/data.pkl"))
                data = archive.read(name)
        value = _Reader(io.BytesIO(data), encoding="latin1").load()
        if not isinstance(value, dict):
            raise pickle.UnpicklingError(f"a {type(value).__name__}, no dictionary")
        return {
            str(key): part.value if isinstance(part, _Array) else part
            for key, part in value.items()
        }
    except Exception as error:  # what a faulty pickle makes the machine raise is anybody's guess
        raise FolderError(
            f"{source} is not the file that was published ({error or type(error).__name__}); "
            "delete it and run the command again."
        ) from error
