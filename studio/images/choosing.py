"""Choosing a folder of this machine: typed, completed while typing, or one that was used before."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from studio.errors import FolderError
from studio.files import read_json, write_json
from studio.images.folder import natural_key

MOST_RECENT = 12
MOST_COMPLETIONS = 20
_MOST_ENTRIES = 5000  # of a folder that is listed for completions; it may be huge, or far away


def typed_folder(text: str, *, roots: Sequence[Path]) -> Path:
    """A folder from what a user typed.

    roots: folders that it must lie in; empty: anywhere.

    Raises:
        FolderError: it is no path, or lies elsewhere; whether it is there is seen when it is read.
    """
    text = text.strip().strip("\"'")
    if not text or "\0" in text:
        raise FolderError("Type the path of a folder, or press “Try the demo set”.")
    try:
        path = Path(text).expanduser().resolve()
    except (OSError, RuntimeError, ValueError):
        raise FolderError("That is not a path of a folder; check it.") from None
    if not _within(path, roots):
        raise FolderError(f"Only folders in {', '.join(map(str, roots))} can be opened (--root).")
    return path


def completions(text: str, *, roots: Sequence[Path]) -> list[str]:
    """Folders that a path may go on to while it is typed, in natural order; with a `/` at the end.

    Hidden ones only when their dot is typed. roots: as for `typed_folder`.
    """
    text = text.lstrip().lstrip("\"'")
    if "\0" in text:
        return []
    listed = [f"{root}{os.sep}" for root in roots]
    if not text:
        return listed
    parent, prefix = os.path.split(os.path.expanduser(text))
    folder = Path(parent)
    if not folder.is_absolute():
        return []
    if not _within(folder, roots):  # on the way to a root
        return [root for root in listed if root.startswith(os.path.expanduser(text))]
    names = _sub_folders(folder, prefix)
    matches = (f"{folder / name}{os.sep}" for name in names if _within(folder / name, roots))
    return list(islice(matches, MOST_COMPLETIONS))


class RecentFolders:
    """The folders that were opened last, newest first; kept in the cache for the next start."""

    def __init__(self, cache_dir: Path) -> None:
        self._file = cache_dir / "folders.json"
        self.added = 0  # how often one was added since the start

    def add(self, folder: Path) -> None:
        """It was opened now. On a full disk it is forgotten."""
        self.added += 1
        folders = [str(folder), *(path for path in self._read() if path != str(folder))]
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            write_json(self._file, folders[:MOST_RECENT])
        except (OSError, UnicodeEncodeError):
            return

    def there(self) -> list[Path]:
        """Those that are still there, newest first."""
        return [folder for folder in map(Path, self._read()) if folder.is_dir()]

    def _read(self) -> list[str]:
        folders = read_json(self._file)
        kept = folders if isinstance(folders, list) else []
        return [path for path in kept if isinstance(path, str) and "\0" not in path][:MOST_RECENT]


def _sub_folders(folder: Path, prefix: str) -> list[str]:
    """Names of its sub-folders that begin with the prefix, small letters or not."""
    names = []
    try:
        with os.scandir(folder) as entries:
            for entry in islice(entries, _MOST_ENTRIES):
                hidden = entry.name.startswith(".") and not prefix.startswith(".")
                if hidden or not entry.name.lower().startswith(prefix.lower()):
                    continue
                if entry.is_dir() and entry.name.isprintable():
                    names.append(entry.name)
    except OSError:
        return []
    return sorted(names, key=natural_key)


def _within(path: Path, roots: Sequence[Path]) -> bool:
    """Whether it lies in one of the roots, wherever links lead; without roots, always."""
    try:
        resolved = path.resolve()
    except (OSError, RuntimeError):
        return False
    there = (root.resolve() for root in roots if root.is_dir())
    return not roots or any(resolved.is_relative_to(root) for root in there)
