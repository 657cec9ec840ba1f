"""Answers of language models on disk, so that the same question is asked once.

diskcache pickles whatever is no plain text, number or bytes, and unpickles what it finds
(CVE-2025-69872, not fixed in 5.6.3): whoever can write to the cache could run code. `PlainDisk`
takes text only and refuses everything else, also on the way out.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
from pathlib import Path
from typing import Any, Protocol

import diskcache
from diskcache.core import MODE_RAW

_VERSION = 1
_SIZE_LIMIT = 64 << 20
_FAULTS = (OSError, sqlite3.Error, diskcache.Timeout, ValueError, TypeError)


class Asked(Protocol):
    """A question that can be told from all others."""

    @property
    def identity(self) -> list[Any]:
        """What JSON can hold; another answer may come when any of it is different."""


class PlainDisk(diskcache.Disk):
    """Keys and values are text; anything else is refused with TypeError or ValueError."""

    def put(self, key: Any) -> Any:
        """A key for the database."""
        if type(key) is not str:
            raise TypeError("keys are text")
        return super().put(key)

    def get(self, key: Any, raw: Any) -> Any:
        """A key from the database."""
        if not raw or type(key) is not str:
            raise ValueError("a key that is no text was found in the cache")
        return key

    def store(self, value: Any, read: Any, key: Any = diskcache.UNKNOWN) -> Any:
        """A value for the database."""
        if type(value) is not str or read:
            raise TypeError("values are text")
        return super().store(value, read, key=key)

    def fetch(self, mode: Any, filename: Any, value: Any, read: Any) -> Any:  # noqa: ARG002
        """A value from the database."""
        # Never a file: a row could name any file of the machine.
        if mode != MODE_RAW or type(value) is not str:
            raise ValueError("a value that is no text was found in the cache")
        return value


class Answers:
    """Usable answers by question, endpoint and model. A disk that cannot be used costs requests.

    Safe to use from several threads; to be closed.
    """

    def __init__(self, cache_dir: Path, *, base_url: str, model: str) -> None:
        self.folder = cache_dir / "answers"
        self._asked = (base_url, model)
        self._cache: Any = None
        with contextlib.suppress(*_FAULTS):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._cache = diskcache.Cache(
                str(self.folder),
                disk=PlainDisk,
                size_limit=_SIZE_LIMIT,
                disk_min_file_size=_SIZE_LIMIT,  # everything in the database
            )

    def get(self, question: Asked) -> str | None:
        """The text of the answer; None when there is none."""
        if self._cache is not None:
            with contextlib.suppress(*_FAULTS):
                text = self._cache.get(self._key(question))
                return text if isinstance(text, str) else None
        return None

    def put(self, question: Asked, answer: str) -> None:
        """Keep an answer."""
        if self._cache is not None:
            with contextlib.suppress(*_FAULTS):
                self._cache.set(self._key(question), answer)

    def close(self) -> None:
        """Let go of the database."""
        if self._cache is not None:
            self._cache.close()

    def __enter__(self) -> Answers:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _key(self, question: Asked) -> str:
        asked = [_VERSION, *self._asked, *question.identity]
        return hashlib.sha256(json.dumps(asked, ensure_ascii=False).encode()).hexdigest()
