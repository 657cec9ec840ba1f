"""UPL: seeds once, several contexts, their mean."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from studio.baselines import upl
from studio.baselines.contexts import Context, Count
from studio.clip.backbone import Backbone
from studio.coft.events import Checkpoint, Finished, SeedSet
from studio.coft.task import Task
from studio.settings import Settings
from tests.baselines.conftest import QUICK, arguments, only, silent
from tests.coft.conftest import Canvases


def test_the_16_most_confident_of_each_class_without_the_studios_cap(vit: Backbone) -> None:
    made = arguments(vit, Canvases(30))
    settings = Settings(**QUICK | {"k": 16, "prior_correction": 1.0, "upl_prompts": 1})
    events = list(upl.fit(Task(**made, settings=settings)))
    seeds, labels = only(events, SeedSet), events[0].labels
    assert seeds.per_class == tuple(torch.bincount(labels, minlength=3).tolist())
    assert len(seeds.indices) == 30  # half of that with the cap
    assert torch.equal(seeds.labels, labels[seeds.indices])
    assert seeds.round_number == 1


def test_what_is_shipped_averages_the_scores_of_all_contexts(
    convnet: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = arguments(convnet, Canvases(12))
    learned = torch.nn.functional.normalize(torch.randn(2, 3, 16), dim=-1)
    numbers = []

    def scripted(*_: Any, number: int, count: Count, **__: Any) -> Any:
        numbers.append((number, count.trainings))
        return silent(Context(learned[number - 1], Count(trainings=count.trainings - 1)))

    monkeypatch.setattr(upl, "learn_context", scripted)
    events = list(upl.fit(Task(**made, settings=Settings(**QUICK))))
    assert numbers == [(1, 2), (2, 1)]
    weight = only(events, Checkpoint).tensors["models.0.head.weight"]
    torch.testing.assert_close(weight, convnet.logit_scale * learned.mean(0))
    assert only(events, Finished).stage == "trained"
