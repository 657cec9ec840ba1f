"""FPL, IFPL and GRIP: how many pseudo-labels, and whose."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from studio.baselines import grip
from studio.baselines.contexts import Context, Count
from studio.clip.backbone import Backbone
from studio.coft.events import Finished, SeedSet, Step
from studio.coft.task import Task
from studio.settings import Settings
from tests.baselines.conftest import QUICK, arguments, only, silent
from tests.coft.conftest import Canvases


def test_k_grows_to_an_equal_share_of_all_images() -> None:
    assert [grip.growing_k(r, 10, 1600, 100) for r in range(1, 11)] == [
        1, 3, 4, 6, 8, 9, 11, 12, 14, 16,
    ]  # fmt: skip
    assert [grip.growing_k(r, 10, 224, 7) for r in (1, 10)] == [3, 31]
    assert grip.growing_k(1, 10, 20, 30) == 1


@pytest.mark.parametrize(
    ("fit", "per_round"),
    [
        (grip.fit_fpl, [4]),
        (grip.fit_ifpl, [4, 4, 4]),
        (grip.fit_grip, [3, 6, 10]),
    ],
)
def test_rounds_take_so_many_of_each_class(fit: Any, per_round: list[int], vit: Backbone) -> None:
    events = list(fit(Task(**arguments(vit, Canvases(30)), settings=Settings(**QUICK))))
    seeds = [event for event in events if isinstance(event, SeedSet)]
    assert [event.per_class for event in seeds] == [(k, k, k) for k in per_round]
    assert [event.round_number for event in seeds] == list(range(1, len(per_round) + 1))
    steps = [event for event in events if isinstance(event, Step)]
    assert [step.step for step in steps] == list(range(1, len(steps) + 1))
    assert steps[-1].epoch == 2 * len(per_round)


def test_k_is_not_capped_and_an_image_may_fall_to_its_next_class(vit: Backbone) -> None:
    made = arguments(vit, Canvases(30), noise=3.0)  # few zero-shot labels are right
    settings = Settings(**QUICK | {"k": 10, "seed_selection": "argmax_topk"})
    events = list(grip.fit_fpl(Task(**made, settings=settings)))
    assert only(events, SeedSet).per_class == (10, 10, 10)
    zero_shot = only(events, SeedSet).labels
    assert not torch.equal(torch.bincount(events[0].labels, minlength=3), torch.full((3,), 10))
    assert len(zero_shot) == 30


def test_each_round_is_labelled_by_the_one_before(
    vit: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = arguments(vit, Canvases(30))
    numbers: list[int] = []

    def scripted(task: Any, *_: Any, number: int, **__: Any) -> Any:
        numbers.append(number)
        # Round 1 learns to call each class by the name of the next.
        texts = task.space.texts(task.class_vectors).roll(number, 0)
        return silent(Context(texts, Count()))

    monkeypatch.setattr(grip, "learn_context", scripted)
    events = list(grip.fit_ifpl(Task(**made, settings=Settings(**QUICK | {"grip_rounds": 2}))))
    first, second = (event for event in events if isinstance(event, SeedSet))
    began = events[0].labels
    assert torch.equal(first.labels, began[first.indices])
    assert torch.equal(second.labels, (began[second.indices] + 1) % 3)
    assert torch.equal(only(events, Finished).labels, (began + 2) % 3)
    assert numbers == [1, 2]


def test_a_round_that_was_broken_off_is_dropped(vit: Backbone) -> None:
    made, seen = arguments(vit, Canvases(30)), []
    settings = Settings(**QUICK)

    def run(stop_at: int) -> tuple[torch.Tensor, Finished]:
        seen.clear()
        for event in grip.fit_ifpl(
            Task(
                **made,
                settings=settings,
                stop=lambda: sum(isinstance(e, Step) for e in seen) >= stop_at,
            )
        ):
            seen.append(event)
        return only(seen, Finished).top_probabilities, only(seen, Finished)

    one = list(grip.fit_ifpl(Task(**made, settings=Settings(**QUICK | {"grip_rounds": 1}))))
    of_one_round = sum(isinstance(event, Step) for event in one)
    broken_off, finished = run(of_one_round + 1)
    assert finished.stopped
    assert torch.equal(broken_off, only(one, Finished).top_probabilities)
