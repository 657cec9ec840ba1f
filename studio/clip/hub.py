"""Files of the Hugging Face hub, by its own client: safetensors and JSON, never anything else.

What is on this machine already is taken from there without asking anybody. All else is fetched in a
thread of its own, so that whoever waits can stop it, and is told after SILENCE_S when nothing comes
any more, whatever the client below is waiting for. A file that is broken off goes on from where it
was.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, TypeVar
from urllib.parse import urlsplit

from studio.clip.hub_errors import HubSilent, explain
from studio.errors import ModelError, Stopped
from studio.files import file_digest
from studio.forking import Lock
from studio.locks import FileLock
from studio.progress import FETCHING, Begin, Progress, Stop, never

SILENCE_S = 12.0
"""So long nothing may come before a hub counts as out of reach."""

_REQUEST_S = 8.0  # of one question; shorter than SILENCE_S, so that the client names the cause
_PIECE = 256 * 1024  # bytes between two signs of life
_MB = 1_000_000
_ALLOWED = (".safetensors", ".json")
_LARGE = 5 * _MB  # what is smaller comes without progress
_NAME = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
_REVISION = re.compile(r"\w[\w.-]*(/\w[\w.-]*)*", re.ASCII)

T = TypeVar("T")


@dataclass
class _Life:
    """What a thread that fetches shares with the one that waits for it."""

    last: float = field(default_factory=time.monotonic)
    done: int = 0
    ended: bool = False
    lock: Lock = field(default_factory=Lock)

    def beat(self) -> None:
        self.last = time.monotonic()


class Hub:
    """One repository of models, `OWNER/NAME`, as it is now or at a revision, `OWNER/NAME@REVISION`.

    A revision is a branch, a tag or a commit. `name` is the whole, `repo` the first part.

    Raises:
        ModelError: the name is none; or, of every method that fetches, why it did not work.
    """

    def __init__(self, name: str, *, begin: Begin | None = None, stop: Stop | None = None) -> None:
        """begin: told that a file is fetched, then how many MB of it are here; stop: asked."""
        repo, at, revision = name.partition("@")
        if not _is_repository(repo):
            raise ModelError(f"{repo!r} is no name of a repository; give it as OWNER/NAME.")
        if at and (not _REVISION.fullmatch(revision) or ".." in revision):
            raise ModelError(
                f"{revision!r} is no revision; give a branch, a tag or a commit: {repo}@main."
            )
        self.name, self.repo, self.revision = name, repo, revision or None
        self.begin, self.stop = begin, stop or never

    def at(self, revision: str) -> Hub:
        """The same repository at a revision."""
        return Hub(f"{self.repo}@{revision}", begin=self.begin, stop=self.stop)

    def cached(self, *names: str) -> Path | None:
        """The first of these files that is on this machine."""
        from huggingface_hub import constants, try_to_load_from_cache

        for name in names:
            found = try_to_load_from_cache(
                self.repo, name, cache_dir=constants.HF_HUB_CACHE, revision=self.revision
            )
            if isinstance(found, str) and Path(found).is_file():
                return Path(found)
        return None

    def known_missing(self, name: str) -> bool:
        """Whether it was found out before that the repository has no such file."""
        from huggingface_hub import _CACHED_NO_EXIST, constants, try_to_load_from_cache

        found: object = try_to_load_from_cache(
            self.repo, name, cache_dir=constants.HF_HUB_CACHE, revision=self.revision
        )
        return found is _CACHED_NO_EXIST

    def remember_missing(self, name: str, *, commit: str) -> None:
        """Note, where the client does, that there is no such file at a commit."""
        with contextlib.suppress(OSError):  # then it is asked about again
            mark = _cache_of(self.repo) / ".no_exist" / commit / name
            mark.parent.mkdir(parents=True, exist_ok=True)
            mark.touch()

    def files(self) -> list[str]:
        """Names of all files of the repository, as the hub tells them."""
        from huggingface_hub import HfApi, constants

        def ask(_life: _Life) -> list[str]:
            info = HfApi(endpoint=constants.ENDPOINT).model_info(
                self.repo, revision=self.revision, timeout=_REQUEST_S
            )
            return [sibling.rfilename for sibling in info.siblings or []]

        return self._wait_for(ask)

    def get(self, name: str, *, part: str = "") -> Path:
        """The file, fetched unless it is on this machine; part: "2 of 3" where there are more."""
        if not name.endswith(_ALLOWED):
            raise ModelError(
                f"{name} of {self.repo} is not a .safetensors or .json file; other formats can run "
                "code when opened, and are never fetched."
            )
        found = self.cached(name)
        if found is not None:
            return found
        return self._fetch(name, part)

    def _fetch(self, name: str, part: str) -> Path:
        from huggingface_hub import constants, get_hf_file_metadata, hf_hub_download, hf_hub_url

        url = hf_hub_url(self.repo, name, revision=self.revision, endpoint=constants.ENDPOINT)
        about = self._wait_for(lambda _: get_hf_file_metadata(url, timeout=_REQUEST_S))
        # A file is kept under its etag, which must not lead anywhere else.
        if not about.etag or Path(about.etag).name != about.etag or not about.size:
            raise ModelError(
                f"{_host()} does not answer as the Hugging Face hub does; check HF_ENDPOINT and "
                "the network's proxy, or use the model 'embedded'."
            )
        blobs = _cache_of(self.repo) / "blobs"
        blob = blobs / about.etag
        try:
            blobs.mkdir(parents=True, exist_ok=True)
            if not blob.is_file():
                self._fill(blob, name, about, part)
        except OSError as error:
            raise explain(error, repo=self.name, host=_host()) from error
        # The client finds the finished file in its cache, and links it to its name there.
        where = self._wait_for(
            lambda _: hf_hub_download(
                self.repo, name, revision=self.revision, cache_dir=constants.HF_HUB_CACHE,
                endpoint=constants.ENDPOINT, etag_timeout=_REQUEST_S,
            )
        )  # fmt: skip
        return Path(where)

    def _fill(self, blob: Path, name: str, about: Any, part: str) -> None:
        """Fetch a file into the cache's place for it, going on where it broke off."""
        partial = blob.with_name(f"{blob.name}.studio.incomplete")
        # Where the client keeps its own. It stays: whoever waits for it holds the same file.
        locks = blob.parents[2] / ".locks" / blob.parents[1].name
        locks.mkdir(parents=True, exist_ok=True)
        lock = FileLock(locks / f"{blob.name}.studio.lock")
        while not lock.acquire():  # another page, or another process, fetches the same
            if self.stop():
                raise Stopped
            time.sleep(0.1)
        try:
            if blob.is_file():
                return
            self._check_room(partial, about.size)
            which = f", part {part}" if part else ""
            title = f"{FETCHING} {self.repo}{which} ({about.size / _MB:.0f} MB)"
            large = about.size >= _LARGE and self.begin is not None
            progress = self.begin(title) if large and self.begin else None
            self._wait_for(lambda life: _write(partial, about, life), progress, about.size)
            if len(blob.name) == 64 and file_digest(partial, hashlib.sha256()) != blob.name:
                partial.unlink()
                raise ModelError(
                    f"{name} of {self.repo} arrived damaged; start again to fetch it anew."
                )
            os.replace(partial, blob)
        finally:
            lock.release()

    def _check_room(self, partial: Path, size: int) -> None:
        missing = size - (partial.stat().st_size if partial.is_file() else 0)
        free = shutil.disk_usage(partial.parent).free
        if missing > free:
            raise ModelError(
                f"{self.repo} needs {missing / _MB:.0f} MB more, and the disk of "
                f"{partial.parents[2]} has {free / _MB:.0f} MB; make room, or set HF_HOME to "
                "another disk."
            )

    def _wait_for(
        self, work: Callable[[_Life], T], progress: Progress | None = None, size: int = 0
    ) -> T:
        """Do it in a thread that may be left behind; told in MB how far it is."""
        life, result, failed = _Life(), [], []

        def run() -> None:
            try:
                result.append(work(life))
            except BaseException as error:
                failed.append(error)

        thread = threading.Thread(target=run, daemon=True, name=f"fetch {self.repo}")
        thread.start()
        shown = -1
        try:
            while thread.is_alive():
                thread.join(0.05)
                if self.stop():
                    raise Stopped
                if time.monotonic() - life.last > SILENCE_S:
                    raise HubSilent(SILENCE_S, life.done, size)
                if progress is not None and life.done // _MB != shown:
                    shown = life.done // _MB
                    progress(shown, max(round(size / _MB), shown, 1))
            if failed:
                raise failed[0]
            if progress is not None:
                progress(max(round(size / _MB), 1), max(round(size / _MB), 1))
            return result[0]
        except (Stopped, ModelError):
            raise
        except Exception as error:  # the client raises dozens of kinds
            raise explain(error, repo=self.name, host=_host()) from error
        finally:
            with life.lock:  # whatever still comes is not written any more
                life.ended = True


def _is_repository(name: str) -> bool:
    """Whether it is OWNER/NAME, by the client's own rules as well."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    try:
        validate_repo_id(name)
    except HFValidationError:
        return False
    return _NAME.fullmatch(name) is not None


def _cache_of(repo: str) -> Path:
    """Where the client keeps a repository's files."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE) / f"models--{repo.replace('/', '--')}"


class _Pieces:
    """A file for the client to write to: says that it lives, and takes nothing once it is over."""

    def __init__(self, file: IO[bytes], life: _Life) -> None:
        self._file, self._life = file, life

    def write(self, piece: bytes) -> int:
        with self._life.lock:
            if self._life.ended:
                raise Stopped
            written = self._file.write(piece)
            self._life.done += written
            self._life.beat()
            return written

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _write(partial: Path, about: Any, life: _Life) -> None:
    from huggingface_hub import constants
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import (  # type: ignore[attr-defined]
        build_hf_headers,
        disable_progress_bars,
    )

    # In place of the client's pieces of 10 MB, between which a slow line would seem dead.
    constants.DOWNLOAD_CHUNK_SIZE = _PIECE
    disable_progress_bars("huggingface_hub.http_get")
    # A place on another host is signed already, and is not told who asks.
    own = urlsplit(about.location).netloc == urlsplit(constants.ENDPOINT).netloc
    headers = build_hf_headers() if own else build_hf_headers(token=False)
    here = partial.stat().st_size if partial.is_file() else 0
    if here > about.size:
        partial.unlink()
        here = 0
    with open(partial, "ab" if here else "wb", buffering=0) as file:
        life.done = here
        pieces: Any = _Pieces(file, life)
        if here < about.size:
            http_get(
                about.location, pieces, resume_size=here, headers=headers,
                expected_size=about.size,
            )  # fmt: skip


def _host() -> str:
    from huggingface_hub import constants

    return urlsplit(constants.ENDPOINT).netloc.rpartition("@")[2]
