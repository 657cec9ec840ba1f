"""TransCLIP as released, StatA, ZLaP and ECALP against plain versions of their formulas."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal
from torch.nn.functional import normalize, one_hot

from studio.baselines import propagation, stata, transclip
from studio.clip.backbone import Backbone
from studio.coft.events import Finished
from studio.coft.given import REJECTED, UNKNOWN
from studio.coft.task import Task
from studio.methods import METHODS
from studio.scores import graph
from studio.scores.graph import closest
from tests.baselines.conftest import only
from tests.baselines.test_transclip import clusters
from tests.coft.test_transduction import draws, in_a_cone

NEW = ("transclip-released", "stata", "zlap", "ecalp")


def problem(count: int = 40, classes: int = 4) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Unit features, class texts that are off, zero-shot probabilities, and no given label."""
    truth = torch.arange(count) % classes
    corners = draws(classes, 9, seed=1)
    pictures = normalize(corners[truth] + 0.9 * draws(count, 9, seed=2), dim=1)
    texts = normalize(corners + 1.2 * draws(classes, 9, seed=3), dim=1)
    return pictures, texts, (6 * pictures @ texts.T).softmax(1), torch.full((count,), UNKNOWN)


def affinity(pictures: Tensor) -> Tensor:
    """(N, N) cosines of the three nearest others, half of both ways."""
    cosines = pictures @ pictures.T - 9 * torch.eye(len(pictures))
    best = cosines.topk(3, dim=1)
    one_way = torch.zeros_like(cosines).scatter(1, best.indices, best.values.clamp_min(0))
    return (one_way + one_way.T) / 6


def settled(pull: Tensor, z: Tensor, graph: Tensor) -> Tensor:
    for _ in range(5):
        z = (pull + graph @ z).softmax(1)
    return z


def test_transclip_as_released_is_its_formulas_written_out() -> None:
    pictures, _, guess, nobody = problem()
    graph, z = affinity(pictures), guess
    best = guess.topk(8, dim=0).indices
    means = normalize(torch.stack([guess[b, k] @ pictures[b] for k, b in enumerate(best.T)]), dim=1)
    variance = torch.full((9,), 1 / 9)
    found = list(transclip.released(pictures, guess, nobody))
    assert len(found) == 11
    for ours in found:
        gaussians = [MultivariateNormal(mean, variance.diag()) for mean in means]
        density = torch.stack([g.log_prob(pictures) for g in gaussians], dim=1)
        z = settled(density / 50 + guess.log(), z, graph)
        torch.testing.assert_close(ours.z, z, rtol=1e-3, atol=1e-5)
        torch.testing.assert_close(ours.variance, variance, rtol=1e-3, atol=1e-6)
        means = normalize(z.T @ pictures, dim=1)
        apart = (pictures[:, None] - means).square()
        variance = (z[..., None] * apart).sum((0, 1)) / len(z)


def test_stata_is_its_formulas_written_out() -> None:
    pictures, texts, guess, nobody = problem()
    graph, z = affinity(pictures), guess
    apart = (pictures[:, None] - texts).square()
    anchor = (z[..., None] * apart).sum((0, 1)) / len(z)
    means, variances = texts, anchor.expand(4, 9)
    for ours in stata.anchored_to_texts(pictures, guess, texts, nobody):
        gaussians = [MultivariateNormal(m, v.diag()) for m, v in zip(means, variances, strict=True)]
        density = torch.stack([g.log_prob(pictures) for g in gaussians], dim=1)
        z = settled(density / 50 + guess.log(), z, graph)
        torch.testing.assert_close(ours.z, z, rtol=1e-3, atol=1e-5)
        count = one_hot(z.argmax(1), 4).sum(0)[:, None]
        share = count / (count + 1)
        means = normalize(share * normalize(z.T @ pictures, dim=1) + (1 - share) * texts, dim=1)
        own = (z[..., None] * (pictures[:, None] - means).square()).sum(0) / z.sum(0)[:, None]
        variances = share * own + (1 - share) * (anchor + (texts - means).square())


def test_a_class_without_images_stays_at_its_text_in_stata() -> None:
    pictures, texts, guess, nobody = problem()
    absent = normalize(torch.cat([texts, -pictures.mean(0, keepdim=True)]), dim=1)
    guess = torch.cat([guess, torch.full((40, 1), 1e-30)], dim=1)
    *_, last = stata.anchored_to_texts(pictures, guess, absent, nobody)
    torch.testing.assert_close(last.means[4], absent[4])
    assert bool(last.z.isfinite().all())
    assert not bool((last.means[:4] - texts).abs().max() < 0.01)


def dense_graph(near: Tensor, words: Tensor) -> Tensor:
    """Edges (N, N) among images and (N, C) to texts, both ways, over roots of degrees."""
    count, classes = words.shape
    weights = torch.zeros(classes + count, classes + count)
    weights[classes:, classes:], weights[classes:, :classes] = near, words
    weights = weights + weights.T
    root = weights.sum(1).clamp_min(1e-12).rsqrt()
    return root[:, None] * weights * root


def best_of(cosines: Tensor, count: int) -> Tensor:
    best = cosines.topk(count, dim=1)
    return torch.zeros_like(cosines).scatter(1, best.indices, best.values.clamp_min(0))


def test_zlap_solves_its_linear_system() -> None:
    pictures, texts, _, nobody = problem(classes=7)
    near = best_of(pictures @ pictures.T, 5)
    near.fill_diagonal_(0)  # oneself is among the five
    graph = dense_graph(near, best_of(pictures @ texts.T, 5) ** 5)
    exact = torch.linalg.solve(torch.eye(47) - 0.3 * graph, torch.eye(47)[:, :7])[7:]
    torch.testing.assert_close(propagation.zlap(pictures, texts, nobody), exact, atol=1e-6, rtol=0)


def test_ecalp_takes_three_steps_on_the_numbers_in_which_names_differ() -> None:
    pictures, texts, _, nobody = problem(classes=5)
    telling = normalize(pictures * texts.var(0), dim=1)
    graph = dense_graph(
        best_of(telling @ pictures.T, 8) ** 10, best_of(pictures @ texts.T, 3) ** 10
    )
    scores = torch.cat([torch.eye(5), torch.zeros(40, 5)])
    for _ in range(3):
        scores = torch.cat([torch.eye(5), (graph @ scores)[5:]])
    found = propagation.ecalp(pictures, texts, nobody)
    torch.testing.assert_close(found, scores[5:], rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("method", [propagation.zlap, propagation.ecalp])
def test_of_very_many_images_not_all_pairs_are_compared(
    method: Callable[..., Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures, texts, _, given = problem(classes=5)
    given[3] = REJECTED
    expected = method(pictures, texts, given)
    near = closest(pictures, count=39)[0]
    torch.testing.assert_close(method(pictures, texts, given, near[:, :2]), expected)
    monkeypatch.setattr(propagation, "is_exact", lambda _: False)
    torch.testing.assert_close(method(pictures, texts, given, near), expected)
    few = method(pictures, texts, given, near[:, :20])
    assert (few.argmax(1) == expected.argmax(1)).float().mean() > 0.9
    monkeypatch.setattr(graph, "EXACT_UP_TO", 10)
    found = SimpleNamespace(indices=near.numpy())
    monkeypatch.setattr(graph, "approximate", lambda _: found)  # takes half a minute to compile
    torch.testing.assert_close(method(pictures, texts, given), expected)


@pytest.mark.parametrize("name", NEW)
def test_clusters_are_named_as_a_whole_and_answers_spread(name: str, vit: Backbone) -> None:
    made, truth = clusters(vit)
    fit = METHODS[name].load()
    finished = only(list(fit(Task(**made))), Finished)
    before = (made["features"] @ made["class_vectors"].T).argmax(1)
    assert (finished.labels == truth).float().mean() > (before == truth).float().mean()
    given = torch.full((90,), UNKNOWN)
    given[:3], given[3] = (truth[:3] + 1) % 3, REJECTED
    corrected = only(list(fit(Task(**made, given=given))), Finished)
    assert torch.equal(corrected.labels[:3], given[:3])
    assert bool(torch.isfinite(corrected.confidence).all())
    assert corrected.confidence.max() <= 1 + 1e-6


@pytest.mark.parametrize("name", NEW)
def test_a_rejected_image_shapes_no_label_of_another(name: str, vit: Backbone) -> None:
    made, _ = clusters(vit)
    backbone = dataclasses.replace(vit, center=False)
    given = torch.full((90,), UNKNOWN)
    given[6] = REJECTED
    labels = []
    for shift in (0.0, -40.0):
        features = made["features"].clone()
        features[6] += shift
        changes = {"features": features, "backbone": backbone}
        finished = only(list(METHODS[name].load()(Task(**made | changes, given=given))), Finished)
        labels.append(torch.cat([finished.confidence[:6], finished.confidence[7:]]))
    torch.testing.assert_close(*labels, rtol=1e-4, atol=1e-5)


def test_spreads_of_features_in_a_cone_are_not_lost_in_rounding() -> None:
    pictures, _, guess, _ = problem()
    squeezed = normalize(in_a_cone(pictures, share=1e-3), dim=1)
    means = normalize(guess.T @ squeezed, dim=1)
    exact = (guess[..., None] * (squeezed[:, None] - means).double().square()).sum(0)
    each = exact / guess.sum(0)[:, None]
    found = stata.spreads(squeezed, guess, means).double()
    torch.testing.assert_close(found[:, :9], each[:, :9], rtol=1e-3, atol=1e-8)
    torch.testing.assert_close(
        transclip.spread(squeezed, guess, means).double()[:9], exact.sum(0)[:9] / 40,
        rtol=1e-3, atol=1e-8,
    )  # fmt: skip
