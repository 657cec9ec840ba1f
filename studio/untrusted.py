"""Files that nobody vouches for, read: JSON, lines of it, and tensors.

Runs, caches and models are copied, cut short, edited by hand and sent by strangers. What is in them
is checked before memory is taken for it; whatever is wrong becomes one `Unreadable` with the
reason, so that a reader has one kind of error to think of. Nothing here unpickles or fetches.
"""

from __future__ import annotations

import json
import math
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

MOST_JSON = 1 << 30  # bytes; images.json of a million images takes a tenth of it
MOST_DEPTH = 64  # of lists in lists; what the studio writes has 5
MOST_HEADER = 100 << 20  # bytes, the format's own limit
MOST_TENSORS = 16 << 30  # bytes of one file
_WIDTH = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E5M2": 1, "F8_E4M3": 1, "I16": 2, "U16": 2, "F16": 2,
    "BF16": 2, "I32": 4, "U32": 4, "F32": 4, "F64": 8, "I64": 8, "U64": 8,
}  # fmt: skip


class Unreadable(Exception):  # noqa: N818 (a finding)
    """A file is missing or damaged, or holds something else than it should: the message, why."""


def open_file(path: Path) -> IO[bytes]:
    """An ordinary file to read from: no folder, no pipe that waits for ever, no device.

    Raises:
        Unreadable: it is not there, or no such file.
    """
    try:
        # Without waiting: to open a pipe that nobody writes to would block.
        number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _BINARY)
    except OSError as error:
        if isinstance(error, FileNotFoundError):
            raise Unreadable(f"{path.name} is missing") from None
        raise Unreadable(f"{path.name} cannot be read: {error.strerror}") from None
    except ValueError:  # a name that holds \0
        raise Unreadable("a file's name is no name") from None
    try:
        mode = os.fstat(number).st_mode
        if stat.S_ISDIR(mode):
            raise Unreadable(f"{path.name} is a folder")
        if not stat.S_ISREG(mode):
            raise Unreadable(f"{path.name} is no ordinary file")
        return os.fdopen(number, "rb")
    except BaseException:
        os.close(number)
        raise


_BINARY = getattr(os, "O_BINARY", 0)


def read_file(path: Path, *, most: int = MOST_JSON, after: int = 0) -> bytes:
    """What is in an ordinary file of at most `most` bytes, from byte `after` on.

    Raises:
        Unreadable: it is missing, no such file, or too long.
    """
    with open_file(path) as file:
        try:
            size = os.fstat(file.fileno()).st_size - after
            if size > most:
                raise Unreadable(f"{path.name} is too long to be one")
            file.seek(after)
            return file.read(max(0, size))  # room for `most` would be a gigabyte each time
        except (OSError, MemoryError) as error:
            raise Unreadable(f"{path.name} cannot be read: {error}") from None


def parse_json(data: bytes | str) -> Any:
    """The JSON value in a text; NaN and infinities, which are no JSON, are None.

    Raises:
        Unreadable: it is no JSON in UTF-8, or nested deeper than anything that the studio writes.
    """
    try:
        text = data.decode("utf-8") if isinstance(data, bytes) else data
        value = json.loads(text, parse_constant=lambda _: None)
    except RecursionError:
        raise Unreadable("is nested too deep") from None
    except (ValueError, MemoryError):
        raise Unreadable("is no JSON") from None
    if text.count("[") + text.count("{") > MOST_DEPTH and _deep(value):
        raise Unreadable("is nested too deep")
    return value


def _deep(value: Any) -> bool:
    level = [value]
    for _ in range(MOST_DEPTH):
        level = [
            child
            for item in level
            if isinstance(item, (dict, list))
            for child in (item.values() if isinstance(item, dict) else item)
            if isinstance(child, (dict, list))
        ]
        if not level:
            return False
    return True


def load_json(path: Path, *, most: int = MOST_JSON) -> Any:
    """The JSON value in a file.

    Raises:
        Unreadable: it is missing or damaged.
    """
    try:
        return parse_json(read_file(path, most=most))
    except Unreadable as error:
        raise _named(error, path) from None


def load_object(path: Path, *, most: int = MOST_JSON) -> dict[str, Any]:
    """The JSON object in a file.

    Raises:
        Unreadable: it is missing or damaged, or holds another value.
    """
    value = load_json(path, most=most)
    if not isinstance(value, dict):
        raise Unreadable(f"{path.name} is no JSON object")
    return value


def load_array(path: Path, *, mapped: bool = False, own: bool = False) -> NDArray[Any]:
    """The array in a .npy file of plain numbers. mapped: stays on the disk until it is looked at;
    own: may be written, in memory alone, as torch wants what it shares.

    Raises:
        Unreadable: it is missing or damaged.
    """
    import numpy as np

    open_file(path).close()
    mode: Any = "c" if own else "r"
    try:
        array = np.load(path, mmap_mode=mode if mapped else None, allow_pickle=False)
    except Exception as error:  # numpy parses the head with Python's own parser
        raise Unreadable(f"{path.name} cannot be read: {type(error).__name__}") from None
    if not isinstance(array, np.ndarray):
        raise Unreadable(f"{path.name} is no .npy file")
    return array


def _named(error: Unreadable, path: Path) -> Unreadable:
    text = str(error)
    return Unreadable(text if path.name in text else f"{path.name} {text}")


# Tensors ----------------------------------------------------------------------------------------


def tensor_shapes(path: Path, *, most: int = MOST_TENSORS) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the tensors in a safetensors file, from its head alone.

    Raises:
        Unreadable: it is missing or damaged, or its tensors are not all in the file.
    """
    with open_file(path) as file:
        try:
            size = os.fstat(file.fileno()).st_size
            length = int.from_bytes(file.read(8), "little")
            if size < 8 or length > min(MOST_HEADER, size - 8):
                raise Unreadable(f"{path.name} is cut short, or no safetensors file")
            head = parse_json(file.read(length))
        except (OSError, MemoryError) as error:
            raise Unreadable(f"{path.name} cannot be read: {error}") from None
        except Unreadable as error:
            raise _named(error, path) from None
    if size > most:
        raise Unreadable(f"{path.name} is larger than any that the studio writes")
    if not isinstance(head, dict):
        raise Unreadable(f"{path.name} is no safetensors file")
    return dict(_entries(head, size - 8 - length, path))


def _entries(
    head: Mapping[str, Any], room: int, path: Path
) -> Iterator[tuple[str, tuple[int, ...]]]:
    for name, entry in head.items():
        if name == "__metadata__":
            continue
        shape, offsets, width = _described(entry)
        if shape is None or offsets is None or len(offsets) != 2 or width is None:
            raise Unreadable(f"{path.name} says nothing usable about its tensor {name[:60]!r}")
        begin, end = offsets
        if not begin <= end <= room or end - begin != math.prod(shape) * width:
            raise Unreadable(f"{path.name} does not hold what it says of its tensor {name[:60]!r}")
        yield name, tuple(shape)


def _described(entry: Any) -> tuple[list[int] | None, list[int] | None, int | None]:
    if not isinstance(entry, dict):
        return None, None, None
    width = _WIDTH.get(str(entry.get("dtype")))
    return _sizes(entry.get("shape")), _sizes(entry.get("data_offsets")), width


def _sizes(value: Any) -> list[int] | None:
    right = isinstance(value, list) and all(type(n) is int and n >= 0 for n in value)
    return value if right else None


def load_tensors(path: Path, *, most: int = MOST_TENSORS) -> dict[str, Tensor]:
    """The tensors in a safetensors file, once its head has been found to be right.

    Raises:
        Unreadable: it is missing or damaged.
    """
    from safetensors.torch import load_file

    tensor_shapes(path, most=most)
    try:
        return dict(load_file(path))
    except Exception as error:  # the library's own error, of the system, or of torch
        raise Unreadable(f"{path.name} cannot be read: {error}") from None
