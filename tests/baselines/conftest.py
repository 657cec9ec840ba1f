"""Tasks small enough for tests, on the method's own small models and canvases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from studio.baselines import lafter
from studio.clip.backbone import Backbone
from studio.clip.encode import class_vectors, encode_images
from studio.coft.events import Event
from studio.coft.task import Task
from studio.settings import Settings
from tests.coft.conftest import NAMES, Canvases, convnet, inputs, only, vit

__all__ = ["_little_text", "convnet", "inputs", "only", "vit"]

QUICK: dict[str, Any] = {
    "k": 4, "seed_selection": "leaderboard", "n_ctx": 4, "n_visual_tokens": 4, "phase1_epochs": 2,
    "phase1_min_steps": 0, "phase1_batch": 8, "phase2_epochs": 1, "phase2_batch": 16,
    "monitor_images": 8, "upl_prompts": 2, "grip_rounds": 3, "fixmatch_threshold": 0.0,
}  # fmt: skip


def arguments(
    backbone: Backbone, images: Canvases, *, noise: float = 0.0, texts: bool = False
) -> dict[str, Any]:
    """Arguments of a task whose zero-shot labels are mostly right: class vectors from the images.

    Image i shows class i % 3. noise: how far the class vectors are off, as a share of their length;
    texts: take the backbone's own instead, which know nothing about the images.
    """
    features = encode_images(backbone, images)
    images.calls.clear()
    truth = torch.arange(len(images)) % 3
    centred = features - features.mean(0)
    vectors = torch.stack([centred[truth == c].mean(0) for c in range(3)])
    off = torch.randn(vectors.shape, generator=torch.Generator().manual_seed(1))
    vectors = vectors + noise * vectors.norm(dim=1, keepdim=True) * off / off.norm(
        dim=1, keepdim=True
    )
    if texts:
        vectors = class_vectors(backbone, NAMES, [backbone.template])
    return {
        "backbone": backbone,
        "images": images,
        "features": features,
        "class_vectors": torch.nn.functional.normalize(vectors, dim=1),
        "class_names": NAMES,
    }


@pytest.fixture(autouse=True)
def _little_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """LaFTer's thousand steps on the text take seconds."""
    monkeypatch.setattr(lafter, "TEXT_STEPS", 40)


def task_of(
    backbone: Backbone,
    images: Canvases,
    *,
    given: Tensor | None = None,
    texts: bool = False,
    **changes: Any,
) -> Task:
    """A task of these arguments, with quick settings."""
    made = arguments(backbone, images, texts=texts)
    return Task(**made, settings=Settings(**QUICK | changes), given=given)


def silent(value: Any) -> Iterator[Event]:
    """A generator without events that returns a value."""
    yield from ()
    return value
