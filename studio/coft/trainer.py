"""One model of Phase I at work: its losses, its optimiser and its streams of randomness."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter

from studio.clip.encode import moved
from studio.clip.scaling import LossScaler
from studio.coft.dual import DualPromptModel
from studio.coft.keeping import Part, restore, state_of
from studio.coft.losses import draw_complements, negative_loss, positive_loss, summed
from studio.coft.optim import build_optimizer, generator_of
from studio.ranks import Team
from studio.settings import Settings


def sides_of(model: DualPromptModel) -> tuple[list[Parameter], list[Parameter]]:
    """The parameters of the texts, V+ and V-, and those of the images.

    Each side's gradient is clipped by itself: clipped together, the side with the larger gradient
    takes all of the step. At CLIP's scale that is the texts', and visual tokens stay where they
    are.
    """
    return [model.positive, model.negative], list(model.adapter.parameters())


class Trainer:
    """One model with its optimiser and its own streams of randomness.

    A batch's images go through it `part` at a time, to save memory.
    """

    def __init__(
        self,
        model: DualPromptModel,
        number: int,
        settings: Settings,
        *,
        steps: int,
        round_number: int,
        part: int,
        team: Team | None = None,
    ) -> None:
        """team: who trains the model, each with some rows of every batch; None: this rank alone."""
        self.model, self.number, self.settings, self.steps = model, number, settings, steps
        self._part = part
        self.shuffle, self.views, self.complement = (
            generator_of(settings, purpose, number, round_number=round_number)
            for purpose in ("shuffle", "views", "complement")
        )
        self.done, self._team = 0, team or Team(1)
        self._sides = sides_of(model)
        self._optimizer, self._schedule = build_optimizer(
            [{"params": side, "lr": settings.phase1_lr} for side in self._sides],
            kind=settings.phase1_optimizer,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
            steps=steps,
        )
        backbone = model.backbone
        self._scaler = LossScaler(backbone.device, backbone.visual, team=self._team)

    def state(self) -> Part:
        """How its training stands."""
        return {"done": self.done, **state_of(**self._training)}

    def restore(self, part: Part) -> None:
        """Go on from there."""
        self.done = int(part["done"])
        restore(part, **self._training)

    @property
    def _training(self) -> dict[str, Any]:
        return {
            "modules": {"model": self.model},
            "optimizer": self._optimizer,
            "schedule": self._schedule,
            "scaler": self._scaler,
            "generators": {
                "shuffle": self.shuffle, "views": self.views, "complement": self.complement
            },
        }  # fmt: skip

    @property
    def rate(self) -> float:
        """The learning rate of the next step."""
        return float(self._schedule.get_last_lr()[0])

    def step(
        self,
        hidden: Tensor,
        labels: Tensor,
        probabilities: Tensor,
        scale: float,
        rows: slice = slice(None),
    ) -> tuple[float, dict[str, float]]:
        """One step on L1 + lambda L2 of a batch; the loss and its terms.

        hidden: prefix outputs of this rank's rows of the batch; labels: (B,); probabilities: of
        all classes, (B, C); both on the CPU, where complements are drawn, so that nobody waits for
        the device; rows: which they are.
        """
        complements = draw_complements(
            labels,
            classes=probabilities.shape[1],
            generator=self.complement,
            mode=self.settings.complement,
            probabilities=probabilities,
            top=self.settings.complement_top,
        )
        labels, complements = (moved(own, hidden.device) for own in (labels, complements))
        self._optimizer.zero_grad(set_to_none=True)
        terms = self._gradients(hidden, labels, complements, scale, rows)
        self._scaler.step(self._optimizer, self._clip)
        self._schedule.step()
        self.done += 1
        parts = self._team.added(summed(terms))
        return parts.pop("loss"), parts

    def _clip(self) -> None:
        if self.settings.phase1_clip:
            for side in self._sides:
                torch.nn.utils.clip_grad_norm_(side, self.settings.phase1_clip)

    def _gradients(
        self, hidden: Tensor, labels: Tensor, complements: Tensor, scale: float, rows: slice
    ) -> dict[str, list[Tensor]]:
        """Gradients of the batch's loss, and the shares of its parts in it and in its terms.

        Images go in parts, the texts through their tower once.
        """
        texts = self.model.texts()
        leaves = [vectors.detach().requires_grad_() for vectors in texts]
        terms: dict[str, list[Tensor]] = {"loss": [], "l1": [], "l2": []}
        batch, labels, complements = len(labels), labels[rows], complements[rows]
        for start in range(0, len(hidden), self._part):
            own = slice(start, start + self._part)
            images = self.model.images(hidden[own])
            share = len(images) / batch
            loss, its = dual_loss(
                images, leaves, labels[own], complements[own], scale, self.settings
            )
            self._scaler.backward(share * loss)
            for name, term in {"loss": loss, **its}.items():
                terms[name].append(share * term.detach())
        self._team.summed([*self._sides[1], *leaves])
        self._scaler.carry(texts, [leaf.grad for leaf in leaves])
        return terms


def dual_loss(
    images: Tensor,
    texts: Sequence[Tensor],
    labels: Tensor,
    complements: Tensor,
    scale: float,
    settings: Settings,
) -> tuple[Tensor, dict[str, Tensor]]:
    """L1 + lambda L2 of unit features (B, d) and class vectors (C, d) t+ and t-, and both terms.

    The one real change from DeFT: L2's gradient reaches the visual side (`l2_grad_visual`) [paper].
    """
    positive, negative = texts
    similar = images @ positive.T
    first = positive_loss(similar, labels, scale=scale)
    judged = images if settings.l2_grad_visual else images.detach()
    anchor = positive if settings.l2_grad_positive else positive.detach()
    second = negative_loss(judged @ anchor.T, judged @ negative.T, labels, complements, scale=scale)
    total = first + settings.l2_weight * second
    return total, {"l1": first, "l2": second}
