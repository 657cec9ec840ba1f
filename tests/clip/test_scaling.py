"""Losses scaled for float16, for real on the CPU, and left alone in bfloat16 and float32."""

from __future__ import annotations

import json
import math
import sys
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from studio.clip import precision, scaling
from studio.clip.precision import autocast
from studio.clip.scaling import FIRST, LossScaler
from studio.coft.events import Step
from studio.coft.task import Task
from studio.errors import ModelError
from studio.methods import METHODS
from studio.ranks import Team
from studio.settings import Settings
from tests.baselines.conftest import QUICK, _little_text, arguments, vit
from tests.coft.conftest import Canvases

__all__ = ["_little_text", "vit"]

CPU = torch.device("cpu")


@pytest.fixture
def half(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything in float16."""
    monkeypatch.setenv("STUDIO_PRECISION", "float16")


class Tower(nn.Module):
    """Two layers, and a transformer to whoever asks."""

    def __init__(self) -> None:
        super().__init__()
        self.transformer = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 4))
        draw = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(0.5 * torch.randn(parameter.shape, generator=draw))

    def forward(self, images: Tensor) -> Tensor:
        found: Tensor = self.transformer(images)
        return found


IMAGES = torch.randn(6, 4, generator=torch.Generator().manual_seed(1))


def tiny_loss(tower: Tower) -> Tensor:
    """Its gradient is nothing to float16: below 3e-8 for every number that the tower puts out."""
    with autocast(CPU, tower):
        found = tower(IMAGES)
    return 1e-8 * found.float().square().mean()


def lost(tower: Tower, *, scaled: bool) -> float:
    """Which share of a tiny loss thirty steps take away."""
    optimizer = torch.optim.SGD(tower.parameters(), lr=1e7)
    scaler, before = LossScaler(CPU, tower), float(tiny_loss(tower).detach())
    for _ in range(30):
        optimizer.zero_grad()
        if scaled:
            scaler.backward(tiny_loss(tower))
            assert scaler.step(optimizer)
        else:
            tiny_loss(tower).backward()
            optimizer.step()
    return 1 - float(tiny_loss(tower).detach()) / before


@pytest.mark.usefixtures("half")
def test_float16_learns_from_tiny_gradients_when_losses_are_scaled_and_else_nothing() -> None:
    assert lost(Tower(), scaled=False) == 0
    assert lost(Tower(), scaled=True) > 0.5


@pytest.mark.usefixtures("half")
def test_a_gradient_is_as_long_as_it_is_in_float32_when_it_is_shortened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tower, found = Tower(), list[Tensor]()
    optimizer = torch.optim.SGD(tower.parameters(), lr=0.0)
    scaler = LossScaler(CPU, tower)
    scaler.backward(tiny_loss(tower))
    scaler.step(optimizer, lambda: found.extend(p.grad.clone() for p in tower.parameters()))
    monkeypatch.setenv("STUDIO_PRECISION", "float32")
    optimizer.zero_grad()
    tiny_loss(tower).backward()
    for own, parameter in zip(found, tower.parameters(), strict=True):
        torch.testing.assert_close(own, parameter.grad, rtol=0.05, atol=1e-11)


@pytest.mark.parametrize("kind", ["float32", "bfloat16"])
def test_where_nothing_is_float16_every_bit_is_that_of_a_plain_step(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUDIO_PRECISION", "float32" if kind == "float32" else "auto")
    monkeypatch.setattr(precision, "multiplies_bfloat16", lambda: True)
    plain, own = Tower(), Tower()
    scaler = LossScaler(CPU, own)
    assert scaler.state() == {}
    steps = [torch.optim.SGD(tower.parameters(), lr=0.1, momentum=0.9) for tower in (plain, own)]
    for _ in range(5):
        for tower, optimizer in zip((plain, own), steps, strict=True):
            optimizer.zero_grad(set_to_none=True)
            with autocast(CPU, tower):
                found = tower(IMAGES)
            assert found.dtype == getattr(torch, kind)
            loss = found.float().square().mean()
            if tower is own:
                scaler.backward(loss)
                assert scaler.step(
                    optimizer, lambda: nn.utils.clip_grad_norm_(own.parameters(), 0.1)
                )
            else:
                loss.backward()
                nn.utils.clip_grad_norm_(plain.parameters(), 0.1)
                optimizer.step()
    for one, other in zip(plain.parameters(), own.parameters(), strict=True):
        assert torch.equal(one, other)


def one_step(
    scaler: LossScaler, tower: Tower, gradient: float | None, optimizer: torch.optim.Optimizer
) -> bool:
    """With the same gradient everywhere, as it is before it is divided; None: there is none."""
    optimizer.zero_grad(set_to_none=True)
    for parameter in tower.parameters():
        parameter.grad = None if gradient is None else torch.full_like(parameter, gradient)
    return scaler.step(optimizer, lambda: nn.utils.clip_grad_norm_(tower.parameters(), 1e9))


@pytest.mark.usefixtures("half")
@pytest.mark.parametrize("wrong", [math.inf, math.nan])
def test_a_step_on_a_gradient_that_is_too_large_is_left_out_and_the_next_one_is_made(
    wrong: float,
) -> None:
    tower = Tower()
    before = [p.detach().clone() for p in tower.parameters()]
    optimizer = torch.optim.SGD(tower.parameters(), lr=1.0, momentum=0.9, weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=9)
    scaler = LossScaler(CPU, tower)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of a schedule that moves before its optimiser has
        assert not one_step(scaler, tower, wrong, optimizer)
        schedule.step()
    assert all(torch.equal(*pair) for pair in zip(before, tower.parameters(), strict=True))
    assert scaler.state()["scale"] == FIRST / 2
    assert one_step(scaler, tower, 1.0, optimizer)
    assert not any(torch.equal(*pair) for pair in zip(before, tower.parameters(), strict=True))
    assert one_step(scaler, tower, None, optimizer)


@pytest.mark.usefixtures("half")
def test_where_no_scale_is_small_enough_it_is_said() -> None:
    tower = Tower()
    optimizer = torch.optim.SGD(tower.parameters(), lr=1.0)
    scaler = LossScaler(CPU, tower)
    for _ in range(12):
        assert not one_step(scaler, tower, math.nan, optimizer)
    with pytest.raises(ModelError, match="STUDIO_PRECISION=float32"):
        one_step(scaler, tower, math.nan, optimizer)


class Another(Team):
    """A team with another rank, whose gradient was too large in some of the steps."""

    def __init__(self, *overflowed: bool) -> None:
        super().__init__(1)
        self._overflowed = list(overflowed)

    def added(self, numbers: Mapping[str, float]) -> dict[str, float]:
        """With the other's."""
        other = self._overflowed.pop(0)
        return {name: value + other for name, value in numbers.items()}


@pytest.mark.usefixtures("half")
def test_a_step_that_one_rank_leaves_out_all_leave_out_and_halve_the_scale() -> None:
    tower = Tower()
    before = [p.detach().clone() for p in tower.parameters()]
    optimizer = torch.optim.SGD(tower.parameters(), lr=1.0)
    scaler = LossScaler(CPU, tower, team=Another(True, False))
    assert not one_step(scaler, tower, 1.0, optimizer)
    assert all(torch.equal(*pair) for pair in zip(before, tower.parameters(), strict=True))
    assert scaler.state()["scale"] == FIRST / 2
    assert one_step(scaler, tower, 1.0, optimizer)


def test_it_goes_on_where_it_was_unless_that_was_in_another_precision(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tower = Tower()
    optimizer = torch.optim.SGD(tower.parameters(), lr=1.0)
    plain = LossScaler(CPU, tower)
    monkeypatch.setenv("STUDIO_PRECISION", "float16")
    scaler, again = LossScaler(CPU, tower), LossScaler(CPU, tower)
    one_step(scaler, tower, math.inf, optimizer)
    one_step(scaler, tower, 1.0, optimizer)
    again.restore(plain.state())
    assert again.state()["scale"] == FIRST
    again.restore(json.loads(json.dumps(scaler.state())))
    assert again.state() == scaler.state() != LossScaler(CPU, tower).state()
    plain.restore(scaler.state())
    assert plain.state() == {}


@pytest.mark.usefixtures("half")
@pytest.mark.parametrize("method", ["coft+", "self-training", "fixmatch", "lafter", "upl"])
def test_every_method_that_trains_under_autocast_scales_each_loss_and_each_step(
    method: str, vit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    callers, made = set[str](), list[bool]()

    def noted(step: Callable[..., bool]) -> Callable[..., bool]:
        def noting(*passed: Any) -> bool:
            made.append(step(*passed))
            return made[-1]

        return noting

    backward = Tensor.backward

    def watched(self: Tensor, *passed: Any, **named: Any) -> None:
        callers.add(sys._getframe(1).f_code.co_qualname if sys.version_info >= (3, 11) else "")
        backward(self, *passed, **named)

    monkeypatch.setattr(Tensor, "backward", watched)
    monkeypatch.setattr(scaling.LossScaler, "step", noted(LossScaler.step))
    settings = Settings(**QUICK | {"rounds": 2, "contrast_weight": 0.1})
    events = list(METHODS[method].load()(Task(**arguments(vit, Canvases(20)), settings=settings)))
    steps = sum(isinstance(event, Step) for event in events)
    assert steps == len(made) > 0
    assert made.count(True) > steps / 2
    # The two others train a linear head on features, without a tower.
    assert callers <= {"", "LossScaler.backward", "_probe.<locals>.closure", "_text_head"}


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.usefixtures("half")
def test_a_gpu_learns_from_tiny_gradients_too() -> None:
    tower = Tower().cuda()
    optimizer = torch.optim.SGD(tower.parameters(), lr=1e7)
    scaler, losses = LossScaler(torch.device("cuda"), tower), list[float]()
    for _ in range(30):
        optimizer.zero_grad()
        with autocast(torch.device("cuda"), tower):
            found = tower(IMAGES.cuda())
        loss = 1e-8 * found.float().square().mean()
        losses.append(float(loss.detach()))
        scaler.backward(loss)
        assert scaler.step(optimizer)
    assert losses[-1] < losses[0] / 2
