"""The lines of judged.jsonl, read into askings; what counts of them is in `runs.judged`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from studio.ask.judge_said import Judgement
from studio.files import read_json_lines

_LONGEST = 300


@dataclass(frozen=True)
class AskedBefore:
    """One asking as the disk has it.

    Attributes:
        id: Its name.
        budget: How many images it is to be.
        model, host: Who was asked.
        judgements: What came, in order.
        action: Of the corrections that came of it; "" while there is none, or it was undone.
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


@dataclass
class JudgedLines:
    """What a file says so far; one thread at a time.

    Attributes:
        path: The file.
        seen: The askings, by name, in the order in which they began.
        withdrawn: Those that only checked labels and were undone.
        fresh: Of each asking without an end what came since it began or went on, by path; it may
            not count yet.
    """

    path: Path
    seen: dict[str, AskedBefore] = field(default_factory=dict)
    withdrawn: set[str] = field(default_factory=set)
    fresh: dict[str, dict[str, Judgement]] = field(default_factory=dict)
    _read: int = 0

    def refresh(self) -> None:
        """Read the lines that are new."""
        records, self._read = read_json_lines(self.path, after=self._read)
        for record in records:
            name = record.get("asking")
            if isinstance(name, str):
                self._take(name[:_LONGEST], record)

    def _take(self, name: str, record: Mapping[str, Any]) -> None:
        one = self.seen.get(name)
        if record.get("withdrawn") is True:
            self.withdrawn.add(name)
        elif "budget" in record:
            told = AskedBefore(
                name, _number(record["budget"]), _text(record.get("model")),
                _text(record.get("host")), checks=record.get("checks") is True,
            )  # fmt: skip
            self.seen[name] = told if one is None else replace(
                one, budget=told.budget, model=told.model, host=told.host, over=False
            )  # fmt: skip
            self.fresh.setdefault(name, {})
        elif one is None:
            return
        elif "image" in record:
            if (judgement := Judgement.from_dict(record)) is not None:
                kept = tuple(j for j in one.judgements if j.path != judgement.path)
                self.seen[name] = replace(one, judgements=(*kept, judgement))
                self.fresh.setdefault(name, {})[judgement.path] = judgement
        elif "action" in record:
            self.fresh.pop(name, None)
            self.seen[name] = replace(
                one, action=_text(record["action"]), over=record.get("over") is True,
                requests=one.requests + _number(record.get("requests")),
                tokens_in=one.tokens_in + _number(record.get("tokens_in")),
                tokens_out=one.tokens_out + _number(record.get("tokens_out")),
            )  # fmt: skip


def _text(value: object) -> str:
    return value[:_LONGEST] if isinstance(value, str) else ""


def _number(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
