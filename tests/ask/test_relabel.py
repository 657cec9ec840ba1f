"""Labels that follow answers at once."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from studio.ask.relabel import Relabeller, trusted, widened
from studio.coft import together
from studio.coft.given import UNKNOWN, Evidence
from studio.coft.start import anchor_of, first_scores
from studio.settings import Settings


def misnamed(count: int = 300, width: int = 24) -> tuple[Tensor, Tensor, Tensor]:
    """Unit features (N, d) of three groups, probabilities that call two by each other's name, and
    what is right.
    """
    draws = torch.Generator().manual_seed(0)
    truth = torch.arange(count) % 3
    middles = torch.linalg.qr(torch.randn(width, width, generator=draws))[0][:3]
    features = middles[truth] + 0.12 * torch.randn(count, width, generator=draws)
    guess = torch.full((count, 3), 0.1)
    guess[torch.arange(count), torch.tensor([1, 0, 2])[truth]] = 0.8
    return torch.nn.functional.normalize(features, dim=1), guess, truth


def test_two_answers_name_whole_groups_and_a_persons_stand() -> None:
    pictures, guess, truth = misnamed()
    relabeller = Relabeller(pictures, guess)
    before = (relabeller({}).labels == truth).float().mean()
    found = relabeller({0: 0, 1: 1, 2: 2})
    assert before < 0.4
    assert float((found.labels == truth).float().mean()) > 0.95
    assert found.labels[[0, 1, 2]].tolist() == [0, 1, 2]
    by_judge = relabeller({}, judged={0: 0, 1: 1, 2: 2, 3: -1}).labels
    assert float((by_judge == truth).float().mean()) > 0.9
    assert relabeller({0: -1}).labels.shape == (300,), "a rejected image broke it"


def test_a_class_that_nobody_listed_finds_its_images() -> None:
    pictures, guess, truth = misnamed()
    listed = guess[:, :2] / guess[:, :2].sum(1, keepdim=True)
    found = Relabeller(pictures, listed)({0: 0, 1: 1, 2: 2, 5: 2})
    assert found.probabilities.shape == (300, 3)
    assert float((found.labels == truth).float().mean()) > 0.9
    assert torch.equal(widened(guess, 3), guess)
    torch.testing.assert_close(widened(guess, 5).sum(1), torch.ones(300))


def test_a_judge_that_a_person_contradicts_is_worth_less() -> None:
    units, _, truth = misnamed()
    nobody = torch.full((300,), UNKNOWN)
    judged, given = nobody.clone(), nobody.clone()
    judged[:30] = truth[:30]
    alone = trusted(units, truth, nobody, judged, classes=3)
    given[:15] = (truth[:15] + 1) % 3
    told = trusted(units, truth, given, judged, classes=3)
    assert told.judge.wrong > alone.judge.wrong
    assert alone.vector[30:].tolist() == [1.0] * 270


@pytest.mark.parametrize(("held", "ways"), [(False, ["free"]), (True, ["held"])])
def test_an_answer_costs_one_way_of_labelling(
    monkeypatch: pytest.MonkeyPatch, held: bool, ways: list[str]
) -> None:
    """Whether the classes are held is found out before any answer."""
    pictures, guess, _ = misnamed()
    if held:  # many more names than groups
        guess = torch.cat([guess, torch.full((300, 60), 1e-4)], 1)
        guess = guess / guess.sum(1, keepdim=True)
    relabeller, taken = Relabeller(pictures, guess), []
    for name, way in (("transduce", "free"), ("anchored", "held")):
        own = getattr(together, name)

        def noted(*given: Any, way: str = way, own: Any = own, **more: Any) -> Any:
            taken.append(way)
            return own(*given, **more)

        monkeypatch.setattr(together, name, noted)
    relabeller({0: 0})
    assert sorted(set(taken)) == ways


def test_weighing_answers_tells_how_far_it_is() -> None:
    pictures, guess, _ = misnamed()
    heard: list[tuple[int, int]] = []
    relabeller = Relabeller(
        pictures, guess, listen=lambda progress: heard.append((progress.done, progress.total))
    )
    assert max(heard) <= (200, 300)
    assert heard[-1][0] > 100, "the labels before answers are the second third"
    relabeller({0: 0})
    assert heard == sorted(heard)
    assert {total for _, total in heard} == {300}
    assert heard[-1][0] > 200


def begun(pictures: Tensor, guess: Tensor, judged: Tensor) -> tuple[Tensor, float]:
    """The first labels of a run with these answers, and its anchor."""
    space = SimpleNamespace(likely=lambda _pictures, _texts: guess.clone())
    start: Any = SimpleNamespace(pictures=pictures, probabilities=guess, space=space, texts=None)
    nobody, cpu = torch.full((len(guess),), UNKNOWN), torch.device("cpu")
    worth = Relabeller(pictures, guess).follow(nobody, judged).worth.vector
    told: dict[str, Any] = {"device": cpu, "evidence": Evidence.of(nobody, judged, worth)}
    anchor = anchor_of(start, nobody, Settings(), **told)
    start.probabilities = guess.clone()  # each time anew, as those of a start are
    events = first_scores(start, nobody, Settings(), **told)
    while True:
        try:
            next(events)
        except StopIteration as end:
            return end.value.argmax(1), anchor


def test_a_run_begins_with_the_labels_that_the_page_shows() -> None:
    pictures, guess, _ = misnamed()
    more = torch.cat([guess, torch.full((300, 3), 0.02)], 1)  # three names that nothing is called
    nobody = torch.full((300,), UNKNOWN)
    for probabilities, answered in ((guess, 2), (guess, 0), (more, 2), (more, 0)):
        judged = nobody.clone()
        judged[:answered] = torch.tensor([0, 1])[:answered]
        found, anchor = begun(pictures, probabilities.clone(), judged)
        shown = Relabeller(pictures, probabilities).follow(nobody, judged)
        assert torch.equal(found, shown.probabilities.argmax(1))
        freed = probabilities is guess and answered > 0
        assert anchor == (0.0 if freed else Settings().anchor)
