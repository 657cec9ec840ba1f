"""One of the two models of Phase I: a positive and a negative prompt and a visual adapter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
        shape: tuple[int, ...] = (settings.n_ctx, template.width)
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
    texts: Sequence[tuple[Tensor, Tensor]],
    scale: float,
) -> Judgement:
    """Both models on one batch of prefix outputs, sharing its decoding and the frozen stages."""
    probabilities, log_odds, pictures = [], [], []
    with torch.inference_mode():
        for model, (positive, negative) in zip(models, texts, strict=True):
            images = model.images(hidden)
            similar, dissimilar = images @ positive.T, images @ negative.T
            probabilities.append((scale * similar).softmax(-1).cpu())
            log_odds.append(clean_log_odds(similar, dissimilar, scale=scale).cpu())
            pictures.append(images.half().cpu())
    return Judgement(torch.stack(probabilities), torch.stack(log_odds), torch.stack(pictures))
