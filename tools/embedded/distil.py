"""Distilling the teacher into the text tower: a linear start, then Adam on two losses.

Half of the loss asks for the teacher's vector itself, the other half for its similarities to the
1,000 class vectors, which is what zero-shot classification looks at.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from open_clip.transformer import TextTransformer

from .student import PART, Composer, Tokens, end_features


@torch.no_grad()
def warm_start(
    tower: TextTransformer, names: Tokens, targets: torch.Tensor, ridge: float = 0.03
) -> None:
    """Begin where a linear model ends: EOS takes the mean of the tokens, the projection is fitted.

    The values and the attention's output are set to the identity and the MLP adds nothing yet; then
    the text projection is the ridge regression from what comes out to the targets [N, E].
    """
    block, width = tower.transformer.resblocks[0], tower.width
    block.attn.in_proj_weight[2 * width :] = torch.eye(width)
    block.attn.out_proj.weight.copy_(torch.eye(width))
    block.mlp.c_proj.weight.mul_(0.1)
    generator = torch.Generator().manual_seed(0)
    compose = Composer(names, 1, generator)
    gram, mixed = torch.zeros(width, width), torch.zeros(width, targets.shape[1])
    hidden = torch.eye(width)
    for part in torch.arange(len(names.ids)).split(PART):
        ids, ends = compose(part, False, tower.context_length)
        x = end_features(tower, tower.token_embedding(ids), ends, projection=hidden)
        gram += x.T @ x
        mixed += x.T @ targets[part].float()
    scale = ridge * gram.diagonal().mean()
    tower.text_projection.copy_(torch.linalg.solve(gram + scale * torch.eye(width), mixed))


@dataclass(frozen=True)
class Training:
    """Settings of the distillation, chosen on held-out names."""

    steps: int = 2600
    batch: int = 1024
    table_lr: float = 4e-3
    lr: float = 2e-3
    warmup: int = 50
    n_ctx: int = 16
    context_share: float = 0.35
    relation_weight: float = 1.0
    relation_scale: float = 20.0
    seed: int = 0


class RowAdam:
    """Adam on the rows of a table that a batch has used; the others stay as they are.

    A table of 49,408 rows of which a batch uses a few thousand: dense Adam would spend its time on
    rows without gradient, and torch's SparseAdam on joining sparse tensors.
    """

    def __init__(self, table: torch.Tensor, betas: tuple[float, float] = (0.9, 0.99)) -> None:
        self.table, self.betas = table, betas
        self.first, self.second = torch.zeros_like(table), torch.zeros_like(table)
        self.count = torch.zeros(len(table))

    @torch.no_grad()
    def step(self, ids: torch.Tensor, grads: torch.Tensor, lr: float) -> None:
        """ids: [T] rows, repeated ones add up; grads: [T, D]."""
        rows, inverse = ids.unique(return_inverse=True)
        grad = torch.zeros(len(rows), grads.shape[1]).index_add_(0, inverse, grads)
        b1, b2 = self.betas
        self.count[rows] += 1
        first = self.first[rows].lerp_(grad, 1 - b1)
        second = self.second[rows].lerp_(grad * grad, 1 - b2)
        self.first[rows], self.second[rows] = first, second
        count = self.count[rows, None]
        size = (second / (1 - b2**count)).sqrt_().add_(1e-8)
        self.table[rows] -= lr * (first / (1 - b1**count)) / size


def relation_loss(
    features: torch.Tensor, targets: torch.Tensor, classes: torch.Tensor, scale: float
) -> torch.Tensor:
    """Cross entropy between the teacher's and the student's softmax over the class vectors."""
    wanted = (scale * targets @ classes.T).softmax(1)
    return -(wanted * (scale * features @ classes.T).log_softmax(1)).sum(1).mean()


def train(
    tower: TextTransformer,
    names: Tokens,
    weights: torch.Tensor,
    targets: torch.Tensor,
    classes: torch.Tensor,
    settings: Training,
    report: Callable[[int, float, float], None] | None = None,
) -> None:
    """Distil: names' targets [N, E] (unit, float16) into the tower, in place.

    classes: [C, E] unit vectors for the relational loss.
    """
    generator = torch.Generator().manual_seed(settings.seed)
    compose = Composer(names, settings.n_ctx, generator)
    table = tower.token_embedding.weight.requires_grad_(False)
    # Context vectors: from a prompt's initial 0.02 to twice the size of real token embeddings.
    low, high = math.log(0.02), math.log(max(2 * float(table.std()), 0.03))
    rest = [p for p in tower.parameters() if p.requires_grad]
    dense = torch.optim.AdamW(rest, lr=settings.lr, betas=(0.9, 0.99), weight_decay=0.0)
    sparse = RowAdam(table)
    n_context = int(settings.batch * settings.context_share)
    for step in range(settings.steps):
        rate = min(1.0, (step + 1) / settings.warmup)
        rate *= 0.5 * (1 + math.cos(math.pi * step / settings.steps))
        dense.param_groups[0]["lr"] = settings.lr * rate
        index = torch.multinomial(weights, settings.batch, replacement=True, generator=generator)
        used, grads, cosines, relations = [], [], [], []
        for some, context in ((index[n_context:], False), (index[:n_context], True)):
            # Parts of texts of like length, small enough for the processor's cache.
            for part in some[names.lengths[some].argsort()].split(PART):
                ids, ends = compose(part, context, tower.context_length)
                tokens = F.embedding(ids.clamp(min=0), table)
                if context:
                    count = int((ids[0] == -1).sum())
                    std = torch.empty(len(part), 1, 1).uniform_(low, high, generator=generator)
                    noise = torch.randn(len(part), count, tower.width, generator=generator)
                    tokens[:, 1 : count + 1] = noise * std.exp()
                tokens.requires_grad_()
                features = F.normalize(end_features(tower, tokens, ends), dim=1)
                wanted = targets[part].float()
                cosine = 1 - (features * wanted).sum(1).mean()
                relation = relation_loss(features, wanted, classes, settings.relation_scale)
                share = len(part) / settings.batch
                ((cosine + settings.relation_weight * relation) * share).backward()
                is_text = (ids != -1) & (torch.arange(ids.shape[1]) <= ends[:, None])
                assert tokens.grad is not None
                used.append(ids[is_text])
                grads.append(tokens.grad[is_text])
                cosines.append(share * cosine.detach())
                relations.append(share * relation.detach())
        torch.nn.utils.clip_grad_norm_(rest, 1.0)
        dense.step()
        dense.zero_grad()
        sparse.step(torch.cat(used), torch.cat(grads), settings.table_lr * rate)
        if report is not None:
            report(step, 1 - float(sum(cosines)), float(sum(relations)))


@torch.no_grad()
def agreement(
    tower: TextTransformer, names: Tokens, targets: torch.Tensor, classes: torch.Tensor
) -> tuple[float, float]:
    """Mean cosine with the targets [N, E], and how often the nearest class vector is the same."""
    compose = Composer(names, 1, torch.Generator().manual_seed(0), templates=("{}.",))
    parts = []
    for part in torch.arange(len(names.ids)).split(PART):
        ids, ends = compose(part, False, tower.context_length)
        parts.append(F.normalize(end_features(tower, tower.token_embedding(ids), ends), dim=1))
    features = torch.cat(parts)
    same = (features @ classes.T).argmax(1) == (targets @ classes.T).argmax(1)
    return float((features * targets).sum(1).mean()), float(same.float().mean())
