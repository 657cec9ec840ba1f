"""What the first labels still say after Phase I: beside the models, instead of them, and around."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from studio.clip.backbone import Backbone
from studio.coft import rounds
from studio.coft.events import Event, Warned
from studio.coft.first_labels import LEAST_FIRST, contradicted, support, with_first
from studio.coft.given import UNKNOWN
from studio.coft.rounds import CONTRADICTED, Learned
from studio.coft.start import first_scores
from studio.coft.task import Task
from tests.coft.conftest import Canvases, drained, random_task, told

CPU = torch.device("cpu")


def test_first_labels_count_beside_what_the_models_learned() -> None:
    own = torch.tensor([[[0.6, 0.4], [0.9, 0.1]], [[0.5, 0.5], [0.2, 0.8]]])
    first = torch.tensor([[0.2, 0.8], [0.5, 0.5]])
    found = with_first(own, first, weight=1.0)
    assert torch.allclose(found[0, 0], torch.tensor([0.12, 0.32]) / 0.44)
    assert torch.allclose(found[1, 0], first[0])  # a model without an opinion
    assert torch.allclose(found[:, 1], own[:, 1])  # a first label without one
    twice = with_first(own, first, weight=2.0)
    assert torch.allclose(twice[0, 0], torch.tensor([0.6 * 0.04, 0.4 * 0.64]) / 0.28)
    assert torch.equal(with_first(own, first, weight=0.0), own)


def test_a_first_label_that_seems_certain_can_be_outvoted() -> None:
    first = torch.tensor([[1.0, 0.0]])
    outvoted, kept = (
        with_first(torch.tensor([[[p, 1 - p]]] * 2), first, weight=1.0)[0, 0]
        for p in (LEAST_FIRST / 2, 2 * LEAST_FIRST)
    )
    assert outvoted.argmax() == 1
    assert kept.argmax() == 0


def test_models_contradict_where_they_change_more_than_four_labels_in_ten() -> None:
    first, everyone = torch.zeros(10, dtype=torch.int64), torch.ones(10, dtype=torch.bool)
    for changed, expected in ((4, False), (5, True), (10, True)):
        own = torch.tensor([1] * changed + [0] * (10 - changed))
        assert contradicted(own.expand(2, -1), first, everyone) is expected
    other = torch.ones(10, dtype=torch.int64)
    assert contradicted(torch.stack([first, other]), first, everyone), "both models count"
    assert contradicted(torch.stack([other, first]), first, everyone), "both models count"
    half = torch.tensor([0, 1]).repeat(5)
    assert not contradicted(half.expand(2, -1), first, half == 0), "rejected images do not count"


def test_a_label_is_supported_by_similar_images_and_by_no_rejected_one() -> None:
    """Two tight groups of 12; in the first one image is labelled as the second group is."""
    draw = torch.Generator().manual_seed(0)
    centres = torch.tensor([[1.0, 0, 0], [0, 1.0, 0]]).repeat_interleave(12, 0)
    pictures = torch.nn.functional.normalize(
        centres + 0.01 * torch.randn(24, 3, generator=draw), dim=1
    )
    labels = torch.tensor([0] * 12 + [1] * 12)
    labels[5] = 1
    everyone = torch.ones(24, dtype=torch.bool)
    found = support(pictures, torch.stack([labels, 1 - labels]), everyone, device=CPU)
    assert torch.equal(found[0], found[1])  # names do not matter
    assert found[0, 5] == pytest.approx(1 / 11)
    assert found[0, 12:].tolist() == [1.0] * 12
    assert 10 / 11 - 1e-6 <= float(found[0, :5].min()) <= 1.0
    without = everyone.clone()
    without[5] = False
    assert support(pictures, labels[None], without, device=CPU)[0, :5].tolist() == [1.0] * 5
    few = without.clone()
    few[6:] = False  # five of the first group are left, and nobody else may be asked
    assert support(pictures, labels[None], few, device=CPU)[0, :5].tolist() == [1.0] * 5


def _learned(
    task: Task, own: Tensor, monkeypatch: pytest.MonkeyPatch
) -> tuple[Learned, list[Event]]:
    """Phase I of models that say `own` (2, N, C) and find every label clean."""

    def judge_all(*_: Any) -> Any:
        yield from ()
        return told(own, torch.full_like(own, 5.0), torch.randn(2, len(task.images), 16))

    monkeypatch.setattr(rounds, "judge_all", judge_all)
    monkeypatch.setattr(rounds, "phase_one", lambda *_, **__: iter(()))
    return drained(rounds.phase_one_rounds(task))


def _first(task: Task) -> Tensor:
    scores: Tensor
    scores, _ = drained(first_scores(task.start, task.given, task.settings, device=CPU))
    return scores


SMALL: dict[str, Any] = {"k": 4, "transduction": "off", "filter": "none"}


def test_phase_one_refines_first_labels_or_they_stand(
    vit: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = random_task(vit, Canvases(60), **SMALL)
    first = _first(task)
    before = first.argmax(1)
    kept = torch.nn.functional.one_hot(before, first.shape[1]).float()
    # Sure of another class on ten images; elsewhere of the first labels.
    kept[:10] = kept[:10].roll(1, 1)
    learned, events = _learned(task, kept.expand(2, -1, -1), monkeypatch)
    assert Warned(CONTRADICTED) not in events
    assert torch.equal(learned.labels, kept.argmax(1).expand(2, -1))

    other = kept.roll(1, 1).expand(2, -1, -1)
    learned, events = _learned(task, other, monkeypatch)
    assert Warned(CONTRADICTED) in events
    assert torch.equal(learned.labels, before.expand(2, -1))

    papers = task.with_settings(first_label_weight=0.0)
    learned, events = _learned(papers, other, monkeypatch)
    assert Warned(CONTRADICTED) not in events
    assert torch.equal(learned.labels, other.argmax(-1))


def test_labels_weigh_by_their_support_unless_they_weigh_by_the_peer_alone(
    vit: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = random_task(vit, Canvases(60), **{**SMALL, "filter": "peer_clean"})
    own = _first(task).float().expand(2, -1, -1)
    learned, _ = _learned(task, own, monkeypatch)
    alone, _ = _learned(task.with_settings(label_weights="soft"), own, monkeypatch)
    everyone = torch.ones(60, dtype=torch.bool)
    share = support(task.start.pictures, learned.labels, everyone, device=CPU)
    assert float(share.min()) < 1.0
    assert torch.allclose(learned.weights, alone.weights * share)
    hard, _ = _learned(task.with_settings(label_weights="hard"), own, monkeypatch)
    assert hard.weights.tolist() == torch.ones(2, 60).tolist()


def test_a_table_in_parts_says_the_same_of_both_models_and_of_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    draw = torch.Generator().manual_seed(0)
    both = torch.rand(2, 9, 5, generator=draw).softmax(-1)
    first = torch.rand(9, 5, generator=draw, dtype=torch.float64).softmax(-1)
    whole = (both.log() + 0.7 * first.float().log()).softmax(-1)
    monkeypatch.setattr("studio.coft.parts.PART_NUMBERS", 10)
    found = with_first(both, first, weight=0.7)
    torch.testing.assert_close(found, whole, atol=1e-6, rtol=0)
    assert torch.equal(with_first(both[1], first, weight=0.7), found[1])
    assert with_first(both, first, weight=0) is both


def test_a_correction_of_a_claim_supports_the_labels_beside_it(
    vit: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the claim that it corrects."""
    task = random_task(vit, Canvases(60), **{**SMALL, "filter": "peer_clean"})
    own = _first(task).float()
    task.claims = own.argmax(1).clone()
    task.claims[:20] = (task.claims[:20] + 1) % own.shape[1]
    task.given = torch.full((60,), UNKNOWN)
    task.given[:20] = own.argmax(1)[:20]
    learned, _ = _learned(task, own.expand(2, -1, -1), monkeypatch)
    alone, _ = _learned(
        task.with_settings(label_weights="soft"), own.expand(2, -1, -1), monkeypatch
    )
    everyone = torch.ones(60, dtype=torch.bool)
    share = support(task.start.pictures, own.argmax(1).expand(2, -1), everyone, device=CPU)
    assert torch.allclose(learned.weights[:, 20:], (alone.weights * share)[:, 20:])
