"""`python -m studio prompts`: a language model writes a prompts file on the command line."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from studio.errors import PromptError, StudioError
from studio.numbers import plural
from studio.progress import Stop
from studio.prompts.ask import Ask
from studio.prompts.endpoint import address, find_endpoint, host_of, stays_here
from studio.prompts.llm import Written, budget, write
from studio.prompts.prompt_set import PromptSet
from studio.prompts.templates import TEMPLATES
from studio.room import check_out

INCOMPLETE = 1
"""Exit code when something is missing from the file."""


@dataclass(frozen=True)
class Order:
    """What the command was given. model: empty = from the environment, like address and key;
    hand_written: a name of TEMPLATES, and nobody is asked; over: in the place of earlier prompts.
    """

    class_names: Sequence[str]
    out: Path
    description: str = ""
    sentences: int = 4
    templates: int = 0
    model: str = ""
    hand_written: str = ""
    dry_run: bool = False
    over: bool = False


def write_file(order: Order, *, cache_dir: Path, stop: Stop) -> int:
    """Write the file, tell on stderr what is sent to whom and what it cost; the exit code.

    Raises:
        PromptError: Nothing came, there is no key, or the file cannot be written.
        RunError: The file cannot be there, see `room.check_out`.
    """
    if not order.dry_run:
        # Before anything is paid for. Prompts are edited by hand.
        check_out(
            order.out, ours=partial(_holds_prompts, order.out), other="holds no prompts",
            over=order.over,
        )  # fmt: skip
    if order.hand_written:
        _save(order.out, PromptSet(TEMPLATES[order.hand_written]))
        return 0
    names = tuple(order.class_names)
    ask = Ask(
        class_names=names, only=names, sentences=order.sentences, templates=order.templates,
        description=order.description,
    )  # fmt: skip
    base = address()
    key = "-" if order.dry_run else ""  # a budget needs none
    endpoint = find_endpoint(model=order.model, key=key)
    cost = budget(ask, base_url=base, model=endpoint.model, cache_dir=cache_dir)
    also = " and the description" if order.description.strip() else ""
    _say(
        f"to {host_of(base)}, model {endpoint.model}: {plural(cost.requests, 'request')} (at most "
        f"{cost.at_most}), about {cost.tokens_in} tokens sent and {cost.tokens_out} written; "
        f"{plural(cost.cached, 'answer')} known from before"
    )
    if cost.requests:
        what = f"{plural(cost.classes, 'class name')}{also}, nothing else"
        if stays_here(base, endpoint.model):
            _say(f"that server is on this machine, and nothing leaves it; it gets {what}")
        else:
            _say(f"what leaves this machine: {what}")
    if order.dry_run:
        return 0
    written = write(ask, endpoint, cache_dir=cache_dir, stop=stop, listen=_progress)
    if not written.prompts.is_default:
        _save(order.out, written.prompts)
    return _report(written, order.out)


def _progress(written: Written) -> None:
    _say(f"{written.done} of {plural(written.total, 'answer')}")


def _report(written: Written, out: Path) -> int:
    for line in written.problems:
        _say(line)
    if written.missing:
        _say(f"without sentences: {', '.join(written.missing)}")
    _say(
        f"{written.prompts.summary()} in {out}; {plural(written.requests, 'request')}, "
        f"{written.tokens_in + written.tokens_out} tokens by the server's count"
    )
    return INCOMPLETE if written.problems or written.missing or written.stopped else 0


def _holds_prompts(file: Path) -> bool:
    try:
        PromptSet.load(file)
    except StudioError:
        return False
    return True


def _save(out: Path, prompts: PromptSet) -> None:
    try:
        out.write_text(prompts.to_json(), encoding="utf-8")
    except OSError as error:
        raise PromptError(f"Cannot write {out}: {error.strerror}.") from None


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
