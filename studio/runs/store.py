"""All runs of a folder, readable by any number of processes while one process works on one run."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from studio.errors import RunError, StudioError, WriteError
from studio.files import write_json
from studio.leftovers import sweep
from studio.locks import FileLock
from studio.room import RUNS, within, writing
from studio.runs.damage import look_at
from studio.runs.run import ACTIVE, FINAL, Run, RunInfo, Status

__all__ = ["ACTIVE", "FINAL", "Run", "RunInfo", "RunStore", "Status"]

REQUEST_FILE = "request.json"
"""In a run's folder: of what it was asked to do, that which run.json does not hold."""

_HOW_RUNS_ARE_CALLED = "give a run's id, its folder, or 'latest'"
_TEMPORARY = (".*.tmp", ".model.*", "arrays/.*.tmp", "checkpoints/.*.tmp", "model/.*.tmp")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,99}")
_TIMED = re.compile(r"\d{8}-\d{6}-")  # how a name begins that the studio chose


class RunStore:
    """All runs of one folder.

    Attributes:
        root: The folder; made when the first run is.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root).expanduser().absolute()
        self._ended: dict[Path, tuple[object, RunInfo]] = {}  # as of the last `list`

    def create(
        self,
        *,
        id: str | None = None,
        name: str,
        method: str,
        model: str,
        folder: str,
        class_names: Sequence[str] = (),
        aliases: Mapping[str, str] | None = None,
        seed: int = 0,
        test_folder: str | None = None,
        follow_links: bool = False,
        settings: Mapping[str, Any] | None = None,
        versions: Mapping[str, str] | None = None,
        request: Mapping[str, Any] | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> Run:
        """Make a new run, "queued" and owned by this process.

        id: its folder's name; None: one that begins with the time; request: what goes into its
        REQUEST_FILE.

        Raises:
            RunError: Another run of this folder is being worked on; the message names it. Or `id`
                cannot be the name of a run's folder, or is there already.
        """
        if id is not None and not _ID.fullmatch(id):
            raise RunError(
                f"{id!r} cannot be a run's name: take letters, digits, - and _, 100 at most"
            )
        with writing(self.root, what=RUNS):
            self.root.mkdir(parents=True, exist_ok=True)
        with self._alone():
            created = now()
            stem = f"{created:%Y%m%d-%H%M%S}-{_slug(name)}-{_slug(method)}"
            path = self._free(stem) if id is None else self.root / id
            if path.exists():
                raise RunError(f"{path} is there already; choose another place for the run")
            hidden = self.root / f".new-{path.name}"
            shutil.rmtree(hidden, ignore_errors=True)  # left by a process killed right here
            values = {
                "id": path.name,
                "created": created.isoformat(timespec="seconds"),
                "name": name,
                "method": method,
                "model": model,
                "folder": folder,
                "class_names": list(class_names),
                "aliases": dict(aliases or {}),
                "truth_known": None,
                "seed": seed,
                "test_folder": test_folder,
                "settings": dict(settings or {}),
                "versions": dict(versions or {}),
                **({"follow_links": True} if follow_links else {}),
            }
            lock = FileLock(hidden / "owner.lock")
            try:
                _lay_out(hidden, lock, values, request)
                os.rename(hidden, path)
            except BaseException as error:  # a full disk: nothing is left of it
                lock.release()
                shutil.rmtree(hidden, ignore_errors=True)
                if isinstance(error, WriteError):
                    raise within(error, {RUNS: self.root}) from error
                raise
            run = Run(path)
            run.own(lock)
            return run

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else starts a run meanwhile, and none is at work.

        Raises:
            RunError: One is; the message names it.
        """
        gate = FileLock(self.root / ".start.lock")
        gate.wait()
        try:
            busy = self.active()
            if busy is not None:
                raise RunError(
                    f"run {busy} is still at work; wait for it or stop it, then start the next"
                )
            yield
        finally:
            gate.release()

    def take_up(self, run: Run) -> None:
        """Make a run that has ended this process's own, "queued" again.

        Raises:
            RunError: It is being worked on, or another run of this folder is.
        """
        with self._alone():
            lock = FileLock(run.path / "owner.lock")
            if not lock.acquire():
                raise RunError(f"run {run.id} is still at work")
            run.own(lock)
            try:
                run.keep_room()
                run.set_status(state="queued", reason=None, stage=None)
            except BaseException:
                run.disown()
                raise

    def check_readable(self) -> None:
        """Raise when nobody can say what runs there are.

        Raises:
            RunError: The folder is somebody else's, or no folder.
        """
        try:
            with os.scandir(self.root):
                return
        except FileNotFoundError:
            return
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise RunError(
                f"cannot read {self.root}: {reason}; choose another folder for runs (--runs)"
            ) from None

    def _free(self, stem: str) -> Path:
        path, number = self.root / stem, 2
        while path.exists():
            path, number = self.root / f"{stem}-{number}", number + 1
        return path

    def _paths(self) -> list[Path]:
        """Folders of runs, in any order."""
        try:
            found = [path for path in self.root.iterdir() if _ID.fullmatch(path.name)]
        except OSError:  # none yet, or see `check_readable`
            return []
        return [path for path in found if _is_run(path)]

    def list(self) -> list[RunInfo]:
        """All runs, newest first; one with damaged files is among them, and says why.

        Every open page asks again and again: of a run that has ended nothing is read that was read
        before and has not changed.
        """
        infos: list[RunInfo] = []
        ended: dict[Path, tuple[object, RunInfo]] = {}
        for path in self._paths():
            stamp, before = _stamp(path), self._ended.get(path)
            info = before[1] if before is not None and before[0] == stamp else look_at(Run(path))
            if info is None:  # deleted this moment
                continue
            infos.append(info)
            if info.state not in ACTIVE:
                ended[path] = stamp, info
        self._ended = ended
        return sorted(infos, key=lambda info: (info.created, info.id), reverse=True)

    def with_labels(self, infos: Sequence[RunInfo]) -> Sequence[RunInfo]:
        """Those of these runs that have the labels that a run ends with."""
        return [i for i in infos if any((self.root / i.id / "arrays").glob("finished-*"))]

    def tidy(self) -> int:
        """Remove what killed processes left in the folder and in its runs; how much it was."""
        gate = FileLock(self.root / ".start.lock")
        try:
            if not self.root.is_dir() or not gate.acquire():
                return 0  # somebody starts a run just now
        except (OSError, StudioError):
            return 0
        try:
            removed = sweep(self.root, (".new-*", ".deleted-*"))
        finally:
            gate.release()
        return removed + sum(sweep(path, _TEMPORARY) for path in self._paths())

    def active(self) -> str | None:
        """The id of the run that some process works on, or None."""
        ids = (path.name for path in self._paths() if Run(path).status()["state"] in ACTIVE)
        return next(ids, None)

    def get(self, id: str) -> Run:
        """The run of that id.

        Raises:
            RunError: There is none, or the text is no id.
        """
        if not _ID.fullmatch(id) or not _is_run(self.root / id):
            raise RunError(f"no run {id!r} in {self.root}; `python -m studio runs` lists them")
        return Run(self.root / id)

    def find(self, text: str, *, others: str = "") -> Run:
        """The run that a user means: an id, the path of a run's folder, or "latest".

        others: what else could have been meant and is not there either: "and no such file".

        Raises:
            RunError: There is none; the message says what the text is where it is something else.
        """
        if text == "latest":
            infos = self.list()
            if not infos:
                raise RunError(f"there are no runs in {self.root}; start one with `fit`")
            return self.get(infos[0].id)
        path = Path(text).expanduser()
        if (path / "run.json").is_file():
            path = path.resolve()
            return RunStore(path.parent).get(path.name)
        try:
            return self.get(text)
        except RunError:
            if path.is_file():
                raise RunError(f"{text} is a file, and no run; {_HOW_RUNS_ARE_CALLED}") from None
            if path.is_dir():
                raise RunError(
                    f"{text} is a folder, but no run's; {_HOW_RUNS_ARE_CALLED}"
                ) from None
            if others:
                raise RunError(
                    f"no run {text!r} in {self.root}, {others}; `python -m studio runs` lists the "
                    "runs"
                ) from None
            raise

    def delete(self, id: str) -> None:
        """Delete the run and all its files.

        Raises:
            RunError: There is no such run, or it is being worked on.
        """
        run = self.get(id)
        if run.status()["state"] in ACTIVE:
            raise RunError(f"run {id} is still at work; stop it before deleting it")
        hidden = self.root / f".deleted-{id}"
        os.rename(run.path, hidden)  # gone at once for every reader, then bit by bit
        shutil.rmtree(hidden, ignore_errors=True)


def _lay_out(
    folder: Path, lock: FileLock, values: Mapping[str, Any], request: Mapping[str, Any] | None
) -> None:
    """The folder of a new run, which nobody sees yet."""
    with writing(folder.parent):
        folder.mkdir()
    lock.acquire()
    write_json(folder / "run.json", values)
    if request is not None:
        write_json(folder / REQUEST_FILE, request)
    run = Run(folder)
    run.keep_room()
    run.set_status(state="queued")


def _is_run(path: Path) -> bool:
    """Whether a folder is a run's, whole or damaged: one of its files is there, or a link to it.

    One that is not called as the studio calls them has to have a run.json.
    """
    names: tuple[str, ...] = (
        "run.json", "status.json", "events.jsonl", "images.json", "result.json",
    )  # fmt: skip
    names = names if _TIMED.match(path.name) else names[:1]
    return any(os.path.lexists(path / name) for name in names)


def _stamp(path: Path) -> list[object]:
    """What changes with the files that `Run.info` reads; each is replaced as a whole."""
    stamp: list[object] = []
    for name in ("run.json", "status.json", "images.json", "result.json"):
        try:
            found = (path / name).stat()
            stamp.append((found.st_ino, found.st_mtime_ns, found.st_size))
        except OSError:
            stamp.append(None)
    return stamp


def _slug(text: str) -> str:
    """Lower-case letters, digits and single hyphens, 1 to 32 characters."""
    return (
        re.sub(r"[^a-z0-9]+", "-", text.lower().replace("+", "-plus")).strip("-")[:32].strip("-")
        or "run"
    )
