"""What is said of each image in the end, case by case."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from studio.coft.dual import HeldOdds
from studio.coft.events import Finished, Progress
from studio.coft.given import REJECTED, UNKNOWN
from studio.coft.outcome import TOP, finish, finish_all, finish_alone, label_all
from tests.coft.conftest import Canvases, drained

NOTHING = torch.full((4,), UNKNOWN)
PROBABILITIES = torch.tensor(
    [
        [[0.9, 0.1], [0.6, 0.4], [0.8, 0.2], [0.3, 0.7]],
        [[0.7, 0.3], [0.1, 0.9], [0.6, 0.4], [0.2, 0.8]],
    ]
)
"""Of models 1 and 2; their mean says 0, 1, 0, 1; they disagree on image 1."""
LOG_ODDS = torch.tensor(
    [
        [[0.9, 0.2], [0.3, 0.8], [0.7, 0.1], [0.4, 0.6]],
        [[0.5, 0.6], [0.2, 0.4], [0.9, 0.3], [0.1, 0.9]],
    ]
).logit()
JUDGED = torch.tensor([[0, 0, 1, 1], [0, 1, 0, 0]])
CLEAN = torch.tensor([[True, True, True, False], [False, True, False, True]])


def outcome(*, given: torch.Tensor = NOTHING, single: bool = False) -> Finished:
    return finish(
        PROBABILITIES, LOG_ODDS, CLEAN, JUDGED, given=given, single=single, stage="phase2",
        stopped=True,
    )  # fmt: skip


def test_the_mean_of_both_decides() -> None:
    result = outcome()
    assert result.labels.tolist() == [0, 1, 0, 1]
    torch.testing.assert_close(result.confidence, torch.tensor([0.8, 0.65, 0.7, 0.75]))
    assert result.model_labels.tolist() == [[0, 0, 0, 1], [0, 1, 0, 1]]
    assert result.top_labels.tolist() == [[0, 1], [1, 0], [0, 1], [1, 0]]
    assert (result.stage, result.stopped) == ("phase2", True)


def test_one_classifier_decides_where_it_is_shipped_alone() -> None:
    result = outcome(single=True)
    assert result.labels.tolist() == [0, 0, 0, 1]
    torch.testing.assert_close(result.confidence, torch.tensor([0.9, 0.6, 0.8, 0.7]))


def test_how_clean_a_label_is_both_judges_say() -> None:
    result = outcome()
    of_final = torch.tensor([(0.9 + 0.5) / 2, (0.8 + 0.4) / 2, (0.7 + 0.9) / 2, (0.6 + 0.9) / 2])
    torch.testing.assert_close(result.clean_probability, of_final)
    # Of a model's own label the other one does, though they give different ones.
    peers = torch.tensor([[0.5, 0.2, 0.9, 0.9], [0.9, 0.8, 0.7, 0.6]])
    torch.testing.assert_close(result.model_clean_probability, peers)


def test_clean_is_a_final_label_that_a_model_gave_and_its_peer_kept() -> None:
    # 0: model 1's, kept. 1: model 2's, kept. 2: 0 is the label of model 2, which was not kept; the
    # label of model 1, which was, is another one. 3: 1 is model 1's, not kept.
    assert outcome().clean.tolist() == [True, True, False, False]


def test_what_a_person_said_stands() -> None:
    result = outcome(given=torch.tensor([1, REJECTED, 1, UNKNOWN]))
    assert result.labels.tolist() == [1, 1, 1, 1]
    assert result.clean.tolist() == [True, False, True, False]
    assert result.confidence[0] == pytest.approx(0.2)
    assert result.model_labels.tolist() == outcome().model_labels.tolist()


def test_without_a_peer_labels_above_one_half_are_clean() -> None:
    probabilities = torch.tensor([[0.5, 0.5], [0.4, 0.6], [0.9, 0.1], [0.8, 0.2]])
    given = torch.tensor([UNKNOWN, UNKNOWN, REJECTED, 1])
    result = finish_alone(probabilities, given=given, stage="x", stopped=False)
    assert result.labels.tolist() == [0, 1, 0, 1]
    torch.testing.assert_close(result.confidence, torch.tensor([0.5, 0.6, 0.9, 0.2]))
    assert torch.equal(result.clean_probability, result.confidence)
    assert result.clean.tolist() == [False, True, False, True]
    assert torch.equal(result.model_labels, result.labels.expand(2, -1))
    assert torch.equal(result.model_clean_probability, result.confidence.expand(2, -1))


def test_no_more_than_the_best_classes_are_told() -> None:
    probabilities = torch.rand(2, 3, 9).softmax(-1)
    nothing = torch.full((3,), UNKNOWN)
    zero = torch.zeros(2, 3, dtype=torch.long)
    both = finish(
        probabilities, probabilities, zero > 0, zero, given=nothing, single=False, stage="",
        stopped=False,
    )  # fmt: skip
    alone = finish_alone(probabilities[0], given=nothing, stage="", stopped=False)
    for result in (both, alone):
        assert result.top_labels.shape == result.top_probabilities.shape == (3, TOP)
        assert (result.top_probabilities.diff(dim=1) <= 0).all()
        assert torch.equal(result.top_labels[:, 0], result.labels)


class Numbered:
    """A classifier of two models, whose probabilities are the number of the image."""

    backbone = SimpleNamespace(forward_batch=4)

    def each(self, canvases: torch.Tensor) -> torch.Tensor:
        return canvases[None, :, 0, 0, :1].float().expand(2, -1, -1)


def test_all_images_are_labelled_in_their_order() -> None:
    images = Canvases(10, size=2)
    images.data = torch.arange(10, dtype=torch.uint8)[:, None, None, None].expand(10, 3, 2, 2)

    result, progress = drained(label_all(Numbered(), images))  # type: ignore[arg-type]
    assert result.shape == (2, 10, 1)
    assert result[1, :, 0].tolist() == list(range(10))
    assert progress == [Progress("labelling", done, 10) for done in (4, 8, 10)]


@pytest.mark.parametrize("single", [False, True])
def test_the_outcome_of_all_images_is_that_of_each_batch(single: bool) -> None:
    """Without a table of all images: the same to the last bit."""
    draw = torch.Generator().manual_seed(0)
    images, classes = 11, 7
    probabilities = torch.rand(2, images, classes, generator=draw).softmax(-1)
    log_odds = torch.randn(2, images, classes, generator=draw)
    held = HeldOdds(log_odds)
    judged = torch.randint(0, classes, (2, images), generator=draw)
    clean = torch.rand(2, images, generator=draw) > 0.4
    given = torch.full((images,), UNKNOWN)
    given[3], given[8] = 2, REJECTED
    rest: dict[str, Any] = {"given": given, "single": single, "stage": "phase2", "stopped": False}

    class Batches:
        backbone = SimpleNamespace(forward_batch=4)

        def each(self, rows: list[int]) -> torch.Tensor:
            return probabilities[:, rows]

    pictures = type("P", (), {"batch": lambda _, rows: list(rows), "__len__": lambda _: images})()
    found, progress = drained(
        finish_all(Batches(), pictures, held.odds, clean, judged, **rest)  # type: ignore[arg-type]
    )
    wanted = finish(probabilities, log_odds, clean, judged, **rest)
    for name, value in vars(wanted).items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(getattr(found, name), value), name
        else:
            assert getattr(found, name) == value
    assert [p.done for p in progress] == [4, 8, 11]
