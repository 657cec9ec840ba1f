"""What Phase II fine-tunes: the model of Phase I, or another one (paper, Table 3)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from studio.clip.backbone import Backbone
from studio.clip.encode import Images
from studio.clip.space import Space


@dataclass(frozen=True)
class Student:
    """A frozen model and the N images as it sees them.

    backbone: copied, never changed; images: N canvases; features: (N, d) raw, of the test view;
    class_vectors: (C, d) raw.
    """

    backbone: Backbone
    images: Images
    features: Tensor
    class_vectors: Tensor

    @cached_property
    def space(self) -> Space:
        """The joint space of images and class texts, on the backbone's device."""
        space = Space.of(
            image_features=self.features,
            class_vectors=self.class_vectors,
            scale=self.backbone.logit_scale,
            center=self.backbone.center,
        )
        return space.to(self.backbone.device)
