"""Rounds of Phase I (test 9 of the specification) and labels that a person gave."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
import torch

from studio.clip.backbone import Backbone
from studio.coft import phase2, rounds
from studio.coft.events import Finished, Judged, Monitor, SeedSet, Step
from studio.coft.fit import fit, fit_plus
from studio.coft.given import REJECTED, UNKNOWN, checked, into_judged, with_given
from studio.coft.hidden import TestViews
from studio.coft.phase1 import build_models
from studio.coft.start import ZeroShotStart, seeds
from studio.settings import Settings
from tests.coft.conftest import NAMES, Canvases, Inputs
from tests.coft.test_fit import QUICK, only

PLUS: dict[str, Any] = {**QUICK, "rounds": 3, "contrast_weight": 0.0}


def test_each_round_starts_from_pristine_clip_and_fresh_parameters(
    vit: Backbone, inputs: Inputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {name: tensor.clone() for name, tensor in vit.model.state_dict().items()}
    born = []

    def noted(*args: Any, **options: Any) -> Any:
        for name, tensor in vit.model.state_dict().items():
            assert torch.equal(tensor, before[name]), name
        models = build_models(*args, **options)
        born.append([{k: v.clone() for k, v in m.state_dict().items()} for m in models])
        return models

    monkeypatch.setattr(rounds, "build_models", noted)
    given = inputs(vit, Canvases(30))
    settings = Settings(**PLUS)
    list(fit_plus(**given, settings=settings))
    assert len(born) == 3
    start = ZeroShotStart.of(vit, given["features"], given["class_vectors"])
    for number, pair in enumerate(born, start=1):
        fresh = build_models(vit, NAMES, start.space, settings, round_number=number)
        for state, model in zip(pair, fresh, strict=True):
            for name, tensor in model.state_dict().items():
                assert torch.equal(tensor, state[name]), (number, name)
    firsts = [pair[0]["positive"] for pair in born]
    assert not torch.equal(firsts[0], firsts[1])
    assert not torch.equal(firsts[1], firsts[2])


def test_later_rounds_learn_each_models_own_top_k(vit: Backbone, inputs: Inputs) -> None:
    events = list(fit_plus(**inputs(vit, Canvases(90, seed=2)), settings=Settings(**PLUS)))
    seeds = [e for e in events if isinstance(e, SeedSet)]
    assert [(s.round_number, s.model) for s in seeds] == [
        (1, None), (2, 0), (2, 1), (3, 0), (3, 1),
    ]  # fmt: skip
    judged = [e for e in events if isinstance(e, Judged)]
    assert [j.round_number for j in judged] == [1, 2, 3]
    assert not torch.equal(seeds[1].indices, seeds[2].indices)
    steps = [e for e in events if isinstance(e, Step) and e.phase == 1]
    for model in (0, 1):
        mine = [s.step for s in steps if s.model == model]
        assert mine == sorted(set(mine))  # counted on through the rounds
    assert max(s.epoch for s in steps) == steps[0].epochs == 6
    monitors = [e for e in events if isinstance(e, Monitor) and e.phase == 1]
    assert [m.epoch for m in monitors] == [1, 2, 3, 4, 5, 6]


def test_the_seeds_of_round_two_are_the_labels_of_round_one(vit: Backbone, inputs: Inputs) -> None:
    settings = Settings(**PLUS | {"seed_selection": "argmax_topk", "prior_correction": 0.0})
    events = list(fit_plus(**inputs(vit, Canvases(90, seed=2)), settings=settings))
    first = next(e for e in events if isinstance(e, Judged))
    for found in (e for e in events if isinstance(e, SeedSet) and e.round_number == 2):
        assert torch.equal(found.labels, first.labels[found.model][found.indices])


def test_stopped_in_the_second_round_the_first_is_kept(vit: Backbone, inputs: Inputs) -> None:
    events: list[Any] = []

    def stop() -> bool:
        return any(isinstance(e, SeedSet) and e.round_number == 2 for e in events)

    for event in fit_plus(**inputs(vit, Canvases(30)), settings=Settings(**PLUS), stop=stop):
        events.append(event)
    assert [e.round_number for e in events if isinstance(e, Judged)] == [1]
    assert only(events, Finished).stopped


def test_kept_test_views_are_the_computed_ones(convnet: Backbone) -> None:
    images = Canvases(70, size=64)
    settings = Settings(adapted_stages=1)
    models = build_models(convnet, NAMES, _space(convnet), settings)
    views = TestViews(convnet, models[0].adapter, images, keep=True)
    first = list(views.chunks())
    images.calls.clear()
    second = list(views.chunks())
    assert not images.calls  # nothing was decoded again
    assert [len(c) for c in second] == [16, 16, 16, 16, 6]
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def _space(backbone: Backbone) -> Any:
    vectors = torch.randn(3, 16, generator=torch.Generator().manual_seed(0))
    return ZeroShotStart.of(backbone, vectors, vectors).space


def test_given_labels_are_seeds_and_believed_and_rejected_images_are_neither() -> None:
    given = torch.tensor([UNKNOWN, 1, REJECTED, 0, UNKNOWN])
    indices, labels = with_given(torch.tensor([0]), torch.tensor([0]), given)
    assert dict(zip(indices.tolist(), labels.tolist(), strict=True)) == {0: 0, 1: 1, 3: 0}
    judged, clean = into_judged(
        torch.tensor([[0, 0, 0, 1, 1], [0, 1, 1, 1, 1]]), torch.ones(2, 5) < 0, given
    )
    assert judged.tolist() == [[0, 1, 0, 0, 1], [0, 1, 1, 0, 1]]
    assert clean.tolist() == [[False, True, False, True, False]] * 2
    _, clean = into_judged(judged, torch.ones(2, 5) > 0, given)
    assert clean[:, 2].tolist() == [False, False]
    with pytest.raises(ValueError, match="5 images"):
        checked(given[:4], images=5, classes=2)
    with pytest.raises(ValueError, match="between -2 and 0"):
        checked(given, images=5, classes=1)


@pytest.mark.parametrize("mode", ["argmax_topk", "leaderboard"])
def test_an_image_that_was_ruled_on_costs_its_class_no_seed(mode: str) -> None:
    sure = torch.tensor([0.99, 0.95, 0.9, 0.8, 0.7])
    scores = torch.cat([torch.stack([sure, 1 - sure], 1), torch.stack([1 - sure, sure], 1)])
    given = torch.full((10,), UNKNOWN)
    given[0], given[6] = REJECTED, 0
    settings = Settings(k=2, seed_selection=mode)
    found = list(seeds(scores, given, settings))
    told = only(found, SeedSet)
    chosen = dict(zip(told.indices.tolist(), told.labels.tolist(), strict=True))
    assert chosen == {1: 0, 2: 0, 5: 1, 7: 1, 6: 0}


@pytest.mark.parametrize("mode", ["argmax_topk", "leaderboard"])
def test_seeds_when_every_image_was_ruled_on(mode: str) -> None:
    scores = torch.full((4, 2), 0.5)
    given = torch.tensor([0, REJECTED, 1, 0])
    told = only(list(seeds(scores, given, Settings(seed_selection=mode))), SeedSet)
    assert (told.indices.tolist(), told.labels.tolist()) == ([0, 2, 3], [0, 1, 0])


@pytest.mark.parametrize("method", [fit, fit_plus])
def test_a_fit_keeps_to_what_a_person_said(
    vit: Backbone, inputs: Inputs, method: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    learned: list[tuple[Any, Any]] = []
    real = phase2.phase_two

    def noted(**options: Any) -> Any:
        learned.extend(options["data"])
        assert 9 not in options["pool"]
        return real(**options)

    monkeypatch.setattr(import_module("studio.coft.finetune"), "phase_two", noted)
    given = torch.full((30,), UNKNOWN)
    given[4], given[7], given[9] = 2, 0, REJECTED
    settings = Settings(**PLUS)
    events = list(method(**inputs(vit, Canvases(30)), settings=settings, given=given))
    for found in (e for e in events if isinstance(e, SeedSet)):
        told = dict(zip(found.indices.tolist(), found.labels.tolist(), strict=True))
        assert (told[4], told[7]) == (2, 0)
        assert 9 not in told
    assert learned
    for indices, labels, _ in learned:
        told = dict(zip(indices.tolist(), labels.tolist(), strict=True))
        assert (told[4], told[7]) == (2, 0)
        assert 9 not in told
    finished = only(events, Finished)
    assert finished.labels[[4, 7]].tolist() == [2, 0]
    assert finished.clean[[4, 7, 9]].tolist() == [True, True, False]
