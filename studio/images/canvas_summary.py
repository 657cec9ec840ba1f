"""What is known of all images of a large folder, in one array beside its index.

Of a million images the index is a hundred megabytes of JSON. Where nothing in the folder has
changed since (the fingerprint of its listing is the same), the summary answers instead: 24 bytes an
image. It says nothing that the index does not say, and is made anew when it does not fit.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL
from numpy.typing import NDArray

from studio.files import replace_file
from studio.images.folder import Folder
from studio.images.walking import Refused
from studio.untrusted import Unreadable, load_array, load_object

FEWEST = 20_000
"""Of fewer images the index is read in under half a second."""
_HEAD, _ROWS = "summary.json", "summary-{}.npy"
_ROW = np.dtype([("shard", "<i4"), ("row", "<i4"), ("content", "S16")])
_VERSION = 1


@dataclass(frozen=True)
class Summary:
    """Of a folder's N usable images.

    shards: names of files; shard: (N,) number of the shard that has an image's canvas, -1 = none;
    row: (N,) its row there; content: (N,) hashes of what the canvases show, b"" = not known;
    refused: images of the listing that cannot be used.
    """

    shards: tuple[str, ...]
    shard: NDArray[np.int32]
    row: NDArray[np.int32]
    content: NDArray[np.bytes_]
    refused: tuple[Refused, ...] = ()

    def write(self, path: Path, scanned: Folder) -> None:
        """Keep it in the folder of the index; scanned: the listing that it is of."""
        rows = np.empty(len(self.shard), _ROW)
        rows["shard"], rows["row"], rows["content"] = self.shard, self.row, self.content
        name = _ROWS.format(scanned.fingerprint)
        head = {
            "version": _VERSION, "pillow": PIL.__version__, "fingerprint": scanned.fingerprint,
            "shards": list(self.shards),
            "refused": [[item.path, item.reason, item.detail] for item in self.refused],
        }  # fmt: skip

        def save(file: Path) -> None:
            with file.open("wb") as opened:
                np.save(opened, rows, allow_pickle=False)

        with contextlib.suppress(OSError):  # without it the next opening takes seconds longer
            replace_file(path / name, save)
            replace_file(path / _HEAD, lambda file: file.write_text(json.dumps(head), "utf-8"))
            for old in path.glob(_ROWS.format("*")):
                if old.name != name:
                    old.unlink(missing_ok=True)

    @classmethod
    def read(cls, path: Path, scanned: Folder) -> Summary | None:
        """The summary of this very listing; None where there is none that fits."""
        if len(scanned.images) < FEWEST:
            return None
        try:
            head = load_object(path / _HEAD)
            fits = (
                head["version"] == _VERSION
                and head["pillow"] == PIL.__version__
                and head["fingerprint"] == scanned.fingerprint
            )
            if not fits:
                return None
            rows = load_array(path / _ROWS.format(scanned.fingerprint))
            shards = tuple(map(str, head["shards"]))
            refused = tuple(Refused(*map(str, item)) for item in head["refused"])
        except (Unreadable, LookupError, TypeError, ValueError):
            return None
        right = rows.dtype == _ROW and rows.shape == (len(scanned.images) - len(refused),)
        if not right or rows["shard"].max(initial=-1) >= len(shards):
            return None
        return cls(
            shards, rows["shard"].copy(), rows["row"].copy(), rows["content"].copy(), refused
        )


def texts_of(content: NDArray[np.bytes_]) -> tuple[str, ...]:
    """Hashes as texts."""
    return tuple(value.decode("ascii", "replace") for value in content.tolist())


def array_of(contents: Sequence[str]) -> NDArray[np.bytes_] | None:
    """Hashes as an array; None where one of them is no such hash."""
    if not all(len(text) <= 16 and text.isascii() for text in contents):
        return None
    return np.array([text.encode() for text in contents], "S16")


def is_summary(name: str) -> bool:
    """Whether a file beside an index is its summary."""
    return name == _HEAD or (name.startswith("summary-") and name.endswith(".npy"))
