"""What a student learns: views of pictures, and what the teacher says of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from studio.clip.backbone import Backbone
from studio.clip.encode import Images, preprocess, to_pixels
from studio.coft.views import random_views

CROP_SIZE = 160
"""Side at which the teacher sees random crops: they show things larger than the whole picture does,
and 160 pixels take it less than half the time of 224."""
CROP_SCALE = 0.35
PART = 16


@dataclass(frozen=True)
class Shape:
    """The student: pixels a side, patch, width and blocks of its image tower."""

    size: int = 96
    patch: int = 16
    width: int = 192
    layers: int = 6


@dataclass(frozen=True)
class Recipe:
    """How it is taught; `steps` 0: as many as fit into `minutes` of processor time.

    most: pictures of each folder, drawn by the seed (0 = all); views: of each picture. dtype of the
    matrix products: bfloat16 takes two thirds of the time where the processor has it (AMX).
    """

    minutes: float = 40.0
    steps: int = 0
    most: int = 0
    views: int = 2
    batch: int = 64
    lr: float = 1e-3
    weight_decay: float = 0.05
    dtype: str = "float32"
    seed: int = 0
    write_every: int = 400


@dataclass(frozen=True)
class Lessons:
    """Views of n pictures and what the teacher says of them.

    views: (v, n, 3, S, S) uint8 at the student's size, the whole picture first; targets: (v, n, d)
    float32, the teacher's raw features of the same views.
    """

    views: Tensor
    targets: Tensor

    def split(self, *, held_out: int, seed: int) -> tuple[Lessons, Lessons]:
        """Lessons to learn, and those of one picture in `held_out` to be asked about."""
        order = torch.randperm(self.views.shape[1], generator=torch.Generator().manual_seed(seed))
        count = max(1, len(order) // held_out)
        kept, apart = order[count:].sort().values, order[:count].sort().values
        return (
            Lessons(self.views[:, kept], self.targets[:, kept]),
            Lessons(self.views[:1, apart], self.targets[:1, apart]),
        )


@torch.inference_mode()
def prepare_lessons(
    teacher: Backbone,
    sets: Sequence[Images],
    *,
    shape: Shape,
    recipe: Recipe,
    say: Callable[[str], None] = print,
) -> Lessons:
    """Views of all pictures at the student's size, and the teacher's features of them."""
    generator = torch.Generator().manual_seed(recipe.seed)
    side = CROP_SIZE if teacher.takes_any_size else teacher.image_size
    views: list[Tensor] = []
    targets: list[Tensor] = []
    for images in sets:
        order = torch.randperm(len(images), generator=generator)
        for part in order[: recipe.most or len(order)].split(PART):
            canvases = images.batch(part.tolist())
            crops = [canvases] + [
                random_views(canvases, size=side, crop_scale=CROP_SCALE, generator=generator)
                for _ in range(recipe.views - 1)
            ]
            seen = [preprocess(canvases, teacher)] + [to_pixels(c, teacher) for c in crops[1:]]
            views.append(torch.stack([smaller(crop, size=shape.size) for crop in crops]))
            targets.append(torch.stack([teacher.visual(pixels) for pixels in seen]))
        say(f"the teacher has seen {sum(v.shape[1] for v in views)} pictures")
    # Out of inference mode: what is learned from has to be an ordinary tensor.
    with torch.inference_mode(False):
        return Lessons(torch.cat(views, dim=1).clone(), torch.cat(targets, dim=1).clone())


def smaller(canvases: Tensor, *, size: int) -> Tensor:
    """(B, 3, S, S) uint8 to (B, 3, size, size) uint8, bicubic, as the studio's test view is."""
    return interpolate(canvases, (size, size), mode="bicubic", antialias=True)
