"""Batches that go through the model in parts: the same results, less memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from studio.baselines import fixmatch
from studio.clip.backbone import Backbone
from studio.coft.events import Checkpoint, Step
from studio.coft.fit import fit_plus
from studio.coft.task import Task
from studio.settings import Settings
from tests.coft.conftest import Canvases, Inputs
from tests.coft.test_fit import QUICK

CHANGES = {
    "phase1_batch": 12, "phase2_batch": 12, "phase2_lr": 0.01, "contrast_weight": 0.5,
    "fixmatch_threshold": 0.3,
    # AdamW's first step has one length, whatever the gradient's: rounding would show at full size.
    "phase2_optimizer": "sgd",
}  # fmt: skip


@pytest.mark.parametrize("method", [fit_plus, fixmatch.fit])
def test_the_size_of_the_parts_changes_nothing_but_how_much_is_in_memory(
    method: Callable[..., Any], vit: Backbone, inputs: Inputs, request: pytest.FixtureRequest
) -> None:
    sizes: list[int] = []  # of the passes that keep what backward needs

    def noted(_tower: nn.Module, _inputs: object, features: torch.Tensor) -> None:
        if features.requires_grad:
            sizes.append(len(features))

    hook = vit.visual.register_forward_hook(noted)  # a copied tower has it, too
    request.addfinalizer(hook.remove)

    def run(size: int) -> tuple[list[Step], Checkpoint]:
        settings = Settings(**QUICK | CHANGES | {"micro_batch": size})
        events = list(method(Task(**inputs(vit, Canvases(20)), settings=settings)))
        steps = [event for event in events if isinstance(event, Step)]
        (shipped,) = (e for e in events if isinstance(e, Checkpoint) and e.name == "classifier")
        return steps, shipped

    whole, expected = run(12)
    assert max(sizes) > 5
    sizes.clear()
    parts, shipped = run(5)
    assert max(sizes) == 5
    for one, other in zip(parts, whole, strict=True):
        assert one.loss == pytest.approx(other.loss, rel=1e-3, abs=1e-6)
        assert one.parts == pytest.approx(other.parts, rel=1e-3, abs=1e-6)
    assert parts[-1].loss != pytest.approx(parts[0].loss, rel=1e-2)
    for name, tensor in expected.tensors.items():
        torch.testing.assert_close(shipped.tensors[name], tensor, rtol=1e-3, atol=1e-3)
