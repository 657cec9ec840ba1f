"""The towers of a model in plain torch: what a pass costs without the studio."""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from studio.clip.backbone import Backbone
from studio.clip.precision import autocast
from studio.coft.views import training_size
from studio.settings import Settings


class Bare:
    """The same towers without the studio; every method gives the seconds of one pass."""

    def __init__(self, backbone: Backbone, *, repeats: int, classes: int) -> None:
        self.backbone, self.repeats, self.classes = backbone, repeats, classes

    def forward(self, batch: int, *, half: bool) -> float:
        """Of the image tower."""
        pixels, tower = self._pixels(batch), self.backbone.visual

        def work() -> None:
            with torch.inference_mode(), self._cast(half):
                tower(pixels)

        return self._seconds(work)

    def phase_1(self, settings: Settings) -> float:
        """Image tower on a batch, text tower on two texts of each class; no gradient of weights."""
        model: Any = copy.deepcopy(self.backbone.model).requires_grad_(False)
        size = training_size(self.backbone, settings.phase1_resolution)
        pixels = self._pixels(settings.phase1_batch, size)
        tokens = self.backbone.tokenizer(["a photo of a thing"] * 2 * self.classes)
        tokens = tokens.to(self.backbone.device)
        # Gradients that go all the way down, as those of prompts do.
        for part in (model.visual, model):  # names of open_clip's own transformers
            part.positional_embedding.requires_grad_(True)

        def work() -> None:
            with autocast(self.backbone.device, self.backbone.visual):
                texts = model.encode_text(tokens)
            leaf = texts.detach().requires_grad_()
            for own in self._parts(pixels, settings):
                with autocast(self.backbone.device, self.backbone.visual):
                    loss = (model.visual(own) @ leaf.T).float().logsumexp(1).sum()
                loss.backward()
            texts.backward(leaf.grad)

        return self._seconds(work)

    def phase_2(self, settings: Settings, *, contrast: bool = False) -> float:
        """A step of the whole image tower; contrast: and a forward pass of a second one."""
        tower = copy.deepcopy(self.backbone.visual).requires_grad_(True)
        second = copy.deepcopy(self.backbone.visual) if contrast else None
        head = nn.Linear(self.backbone.embed_dim, self.classes).to(self.backbone.device)
        optimizer = torch.optim.SGD([*tower.parameters(), *head.parameters()], 1e-6, momentum=0.9)
        size = training_size(self.backbone, settings.phase2_resolution)
        pixels = self._pixels(settings.phase2_batch, size)

        def work() -> None:
            optimizer.zero_grad(set_to_none=True)
            for own in self._parts(pixels, settings):
                labels = torch.arange(len(own), device=own.device) % self.classes
                with autocast(self.backbone.device, self.backbone.visual):
                    loss = cross_entropy(head(tower(own)), labels)
                    if second is not None:
                        with torch.no_grad():
                            second(own)
                loss.backward()
            optimizer.step()

        return self._seconds(work)

    def _parts(self, pixels: Tensor, settings: Settings) -> tuple[Tensor, ...]:
        return pixels.split(settings.micro_batch or self.backbone.forward_batch)

    def _pixels(self, batch: int, size: int | None = None) -> Tensor:
        side = size or self.backbone.image_size
        pixels = torch.randn(batch, 3, side, side, device=self.backbone.device)
        return pixels.contiguous(memory_format=self.backbone.pixel_format)

    def _cast(self, half: bool) -> torch.autocast:
        device = self.backbone.device.type
        return torch.autocast(device, dtype=torch.bfloat16, enabled=half)

    def _seconds(self, work: Callable[[], None]) -> float:
        """Median of several passes, each waited for; the first ones warm up."""
        times = []
        for _ in range(self.repeats + max(1, self.repeats // 5)):
            wait()
            began = time.perf_counter()
            work()
            wait()
            times.append(time.perf_counter() - began)
        return statistics.median(times[-self.repeats :])


def wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
