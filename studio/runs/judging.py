"""A judge at work on the images of a run, or of a folder before any run: whom it asks about next,
and what is kept of what it says.

Which images come next and which names they are shown with is for `studio.ask.choose` to say; it is
given here as a function of the answers so far.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from studio.ask.judge import Item, JudgeAsking, Judgement, ask_judge
from studio.ask.judge_image import picture_of
from studio.errors import RunError
from studio.progress import Stop, never
from studio.prompts.client import Limits
from studio.prompts.endpoint import Endpoint
from studio.runs.corrections import Corrections
from studio.runs.given import NONE
from studio.runs.judged import JudgeRecord
from studio.runs.judged_lines import AskedBefore

ChooseImages = Callable[
    [Mapping[int, int], Collection[int], int], Sequence[tuple[int, Sequence[int]]]
]
"""Called with the answers so far (image -> class, or NONE for none of these), the images that were
asked about or are not to be, and how many are wanted at most. Returns images, the one whose answer
is worth most first, each with the classes of its shortlist, the likeliest first."""


@dataclass(frozen=True)
class Order:
    """What a judge is to do.

    Attributes:
        paths: The N images' names, relative to `root`.
        class_names: C names.
        root: Their folder.
        corrections: Of these images; what is said is kept there.
        choose: See `ChooseImages`.
        endpoint: Who is asked.
        budget: How many images.
        cache_dir: Where answers are kept.
        about: The user's words about the set.
        go_on: An asking that was stopped, whose images count towards the budget.
        checks: The images are drawn to check their labels (`runs.judge_checks`), also those that
            were answered before; what is said counts as no judged label.
    """

    paths: Sequence[str]
    class_names: Sequence[str]
    root: Path
    corrections: Corrections
    choose: ChooseImages
    endpoint: Endpoint
    budget: int
    cache_dir: Path
    about: str = ""
    go_on: AskedBefore | None = None
    checks: bool = False


def judge_images(
    order: Order,
    *,
    stop: Stop = never,
    listen: Callable[[JudgeAsking], None] | None = None,
    limits: Limits | None = None,
) -> JudgeAsking:
    """Have images judged. Each answer is on the disk before the next comes; what came counts when
    this ends, also when it was stopped; one action is made of a whole asking.

    Args:
        order: What is to be done.
        stop: Asked several times a second.
        listen: Told before anything is sent and after each image.
        limits: Time-outs and repeats.

    Raises:
        PromptError: Nothing came at all; one line without the key.
        RunError: What came cannot be kept, another process is asking about these images, or the
            asking that was stopped is not as it was.
    """
    record = JudgeRecord(order.corrections)
    with record.alone():
        if order.go_on is not None and not record.is_still(order.go_on):
            raise RunError(
                "The asking that was stopped has gone on, or was undone, meanwhile: look at what "
                "is left and start again."
            )
        return _judge_images(order, record, stop=stop, listen=listen, limits=limits)


def _judge_images(
    order: Order, record: JudgeRecord, *, stop: Stop,
    listen: Callable[[JudgeAsking], None] | None, limits: Limits | None,
) -> JudgeAsking:  # fmt: skip
    before = () if order.go_on is None else order.go_on.judgements
    endpoint = order.endpoint
    name, last = "", JudgeAsking()

    def told(asking: JudgeAsking, new: Judgement | None) -> None:
        nonlocal name, last
        if new is not None:
            # Begun only now: an asking of which nothing came leaves no trace.
            name = name or record.begin(
                budget=order.budget, model=endpoint.model, host=endpoint.host, go_on=order.go_on,
                checks=order.checks,
            )  # fmt: skip
            record.note(name, new)
        last = replace(asking, stopped=True)  # as far as anyone knows until it has ended
        if listen is not None:
            listen(asking)

    try:
        last = ask_judge(
            _Chooser(order), endpoint, budget=order.budget, cache_dir=order.cache_dir,
            about=order.about, before=before, stop=stop, listen=told, limits=limits,
        )  # fmt: skip
    finally:
        nothing_left = last.over and not last.stopped and not last.problems
        if not name and order.go_on is not None and nothing_left:
            name = order.go_on.id  # or it would be gone on with for ever
        if name:
            record.end(name, last)
    return last


class _Chooser:
    """`ask.judge.Choose` for an order: names for numbers, and what people have answered before."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._place = {path: number for number, path in enumerate(order.paths)}
        self._classes = {name: number for number, name in enumerate(order.class_names)}

    def __call__(self, done: Sequence[Judgement], most: int) -> list[Item]:
        answers: dict[int, int] = {}
        for path, said in self._order.corrections.current().items():
            label = said.label if said.by_person else said.judged_label
            self._answer(answers, path, label)
        for judgement in done:
            self._answer(answers, judgement.path, judgement.label)
        asked = {self._place[j.path] for j in done if j.path in self._place}
        # A check of what a person has checked tells how often the judge is wrong.
        without = asked if self._order.checks else asked | answers.keys()
        chosen = self._order.choose(answers, without, most)
        return [self._item(image, classes) for image, classes in chosen]

    def _answer(self, answers: dict[int, int], path: str, label: str | None) -> None:
        place = self._place.get(path)
        if place is not None and label is not None:
            answers[place] = self._classes.get(label, NONE)

    def _item(self, image: int, classes: Sequence[int]) -> Item:
        path, names = self._order.paths[image], self._order.class_names
        shortlist = tuple(names[number] for number in classes)
        return Item(image, path, shortlist, partial(picture_of, self._order.root / path))


__all__ = ["AskedBefore", "ChooseImages", "Order", "judge_images"]
