"""Labelling all images together: its parts against plain versions, and their confidence."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal
from torch.nn.functional import normalize

from studio.clip.backbone import Backbone
from studio.coft import gaussians, together, transduction
from studio.coft.events import Event
from studio.coft.given import REJECTED, UNKNOWN, Evidence
from studio.coft.start import ZeroShotStart, first_scores
from studio.settings import Settings
from tests.coft.conftest import drained


def draws(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def in_a_cone(pictures: torch.Tensor, share: float = 0.15) -> torch.Tensor:
    """The same unit vectors with a large number more in common, as CLIP's have."""
    common = torch.full((len(pictures), 1), (1 - share) ** 0.5)
    return torch.cat([share**0.5 * pictures, common], dim=1)


@pytest.mark.parametrize("weight", [0.0, 20.0])
def test_what_all_images_have_in_common_changes_nothing(weight: float) -> None:
    pictures, guess, truth = overlapping()
    given = torch.full((600,), UNKNOWN)
    given[:6], given[6] = truth[:6], REJECTED
    plain, squeezed = (
        together.label_together(
            each, guess, given, device=torch.device("cpu"), given_evidence=weight
        )
        for each in (pictures, in_a_cone(pictures))
    )
    # The temperature counts numbers: one more of 96.
    torch.testing.assert_close(plain, squeezed, rtol=0, atol=0.02)
    assert torch.equal(plain.argmax(1), squeezed.argmax(1))


def test_densities_of_numbers_that_hardly_vary_are_not_lost_in_rounding() -> None:
    """One large number, nearly the same for all: it would weigh a million times as much."""
    pictures, z = in_a_cone(normalize(draws(50, 6), dim=1)), draws(50, 3, seed=1).softmax(1)
    pictures[:, 6] += 3e-4 * draws(50, seed=3)
    means, variance = gaussians.moments(pictures, z, draws(3, 7, seed=2))
    exact_means, exact_variance = gaussians.moments(
        pictures.double(), z.double(), draws(3, 7, seed=2).double()
    )
    torch.testing.assert_close(variance, exact_variance.float(), rtol=1e-2, atol=1e-9)
    found = gaussians.log_density(pictures, means, variance)
    exact = gaussians.log_density(pictures.double(), exact_means, exact_variance)
    apart, expected = (each - each.mean(1, keepdim=True) for each in (found, exact.float()))
    torch.testing.assert_close(apart, expected, rtol=0.02, atol=0.01)


def test_images_that_are_all_but_certain_do_not_tie() -> None:
    groups = [draws(1, 8, seed=s) + 0.01 * draws(20, 8, seed=s + 2) for s in (1, 2)]
    pictures = normalize(torch.cat(groups), dim=1)
    sure = 1 - torch.logspace(-7, -5, 40)
    guess = torch.stack([sure, 1 - sure], dim=1)
    guess[20:] = guess[20:].flip(1)
    nothing = torch.full((40,), UNKNOWN)
    z = together.label_together(pictures, guess, nothing, device=torch.device("cpu"))
    assert len(z.amax(1).unique()) >= len(guess.amax(1).unique()) - 1


def test_two_images_have_one_neighbour_each() -> None:
    pictures = normalize(torch.tensor([[1.0, 0.0], [-1.0, 0.1]]), dim=1)
    near = transduction.nearest_of(pictures, torch.full((2,), UNKNOWN))
    assert near.images.tolist() == [[1], [0]]
    assert near.weights.tolist() == [[0.0], [0.0]]  # opposites do not push each other away


def test_densities_are_those_of_gaussians_up_to_what_classes_share() -> None:
    pictures, means = draws(7, 5), draws(3, 5, seed=1)
    variance = draws(5, seed=2).square() + 0.1
    ours = gaussians.log_density(pictures, means, variance)
    plain = torch.stack(
        [MultivariateNormal(mean, variance.diag()).log_prob(pictures) for mean in means], dim=1
    )
    torch.testing.assert_close(ours.softmax(1), plain.softmax(1))


def test_moments_are_weighted_means_and_one_variance() -> None:
    pictures, z = draws(20, 4), draws(20, 3, seed=1).softmax(1)
    z[:, 2] = 0
    before = draws(3, 4, seed=2)
    means, variance = gaussians.moments(pictures, z, before)
    for k in (0, 1):
        expected = sum(z[i, k] * pictures[i] for i in range(20)) / z[:, k].sum()
        torch.testing.assert_close(means[k], expected)
    torch.testing.assert_close(means[2], before[2])
    spread = sum(z[i, k] * (pictures[i] - means[k]).square() for i in range(20) for k in (0, 1))
    torch.testing.assert_close(variance, spread / z.sum(), rtol=1e-4, atol=1e-5)


def test_the_temperature_counts_how_often_features_repeat_each_other() -> None:
    plain = draws(4000, 8)
    assert gaussians.temperature_of(plain) == pytest.approx(1.0, abs=0.02)
    thrice = torch.cat([plain] * 3, dim=1)
    assert gaussians.temperature_of(thrice) == pytest.approx(3.0, abs=0.06)
    assert gaussians.temperature_of(thrice + 5.0) == pytest.approx(3.0, abs=0.06)
    assert gaussians.temperature_of(torch.ones(5, 4)) == 1.0


def overlapping() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Unit features (600, 96) of three classes that overlap, each fact told 12 times over; a
    zero-shot guess (600, 3) that is right for about two in three; the truth."""
    truth = torch.arange(600) % 3
    facts = draws(3, 8, seed=1)[truth] + 1.3 * draws(600, 8, seed=2)
    pictures = normalize(torch.cat([facts] * 12, dim=1), dim=1)
    guess = torch.nn.functional.one_hot(truth, 3) + 0.9 * draws(600, 3, seed=3)
    return pictures, (1.5 * guess).softmax(1), truth


def test_tempered_assignments_say_how_sure_they_are() -> None:
    pictures, guess, truth = overlapping()
    nothing = torch.full((600,), UNKNOWN)
    right, gap = {}, {}
    for temperature in (1.0, gaussians.temperature_of(pictures)):
        *_, last = transduction.transduce(pictures, guess, nothing, temperature=temperature)
        confidence, labels = last.z.max(1)
        right[temperature] = float((labels == truth).float().mean())
        gap[temperature] = float((confidence - (labels == truth).float()).mean())
    alone, tempered = right.values()
    assert tempered > alone - 0.01
    assert tempered > float((guess.argmax(1) == truth).float().mean()) + 0.05
    assert gap[1.0] > 2 * max(list(gap.values())[1], 0.0)


def test_assignments_are_probabilities_and_rulings_stand() -> None:
    pictures, guess, truth = overlapping()
    given = torch.full((600,), UNKNOWN)
    given[0], given[1] = (truth[0] + 1) % 3, REJECTED
    for state in transduction.transduce(pictures, guess, given, temperature=5.0):
        torch.testing.assert_close(state.z.sum(1), torch.ones(600))
    assert state.z[0].argmax() == given[0]
    assert float(state.z[0].max()) == 1.0


@pytest.mark.parametrize("transduction", ["all", "first", "off"])
def test_where_the_first_seeds_of_coft_come_from(vit: Backbone, transduction: str) -> None:
    features, vectors = draws(60, 16, seed=7), draws(3, 16, seed=8)
    start = ZeroShotStart.of(vit, features, vectors)
    settings = Settings(transduction=transduction, prior_correction=0.0)
    nothing = torch.full((60,), UNKNOWN)
    returned = []

    def taken() -> Iterator[Event]:
        device = start.space.image_mean.device
        returned.append((yield from first_scores(start, nothing, settings, device=device)))

    events = list(taken())
    (scores,) = returned
    assert bool(events) == (transduction != "off")  # long work is announced
    assert torch.allclose(scores.float(), start.probabilities) == (transduction == "off")
    torch.testing.assert_close(scores.sum(1).float(), torch.ones(60))


@pytest.mark.parametrize("table", [together.LARGE_TABLE, 0])
@pytest.mark.parametrize("anchor", [0.0, 32.0])
def test_who_stops_gets_the_labels_found_so_far(
    monkeypatch: pytest.MonkeyPatch, table: int, anchor: float
) -> None:
    monkeypatch.setattr(together, "LARGE_TABLE", table)
    pictures, guess, _ = overlapping()
    nothing, cpu = torch.full((len(pictures),), UNKNOWN), torch.device("cpu")

    def labelled(stop: Callable[[], bool]) -> tuple[Tensor, int]:
        work = together.labelling_together(
            pictures, guess, nothing, device=cpu, anchor=anchor, stop=stop
        )
        z, events = drained(work)
        return z, len(events)

    asked = iter(range(100))
    stopped, few = labelled(lambda: next(asked) >= 2)
    assert few == 1 + 3  # the beginning, and three rounds
    monkeypatch.setattr(together, "ROUNDS", 3)
    monkeypatch.setattr(together, "FEW_STARVED", -1.0)  # as where there is no time for free ones
    short, _ = labelled(lambda: False)
    torch.testing.assert_close(stopped, short)


@pytest.mark.parametrize(("images", "classes"), [(1, 2), (2, 5), (7, 20)])
@pytest.mark.parametrize("alike", [True, False])
@pytest.mark.parametrize("anchor", [0.0, 32.0])
def test_tiny_sets_and_equal_images_have_labels_too(
    images: int, classes: int, alike: bool, anchor: float
) -> None:
    pictures = torch.ones(images, 4) / 2 if alike else normalize(draws(images, 4), dim=1)
    guess = draws(images, classes, seed=1).softmax(1)
    nothing, cpu = torch.full((images,), UNKNOWN), torch.device("cpu")
    z = together.label_together(pictures, guess, nothing, device=cpu, anchor=anchor)
    assert torch.isfinite(z).all()
    torch.testing.assert_close(z.sum(1).float(), torch.ones(images))


def test_a_few_given_labels_name_a_group_that_was_called_by_another_name() -> None:
    pictures, guess, truth = overlapping()
    guess = guess[:, [1, 0, 2]]  # the texts confuse two classes
    given = torch.full((600,), UNKNOWN)
    given[:6] = truth[:6]  # two images of each class

    def right(weight: float) -> float:
        cpu = torch.device("cpu")
        z = together.label_together(pictures, guess, given, device=cpu, given_evidence=weight)
        return float((z.argmax(1) == truth)[6:].float().mean())

    assert right(20.0) > right(0.0) + 0.1


def test_judged_labels_name_a_group_as_far_as_they_are_trusted() -> None:
    pictures, guess, truth = overlapping()
    guess = guess[:, [1, 0, 2]]  # the texts confuse two classes
    nothing, cpu = torch.full((600,), UNKNOWN), torch.device("cpu")
    judged = nothing.clone()
    judged[:6] = truth[:6]

    def right(trust: float) -> float:
        told = Evidence.of(nothing, judged, torch.full((600,), trust))
        z = together.label_together(
            pictures, guess, nothing, device=cpu, given_evidence=20.0, evidence=told
        )
        return float((z.argmax(1) == truth)[6:].float().mean())

    assert right(1.0) > right(0.0) + 0.1


def listed_but_absent(present: int, listed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Features (400, 32) of classes that are there, a guess (400, listed) from noisy class texts,
    most of which are nowhere in the folder; the truth."""
    centres = draws(listed, 32, seed=1)
    truth = torch.arange(400) % present
    pictures = normalize(centres[truth] + 1.5 * draws(400, 32, seed=2), dim=1)
    texts = normalize(centres + 1.5 * draws(listed, 32, seed=3), dim=1)
    return pictures, (12 * pictures @ texts.T).softmax(1), truth


def test_classes_that_are_not_there_take_few_images_from_those_that_are() -> None:
    pictures, guess, truth = listed_but_absent(present=4, listed=40)
    nothing, cpu = torch.full((400,), UNKNOWN), torch.device("cpu")
    right = {
        anchor: float(
            (
                together.label_together(pictures, guess, nothing, device=cpu, anchor=anchor).argmax(
                    1
                )
                == truth
            )
            .float()
            .mean()
        )
        for anchor in (0.0, 32.0)
    }
    before = float((guess.argmax(1) == truth).float().mean())
    assert right[32.0] > before + 0.1
    assert right[32.0] > right[0.0] + 0.1


def test_where_most_classes_are_starved_the_first_round_is_kept() -> None:
    pictures, guess, _ = listed_but_absent(present=4, listed=40)
    nothing, cpu = torch.full((400,), UNKNOWN), torch.device("cpu")
    own = transduction.centred(pictures, nothing)
    temperature = gaussians.temperature_of(own)
    rounds = transduction.anchored(own, guess, nothing, temperature=temperature, anchor=32.0)
    first = next(rounds).z.argmax(1)  # the next round overwrites it
    *_, last = rounds
    assert float(transduction.starved(last.z, nothing).float().mean()) > together.MANY_STARVED
    z = together.label_together(pictures, guess, nothing, device=cpu, anchor=32.0)
    assert torch.equal(z.argmax(1), first)
    assert not torch.equal(first, last.z.argmax(1))


def test_a_class_with_a_given_label_is_not_held_and_all_given_labels_free_all() -> None:
    pictures, guess, truth = overlapping()
    cpu, given = torch.device("cpu"), torch.full((600,), UNKNOWN)
    given[:3] = truth[:3]
    free, held = (
        together.label_together(pictures, guess, given, device=cpu, anchor=anchor)
        for anchor in (0.0, 32.0)
    )
    torch.testing.assert_close(free, held)
    given[2] = UNKNOWN  # one class is not known to be there
    far = [
        next(transduction.anchored(pictures, guess, given, temperature=5.0, anchor=anchor)).means
        for anchor in (1e-3, 1e6)
    ]
    torch.testing.assert_close(far[0][:2], far[1][:2], rtol=1e-3, atol=1e-4)
    assert float((far[0][2] - far[1][2]).abs().max()) > 1e-2


def test_classes_are_held_only_where_names_seem_to_be_missing() -> None:
    """Three groups, of whose texts two share a direction: free means tell them apart."""
    generator = torch.Generator().manual_seed(0)
    centres = torch.eye(6)[:3]
    truth = torch.arange(3).repeat_interleave(20)
    pictures = torch.nn.functional.normalize(
        centres[truth] + 0.2 * torch.randn(60, 6, generator=generator), dim=1
    )
    given = torch.full((60,), -1)
    cpu = torch.device("cpu")

    def labels(texts: torch.Tensor, anchor: float) -> torch.Tensor:
        probabilities = (10 * pictures @ texts.T).softmax(1)
        return together.label_together(pictures, probabilities, given, device=cpu, anchor=anchor)

    whole = labels(centres, 32.0)
    assert torch.equal(whole, labels(centres, 0.0)), "all names are there: free"
    longer = torch.nn.functional.normalize(
        torch.cat([centres, centres + 0.6 * torch.eye(6)[3:]]), dim=1
    )
    assert not torch.equal(labels(longer, 32.0), labels(longer, 0.0)), "half are not: held"
    right = (labels(longer, 32.0).argmax(1) == truth).float().mean()
    assert right > (labels(longer, 0.0).argmax(1) == truth).float().mean()


@pytest.mark.parametrize("large", [False, True])
def test_rejected_images_do_not_speak_for_their_class(
    monkeypatch: pytest.MonkeyPatch, large: bool
) -> None:
    """Of two of six names no image is left, so names are missing, as where they never were."""
    centres = draws(6, 32, seed=1)
    truth = torch.arange(300) % 6
    pictures = normalize(centres[truth] + 0.5 * draws(300, 32, seed=2), dim=1)
    guess = (12 * pictures @ normalize(centres, dim=1).T).softmax(1)
    given = torch.full((300,), UNKNOWN)
    given[truth >= 4] = REJECTED
    if large:
        monkeypatch.setattr(together, "LARGE_TABLE", 0)

    def anchor(given: Tensor) -> float:
        cpu = torch.device("cpu")
        return together.anchor_beside_answers(pictures, guess, given, device=cpu, anchor=32.0)

    assert anchor(torch.full((300,), UNKNOWN)) == 0.0
    assert anchor(given) == 32.0


@pytest.mark.parametrize("large", [False, True])
def test_what_rejected_images_look_like_changes_no_label(
    monkeypatch: pytest.MonkeyPatch, large: bool
) -> None:
    """Also where fewer images are left than the first means are made of."""
    monkeypatch.setattr(together, "ROUNDS", 1)  # in which the first means count most
    pictures, guess = normalize(draws(12, 8), dim=1), draws(12, 3, seed=1).softmax(1)
    given = torch.full((12,), UNKNOWN)
    given[:3], given[5:] = torch.arange(3), REJECTED  # a given label is 0 in all other classes
    if large:
        monkeypatch.setattr(together, "LARGE_TABLE", 0)

    def kept(pictures: Tensor) -> Tensor:
        cpu = torch.device("cpu")
        return together.label_together(pictures, guess, given, device=cpu, anchor=0.0)[:5]

    other = pictures.clone()
    other[5:] = normalize(draws(7, 8, seed=9), dim=1)
    torch.testing.assert_close(kept(other), kept(pictures), rtol=0, atol=1e-5)
