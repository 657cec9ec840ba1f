"""What a judge was asked about a set of images and what it said, beside their corrections.

judged.jsonl is only ever appended to: a line when an asking begins or goes on, one for each image
as its answers come, and one when it ends. What counts of it is one action of corrections.jsonl for
each asking (`Corrections`), so that one press undoes all of it: each time that an asking ends, what
came since is added to it. Where its process was killed, or the disk was full, the next one does so.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from studio.ask.judge_said import JudgeAsking, Judgement
from studio.errors import RunError
from studio.files import append_json
from studio.forking import Lock
from studio.locks import FileLock
from studio.numbers import plural
from studio.runs.corrections import Corrections
from studio.runs.judged_lines import AskedBefore, JudgedLines

JUDGED_FILE = "judged.jsonl"
_LOCK = "judged.lock"


@dataclass(frozen=True)
class JudgedImage:
    """What a judge said of one image, and which model it was; check: only to check its label."""

    judgement: Judgement
    model: str
    host: str
    check: bool = False


@dataclass
class JudgeRecord:
    """The askings about the images of these corrections, for any number of readers.

    One at a time asks, of all processes: whoever does holds `alone`.
    """

    corrections: Corrections
    _lock: Lock = field(default_factory=Lock)  # pages share a record, each in a thread of its own
    _lines: JudgedLines = field(init=False)

    def __post_init__(self) -> None:
        self._lines = JudgedLines(self.corrections.folder / JUDGED_FILE)

    @property
    def path(self) -> Path:
        """The file."""
        return self._lines.path

    def askings(self) -> list[AskedBefore]:
        """All that stand, oldest first; of what was undone nothing is left."""
        with self._lock:
            self._lines.refresh()
            return [one for seen in self._lines.seen.values() if (one := self._standing(seen))]

    def open_one(self, *, checks: bool = False) -> AskedBefore | None:
        """The last asking, where it can go on; checks: of those that check labels."""
        standing = [one for one in self.askings() if one.checks == checks]
        return standing[-1] if standing and standing[-1].left else None

    def is_still(self, before: AskedBefore) -> bool:
        """Whether an asking is as it was when it was read: nobody went on with it or undid it."""
        now = next((one for one in self.askings() if one.id == before.id), None)
        return now is not None and now.judgements == before.judgements and now.over == before.over

    def checked(self, model: str, host: str) -> dict[str, Judgement]:
        """What a judge said of the images that it was shown to check their labels, by path."""
        return {
            judgement.path: judgement
            for one in self.askings()
            if one.checks and (one.model, one.host) == (model, host)
            for judgement in one.judgements
        }

    def of(self, path: str) -> JudgedImage | None:
        """The last word on an image, one that counts as its judged label before one that only
        checked it; None where nobody asked, or it was undone.
        """
        standing = self.askings()[::-1]
        for one in sorted(standing, key=lambda one: one.checks):
            for judgement in one.judgements:
                if judgement.path == path:
                    return JudgedImage(judgement, one.model, one.host, one.checks)
        return None

    @property
    def last(self) -> AskedBefore | None:
        """The asking that `undo` undoes: the last one of which something counts."""
        said = [one for one in self.askings() if one.action or (one.checks and one.judgements)]
        return said[-1] if said else None

    # Writing ----------------------------------------------------------------------------------

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Held while a judge is asked about these images, so that nothing is asked and paid twice.

        Raises:
            RunError: Another page or process is asking.
        """
        self.corrections.make_room()
        lock = FileLock(self.corrections.folder / _LOCK)
        with _kept():
            if not lock.acquire():
                raise RunError(
                    "A judge is being asked about these images already, by "
                    f"{_by_whom(lock.holder())}; wait for it or stop it."
                )
        try:
            yield
        finally:
            lock.release()

    def take_up(self) -> None:
        """Let count what came of askings that could not end: their process was killed, or the disk
        was full. One that has nothing left to ask is over then.

        Raises:
            RunError: It cannot be kept.
        """
        with self._lock:
            self._lines.refresh()
            if not self._unfinished():
                return
            lock = FileLock(self.corrections.folder / _LOCK)
            with _kept():
                if not lock.acquire():
                    return  # it is at work
            try:
                self._lines.refresh()
                for one in self._unfinished():
                    action = self._count(one)
                    self._write({"asking": one.id, "action": action, "over": not one.left})
                self._lines.refresh()
            finally:
                lock.release()

    def begin(
        self, *, budget: int, model: str, host: str, go_on: AskedBefore | None,
        checks: bool = False,
    ) -> str:  # fmt: skip
        """Note that an asking begins, or goes on; its name. checks: see `AskedBefore`.

        Raises:
            RunError: It cannot be kept.
        """
        name = uuid.uuid4().hex[:12] if go_on is None else go_on.id
        if go_on is None:
            self.corrections.make_room()
        only = {"checks": True} if checks else {}
        self._write({"asking": name, "budget": budget, "model": model, "host": host, **only})
        return name

    def note(self, name: str, judgement: Judgement) -> None:
        """Note what came of an image. Raises RunError."""
        self._write({"asking": name, **judgement.to_dict()})

    def end(self, name: str, asking: JudgeAsking) -> str:
        """Let what came since it began, or went on, count as a part of the asking's action; of one
        that only checks labels there is none. What was taken back or undone meanwhile stays so.

        Returns:
            The action's id; "" when no answer counts.

        Raises:
            RunError: It cannot be kept; `take_up` does it later.
        """
        with self._lock:
            self._lines.refresh()
            one = self._lines.seen.get(name)
            action = "" if one is None else self._count(one)
        over = not asking.stopped and (asking.done >= asking.total or not asking.problems)
        self._write({
            "asking": name, "action": action, "over": over, "requests": asking.requests,
            "tokens_in": asking.tokens_in, "tokens_out": asking.tokens_out,
        })  # fmt: skip
        return action

    def undo(self) -> str:
        """Take back all that the last asking said; what that was, in words.

        Raises:
            RunError: There is nothing, or it cannot be kept.
        """
        self.take_up()  # or it would come back later
        last = self.last
        if last is None:
            raise RunError("There is nothing that a judge said to be undone.")
        if last.checks:
            self._write({"asking": last.id, "withdrawn": True})
            return f"{plural(len(last.judgements), 'image')} checked by a judge"
        undone = self.corrections.undo(last.action)
        return "" if undone is None else undone.text

    def _unfinished(self) -> list[AskedBefore]:
        """Askings without an end whose answers are to count."""
        return [one for name in self._lines.fresh if not (one := self._lines.seen[name]).checks]

    def _count(self, one: AskedBefore) -> str:
        """Let the answers of an asking count that do not yet; the action's id, "" for none."""
        if one.checks:
            return ""
        parts = self._parts(one)
        standing = [part for part in parts if self.corrections.stands(part)]
        known = self._images_of(standing)
        new = {
            path: said.label
            for path, said in self._lines.fresh.get(one.id, {}).items()
            if said.label is not None and path not in known
        }
        if not new:
            return standing[-1] if standing else ""
        return self.corrections.add_judged(new, parts=parts, new=_part(one.id, len(parts)))

    def _write(self, line: Mapping[str, Any]) -> None:
        with _kept():
            append_json(self.path, {"time": round(time.time(), 3), **line}, keep=True)

    # Reading ----------------------------------------------------------------------------------

    def _standing(self, one: AskedBefore) -> AskedBefore | None:
        """An asking without what was undone of it; None where that is all."""
        if one.id in self._lines.withdrawn:
            return None
        parts = self._parts(one)
        standing = [part for part in parts if self.corrections.stands(part)]
        if parts and not standing:
            return None
        undone = self._images_of(part for part in parts if part not in standing)
        undone -= self._images_of(standing) | self._lines.fresh.get(one.id, {}).keys()
        left = tuple(said for said in one.judgements if said.path not in undone)
        return replace(one, judgements=left, action=standing[-1] if standing else "")

    def _parts(self, one: AskedBefore) -> list[str]:
        """Ids of the actions that came of an asking, undone or not. There is more than one where
        it went on after it was undone.
        """
        parts = [one.action] if one.action else []  # as an earlier version named it
        number = 0
        while self.corrections.images_of(_part(one.id, number)) is not None:
            parts.append(_part(one.id, number))
            number += 1
        return list(dict.fromkeys(parts))

    def _images_of(self, parts: Iterable[str]) -> set[str]:
        return {path for part in parts for path in self.corrections.images_of(part) or ()}


def _part(asking: str, number: int) -> str:
    """The id of an asking's action; number: how often it was undone and went on all the same."""
    return f"{asking}.{number}" if number else asking


def _by_whom(process: int | None) -> str:
    if process == os.getpid():
        return "another page of this studio"
    return "another process" if process is None else f"process {process}"


@contextmanager
def _kept() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RunError(f"cannot keep what was said: {error.strerror or error}") from error
