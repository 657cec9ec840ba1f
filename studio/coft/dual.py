"""The two models of Phase I, each a positive and a negative prompt and a visual adapter, and what
they say of images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import torch
from torch import Generator, Tensor, nn

from studio.clip.backbone import Backbone
from studio.clip.encode import Images, preprocess
from studio.clip.precision import autocast
from studio.clip.space import Space
from studio.coft.adapters import VisualAdapter, build_adapter
from studio.coft.losses import clean_log_odds
from studio.coft.prompts import PromptTemplate
from studio.settings import Settings


class DualPromptModel(nn.Module):
    """Added parameters theta_v, theta_t of one model; the backbone itself stays outside and frozen.

    positive, negative: the context vectors V+ and V-, (M, w) shared by all classes, or (C, M, w).
    """

    def __init__(
        self,
        backbone: Backbone,
        template: PromptTemplate,
        space: Space,
        settings: Settings,
        generator: Generator,
    ) -> None:
        super().__init__()
        shape: tuple[int, ...] = (template.n_ctx, template.width)
        if settings.class_specific_context:
            shape = (len(template.tokens), *shape)
        self.positive = nn.Parameter(
            settings.ctx_init_std * torch.randn(shape, generator=generator)
        )
        self.negative = nn.Parameter(
            settings.ctx_init_std * torch.randn(shape, generator=generator)
        )
        self.adapter: VisualAdapter = build_adapter(backbone, settings, generator)
        self._frozen = (
            backbone,
            template,
            space,
        )  # a tuple keeps them out of this module's own state
        self.to(backbone.device)

    @property
    def backbone(self) -> Backbone:
        """The frozen model whose copy this one is."""
        return self._frozen[0]

    def images(self, hidden: Tensor) -> Tensor:
        """Unit image features (B, d) from the adapter's prefix output."""
        backbone, _, space = self._frozen
        with autocast(backbone.device, backbone.visual):
            features = self.adapter.tail(backbone.visual, hidden)
        return space.images(features.float())

    def texts(self) -> tuple[Tensor, Tensor]:
        """Unit class vectors t+ and t-, (C, d) each."""
        backbone, template, space = self._frozen
        with autocast(backbone.device, backbone.visual):
            positive, negative = template.encode(self.positive), template.encode(self.negative)
        return space.texts(positive), space.texts(negative)


EVERY = slice(None)
Texts = Sequence[tuple[Tensor, Tensor]]
"""Unit class vectors t+ and t- (C, d) of each model."""


@dataclass(frozen=True)
class Judgement:
    """Both models on a set of n images.

    probabilities: (2, n, C) softmax of s+ / tau; log_odds: (2, n, C) (s+ - s-) / tau of every
    class, above 0 = clean, in float32; images: (2, n, d) unit image features, in half precision.
    """

    probabilities: Tensor
    log_odds: Tensor
    images: Tensor

    @property
    def fields(self) -> tuple[Tensor, Tensor, Tensor]:
        """All of it."""
        return self.probabilities, self.log_odds, self.images

    @property
    def labels(self) -> Tensor:
        """(2, n) each model's own labels, the argmax over classes of s+."""
        return self.probabilities.argmax(-1)


def test_hidden(
    backbone: Backbone, adapter: VisualAdapter, images: Images, indices: Sequence[int]
) -> Tensor:
    """Prefix outputs (B, ...) of the test views of these images; decoded once for both models."""
    with torch.no_grad(), autocast(backbone.device, backbone.visual):
        pixels = preprocess(images.batch(indices), backbone)
        return adapter.prefix(backbone.visual, pixels)


def judge(
    models: Sequence[DualPromptModel],
    hidden: Tensor,
    texts: Texts,
    scale: float,
) -> Judgement:
    """Both models on one batch of prefix outputs, sharing its decoding and the frozen stages."""
    with torch.inference_mode():
        return compared([model.images(hidden) for model in models], texts, scale)


def seen(models: Sequence[DualPromptModel], hidden: Tensor) -> Tensor:
    """(2, B, d) unit image features of both models, of one batch of prefix outputs."""
    with torch.inference_mode():
        return torch.stack([model.images(hidden) for model in models])


def compared(images: Sequence[Tensor], texts: Texts, scale: float) -> Judgement:
    """Of unit image features (n, d) of each model, what its texts say."""
    probabilities, log_odds, pictures = [], [], []
    for own, (positive, negative) in zip(images, texts, strict=True):
        similar, dissimilar = own @ positive.T, own @ negative.T
        probabilities.append((scale * similar).softmax(-1).cpu())
        log_odds.append(clean_log_odds(similar, dissimilar, scale=scale).cpu())
        pictures.append(own.half().cpu())
    return Judgement(torch.stack(probabilities), torch.stack(log_odds), torch.stack(pictures))


@dataclass(frozen=True)
class Judges:
    """Both models on all N images: what they say of all classes is worked out for a part of them.

    Of a million images and a thousand classes that is 16 GB; their features are 4 GB, and a part of
    them is compared with the texts a thousand times as fast as it went through a tower.

    images: (2, N, d) unit image features, float32; texts: of both, where the comparing is done;
    scale: 1 / tau; size: images of a part.
    """

    images: Tensor
    texts: Texts
    scale: float
    size: int

    @property
    def parts(self) -> list[slice]:
        """Parts that all images are worked out in."""
        count = self.images.shape[1]
        return [slice(at, min(at + self.size, count)) for at in range(0, count, self.size)]

    def of(self, rows: slice, *, models: slice = EVERY) -> Judgement:
        """Of some images, and of both models or one (0:1, 1:2)."""
        texts = self.texts[models]
        images = [own[rows].to(texts[0][0].device) for own in self.images[models]]
        with torch.inference_mode():
            return compared(images, texts, self.scale)

    def pictures(self, model: int) -> Tensor:
        """(N, d) unit image features of a model, in half precision."""
        return self.images[model].half()

    def odds(self, rows: slice) -> Tensor:
        """(2, n, C) clean log-odds of some images."""
        return self.of(rows).log_odds

    def lasting(self) -> Odds:
        """What is kept of it for the end: the log-odds, or what they come from if that is less."""
        if len(self.texts[0][0]) > self.images.shape[2]:
            # Compared on the CPU, beside a device that labels the next images meanwhile.
            texts = [(positive.cpu(), negative.cpu()) for positive, negative in self.texts]
            return replace(self, texts=texts)
        found = torch.empty(2, self.images.shape[1], len(self.texts[0][0]))
        for rows in self.parts:
            found[:, rows] = self.odds(rows)
        return HeldOdds(found)

    def part(self) -> Mapping[str, Any]:
        """As a part of a fit's state."""
        texts = [list(own) for own in self.texts]
        return {"images": self.images, "texts": texts, "scale": self.scale, "size": self.size}


@dataclass(frozen=True)
class HeldOdds:
    """Clean log-odds of all images, (2, N, C)."""

    log_odds: Tensor

    def odds(self, rows: slice) -> Tensor:
        """(2, n, C) those of some images."""
        return self.log_odds[:, rows]

    def part(self) -> Mapping[str, Any]:
        """As a part of a fit's state."""
        return {"log_odds": self.log_odds}


Odds: TypeAlias = "Judges | HeldOdds"


NO_ODDS = HeldOdds(torch.empty(0))
"""What other ranks than the writer have, who alone reads them."""

ODDS_PART = ("log_odds", "images", "texts", "scale", "size")
"""What `part` may hold."""


def odds_of(part: Mapping[str, Any], *, device: torch.device) -> Odds:
    """What `part` made, if any of it is there; device: where images and texts are compared."""
    if "log_odds" in part:
        return HeldOdds(part["log_odds"])
    if "images" not in part:
        return NO_ODDS
    texts = [(positive.to(device), negative.to(device)) for positive, negative in part["texts"]]
    return Judges(part["images"], texts, float(part["scale"]), int(part["size"]))
