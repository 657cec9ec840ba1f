"""Small models with random weights and small image sets with structure, for the method's tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from studio.clip.backbone import Backbone, build_model
from studio.clip.encode import class_vectors, encode_images
from studio.coft.dual import EVERY, Judgement, Judges
from studio.coft.events import Event
from studio.coft.task import Task
from studio.settings import Settings
from tests.conftest import tiny_config

NAMES = ("red square", "green circle", "blue line")


class Canvases:
    """N uint8 canvases in memory; image i has the colour of class i % C, with noise."""

    def __init__(self, count: int, *, classes: int = 3, size: int = 40, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        base = torch.eye(3)[torch.arange(count) % classes % 3] * 160 + 40
        noise = torch.rand(count, 3, size, size, generator=generator) * 60
        self.data = (base[:, :, None, None] + noise - 30).clamp(0, 255).to(torch.uint8)
        self.calls: list[int] = []

    def __len__(self) -> int:
        return len(self.data)

    def batch(self, indices: Sequence[int]) -> Tensor:
        """(B, 3, S, S) uint8."""
        self.calls.extend(indices)
        return self.data[list(indices)]


@dataclass(frozen=True)
class Told(Judges):
    """What two models say of all images, as it was told."""

    said: Judgement

    def of(self, rows: slice, *, models: slice = EVERY) -> Judgement:
        """Of some images."""
        return Judgement(*(table[models, rows] for table in self.said.fields))


def told(probabilities: Tensor, log_odds: Tensor, images: Tensor) -> Told:
    """Of (2, N, C) tables and (2, N, d) features. In two parts, of which the first is larger."""
    no_text = torch.zeros(probabilities.shape[2], images.shape[2])
    first = images.shape[1] - images.shape[1] // 3
    said = Judgement(probabilities, log_odds, images)
    return Told(images, [(no_text, no_text)] * 2, scale=1.0, size=first, said=said)


def convolutional_config() -> dict[str, Any]:
    """An open_clip model_cfg with timm's smallest EfficientNet-like trunk."""
    vision = {
        "timm_model_name": "tf_efficientnet_lite0",
        "timm_model_pretrained": False,
        "timm_pool": "avg",
        "timm_proj": "linear",
        "image_size": 64,
    }
    config = tiny_config() | {"vision_cfg": vision, "custom_text": True}
    return config


def make_backbone(config: dict[str, Any], *, seed: int = 0, center: bool = False) -> Backbone:
    """A frozen backbone with random weights, the same for the same seed."""
    import open_clip

    torch.manual_seed(seed)
    model = build_model(config).requires_grad_(False).eval()
    return Backbone(
        name="tiny",
        model=model,
        tokenizer=open_clip.SimpleTokenizer(context_length=40),
        config=config,
        image_size=config["vision_cfg"]["image_size"],
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        template="a photo of a {}.",
        center=center,
        device=torch.device("cpu"),
    )


@pytest.fixture(scope="session")
def vit() -> Backbone:
    """A tiny vision transformer."""
    return make_backbone(tiny_config())


@pytest.fixture(scope="session")
def convnet() -> Backbone:
    """A tiny-image EfficientNet-Lite0 behind timm, with random weights."""
    return make_backbone(convolutional_config(), center=True)


def random_task(backbone: Backbone, images: Canvases, **changes: Any) -> Task:
    """A task whose features and class vectors are random numbers, for what does not read them."""
    draw = torch.Generator().manual_seed(0)
    return Task(
        backbone=backbone, images=images, settings=Settings(**changes), class_names=NAMES,
        features=torch.randn(len(images), backbone.embed_dim, generator=draw),
        class_vectors=torch.randn(len(NAMES), backbone.embed_dim, generator=draw),
    )  # fmt: skip


def drained(work: Iterator[Any]) -> tuple[Any, list[Any]]:
    """What a generator returns, and what it told on the way."""
    events = []
    while True:
        try:
            events.append(next(work))
        except StopIteration as end:
            return end.value, events


def only(events: Sequence[Event], kind: type) -> Any:
    """The one event of a kind."""
    (event,) = [e for e in events if isinstance(e, kind)]
    return event


Inputs = Callable[[Backbone, Canvases], dict[str, Any]]


@pytest.fixture(scope="session")
def inputs() -> Inputs:
    """The arguments of `fit` that come from a backbone and an image set."""

    def make(backbone: Backbone, images: Canvases) -> dict[str, Any]:
        return {
            "backbone": backbone,
            "images": images,
            "features": encode_images(backbone, images),
            "class_vectors": class_vectors(backbone, NAMES, [backbone.template]),
            "class_names": NAMES,
        }

    return make
