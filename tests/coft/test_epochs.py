"""Which images an epoch takes where it does not take all of them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from studio.clip.backbone import Backbone
from studio.coft.epochs import Epochs, even_shares
from studio.coft.events import SeedSet, Step, Warned
from studio.coft.fit import fit, fit_plus
from studio.coft.task import Task
from studio.methods import METHODS
from studio.settings import PAPER, Settings
from tests.coft.conftest import Canvases, Inputs
from tests.coft.test_fit import QUICK
from tests.coft.test_keeping import check_all_states

LABELS = torch.tensor([0] * 70 + [1] * 25 + [2] * 5)


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def per_class(positions: Tensor, labels: Tensor = LABELS) -> list[int]:
    return torch.bincount(labels[positions], minlength=int(labels.max()) + 1).tolist()


@pytest.mark.parametrize("most", [0, 100, 101])
def test_an_epoch_of_no_more_than_so_many_images_takes_all_as_it_ever_did(most: int) -> None:
    epochs = Epochs(LABELS, Settings(epoch_images=most))
    assert torch.equal(epochs.order(2, stream()), torch.randperm(100, generator=stream()))
    assert epochs.seen(1) == 1
    assert list(epochs.told("Phase II", 2)) == []


def test_an_epoch_takes_as_many_of_each_class_and_of_a_small_one_all() -> None:
    epochs = Epochs(LABELS, Settings(epoch_images=35))
    shuffle = stream()
    taken = [epochs.order(epoch, shuffle) for epoch in range(1, 7)]
    for own in taken:
        assert len(own.unique()) == 35
        assert per_class(own) == [15, 15, 5]
    assert not torch.equal(taken[0], taken[0].sort().values)
    # No image of a class comes again before all others of it have come.
    assert per_class(torch.cat(taken[:2]).unique()) == [30, 25, 5]
    assert per_class(torch.cat(taken[:4]).unique()) == [60, 25, 5]
    assert len(torch.cat(taken[:5]).unique()) == 100
    for number in range(1, 7):
        seen = len(torch.cat(taken[:number]).unique()) / 100
        assert epochs.seen(number) == pytest.approx(seen)


def test_a_fit_can_go_on_in_any_epoch_and_each_model_takes_others() -> None:
    settings = Settings(epoch_images=35)
    first, again = Epochs(LABELS, settings), Epochs(LABELS, settings)
    for epoch in (1, 2, 3):
        first.order(epoch, stream())
    assert torch.equal(first.order(4, stream()), again.order(4, stream()))
    others = [
        Epochs(LABELS, settings, number=1), Epochs(LABELS, settings, round_number=2),
        Epochs(LABELS, Settings(epoch_images=35, seed=1)),
    ]  # fmt: skip
    for other in others:
        assert set(other.order(1, stream()).tolist()) != set(first.order(1, stream()).tolist())


def test_images_whose_labels_are_not_learned_keep_their_share() -> None:
    """Momentum contrast goes over all images; those without a label all count as class 0."""
    labels = torch.tensor([0] * 10 + [1] * 10 + [0] * 60)
    learned = torch.arange(80) < 20
    epochs = Epochs(labels, Settings(epoch_images=40), learned=learned)
    for epoch in (1, 2):
        taken = epochs.order(epoch, stream())
        assert int(learned[taken].sum()) == 10
        assert per_class(taken[learned[taken]], labels) == [5, 5]
    every = torch.ones(100, dtype=torch.bool)
    same = Epochs(LABELS, Settings(epoch_images=35), learned=every).order(1, stream())
    assert torch.equal(same, Epochs(LABELS, Settings(epoch_images=35)).order(1, stream()))


def test_shares_are_even_and_come_to_what_is_taken() -> None:
    counts = torch.tensor([70, 25, 5, 40])
    for taken in range(141):
        shares = even_shares(counts, taken)
        assert int(shares.sum()) == taken
        assert bool((shares <= counts).all())
        whole = shares == counts
        assert not len(shares[~whole]) or int(shares[~whole].max() - shares[~whole].min()) <= 1
        assert whole.all() or not whole.any() or shares[whole].max() <= shares[~whole].min() + 1
    # Fewer images than classes: they take turns.
    turns = [even_shares(torch.full((5,), 9), 2, turn=turn).tolist() for turn in range(5)]
    assert torch.tensor(turns).sum(0).tolist() == [2] * 5


def steps_in(events: list[Any], phase: int, model: int) -> list[Step]:
    return [e for e in events if isinstance(e, Step) and (e.phase, e.model) == (phase, model)]


@pytest.mark.parametrize("contrast", [0.0, 0.1])
def test_a_fit_takes_that_many_images_and_its_rate_still_falls_to_the_end(
    vit: Backbone, inputs: Inputs, contrast: float
) -> None:
    images = Canvases(60)
    quick = QUICK | {"phase2_epochs": 3, "phase2_batch": 4, "monitor_images": 0, "k_cap": False}
    settings = Settings(**quick, epoch_images=10, rounds=1, contrast_weight=contrast)
    told, seen, events = list[str](), list[int](), list[Any]()
    for event in fit_plus(Task(**inputs(vit, images), settings=settings)):
        events.append(event)
        if isinstance(event, Warned):
            told.append(event.message)
        if isinstance(event, Step) and event.phase == 2 and event.model == 0:
            seen.extend(images.calls)
        images.calls.clear()
    (seeds,) = [e for e in events if isinstance(e, SeedSet)]
    assert len(seeds.indices) == 12
    assert len(steps_in(events, 1, 0)) == 2  # epochs of a batch: without a cap as many
    for model in (0, 1):
        steps = steps_in(events, 2, model)
        assert [step.step for step in steps] == list(range(1, 10))
        assert {step.steps for step in steps} == {9}
        assert [step.epoch for step in steps] == [1] * 3 + [2] * 3 + [3] * 3
        rates = [step.learning_rate for step in steps]
        assert rates == sorted(rates, reverse=True)
        assert rates[-1] < 0.04 * rates[0], "the schedule did not come to its end"
    assert len(seen) == len(set(seen)) == 30
    first, second = [text for text in told if "in each epoch" in text]
    assert first.startswith("Phase I takes 10 of 12 images in each epoch")
    assert "Phase II takes 10 of 60 images in each epoch" in second
    assert "sees 50 % of them in all" in second
    assert "epoch_images=0" in second


@pytest.mark.slow
@pytest.mark.parametrize("method", ["coft", "coft+"])
def test_a_fit_that_takes_some_images_goes_on_with_the_same_bits(
    vit: Backbone, inputs: Inputs, method: str
) -> None:
    quick = QUICK | {"phase2_epochs": 3, "phase2_batch": 4, "phase1_batch": 4, "monitor_images": 0}
    settings = Settings(**quick, epoch_images=10, rounds=2, contrast_weight=0.1)
    check_all_states(method, {**inputs(vit, Canvases(20)), "settings": settings}, every=5)


@pytest.mark.parametrize(("method", "images"), [("lafter", 50), ("fixmatch", 16), ("ifpl", 4)])
def test_its_rivals_take_no_more_and_say_so(
    vit: Backbone, inputs: Inputs, method: str, images: int
) -> None:
    """images: of their batches, here."""
    less = QUICK | {"phase1_batch": 4, "upl_prompts": 1, "grip_rounds": 1, "phase1_views": 0}
    settings = Settings(**less, epoch_images=10)
    events = list(METHODS[method].load()(Task(**inputs(vit, Canvases(60)), settings=settings)))
    (told,) = [e.message for e in events if isinstance(e, Warned) and "in each epoch" in e.message]
    assert told.startswith("Training takes 10 of ")
    steps = steps_in(events, 2 if method == "fixmatch" else 1, 0)
    assert len(steps) == steps[0].steps == 2 * -(-10 // images)


def test_the_paper_takes_all_images(vit: Backbone, inputs: Inputs) -> None:
    assert Settings.from_overrides({"preset": "paper"}).epoch_images == 0
    assert PAPER["epoch_images"] == "0"
    events = list(
        fit(Task(**inputs(vit, Canvases(20)), settings=Settings(**QUICK, epoch_images=0)))
    )
    assert len(steps_in(events, 2, 0)) == 2
