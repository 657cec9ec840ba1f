"""Downloads that go on where they broke off, are checked, and say in one line what is wrong."""

from __future__ import annotations

import hashlib
import http.client
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from studio.errors import StudioError
from studio.files import file_digest, read_json, write_json
from studio.paper.model import Download
from studio.progress import Progress
from studio.room import disk_is_full

TIMEOUT_S = 15.0
TRIES = 4  # in a row that bring nothing
PAUSE_S = 2.0
_CHUNK = 1 << 20


class DownloadError(StudioError):
    """A file cannot be fetched, or is not what it should be."""


class _BrokenOff(Exception):  # noqa: N818 (it goes on)
    """The connection ended before the file did."""


def fetch(download: Download, folder: Path, *, progress: Progress) -> Path:
    """The file in the folder; fetched unless it is there, checked in any case.

    What has arrived of it is kept when the connection or the process ends, and is not fetched
    again if the server still has the same file.

    Args:
        download: What to fetch.
        folder: Where to; it is made.
        progress: Told the bytes that are there, and all (0: not known).

    Raises:
        DownloadError: it cannot be had, or its checksum is wrong.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target, part = folder / download.name, folder / f".{download.name}.part"
    if target.exists():
        _check(download, target, target)
        return target
    if not download.url:
        raise DownloadError(f"{download.name} is not served any more; {_by_hand(download, target)}")
    tries, before = 0, _size(part)
    whole = bool(download.checksum and before == download.bytes and check(download, part))
    while not whole:  # else the process was killed before it could rename the file
        try:
            _receive(download, target, part, progress)
            break
        except _BrokenOff as error:
            tries = tries + 1 if _size(part) <= before else 1
            before = _size(part)
            if tries >= TRIES:
                raise DownloadError(
                    f"The download of {download.name} was broken off after {before:,} bytes "
                    f"({error}); run the command again, it goes on there."
                ) from error
            time.sleep(PAUSE_S)
    _check(download, part, target)
    part.replace(target)
    _notes(part).unlink(missing_ok=True)
    return target


def check(download: Download, path: Path) -> bool:
    """Whether the file has the download's checksum; True where none is known.

    Kinds: md5, sha256, and git, which is the name of a file's content in git.
    """
    kind, _, expected = download.checksum.partition(":")
    if not expected:
        return True
    if not path.exists():
        return False
    digest = hashlib.new("sha1" if kind == "git" else kind)
    if kind == "git":
        digest.update(f"blob {path.stat().st_size}\0".encode())
    return file_digest(path, digest) == expected


def _check(download: Download, path: Path, target: Path) -> None:
    if check(download, path):
        return
    if path != target:
        path.unlink()
        _notes(path).unlink(missing_ok=True)
        raise DownloadError(
            f"{download.name} from {download.url} has another checksum than the published file: it "
            "was damaged on its way or has been replaced. It was deleted; run the command again, "
            f"or {_by_hand(download, target)}"
        )
    raise DownloadError(
        f"{path} has another checksum than the published file; delete it and run the command again."
    )


def _receive(download: Download, target: Path, part: Path, progress: Progress) -> None:
    have, notes = _size(part), read_json(_notes(part)) or {}
    headers = {"User-Agent": "coft-studio", "Accept-Encoding": "identity"}
    if have and notes.get("url") == download.url and notes.get("tag"):
        headers |= {"Range": f"bytes={have}-", "If-Range": notes["tag"]}
    else:
        have = 0
    request = urllib.request.Request(download.url, headers=headers)
    with _opened(request, download, target, going_on=have > 0) as answer:
        if "text/html" in answer.headers.get("Content-Type", ""):
            raise DownloadError(
                f"{_host(download)} answered with a web page instead of {download.name}, as Google "
                f"Drive does when too many people fetch a file; {_by_hand(download, target)}"
            )
        if answer.status != 206:
            have = 0
        length = answer.headers.get("Content-Length")
        total = have + int(length) if length else 0
        _check_room(download, target.parent, max(total - have, 0))
        write_json(_notes(part), {"url": download.url, "tag": _tag(answer)})
        _write(answer, part, have, total, download, progress)


def _opened(
    request: urllib.request.Request, download: Download, target: Path, *, going_on: bool
) -> Any:
    try:
        return urllib.request.urlopen(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code == 416 and going_on:  # there is no more: the file has changed
            target.with_name(f".{target.name}.part").unlink(missing_ok=True)
            raise _BrokenOff("the file has changed") from error
        if error.code >= 500 and going_on:
            raise _BrokenOff(f"status {error.code}") from error
        raise DownloadError(_refused(error.code, download, target)) from error
    except (OSError, http.client.HTTPException) as error:  # URLError is an OSError
        reason = getattr(error, "reason", None) or error or type(error).__name__
        if going_on:
            raise _BrokenOff(str(reason)) from error
        raise DownloadError(
            f"{_host(download)} cannot be reached ({reason}); check the network, "
            f"or {_by_hand(download, target)}"
        ) from error


def _refused(code: int, download: Download, target: Path) -> str:
    if code == 429:
        return f"{_host(download)} has had too many requests (status 429); try again in an hour."
    if code >= 500:
        return f"{_host(download)} has an error of its own (status {code}); try again later."
    what = "is gone" if code in (404, 410) else "is refused"
    return f"{download.url} {what} (status {code}); {_by_hand(download, target)}"


def _write(
    answer: Any, part: Path, have: int, total: int, download: Download, progress: Progress
) -> None:
    try:
        with part.open("ab" if have else "wb") as file:
            while True:
                try:
                    chunk = answer.read(_CHUNK)
                except (OSError, http.client.HTTPException) as error:
                    raise _BrokenOff(str(error) or type(error).__name__) from error
                if not chunk:
                    break
                file.write(chunk)
                have += len(chunk)
                progress(have, max(total, have))
    except OSError as error:
        if disk_is_full(error):
            raise DownloadError(_no_room(download, part.parent, max(total - have, 0))) from error
        raise DownloadError(f"{part} cannot be written: {error.strerror or error}.") from error
    if have < total:  # http.client takes an early end for an end
        raise _BrokenOff(f"{total - have:,} bytes are missing")


def _check_room(download: Download, folder: Path, needed: int) -> None:
    if shutil.disk_usage(folder).free < needed:
        raise DownloadError(_no_room(download, folder, needed))


def _no_room(download: Download, folder: Path, needed: int) -> str:
    return (
        f"The disk of {folder} is full: {download.name} needs {megabytes(needed)} more. Free some "
        "room, or choose another folder with --data."
    )


def _tag(answer: Any) -> str:
    """What tells this version of the file from others; a weak tag does not."""
    tag = answer.headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified", "")


def _by_hand(download: Download, target: Path) -> str:
    return f"download it by hand from {download.page or download.url} and put it at {target}"


def _host(download: Download) -> str:
    return urllib.parse.urlsplit(download.url).netloc


def _notes(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def megabytes(count: int) -> str:
    """A number of bytes for people: 4,996 MB, 0.5 MB."""
    return f"{count / 1e6:,.0f} MB" if count >= 10e6 else f"{count / 1e6:.1f} MB"
