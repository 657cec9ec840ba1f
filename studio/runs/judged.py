"""What a judge was asked about a set of images and what it said, beside their corrections.

judged.jsonl is only ever appended to: a line when an asking begins or goes on, one for each image
as its answers come, and one when it ends. What counts of it is one action of corrections.jsonl for
each asking (`Corrections`), so that one press undoes all of it.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from studio.ask.judge_said import JudgeAsking, Judgement
from studio.errors import RunError
from studio.files import append_json, read_json_lines
from studio.numbers import plural
from studio.runs.corrections import Corrections

JUDGED_FILE = "judged.jsonl"
_LONGEST = 300


@dataclass(frozen=True)
class AskedBefore:
    """One asking as the disk has it.

    Attributes:
        id: Its name.
        budget: How many images it is to be.
        model, host: Who was asked.
        judgements: What came, in order.
        action: Of the corrections that came of it; "" while there is none.
        over: It came to its end; else it was stopped, or its process ended.
        checks: It was about images that were drawn to check the labels: nothing that was said
            counts as a judged label.
        tokens_in, tokens_out, requests: Spent so far, by the server's count.
    """

    id: str
    budget: int
    model: str
    host: str
    judgements: tuple[Judgement, ...] = ()
    action: str = ""
    over: bool = False
    tokens_in: int = 0
    tokens_out: int = 0
    requests: int = 0
    checks: bool = False

    @property
    def left(self) -> int:
        """Images that it can still go on with."""
        return 0 if self.over else max(0, self.budget - len(self.judgements))


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

    One at a time writes: whoever asks holds a lock for that (`session.judging`).
    """

    corrections: Corrections
    _read: int = 0
    _seen: dict[str, AskedBefore] = field(default_factory=dict)
    _withdrawn: set[str] = field(default_factory=set)  # askings that only checked, undone

    @property
    def path(self) -> Path:
        """The file."""
        return self.corrections.folder / JUDGED_FILE

    def askings(self) -> list[AskedBefore]:
        """All that stand: those that were undone are left out; oldest first."""
        self._refresh()
        return [one for one in self._seen.values() if self._stands(one)]

    def open_one(self, *, checks: bool = False) -> AskedBefore | None:
        """The last asking, where it can go on; checks: of those that check labels."""
        standing = [one for one in self.askings() if one.checks == checks]
        return standing[-1] if standing and standing[-1].left else None

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
        """Let what came count, as one action in place of an earlier one of the same asking; of one
        that only checks labels there is none.

        Returns:
            The action's id; "" when no answer counts.

        Raises:
            RunError: It cannot be kept.
        """
        self._refresh()
        before = self._seen.get(name)
        action = before.action if before is not None else ""
        new = asking.answers
        if new and not (before is not None and before.checks):
            fresh = self.corrections.add("judged", new)
            if action:
                self.corrections.undo(action)
            action = fresh.id
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
        last = self.last
        if last is None:
            raise RunError("There is nothing that a judge said to be undone.")
        if last.checks:
            self._write({"asking": last.id, "withdrawn": True})
            return f"{plural(len(last.judgements), 'image')} checked by a judge"
        undone = self.corrections.undo(last.action)
        return "" if undone is None else undone.text

    def _write(self, line: Mapping[str, Any]) -> None:
        try:
            append_json(self.path, {"time": round(time.time(), 3), **line}, keep=True)
        except OSError as error:
            raise RunError(f"cannot keep what was said: {error.strerror or error}") from error

    # Reading ----------------------------------------------------------------------------------

    def _stands(self, one: AskedBefore) -> bool:
        if one.id in self._withdrawn:
            return False
        return not one.action or self.corrections.stands(one.action)

    def _refresh(self) -> None:
        records, self._read = read_json_lines(self.path, after=self._read)
        for record in records:
            name = record.get("asking")
            if isinstance(name, str):
                self._take(name[:_LONGEST], record)

    def _take(self, name: str, record: Mapping[str, Any]) -> None:
        one = self._seen.get(name)
        if record.get("withdrawn") is True:
            self._withdrawn.add(name)
        elif "budget" in record:
            told = AskedBefore(
                name, _number(record["budget"]), _text(record.get("model")),
                _text(record.get("host")), checks=record.get("checks") is True,
            )  # fmt: skip
            self._seen[name] = told if one is None else replace(
                one, budget=told.budget, model=told.model, host=told.host, over=False
            )  # fmt: skip
        elif one is None:
            return
        elif "image" in record:
            if (judgement := Judgement.from_dict(record)) is not None:
                kept = tuple(j for j in one.judgements if j.path != judgement.path)
                self._seen[name] = replace(one, judgements=(*kept, judgement))
        elif "action" in record:
            self._seen[name] = replace(
                one, action=_text(record["action"]), over=record.get("over") is True,
                requests=one.requests + _number(record.get("requests")),
                tokens_in=one.tokens_in + _number(record.get("tokens_in")),
                tokens_out=one.tokens_out + _number(record.get("tokens_out")),
            )  # fmt: skip


def _text(value: object) -> str:
    return value[:_LONGEST] if isinstance(value, str) else ""


def _number(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
