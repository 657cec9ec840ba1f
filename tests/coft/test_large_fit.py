"""How many tables of all images and classes a whole fit holds at a time, where they are large."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from studio.baselines import self_training
from studio.clip.backbone import Backbone
from studio.coft import likeliest, outcome, parts, rounds, selection, together
from studio.coft.dual import HeldOdds, Judges, odds_of
from studio.coft.events import Finished, Judged, SeedSet
from studio.coft.given import REJECTED, UNKNOWN
from studio.coft.keeping import packed, unpacked
from studio.coft.task import Task
from studio.scores import graph
from studio.settings import Settings
from tests.coft.test_parts import Peak, draws

IMAGES, CLASSES, WIDTH = 1600, 200, 8


class Pictures:
    """N images that nobody looks at; a batch is their numbers."""

    def __len__(self) -> int:
        return IMAGES

    def batch(self, indices: Any) -> Tensor:
        """(B,)."""
        return torch.tensor(list(indices))


class Model(torch.nn.Module):
    """One that has learned nothing."""

    adapter = Namespace(has_frozen_prefix=False)


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables are large, and everything is worked out in small parts."""
    monkeypatch.setattr(together, "LARGE_TABLE", 1)
    monkeypatch.setattr(parts, "PART_NUMBERS", 2**14)
    monkeypatch.setattr(likeliest, "PART_ROWS", 80)
    monkeypatch.setattr(likeliest, "KEPT", 8)
    monkeypatch.setattr(together, "ROUNDS", 2)
    monkeypatch.setattr(graph, "BLOCK_BYTES", 2**18)
    monkeypatch.setattr(selection, "_SORTED", 2**12)
    monkeypatch.setattr(selection, "_DRAWN", 2**10)
    monkeypatch.setattr(rounds, "build_models", lambda *_, **__: [Model(), Model()])
    monkeypatch.setattr(rounds, "phase_one", lambda *_, **__: iter(()))

    def judge_all(*_: Any) -> Any:
        yield from ()
        return judges()

    monkeypatch.setattr(rounds, "judge_all", judge_all)


def judges(*, classes: int = CLASSES) -> Judges:
    images = normalize(draws(2, IMAGES, WIDTH, seed=3), dim=2)
    texts = [tuple(normalize(draws(2, classes, WIDTH, seed=seed), dim=2)) for seed in (4, 5)]
    return Judges(images, texts, 15.0, 48)


def large_task(backbone: Backbone, more: dict[str, Any], **settings: Any) -> Task:
    near = torch.randint(0, IMAGES, (IMAGES, 32), generator=torch.Generator().manual_seed(2))
    return Task(
        backbone=replace(backbone, center=True), images=Pictures(), features=draws(IMAGES, WIDTH),
        class_vectors=draws(CLASSES, WIDTH, seed=1), candidates=near,
        class_names=[f"thing {number}" for number in range(CLASSES)],
        # Similar images are compared in blocks of their own, which no class is in.
        settings=Settings(k=1, label_weights="soft", **settings), **more,
    )  # fmt: skip


def whole(task: Task, said: Tensor) -> Iterator[Any]:
    learned = yield from rounds.phase_one_rounds(task)
    classifier: Any = Namespace(
        backbone=Namespace(forward_batch=48), each=lambda rows: said[:, rows].clone()
    )
    yield (yield from outcome.finish_all(
        classifier, task.images, learned.odds.odds, learned.clean, learned.labels,
        given=task.given, single=False, stage="phase2", stopped=False,
    ))  # fmt: skip


GIVEN = torch.full((IMAGES,), UNKNOWN)
GIVEN[:5], GIVEN[9] = torch.arange(5), REJECTED
CLAIMS = torch.arange(IMAGES) % CLASSES
LEARNED: dict[str, Any] = {"first_label_weight": 0.0}
"""Models of random weights contradict the first labels, which would stand, but for this."""


@pytest.mark.parametrize(
    ("settings", "more"),
    [
        ({}, {}),
        (LEARNED, {}),
        ({"seed_selection": "leaderboard"}, {"claims": CLAIMS}),
        ({"transduction": "first"}, {}),
        ({"rounds": 2}, {}),
        ({**LEARNED, "rounds": 2, "round_score": "product"}, {"given": GIVEN}),
        ({**LEARNED, "rounds": 3}, {"given": GIVEN, "state_due": lambda _: True}),
    ],
)
def test_a_fit_holds_three_tables_at_a_time(
    vit: Backbone, large: None, settings: dict[str, Any], more: dict[str, Any]
) -> None:
    """Also with rounds, with answers, with labels to check, and while it keeps its state."""
    task, told = large_task(vit, more, **settings), set[type]()
    said = (3 * draws(2, IMAGES, CLASSES, seed=6)).softmax(-1)
    peak = Peak()
    with peak:
        for event in whole(task, said):
            told.add(type(event))
            del event
    assert told >= {SeedSet, Judged, Finished}
    assert peak.bytes / (4 * IMAGES * CLASSES) < 3.0


@pytest.mark.parametrize("method", ["fit", "fit_seeds"])
def test_self_training_does_not_hold_what_its_models_say(
    vit: Backbone, large: None, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They were two tables of probabilities and two of log-odds, each of which is read once."""
    said = (3 * draws(2, IMAGES, CLASSES, seed=6)).softmax(-1)
    labelled: Any = Namespace(
        backbone=Namespace(forward_batch=48), each=lambda rows: said[:, rows].clone(),
        state=lambda: {}, meta=lambda **_: {},
    )  # fmt: skip

    def fine_tune(*_: Any, **__: Any) -> Iterator[Any]:
        return [], "post_proj"
        yield

    monkeypatch.setattr(self_training, "fine_tune", fine_tune)
    monkeypatch.setattr(self_training, "Classifier", lambda *_: labelled)
    task, peak, last = large_task(vit, {}), Peak(), None
    with peak:
        for event in getattr(self_training, method)(task):
            last = event
    assert isinstance(last, Finished)
    assert torch.equal(last.labels, said.mean(0).argmax(-1))
    assert peak.bytes / (4 * IMAGES * CLASSES) < 3.0


@pytest.mark.parametrize("classes", [5, CLASSES])
def test_what_is_kept_of_the_judges_says_what_they_say(classes: int) -> None:
    """Their log-odds, or what these come from, whichever is less; in a fit's state as well."""
    made = judges(classes=classes)
    kept = made.lasting()
    assert isinstance(kept, HeldOdds) == (classes < WIDTH)
    again = odds_of(unpacked(packed(kept.part())), device=torch.device("cpu"))
    assert type(again) is type(kept)
    similar, dissimilar = (
        torch.stack([made.images[m] @ made.texts[m][side].T for m in (0, 1)]) for side in (0, 1)
    )
    wanted = 15.0 * (similar - dissimilar)
    for rows in (slice(0, 48), slice(7, 300), slice(IMAGES - 5, IMAGES)):
        assert torch.allclose(kept.odds(rows), wanted[:, rows], atol=1e-4)
        assert torch.equal(again.odds(rows), kept.odds(rows))
    of_second = made.of(slice(3, 50), models=slice(1, 2))
    assert of_second.log_odds.shape == (1, 47, classes)
    assert torch.allclose(of_second.log_odds[0], wanted[1, 3:50], atol=1e-4)
    assert torch.equal(of_second.probabilities[0], made.of(slice(3, 50)).probabilities[1])
    assert torch.equal(
        torch.cat([torch.arange(IMAGES)[rows] for rows in made.parts]), torch.arange(IMAGES)
    )


def test_a_leaderboard_that_is_sorted_in_parts_is_that_of_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scores = (20 * draws(80, 9).softmax(1)).round() / 20  # with many ties
    scores[::7, 3] = -torch.inf
    wanted = scores.flatten().argsort(descending=True, stable=True).tolist()
    wanted = [place for place in wanted if scores.flatten()[place] > -torch.inf]
    for size, drawn in ((2**20, 2**10), (50, 40), (1, 3)):
        monkeypatch.setattr(selection, "_SORTED", size)
        monkeypatch.setattr(selection, "_DRAWN", drawn)
        found = [place for part in selection._from_the_top(scores) for place in part]
        assert found == wanted, (size, drawn)
    assert list(selection._from_the_top(scores[:0])) == []
