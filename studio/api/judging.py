"""`python -m studio judge`: a vision-language model says what images of a run or a folder show."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from studio.api.still_there import StillThere, still_there
from studio.api.target import Target
from studio.ask.judge_cost import (
    PRICES_OF,
    JudgeBudget,
    Price,
    images_wanted,
    judge_budget,
    price_of,
)
from studio.ask.judge_endpoint import find_judge, judge_address
from studio.ask.judge_said import JudgeAsking
from studio.errors import INTERRUPTED, RunError
from studio.numbers import plural
from studio.progress import Begin, Stop
from studio.prompts.endpoint import Endpoint, host_of, stays_here
from studio.runs.corrections import Corrections, Subjects, folder_corrections
from studio.runs.first_labels import encode_images
from studio.runs.given import usable
from studio.runs.given_table import CORRECTION_HEADS, write_corrections
from studio.runs.judge_checks import COLUMNS as CHECK_HEAD
from studio.runs.judge_checks import Questioned, judge_checked, write_checks
from studio.runs.judge_purpose import Checking, Naming, Purpose, plan
from studio.runs.judged import JudgeRecord
from studio.runs.judged_lines import AskedBefore
from studio.runs.judging import Order, judge_images
from studio.runs.outcome import Outcome
from studio.runs.outcome_of import zero_shot_outcome
from studio.runs.reader import RunReader
from studio.runs.resume import what_to_do
from studio.runs.soft import soft_labels
from studio.runs.table import check_out

INCOMPLETE = 1
"""Exit code when the asking did not come to its end."""


@dataclass(frozen=True)
class JudgeOrder(Target):
    """What the command was given.

    Attributes:
        judge, url: The vision-language model and its address; "" = from the environment.
        about: What the images show, in words.
        price: See `Price.parse`.
        out: A table of all that is corrected and judged, for `fit --corrections`.
        yes: Send without being asked again.
        dry_run: Print what would be sent, and send nothing.
        checks: How many images that are drawn by chance it is shown to check the labels, in place
            of `budget` ones that are worth an answer; "": none.
        over: In the place of an earlier table, which somebody may have edited.
    """

    judge: str = ""
    url: str = ""
    about: str = ""
    price: str = ""
    out: Path | None = None
    yes: bool = False
    dry_run: bool = False
    checks: str = ""
    over: bool = False

    @property
    def table(self) -> Path | None:
        """The table that is written; None: there is none."""
        of_folder = self.root is not None and not self.checks
        return self.out or (Path("judged.csv") if of_folder else None)

    @property
    def wanted(self) -> str:
        """How many images are asked about."""
        return self.checks or self.budget


@dataclass(frozen=True)
class _Subject:
    """Whose images they are. name: where what was said is kept, in words; fit: what a run that
    weighs it is started with; out: a table that is written, or None; look: finds the images that
    are still there, and looks at them; questioned: the labels that are checked.
    """

    outcome: Outcome
    root: Path
    corrections: Corrections
    name: str
    fit: str
    out: Path | None
    look: Callable[[], StillThere]
    questioned: Callable[[], Questioned]


def judge(
    order: JudgeOrder,
    *,
    begin: Begin,
    tell: Callable[[str], None],
    progress: Callable[[int, int], None],
    stop: Stop,
    agree: Callable[[str], bool],
) -> int:
    """Ask, as far as the user agrees; the exit code.

    Args:
        order: What is wanted.
        begin: Told of the steps before anything is asked.
        tell: Prints a line.
        progress: Told of the images that are done with.
        stop: Asked now and then; what came is kept.
        agree: Whether the user says yes to a question.

    Raises:
        StudioError: Something cannot be used as given, or nothing came.
    """
    base = judge_address(base_url=order.url)
    price = Price.parse(order.price)
    images_wanted(order.wanted)  # all before hours are spent on looking at the images
    if order.table is not None and not order.dry_run:
        heads = (CHECK_HEAD,) if order.checks else CORRECTION_HEADS
        check_out(order.table, *heads, over=order.over)
    key = "-" if order.dry_run else ""  # a budget needs none
    endpoint = find_judge(model=order.judge, base_url=order.url, key=key)
    price = price or price_of(endpoint.model, endpoint.host)
    subject = _subject(order, begin=begin, stop=stop, tell=tell)
    record = JudgeRecord(subject.corrections)
    record.take_up()
    purpose = _purpose(order, subject, record, endpoint)
    wanted = images_wanted(order.wanted, classes=len(subject.outcome.class_names))
    asked = plan(purpose, record, model=endpoint.model, host=endpoint.host, wanted=wanted)
    budget = judge_budget(asked.images, model=endpoint.model, price=price, about=order.about)
    for line in _leaves(budget, endpoint, base, asked.go_on, price, about=bool(order.about)):
        tell(line)
    if purpose.checks:
        tell("they are drawn by chance to check the labels: what it says changes none of them")
    if order.dry_run:
        return 0
    if not order.yes and not agree(f"Show {asked.images} images to {host_of(base)}? [yes/no] "):
        tell("nothing was sent")
        return INTERRUPTED
    there = subject.look()
    soft = soft_labels(subject.outcome, there.zero_shot)
    job = Order(
        paths=subject.outcome.paths, class_names=subject.outcome.class_names, root=subject.root,
        corrections=subject.corrections,
        choose=purpose.chooser(soft, there.features, there.rows),
        endpoint=endpoint, budget=asked.budget,
        cache_dir=order.cache, about=order.about, go_on=asked.go_on, checks=purpose.checks,
    )  # fmt: skip
    asking = judge_images(job, stop=stop, listen=lambda now: progress(now.done, now.total))
    _spent(asking, tell, price, what="checked" if purpose.checks else "judged")
    if isinstance(purpose, Checking):
        _tell_checks(order, subject, record, purpose.of, endpoint, tell)
    else:
        _tell_kept(subject, tell)
    if asking.done < asking.total and not asking.stopped and not asking.problems:
        tell("there is no other image to ask about")
    elif asking.stopped or asking.done < asking.total:
        written = order.table is not None and not order.over
        tell(f"the same command{', with --over,' if written else ''} goes on with it")
        return INTERRUPTED if asking.stopped else INCOMPLETE
    return 0


def _purpose(
    order: JudgeOrder, subject: _Subject, record: JudgeRecord, endpoint: Endpoint
) -> Purpose:
    if order.checks:
        return Checking(subject.questioned(), record.checked(endpoint.model, endpoint.host))
    return Naming(subject.outcome.paths, subject.corrections)


def _subject(
    order: JudgeOrder, *, begin: Begin, stop: Stop, tell: Callable[[str], None]
) -> _Subject:
    if order.root is not None:
        return _folder(order, order.root, begin=begin, stop=stop, tell=tell)
    run = order.run()
    reader = RunReader(run)
    reader.refresh()
    outcome = reader.outcome()
    if outcome is None:
        raise RunError(f"run {run.id} has no labels yet: {what_to_do(run)}")

    return _Subject(
        outcome, reader.root, Corrections.of(run), f"run {run.id}",
        shlex.join([str(reader.root), "--corrections", run.id]), order.out,
        lambda: still_there(reader, outcome, cache=order.cache, begin=begin, stop=stop),
        lambda: Questioned.of_run(reader),
    )  # fmt: skip


def _folder(
    order: JudgeOrder, root: Path, *, begin: Begin, stop: Stop, tell: Callable[[str], None]
) -> _Subject:
    folder, canvases, classes, prompts = order.open(root, begin=begin, stop=stop, tell=tell)
    encoded = encode_images(
        folder=folder, canvases=canvases, model=order.model, cache_dir=order.cache, begin=begin,
        stop=stop,
    )  # fmt: skip
    preview, soft = encoded.label_softly(classes, prompts, truth=None)
    paths = tuple(image.path for image in folder.images)
    outcome = zero_shot_outcome(
        paths=paths, class_names=classes, labels=preview.labels, confidence=preview.confidence
    )
    corrections = folder_corrections(
        folder.root, cache_dir=order.cache, subjects=lambda: Subjects(paths, classes)
    )
    return _Subject(
        outcome, folder.root, corrections, f"{folder.root}, as the page shows it",
        shlex.join([str(folder.root), "--corrections", str(order.table)]), order.table,
        lambda: StillThere(encoded.features, np.arange(len(paths)), lambda: soft),
        lambda: Questioned.of(outcome),
    )  # fmt: skip


def _leaves(
    budget: JudgeBudget, endpoint: Endpoint, base: str, before: AskedBefore | None,
    price: Price | None, *, about: bool,
) -> list[str]:  # fmt: skip
    """What leaves the machine and what it takes, in lines."""
    lines = []
    if before is not None:
        done = f"{len(before.judgements)} of {plural(before.budget, 'image')}"
        lines.append(f"going on where {done} had been asked about")
    cost = "" if budget.dollars is None else f", about {budget.dollars:.3f} US dollars"
    if price is not None and price.dated:
        cost += f" at the prices that were listed in {PRICES_OF}; they may have changed since"
    lines.append(
        f"to {endpoint.host}, model {endpoint.model}: {budget.questions} questions about "
        f"{plural(budget.images, 'image')} and {budget.probes} about test pictures (at most "
        f"{budget.at_most} requests), about {budget.tokens_in} tokens sent and "
        f"{budget.tokens_out} written{cost}"
    )
    words = " and the description" if about else ""
    what = (
        f"{plural(budget.images, 'image')} (at most 512 pixels a side, without metadata) and class "
        f"names{words}"
    )
    if stays_here(base, endpoint.model):
        lines.append(f"that server is on this machine: the images stay on it; it gets {what}")
    else:
        lines.append(f"what leaves this machine: {what}, nothing else")
    return lines


def _spent(
    asking: JudgeAsking, tell: Callable[[str], None], price: Price | None, *, what: str
) -> None:  # fmt: skip
    """What came of it, and what it took. what: was done with the images."""
    for line in asking.problems:
        tell(line)
    spent = asking.tokens_in + asking.tokens_out
    cost = price.of(asking.tokens_in, asking.tokens_out) if price and spent else None
    none = f", {asking.none} of them as none of the names" if asking.none else ""
    tell(
        f"{plural(len(asking.answers), 'image')} {what}{none}, {asking.unstable} with an answer "
        f"that changed with the order; {plural(asking.requests, 'request')}, {spent} tokens by the "
        "server's count" + ("" if cost is None else f", {cost:.3f} US dollars")
    )


def _tell_kept(subject: _Subject, tell: Callable[[str], None]) -> None:
    """Where what it said is kept, and what weighs it."""
    also = ""
    if subject.out is not None:
        current, outcome = subject.corrections.current(), subject.outcome
        names = (*outcome.class_names, *subject.corrections.added())
        table = usable(current, paths=outcome.paths, class_names=names)
        if left_out := len(current) - len(table):
            tell(
                f"{plural(left_out, 'answer')} not in the table: the images or classes are not "
                "there any more"
            )
        write_corrections(subject.out, table)
        also = f", and in {subject.out}"
    tell(
        f"kept with {subject.name}{also}; `python -m studio fit {subject.fit}`, with the same "
        "class names, weighs it"
    )


def _tell_checks(
    order: JudgeOrder, subject: _Subject, record: JudgeRecord, questioned: Questioned,
    endpoint: Endpoint, tell: Callable[[str], None],
) -> None:  # fmt: skip
    """How many labels are right, as far as its checks tell, and where they are kept."""
    checked = judge_checked(record, questioned)
    if checked is None:
        tell("too few images were checked to tell how many labels are right")
    else:
        for line in checked.lines:
            tell(line)
    also = ""
    if order.out is not None:
        write_checks(order.out, record, questioned, endpoint.model, endpoint.host)
        also = f", and in {order.out}"
    tell(f"kept with {subject.name}{also}; no label was changed")
