"""The order in which images come, what answers make of it, and where one goes on."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.runs.corrections import Corrections, Subjects
from studio.runs.given import UNKNOWN, Given
from studio.runs.outcome import ANSWERED, Outcome
from studio.runs.outcome_of import zero_shot_outcome
from studio.runs.question import Followed, Question
from studio.session.asking import EVERY, SIZE, Asking, Askings
from studio.session.source import AT_HAND, OpenedRun
from studio.session.weighing import Subject

PATHS = tuple(f"{n}.png" for n in range(60))
NAMES = ("cat", "dog", "owl")


class Neighbours:
    """Images that lie beside an answered one get its label; asked is about the first ones left."""

    def __init__(self, classes: int = 3) -> None:
        self.classes, self.seen = classes, list[int]()

    @property
    def first(self) -> Any:
        return np.zeros(60, np.int64)

    def follow(self, said: Given) -> Followed:
        self.seen.append(said.labels + said.rejected)
        probabilities = np.tile(np.linspace(0.6, 0.3, self.classes), (len(said.vector), 1))
        for image in np.flatnonzero(said.vector >= 0):
            near = slice(max(0, image - 1), image + 2)
            probabilities[near] = np.eye(self.classes)[said.vector[image]]
        shares = (probabilities / probabilities.sum(1)[:, None]).astype(np.float32)
        return Followed(shares, shares.max(1))

    def choose(
        self, followed: Followed, said: Given, *, most: int, without: Collection[int]
    ) -> Sequence[Question]:
        last = len(np.flatnonzero(said.vector >= 0))  # another order after each answer
        order = np.roll(np.arange(len(said.vector)), -last * 7)
        free = [int(i) for i in order if said.vector[i] == UNKNOWN and int(i) not in without]
        return [Question(i, (0, 1, 2), "it is the first one") for i in free[:most]]


@pytest.fixture
def corrections(tmp_path: Path) -> Corrections:
    return Corrections(tmp_path / "said", lambda: Subjects(PATHS, NAMES), make=True)


@pytest.fixture
def before() -> Outcome:
    labels, confidence = np.zeros(60, np.int64), np.full(60, 0.5, np.float32)
    return zero_shot_outcome(paths=PATHS, class_names=NAMES, labels=labels, confidence=confidence)


def subject(rows: Sequence[int] = range(60), names: tuple[str, ...] = NAMES) -> Subject:
    weighs = Neighbours(len(names))
    return Subject(np.array(rows), tuple(PATHS[i] for i in rows), names, weighs)


@pytest.fixture
def askings() -> Askings:
    return Askings()


@pytest.fixture
def asking(askings: Askings, corrections: Corrections, before: Outcome) -> Asking:
    made = askings.get(AT_HAND, before, subject(), corrections)
    made.begin()
    return made


def answer(asking: Asking, label: str = "dog") -> int:
    image = asking.here
    assert image is not None
    asking.show(image)
    asking.corrections.add("relabelled", {PATHS[image]: label})
    asking.answered()
    return image


def test_twenty_come_and_then_it_is_over(asking: Asking, askings: Askings) -> None:
    assert asking.progress.whole == SIZE
    seen = []
    for _ in range(SIZE):
        seen.append(answer(asking))
        askings.wait()
    assert asking.over
    assert asking.here is None
    assert len(set(seen)) == SIZE
    assert (asking.progress.done, asking.progress.shown) == (SIZE, SIZE)
    assert asking.walk.tolist() == seen
    asking.begin()
    assert not set(asking.walk[SIZE:].tolist()) & set(seen)
    assert (asking.progress.done, asking.progress.whole) == (0, SIZE)


def test_answers_about_images_that_are_gone_are_not_taken_for_those_about_others(
    asking: Asking,
) -> None:
    said = answer(asking)
    asking.renew(subject([i for i in range(60) if i != said]))
    assert (asking.progress.done, asking.progress.shown) == (1, 1)
    assert said not in asking.walk[1:].tolist()
    assert answer(asking) != said
    assert asking.progress.done == 2


def test_labels_follow_every_few_answers_and_what_comes_next_too(
    asking: Asking, askings: Askings, before: Outcome
) -> None:
    planned = asking.walk.tolist()
    assert asking.outcome(before) is None
    for _ in range(EVERY - 1):
        answer(asking)
        askings.wait()
    assert asking.outcome(before) is None
    assert asking.walk.tolist() == planned
    last = answer(asking)
    askings.wait()
    found = asking.outcome(before)
    assert found is not None
    assert found.stage == ANSWERED
    assert not found.judged
    assert found.name(int(found.labels[last + 1])) == "dog"
    assert asking.progress.changed > 0
    assert asking.walk.tolist()[:EVERY] == planned[:EVERY]
    assert asking.walk.tolist() != planned


def test_the_labels_follow_at_the_end_whatever_is_left_over(
    asking: Asking, askings: Askings, before: Outcome
) -> None:
    for image in asking.walk[:-1].tolist():
        asking.show(image)  # and skipped
    asking.show(int(asking.walk[-1]))
    answer(asking, "owl")
    askings.wait()
    found = asking.outcome(before)
    assert found is not None
    assert "owl" in {found.name(int(label)) for label in found.labels}


def test_what_was_skipped_does_not_come_again(asking: Asking) -> None:
    skipped = [int(image) for image in asking.walk[:3]]
    for image in skipped:
        asking.show(image)
    assert asking.here == skipped[-1]  # shown, and nothing was said of it
    for image in asking.walk[3:].tolist():
        asking.show(int(image))
    last = int(asking.walk[-1])
    asking.begin()
    assert asking.here == last, "the last one was never left behind"
    asking.finish()
    asking.begin()
    assert asking.here not in (*skipped, last)
    assert not set(skipped) & set(asking.walk[SIZE:].tolist())


def test_a_page_that_is_loaded_again_goes_on(
    askings: Askings, asking: Asking, corrections: Corrections, before: Outcome
) -> None:
    answer(asking)
    shown = asking.here
    again = askings.get(AT_HAND, before, asking.subject, corrections)
    again.begin()
    assert again is asking
    assert again.here == shown
    assert again.progress.done == 1


def test_undone_answers_are_followed_back(
    asking: Asking, askings: Askings, before: Outcome
) -> None:
    for _ in range(EVERY):
        answer(asking)
    askings.wait()
    mark = asking.mark
    assert mark
    for _ in range(EVERY):
        asking.corrections.undo()
        asking.answered()
    askings.wait()
    assert asking.outcome(before) is None
    assert asking.mark == ""


def test_a_class_more_keeps_the_way(asking: Asking, askings: Askings, before: Outcome) -> None:
    first = answer(asking)
    names = (*NAMES, "gecko")
    more = replace(before, class_names=names)
    found = askings.get(AT_HAND, more, subject(names=names), asking.corrections)
    assert found is asking
    assert found.subject.class_names == names
    assert found.walk[0] == first
    assert askings.peek(AT_HAND, more) is asking
    assert askings.peek(AT_HAND, before) is None  # labels of other names are none of these


def test_other_images_begin_anew(askings: Askings, asking: Asking, before: Outcome) -> None:
    others = replace(before, paths=tuple(f"other/{path}" for path in PATHS))
    assert askings.peek(AT_HAND, others) is None
    assert askings.peek(OpenedRun("a run"), before) is None


def test_images_without_features_keep_their_labels(
    askings: Askings, corrections: Corrections, before: Outcome
) -> None:
    rows = range(0, 60, 2)
    asking = askings.get(AT_HAND, before, subject(rows), corrections)
    asking.begin()
    assert set(asking.walk.tolist()) <= set(rows)
    for _ in range(EVERY):
        answer(asking, "owl")
    askings.wait()
    found = asking.outcome(before)
    assert found is not None
    assert found.labels[1::2].tolist() == before.labels[1::2].tolist()
    assert (found.labels[::2] == 2).any()
    assert found.top_labels.shape == (60, 3)


def test_labels_without_own_answers_are_forgotten_where_names_are_taken_away(
    asking: Asking,
) -> None:
    """They are numbers of names, which mean others then; a class more changes none of them."""
    asking.checked = {3: 2}
    asking.renew(subject(names=(*NAMES, "fox")))
    assert asking.checked == {3: 2}
    asking.renew(subject(names=("cat", "owl")))
    assert asking.checked == {}
