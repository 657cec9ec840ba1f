"""Backward passes and steps of what trains under `autocast`: float16 needs its losses scaled.

Below 6e-8 float16 knows nothing but zero, and the gradients of a tower's activations are smaller
than that. So a loss is multiplied before it is carried back, and the gradient divided again before
it is shortened and stepped on (Micikevicius et al., 2018). In bfloat16 and float32 nothing is
multiplied, and every number is what it would be without this.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from studio.clip.precision import float32_as_asked, half_precision
from studio.errors import ModelError
from studio.ranks import Team

FIRST = 2.0**12
"""Not 65,536, torch's own: at that a small transformer lost the first four of twenty steps, and at
this one none."""
LONG = 500
"""Steps until it is doubled; few trainings have torch's 2,000."""


class LossScaler:
    """What one optimiser's training multiplies its losses by; everything that trains has one.

    It begins at `FIRST` and is halved wherever a gradient is too large for float16. Such a step is
    left out: the batch teaches nothing. After `LONG` steps without one it is doubled.
    """

    def __init__(
        self, device: torch.device, visual: nn.Module, *, team: Team | None = None
    ) -> None:
        """Arguments of `autocast`, and who trains together; None: this rank alone.

        Raises:
            ModelError: the environment names no precision that there is.
        """
        wanted = half_precision(device, visual) == torch.float16
        self._scaler = torch.amp.GradScaler(
            device.type, init_scale=FIRST, growth_interval=LONG, enabled=wanted
        )
        self._device, self._team = device, team or Team(1)

    def backward(self, loss: Tensor) -> None:
        """Add the gradient of a loss (), multiplied, to what it comes from."""
        with float32_as_asked(self._device):
            self._scaler.scale(loss).backward()

    def carry(self, tensors: Sequence[Tensor], gradients: Sequence[Tensor | None]) -> None:
        """Go on backward from tensors whose gradients, of the same shapes, `backward` has made."""
        with float32_as_asked(self._device):
            torch.autograd.backward(tensors, gradients)

    def step(
        self, optimizer: torch.optim.Optimizer, clip: Callable[[], object] = lambda: None
    ) -> bool:
        """One step of the optimiser on what `backward` has added up since its gradients were reset.

        All ranks that train together step, or none does.

        Args:
            optimizer: of what is trained.
            clip: shortens its gradient, once that is as long as the loss's own.

        Returns:
            Whether a step was made. In bfloat16 and float32 always, also where a gradient is no
            number.

        Raises:
            ModelError: no scale is small enough: float16 cannot hold what the model computes.
        """
        gradients = _gradients(optimizer)
        if not self._scaler.is_enabled() or not gradients:
            clip()
            optimizer.step()
            return True
        # A scaler has a scale from its first loss on, and no row may have been this rank's.
        self._scaler.scale(torch.zeros((), device=self._device))
        finite = _finite(gradients)
        if self._team.added({"overflowed": float(not finite)})["overflowed"]:
            if finite:  # another rank's was not
                gradients[0].fill_(math.inf)
            self._scaler.unscale_(optimizer)
            # An optimiser passes by what has no gradient, and its schedule sees that it was asked.
            optimizer.zero_grad(set_to_none=True)
            optimizer.step()
            self._scaler.update()
            if self._scaler.get_scale() < 1:
                raise ModelError(
                    "The gradients are no finite numbers in float16, however small the loss is "
                    "made: its weights may be damaged, or too large for half precision. "
                    "Try STUDIO_PRECISION=float32."
                )
            return False
        self._scaler.unscale_(optimizer)
        clip()
        optimizer.step()
        self._scaler.update()
        return True

    def state(self) -> Mapping[str, Any]:
        """How it stands, in plain numbers; nothing in bfloat16 and float32."""
        return self._scaler.state_dict()

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from there. A run that was in another precision then begins as a new one does."""
        if state:
            self._scaler.load_state_dict(dict(state))


def _gradients(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    trained = (p for group in optimizer.param_groups for p in group["params"])
    return [p.grad for p in trained if p.grad is not None]


def _finite(gradients: Sequence[Tensor]) -> bool:
    largest = nn.utils.get_total_norm(gradients, norm_type=math.inf)
    return bool(largest.isfinite())
