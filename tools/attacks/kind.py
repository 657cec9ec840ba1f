"""What every attack is: a name, a line of help, and a function that tries its cases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Outcome:
    """One case. case: what was tried; held: whether all was right; saw: what came of it."""

    case: str
    held: bool
    saw: str = ""


@dataclass(frozen=True)
class Kind:
    """A kind of attack. run: is given a folder of its own and tries case after case."""

    name: str
    help: str
    run: Callable[[Path], Iterator[Outcome]]
