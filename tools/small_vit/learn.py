"""Teaching the student: AdamW on a cosine schedule."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from tools.small_vit.lessons import Lessons, Recipe
from tools.small_vit.student import Student

WARM_UP = 0.05


def learn(student: Student, lessons: Lessons, recipe: Recipe, *, steps: int) -> Iterator[float]:
    """Teach in place; after each step its loss."""
    decayed = [p for p in student.parameters() if p.ndim >= 2]
    others = [p for p in student.parameters() if p.ndim < 2]
    groups = [{"params": decayed}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(
        groups, lr=recipe.lr, betas=(0.9, 0.98), weight_decay=recipe.weight_decay
    )
    rising = max(1, round(WARM_UP * steps))
    schedule = torch.optim.lr_scheduler.SequentialLR(
        optimizer,
        [
            torch.optim.lr_scheduler.LinearLR(optimizer, 1 / rising, total_iters=rising),
            torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, steps - rising)),
        ],
        [rising],
    )
    generator = torch.Generator().manual_seed(recipe.seed)
    views, targets = lessons.views.flatten(0, 1), lessons.targets.flatten(0, 1)
    wanted = targets @ student.basis.T
    spread = (wanted - student.middle).square().sum(1).mean()
    batches: list[Tensor] = []
    for _ in range(steps):
        if not batches:
            batches = list(torch.randperm(len(views), generator=generator).split(recipe.batch))
        batch = batches.pop()
        seen = views[batch]
        flipped = torch.rand(len(batch), generator=generator) < 0.5
        seen = torch.where(flipped[:, None, None, None], seen.flip(-1), seen)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=recipe.dtype == "bfloat16"):
            found = student(seen)
        own, target = found.float() - student.middle, wanted[batch] - student.middle
        loss = 1 - cosine_similarity(own, target).mean()
        loss = loss + (own - target).square().sum(1).mean() / spread
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        yield float(loss.detach())


def seconds_a_step(student: Student, lessons: Lessons, recipe: Recipe, *, tried: int = 12) -> float:
    """Processor time of a step, on a copy that is thrown away."""
    steps = learn(copy.deepcopy(student), lessons, recipe, steps=tried)
    next(steps)
    began = time.process_time()
    count = sum(1 for _ in steps)
    return (time.process_time() - began) / count
