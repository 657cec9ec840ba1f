"""What two models agree on: their say, sizes that are not forced, and a model without texts."""

from __future__ import annotations

from collections.abc import Generator, Sequence

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize, one_hot

from studio.clip.backbone import Backbone
from studio.coft.consensus import Opinion, agreed, consensus, kappa, says
from studio.coft.events import Event, Progress
from studio.coft.given import UNKNOWN
from studio.coft.selection import without_prior
from studio.coft.start import first_scores
from studio.coft.task import Task
from studio.coft.together import label_together, labelling_together
from studio.coft.transduction import ROUNDS
from studio.progress import to_the_end
from studio.settings import Settings
from tests.baselines.test_transclip import clusters
from tests.coft.conftest import drained
from tests.coft.test_transduction import draws

CPU = torch.device("cpu")


def together(
    pictures: Tensor, probabilities: Tensor, part: tuple[int, int]
) -> Generator[Event, None, Tensor]:
    nobody = torch.full((len(pictures),), UNKNOWN)
    return labelling_together(pictures, probabilities, nobody, device=CPU, anchor=32.0, part=part)


agree = to_the_end(consensus)


def votes_of(truth: Tensor, *, right: float, seed: int, classes: int = 3) -> Tensor:
    """(N, C) sure votes of which so many are right."""
    wrong = torch.rand(len(truth), generator=torch.Generator().manual_seed(seed)) > right
    off = torch.randint(1, classes, truth.shape, generator=torch.Generator().manual_seed(seed + 1))
    return 0.1 / classes + 0.9 * one_hot(
        torch.where(wrong, (truth + off) % classes, truth), classes
    )


def test_kappa_is_that_of_the_textbook() -> None:
    first, second = torch.tensor([0, 0, 1, 1, 2, 2]), torch.tensor([0, 0, 1, 2, 2, 2])
    expected = (5 / 6 - (2 * 2 + 2 * 1 + 2 * 3) / 36) / (1 - (2 * 2 + 2 * 1 + 2 * 3) / 36)
    assert float(kappa(first, second, classes=3)) == pytest.approx(expected)
    assert float(kappa(first, first, classes=3)) == 1
    one = torch.zeros(6, dtype=torch.long)
    assert bool(kappa(one, one, classes=3).isfinite())


def test_a_model_that_the_others_do_not_bear_out_loses_its_say() -> None:
    truth = torch.arange(300) % 3
    votes = [votes_of(truth, right=share, seed=s) for share, s in ((0.9, 1), (0.9, 5), (0.34, 9))]
    weights = says(votes)
    assert float(weights.sum()) == pytest.approx(1)
    assert weights[0] > 2 * weights[2]
    assert weights[1] > 2 * weights[2]
    plain = torch.stack(votes).mean(0).argmax(1)
    assert (agreed(votes).argmax(1) == truth).sum() >= (plain == truth).sum()
    torch.testing.assert_close(agreed(votes[:1]), votes[0])


def two_views(sizes: Sequence[int]) -> tuple[Opinion, Opinion, Tensor]:
    """Three groups that the second model sees more clearly than the first, which reads names."""
    truth = torch.cat([torch.full((size,), k) for k, size in enumerate(sizes)])
    pictures = [
        normalize(torch.eye(12)[truth] + noise * draws(len(truth), 12, seed=seed), dim=1)
        for noise, seed in ((0.6, 1), (0.2, 2))
    ]
    guess = 1.5 * one_hot(truth, 3) + draws(len(truth), 3, seed=3)
    return Opinion(pictures[0], guess.softmax(1)), Opinion(pictures[1]), truth


def test_a_model_without_texts_helps_the_first_to_tell_images_apart() -> None:
    first, second, truth = two_views((100, 100, 100))
    assert first.probabilities is not None
    alone = agree(first, [], together).argmax(1)
    both = agree(first, [second], together).argmax(1)
    assert (both == truth).float().mean() > (alone == truth).float().mean() + 0.02


def test_class_sizes_are_not_forced_to_be_equal() -> None:
    first, second, truth = two_views((200, 40, 20))
    labels = agree(first, [second], together).argmax(1)
    sizes = torch.bincount(labels, minlength=3)
    assert (sizes - torch.bincount(truth)).abs().max() <= 20  # even ones would be 113 off
    assert (labels == truth).float().mean() > 0.9


@pytest.mark.parametrize("transduction", ["all", "off"])
def test_first_scores_are_as_before_without_further_models(
    vit: Backbone, transduction: str
) -> None:
    made, _ = clusters(vit)
    settings = Settings(transduction=transduction)
    task = Task(**made | {"settings": settings})
    plain = without_prior(task.start.probabilities, power=settings.prior_correction)
    if transduction == "all":
        plain = label_together(
            task.start.pictures, plain, task.given, device=CPU,
            given_evidence=settings.given_evidence, anchor=settings.anchor,
        )  # fmt: skip
    assert torch.equal(scores_of(task), plain)


def test_a_further_model_counts_in_the_first_scores_of_a_task(vit: Backbone) -> None:
    made, truth = clusters(vit)
    alone = Task(**made | {"settings": Settings(transduction="off")})
    sure = Opinion(alone.start.pictures, votes_of(truth, right=1.0, seed=1).float())
    helped = Task(**made | {"settings": Settings(transduction="off")}, others=[sure])
    right = [(scores_of(task).argmax(1) == truth).float().mean() for task in (alone, helped)]
    assert right[1] > right[0]
    assert torch.equal(alone.start.probabilities, helped.start.probabilities)


def test_the_progress_of_two_labellings_is_told_as_of_one(vit: Backbone) -> None:
    made, truth = clusters(vit)
    task = Task(**made)
    other = Opinion(task.start.pictures, votes_of(truth, right=0.9, seed=1).float())
    images = len(truth)
    for others, halves in (([], 1), ([other], 2), ([Opinion(task.start.pictures)], 2)):
        work = first_scores(task.start, task.given, task.settings, device=CPU, others=others)
        _, events = drained(work)
        done = [event.done for event in events]
        assert {(type(event), event.total) for event in events} == {(Progress, images)}
        assert done == sorted(done)
        assert (done[0], done[-1]) == (0, images)
        assert len(done) == halves * (2 * ROUNDS + 1)  # held, then free, and each begins
        assert images // halves in done


def scores_of(task: Task) -> Tensor:
    work = first_scores(task.start, task.given, task.settings, device=CPU, others=task.others)
    scores: Tensor
    scores, _ = drained(work)
    return scores
