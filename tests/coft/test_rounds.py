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
from studio.coft.phase1 import build_models, phase_one
from studio.coft.selection import seed_set
from studio.coft.start import seeds
from studio.coft.task import Task
from studio.settings import Settings
from tests.coft.conftest import Canvases, Inputs, drained, only, random_task, told
from tests.coft.test_fit import QUICK

PLUS: dict[str, Any] = {**QUICK, "rounds": 3, "contrast_weight": 0.0}


def test_each_round_starts_from_pristine_clip_and_fresh_parameters(
    vit: Backbone, inputs: Inputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {name: tensor.clone() for name, tensor in vit.model.state_dict().items()}
    born = []

    def noted(task: Task, **options: Any) -> Any:
        for name, tensor in vit.model.state_dict().items():
            assert torch.equal(tensor, before[name]), name
        models = build_models(task, **options)
        born.append([{k: v.clone() for k, v in m.state_dict().items()} for m in models])
        return models

    monkeypatch.setattr(rounds, "build_models", noted)
    task = Task(**inputs(vit, Canvases(30)), settings=Settings(**PLUS))
    list(fit_plus(task))
    assert len(born) == 3
    for number, pair in enumerate(born, start=1):
        fresh = build_models(task, round_number=number)
        for state, model in zip(pair, fresh, strict=True):
            for name, tensor in model.state_dict().items():
                assert torch.equal(tensor, state[name]), (number, name)
    firsts = [pair[0]["positive"] for pair in born]
    assert not torch.equal(firsts[0], firsts[1])
    assert not torch.equal(firsts[1], firsts[2])


def test_later_rounds_learn_each_models_own_top_k(vit: Backbone, inputs: Inputs) -> None:
    events = list(fit_plus(Task(**inputs(vit, Canvases(90, seed=2)), settings=Settings(**PLUS))))
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
    events = list(fit_plus(Task(**inputs(vit, Canvases(90, seed=2)), settings=settings)))
    first = next(e for e in events if isinstance(e, Judged))
    for second in (e for e in events if isinstance(e, SeedSet) and e.round_number == 2):
        assert torch.equal(second.labels, first.labels[second.model][second.indices])


@pytest.mark.parametrize("score", ["p_clean", "product", "softmax"])
def test_a_model_ranks_images_by_what_it_says_itself(
    vit: Backbone, monkeypatch: pytest.MonkeyPatch, score: str
) -> None:
    """No exchange between the models: with answers that have nothing in common it would show."""
    draw = torch.Generator().manual_seed(0)
    probabilities = torch.randn(2, 60, 3, generator=draw).softmax(-1)
    clean = torch.rand(2, 60, 3, generator=draw)

    def judge_all(*_: Any) -> Any:
        yield from ()
        return told(probabilities, clean.logit(), torch.randn(2, 60, 16, generator=draw))

    monkeypatch.setattr(rounds, "judge_all", judge_all)
    monkeypatch.setattr(rounds, "phase_one", lambda *_, **__: iter(()))
    task = random_task(
        vit, Canvases(60), rounds=2, round_score=score, transduction="off", prior_correction=0.0,
        k=4, k_cap=False, seed_selection="argmax_topk", filter="peer_clean", label_weights="hard",
        first_label_weight=0.0,
    )  # fmt: skip
    learned, events = drained(rounds.phase_one_rounds(task))
    expected = {"p_clean": clean, "product": clean * probabilities, "softmax": probabilities}
    labels = probabilities.argmax(-1)
    second = [e for e in events if isinstance(e, SeedSet) and e.round_number == 2]
    for model, found in enumerate(second):
        own = expected[score][model]
        if score == "p_clean":  # it ranks a model's labels and gives none
            indices, chosen = seed_set(own.logit(), k=4, allowed=labels[model])
        else:
            indices, chosen = seed_set(own / own.sum(1, keepdim=True), k=4)
        assert found.model == model
        assert torch.equal(found.indices, indices)
        assert torch.equal(found.labels, chosen)
    assert not torch.equal(second[0].indices, second[1].indices)
    kept = torch.stack([clean[1 - m].gather(1, labels[m][:, None])[:, 0] > 0.5 for m in (0, 1)])
    assert torch.equal(learned.labels, labels)
    assert torch.equal(learned.clean, kept)
    assert torch.equal(learned.weights, kept.float())
    assert learned.seeds == max(len(found.indices) for found in second)


def test_stopped_in_the_second_round_the_first_is_kept(vit: Backbone, inputs: Inputs) -> None:
    events: list[Any] = []

    def stop() -> bool:
        return any(isinstance(e, SeedSet) and e.round_number == 2 for e in events)

    for event in fit_plus(Task(**inputs(vit, Canvases(30)), settings=Settings(**PLUS), stop=stop)):
        events.append(event)
    assert [e.round_number for e in events if isinstance(e, Judged)] == [1]
    assert only(events, Finished).stopped


def test_kept_test_views_are_the_computed_ones(convnet: Backbone) -> None:
    images = Canvases(70, size=64)
    models = build_models(random_task(convnet, images, adapted_stages=1))
    views = TestViews(convnet, models[0].adapter, images, keep=True)
    first = list(views.chunks())
    images.calls.clear()
    second = list(views.chunks())
    assert not images.calls  # nothing was decoded again
    assert [len(c) for c in second] == [16, 16, 16, 16, 6]
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_given_labels_are_seeds_and_clean_and_rejected_images_are_neither() -> None:
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
    with pytest.raises(ValueError, match="between -3 and 0"):
        checked(given, images=5, classes=1)


@pytest.mark.parametrize("mode", ["argmax_topk", "leaderboard"])
def test_a_corrected_image_costs_its_class_no_seed(mode: str) -> None:
    high = torch.tensor([0.99, 0.95, 0.9, 0.8, 0.7])
    scores = torch.cat([torch.stack([high, 1 - high], 1), torch.stack([1 - high, high], 1)])
    given = torch.full((10,), UNKNOWN)
    given[0], given[6] = REJECTED, 0
    settings = Settings(k=2, seed_selection=mode)
    event = only(list(seeds(scores, given, settings)), SeedSet)
    chosen = dict(zip(event.indices.tolist(), event.labels.tolist(), strict=True))
    assert chosen == {1: 0, 2: 0, 5: 1, 7: 1, 6: 0}


@pytest.mark.parametrize("mode", ["argmax_topk", "leaderboard"])
def test_seeds_when_every_image_was_corrected(mode: str) -> None:
    scores = torch.full((4, 2), 0.5)
    given = torch.tensor([0, REJECTED, 1, 0])
    event = only(list(seeds(scores, given, Settings(seed_selection=mode))), SeedSet)
    assert (event.indices.tolist(), event.labels.tolist()) == ([0, 2, 3], [0, 1, 0])


@pytest.mark.parametrize("method", [fit, fit_plus])
def test_a_fit_keeps_to_the_given_labels(
    vit: Backbone, inputs: Inputs, method: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    learned: list[tuple[Any, Any]] = []
    real = phase2.phase_two

    def noted(task: Task, **options: Any) -> Any:
        learned.extend(options["data"])
        assert 9 not in task.pool
        return real(task, **options)

    monkeypatch.setattr(import_module("studio.coft.finetune"), "phase_two", noted)
    given = torch.full((30,), UNKNOWN)
    given[4], given[7], given[9] = 2, 0, REJECTED
    settings = Settings(**PLUS)
    events = list(method(Task(**inputs(vit, Canvases(30)), settings=settings, given=given)))
    chosen = [(e.indices, e.labels) for e in events if isinstance(e, SeedSet)]
    assert learned
    for indices, labels in [*chosen, *((own[0], own[1]) for own in learned)]:
        label_of = dict(zip(indices.tolist(), labels.tolist(), strict=True))
        assert (label_of[4], label_of[7]) == (2, 0)
        assert 9 not in label_of
    finished = only(events, Finished)
    assert finished.labels[[4, 7]].tolist() == [2, 0]
    assert finished.clean[[4, 7, 9]].tolist() == [True, True, False]


@pytest.mark.parametrize("score", ["p_clean", "product"])
def test_a_peer_that_is_sure_of_everything_still_ranks(
    vit: Backbone, monkeypatch: pytest.MonkeyPatch, score: str
) -> None:
    """At CLIP's scale p_clean is exactly 1 or 0 in float32, of all classes alike."""
    draw = torch.Generator().manual_seed(0)
    labels = torch.arange(60) % 3
    probabilities = (10 * torch.nn.functional.one_hot(labels, 3).float()).softmax(-1)
    odds = 40 + 20 * torch.rand(2, 60, 3, generator=draw)
    if score == "product":
        odds = -120 - 20 * torch.rand(2, 60, 3, generator=draw)

    def judge_all(*_: Any) -> Any:
        yield from ()
        return told(probabilities.expand(2, -1, -1), odds, torch.randn(2, 60, 16, generator=draw))

    monkeypatch.setattr(rounds, "judge_all", judge_all)
    monkeypatch.setattr(rounds, "phase_one", lambda *_, **__: iter(()))
    task = random_task(
        vit, Canvases(60), rounds=2, round_score=score, prior_correction=0.0, k=4, k_cap=False,
        seed_selection="argmax_topk", first_label_weight=0.0,
        transduction="off" if score == "p_clean" else "all",
    )  # fmt: skip
    _, events = drained(rounds.phase_one_rounds(task))
    for found in (e for e in events if isinstance(e, SeedSet) and e.round_number == 2):
        assert found.per_class == (4, 4, 4)
        if score == "p_clean":
            own = odds[found.model].gather(1, labels[:, None])[:, 0]
            best = own[labels == 1].topk(4).values.sort().values
            assert torch.equal(own[found.indices[found.labels == 1]].sort().values, best)


def test_each_model_goes_through_the_whole_schedule_of_its_own_seeds(vit: Backbone) -> None:
    """With fewer seeds a model makes fewer steps, and its rate falls to its end all the same."""
    task = random_task(
        vit, Canvases(60), phase1_epochs=2, phase1_min_steps=0, phase1_batch=8, monitor_images=0
    )
    models = build_models(task, round_number=2)
    likely = torch.full((24, 3), 1 / 3)
    sets = [(torch.arange(n), torch.arange(n) % 3, likely[:n]) for n in (24, 10)]
    views = TestViews(task.backbone, models[0].adapter, task.images, keep=False)
    events = phase_one(task, models=models, seeds=sets, test_views=views, round_number=2)
    steps = [e for e in events if isinstance(e, Step)]
    for model, wanted in ((0, 6), (1, 4)):
        own = [step for step in steps if step.model == model]
        assert [step.step for step in own] == list(range(1, wanted + 1))
        assert {step.steps for step in own} == {wanted}
