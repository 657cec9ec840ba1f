"""Batches that go through the model in parts: the same results, less memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from studio.baselines import fixmatch
from studio.clip.backbone import Backbone
from studio.coft import phase2
from studio.coft.events import Checkpoint, Step
from studio.coft.fit import fit_plus
from studio.settings import Settings
from tests.coft.conftest import Canvases, Inputs
from tests.coft.test_fit import QUICK

CHANGES = {"phase2_lr": 0.01, "contrast_weight": 0.5, "phase2_batch": 12, "fixmatch_threshold": 0.3}


@pytest.mark.parametrize("method", [fit_plus, fixmatch.fit])
def test_the_size_of_the_parts_changes_nothing_but_how_much_is_in_memory(
    method: Callable[..., Any], vit: Backbone, inputs: Inputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    module = phase2 if method is fit_plus else fixmatch
    real = module.cross_entropy

    def noted(logits: torch.Tensor, *rest: Any, **options: Any) -> torch.Tensor:
        seen.append(len(logits))
        return real(logits, *rest, **options)

    monkeypatch.setattr(module, "cross_entropy", noted)

    def run(size: int) -> tuple[list[Step], Checkpoint]:
        settings = Settings(**QUICK | CHANGES | {"micro_batch": size})
        events = list(method(**inputs(vit, Canvases(20)), settings=settings))
        steps = [event for event in events if isinstance(event, Step) and event.phase == 2]
        return steps, next(event for event in events if isinstance(event, Checkpoint))

    whole, expected = run(12)
    assert max(seen) > 5
    seen.clear()
    parts, shipped = run(5)
    assert max(seen) == 5
    for one, other in zip(parts, whole, strict=True):
        assert one.loss == pytest.approx(other.loss, rel=1e-4, abs=1e-6)
        assert one.parts == pytest.approx(other.parts, rel=1e-4, abs=1e-6)
    assert parts[-1].loss != pytest.approx(parts[0].loss, rel=1e-3)
    for name, tensor in expected.tensors.items():
        torch.testing.assert_close(shipped.tensors[name], tensor, rtol=1e-3, atol=1e-4)
