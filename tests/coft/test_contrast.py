"""Momentum contrast (test 10 of the specification)."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module

import pytest
import torch
from torch import nn
from torchvision.transforms.v2 import functional as transforms

from studio.clip.backbone import Backbone
from studio.coft import phase2
from studio.coft.contrast import MomentumContrast, key_crops, queue_size, recoloured
from studio.coft.fit import fit, fit_plus
from studio.coft.judge import TrainingSet
from studio.coft.phase2 import with_the_rest
from studio.coft.task import Task
from studio.settings import Settings
from tests.coft.conftest import Canvases, Inputs
from tests.coft.test_fit import QUICK


def contrast(**options: float) -> MomentumContrast:
    torch.manual_seed(0)
    chosen = {"momentum": 0.9, "temperature": 0.1} | options
    size = int(chosen.pop("size", 6))
    return MomentumContrast(nn.Linear(4, 3), size=size, **chosen)


def test_the_momentum_encoder_follows_slowly_and_gets_no_gradient() -> None:
    moco = contrast(momentum=0.75)
    live = nn.Linear(4, 3)
    with torch.no_grad():
        moco.encoder.weight.fill_(1.0)
        live.weight.fill_(5.0)
    moco.follow(live)
    torch.testing.assert_close(moco.encoder.weight, torch.full((3, 4), 2.0))
    keys = moco.keys(torch.rand(2, 4))
    assert not keys.requires_grad
    torch.testing.assert_close(keys.norm(dim=1), torch.ones(2))
    moco.push(keys)
    queries = torch.rand(2, 3, requires_grad=True)
    moco.loss(queries, moco.keys(torch.rand(2, 4))).backward()
    assert queries.grad is not None
    assert queries.grad.abs().sum() > 0
    assert all(p.grad is None for p in moco.encoder.parameters())


def test_the_queue_is_first_in_first_out_and_never_longer_than_its_size() -> None:
    moco = contrast(size=5)
    batches = [torch.full((2, 3), float(i)) for i in range(4)]
    for batch in batches:
        moco.push(batch)
        assert moco.queue is not None
        assert len(moco.queue) <= 5
    assert moco.queue[:, 0].tolist() == [1.0, 2.0, 2.0, 3.0, 3.0]


def test_the_loss_is_the_share_of_the_own_key() -> None:
    moco = contrast(temperature=0.5)
    moco.push(torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]))
    query, key = torch.tensor([[3.0, 0.0, 0.0]]), torch.tensor([[1.0, 0.0, 0.0]])
    expected = -math.log(math.exp(2) / (math.exp(2) + 2))
    assert float(moco.loss(query, key)) == pytest.approx(expected, rel=1e-5)


def test_the_queue_stays_below_the_number_of_images() -> None:
    assert queue_size(images=1110, batch=64, most=4096) == 256
    assert queue_size(images=50_000, batch=64, most=4096) == 4096
    assert queue_size(images=100, batch=64, most=4096) == 64


def test_key_views_change_colours_and_are_the_same_for_the_same_generator() -> None:
    canvases = Canvases(6).data
    first, again = (
        recoloured(
            *key_crops(canvases, size=32, generator=torch.Generator().manual_seed(3), each=each)
        )
        for each in (map, ThreadPoolExecutor(2).map)
    )
    assert first.shape == (6, 3, 32, 32)
    assert first.dtype == torch.uint8
    assert torch.equal(first, again)
    shift = (first.float().mean((2, 3)) - canvases.float().mean((2, 3))).abs().amax(1)
    assert (shift > 15).any()


@pytest.mark.parametrize("draw", range(1, 5))
def test_colours_change_both_ways_alike(draw: int) -> None:
    """0.5 leaves each of brightness, contrast, saturation and hue as it is."""
    view = Canvases(1).data
    draws = torch.tensor([[0.0, 0.5, 0.5, 0.5, 0.5, 1.0]])
    as_it_is = recoloured(view, draws).int()
    assert (as_it_is - view.int()).abs().max() <= 1  # hue and back again, in whole numbers
    draws[0, draw] = 0.9
    assert (recoloured(view, draws).int() - as_it_is).abs().max() > 10


def test_colours_are_those_that_torchvision_makes_one_by_one() -> None:
    generator = torch.Generator().manual_seed(4)
    views = torch.randint(256, (40, 3, 16, 16), generator=generator, dtype=torch.uint8)
    views[0] = 77  # grey has no hue
    draws = torch.rand(40, 6, generator=generator)
    found = recoloured(views, draws)
    for view, own, (whether, bright, contrast, saturation, hue, grey) in zip(
        views, found, draws.tolist(), strict=True
    ):
        expected = view
        if whether < 0.8:
            expected = transforms.adjust_brightness(expected, 0.6 + 0.8 * bright)
            expected = transforms.adjust_contrast(expected, 0.6 + 0.8 * contrast)
            expected = transforms.adjust_saturation(expected, 0.6 + 0.8 * saturation)
            expected = transforms.adjust_hue(expected, 0.2 * hue - 0.1)
        if grey < 0.2:
            expected = transforms.rgb_to_grayscale(expected, num_output_channels=3)
        apart = (own.int() - expected.int()).abs()
        assert apart.max() <= 3, "a whole number that falls the other way is carried on"
        assert apart.float().mean() < 0.1


def test_contrast_sees_the_noisy_images_and_the_classifier_does_not(
    vit: Backbone, inputs: Inputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    clean = TrainingSet(torch.tensor([4, 1]), torch.tensor([2, 0]), torch.tensor([0.5, 1.0]))
    indices, labels, weights = with_the_rest(clean, pool=torch.arange(6))
    assert sorted(indices.tolist()) == list(range(6))
    assert dict(zip(indices.tolist(), weights.tolist(), strict=True)) == {
        4: 0.5, 1: 1.0, 0: 0.0, 2: 0.0, 3: 0.0, 5: 0.0,
    }  # fmt: skip
    assert labels[:2].tolist() == [2, 0]
    assert with_the_rest(clean, pool=torch.tensor([1, 2])).indices.tolist() == [4, 1, 2]  # rejected
    # A batch of noisy images alone moves the encoder by contrast, and the head not at all.
    given = inputs(vit, Canvases(12))
    settings = Settings(**QUICK | {"phase2_epochs": 4, "weight_decay": 0.0, "contrast_weight": 1.0})
    towers = []

    def caught(_task: Task, **options: object) -> object:
        towers.extend(options["towers"])  # type: ignore[call-overload]
        return iter(())

    monkeypatch.setattr(import_module("studio.coft.finetune"), "phase_two", caught)
    list(fit_plus(Task(**given, settings=settings)))
    tuner = phase2._Tuner(towers[0], 0, 12, settings, part=12)
    head = towers[0].head.weight.detach().clone()
    visual = [p.detach().clone() for p in towers[0].visual.parameters()]
    for step in range(2):  # the first step fills the queue
        pixels = torch.rand(12, 3, 32, 32, generator=torch.Generator().manual_seed(step))
        nothing = torch.zeros(12)
        _, parts = tuner.step(pixels, nothing.long(), nothing, pixels.flip(-1))
    assert parts["contrast"] > 0
    assert parts["ce"] == 0
    assert torch.equal(head, towers[0].head.weight)
    changed = [
        not torch.equal(a, b) for a, b in zip(visual, towers[0].visual.parameters(), strict=True)
    ]
    assert all(changed)


def test_coft_itself_has_no_contrast(vit: Backbone, inputs: Inputs) -> None:
    images = Canvases(20)
    events = list(fit(Task(**inputs(vit, images), settings=Settings(**QUICK, contrast_weight=1.0))))
    parts = [e.parts for e in events if type(e).__name__ == "Step" and e.phase == 2]
    assert parts
    assert all(set(p) == {"ce"} for p in parts)
