"""What a zip lists: how much, and which of its members are taken. Nothing is unpacked here."""

from __future__ import annotations

import os
import struct
import zipfile
from pathlib import Path, PurePosixPath

from studio.errors import FolderError


def path_of(member: zipfile.ZipInfo, name: str) -> PurePosixPath | None:
    """Where in a folder a member belongs; None when it is not taken."""
    path = PurePosixPath(name)
    if member.is_dir() or _is_link(member) or path.is_absolute() or "\0" in name:
        return None
    if any(part in ("..", "__MACOSX") or ":" in part for part in path.parts):
        return None
    return path


def _is_link(member: zipfile.ZipInfo) -> bool:
    return (member.external_attr >> 16) & 0o170000 == 0o120000


def directory_bytes(archive: Path) -> int:
    """Bytes of a zip's list of members, as the end of the file says; 0 when it says nothing."""
    with archive.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - (1 << 16) - 22))
        tail = file.read()
        found = tail.rfind(b"PK\5\6")
        if found < 0 or len(tail) < found + 22:
            return 0
        listed = int(struct.unpack_from("<L", tail, found + 12)[0])
        if listed != 0xFFFFFFFF:
            return listed
        at = tail.rfind(b"PK\6\6", 0, found)
        return size if at < 0 or len(tail) < at + 48 else struct.unpack_from("<Q", tail, at + 40)[0]


def unreadable(error: Exception) -> FolderError:
    """What is said of a zip that raises this."""
    reason = " ".join(str(error).split())[:120] or type(error).__name__
    return FolderError(f"The zip cannot be read ({reason}); unpack it and upload the images.")
