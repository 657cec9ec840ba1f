"""What is asked of a judge and what came of it, as data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from studio.ask.judge_question import NONE, TIMES, Picture


@dataclass(frozen=True)
class Item:
    """An image to ask about. image: its number; path: its name; shortlist: 1 to 5 class names, the
    likeliest first; picture: makes what is sent, raises FolderError where the file is gone.
    """

    image: int
    path: str
    shortlist: tuple[str, ...]
    picture: Callable[[], Picture]


@dataclass(frozen=True)
class Judgement:
    """What came of an image.

    Attributes:
        path: The image's name.
        shortlist: The names that it was asked about.
        said: Each answer: a name, NONE for none of these, None where none could be used.
        fault: Why none could, in one line.
    """

    path: str
    shortlist: tuple[str, ...]
    said: tuple[str | None, ...]
    fault: str = ""

    @property
    def label(self) -> str | None:
        """The answer that counts: a name, or NONE; None where the answers are not the same."""
        first = self.said[0] if self.said else None
        return first if len(self.said) == TIMES and len(set(self.said)) == 1 else None

    def to_dict(self) -> dict[str, Any]:
        """What `from_dict` reads and JSON can hold."""
        return {
            "image": self.path, "shortlist": list(self.shortlist), "said": list(self.said),
            "fault": self.fault,
        }  # fmt: skip

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Judgement | None:
        """A judgement from JSON; None where it is none."""
        path, shortlist, said = (value.get(name) for name in ("image", "shortlist", "said"))
        fine = isinstance(path, str) and isinstance(shortlist, list) and isinstance(said, list)
        if not fine or not all(isinstance(name, str) for name in shortlist or ()):
            return None
        if not all(name is None or isinstance(name, str) for name in said or ()):
            return None
        fault = value.get("fault")
        return cls(
            str(path), tuple(shortlist or ()), tuple(said or ()),
            fault if isinstance(fault, str) else "",
        )  # fmt: skip


@dataclass(frozen=True)
class JudgeAsking:
    """How an asking stands.

    Attributes:
        judgements: What came, in the order in which it was asked for.
        total: How many images are to be asked about.
        problems: One line each.
        requests, tokens_in, tokens_out: Spent; tokens as the server counts them, 0 if it does not.
        cached: Questions whose answer was on disk already.
        stopped: The user stopped it.
        over: Nothing more comes.
    """

    judgements: tuple[Judgement, ...] = ()
    total: int = 0
    problems: tuple[str, ...] = ()
    requests: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cached: int = 0
    stopped: bool = False
    over: bool = False

    @property
    def done(self) -> int:
        """Images that are done with."""
        return len(self.judgements)

    @property
    def answers(self) -> dict[str, str]:
        """Path -> the label of each image whose answer counts; NONE for none of these."""
        return {j.path: j.label for j in self.judgements if j.label is not None}

    @property
    def none(self) -> int:
        """Images that are none of the names that were asked about, as far as the answers say."""
        return sum(label == NONE for label in self.answers.values())

    @property
    def unstable(self) -> int:
        """Images whose answers differ."""
        return sum(None not in j.said and j.label is None for j in self.judgements)


Choose = Callable[[Sequence[Judgement], int], Sequence[Item]]
"""Which images to ask about next, at most so many, given what came so far; none ends the asking."""
