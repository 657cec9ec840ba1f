"""The student: open_clip's vision transformer, started where little time is lost."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from studio.clip.backbone import build_model
from tools.small_vit.lessons import PART, Lessons, Shape

RANK = 192


class Student(nn.Module):
    """open_clip's vision transformer, whose features are those of `basis` (r, d) only."""

    basis: Tensor
    middle: Tensor

    def __init__(self, lessons: Lessons, *, shape: Shape) -> None:
        """Random, but for what can be read off the lessons: see `_informed_start`."""
        super().__init__()
        targets = lessons.targets.flatten(0, 1)
        # A narrow tower has no room for more, and its twin needs one dimension for the constant.
        rank = min(RANK, shape.width - 1, *targets.shape)
        self.register_buffer("basis", torch.linalg.svd(targets, full_matrices=False).Vh[:rank])
        self.register_buffer("middle", targets.mean(0) @ self.basis.T)
        self.visual: Any = build_model(image_config(shape, rank)).visual
        self.shape = shape
        _informed_start(self.visual, lessons, self.basis, self.middle)

    def forward(self, views: Tensor) -> Tensor:
        """(B, 3, S, S) uint8 to features in the basis (B, r)."""
        coordinates: Tensor = self.visual((views.float() - 127.5) / 127.5)
        return coordinates

    @torch.no_grad()
    def cosine(self, lessons: Lessons) -> float:
        """Mean cosine of centred features with the teacher's, of the first views."""
        own = torch.cat([self(part) for part in lessons.views[0].split(4 * PART)])
        mean = self.middle @ self.basis
        return float(cosine_similarity(own @ self.basis - mean, lessons.targets[0] - mean).mean())


def image_config(shape: Shape, embed_dim: int) -> dict[str, Any]:
    """open_clip's config of the student, with a text tower that only fills the place."""
    return {
        "embed_dim": embed_dim,
        "custom_text": True,
        "vision_cfg": {
            "image_size": shape.size,
            "patch_size": shape.patch,
            "width": shape.width,
            "layers": shape.layers,
            "head_width": min(64, shape.width),
        },
        "text_cfg": {"context_length": 8, "vocab_size": 8, "width": 8, "heads": 1, "layers": 1},
    }


@torch.no_grad()
def _informed_start(visual: Any, lessons: Lessons, basis: Tensor, middle: Tensor) -> None:
    """Start where little time is lost.

    Patches go in as principal components of equal size; positions are open_clip's sines and
    cosines; blocks begin as small changes (open_clip's own standard deviations); the features begin
    at the teacher's mean with its spread.
    """
    size, width = visual.conv1.kernel_size[0], visual.conv1.out_channels
    some = lessons.views[0, :: max(1, lessons.views.shape[1] // 500)].float() / 127.5 - 1
    patches = some.unfold(2, size, size).unfold(3, size, size).permute(0, 2, 3, 1, 4, 5)
    patches = patches.reshape(-1, 3 * size * size)
    _, spread, directions = torch.linalg.svd(patches - patches.mean(0), full_matrices=False)
    count = min(width, len(directions), 128)  # the finest details are noise
    strength = len(patches) ** 0.5 / spread[:count].clamp_min(0.05 * spread[0])
    kernel = (strength[:, None] * directions[:count]).view(count, 3, size, size)
    visual.conv1.weight[:count] = kernel / 2
    visual.positional_embedding.copy_(_positions(visual))
    for block in visual.transformer.resblocks:
        deep = (2 * width * len(visual.transformer.resblocks)) ** -0.5
        nn.init.normal_(block.attn.in_proj_weight, std=width**-0.5)
        nn.init.normal_(block.attn.out_proj.weight, std=deep)
        nn.init.normal_(block.mlp.c_fc.weight, std=(2 * width) ** -0.5)
        nn.init.normal_(block.mlp.c_proj.weight, std=deep)
    spread = (lessons.targets.flatten(0, 1) @ basis.T).std(0)
    visual.proj.copy_(torch.randn(visual.proj.shape) * spread / width**0.5)
    visual.ln_post.bias.copy_(torch.linalg.lstsq(visual.proj.T, middle[:, None]).solution[:, 0])


def _positions(visual: Any) -> Tensor:
    from open_clip.pos_embed import get_2d_sincos_pos_embed

    sines = get_2d_sincos_pos_embed(
        visual.conv1.out_channels, *visual.grid_size[:1], cls_token=True
    )
    return torch.from_numpy(sines).float() / 2
