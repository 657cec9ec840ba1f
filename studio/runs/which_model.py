"""Which model suits these images? The models at hand, ranked without a label.

Each model labels a sample of the images zero-shot, as a run would begin. How they are ranked is in
`studio.scores.consensus`; each also gets the verdict and the estimate that first labels get, and
its speed is taken. A model has as much say in the consensus as its estimate lets hope for.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from studio.errors import ModelError
from studio.images.canvases import Canvases, canvas_size
from studio.images.folder import Folder
from studio.imports import import_torch
from studio.progress import FETCHING, Begin, Progress, Stop, never
from studio.prompts.prompt_set import PromptSet
from studio.runs.first_labels import Encoded
from studio.scores.consensus import Standing, rank_by_agreement

if TYPE_CHECKING:
    from studio.clip.backbone import Backbone
    from studio.scores.estimate import Estimate

SAMPLE = 500
"""Images that are looked at, drawn at random but always the same ones. The share of images on
which a model agrees with the consensus is known to 4 points from so many."""

SAY_POWER = 3
"""Steep, because models of one family are wrong on the same images: a mean of a good one and two
poor ones is then poorer than the good one."""

_LEAST_SKILL = 0.01  # so that models that seem to know nothing may still agree
_TIMED_BATCHES = 2


@dataclass(frozen=True)
class Looked:
    """What one model made of the images.

    probabilities: (n, C) zero-shot; level, verdict, z: of `scores.knowledge`; estimate: how many
    labels are right, as far as can be told; images_per_second: through the image tower, reading
    not counted; accuracy: in [0, 1], None where the truth is unknown.
    """

    model: str
    probabilities: NDArray[np.float32]
    level: str
    verdict: str
    z: float | None
    estimate: Estimate | None
    images_per_second: float
    accuracy: float | None = None


@dataclass(frozen=True)
class Ranked:
    """Models from best to worst, each with where it stands; and what could not be asked.

    images: how many were looked at; prompts: those of these classes; failed: models and why, in a
    line.
    """

    images: int
    class_names: tuple[str, ...]
    prompts: PromptSet
    models: tuple[tuple[Looked, Standing], ...]
    failed: tuple[tuple[str, str], ...] = ()


def rank_models(
    *,
    folder: Folder,
    canvases: Canvases,
    class_names: Sequence[str],
    models: Sequence[str],
    prompts: PromptSet | None = None,
    cache_dir: Path,
    begin: Begin,
    stop: Stop = never,
    truth: NDArray[np.int64] | None = None,
) -> Ranked:
    """Show a sample of the images to each model, and rank the models.

    Args:
        folder: The folder.
        canvases: Its images.
        class_names: The C names.
        models: Any forms of their names; what is not on this machine is fetched.
        prompts: What is read about each class; None: each model's own template.
        cache_dir: Where features are kept.
        begin: Told of each step; how far it is, is that of all models together.
        stop: Asked now and then.
        truth: (N,) with -1 = unknown, or None; for the accuracy only.

    Raises:
        ModelError: None of the models could be asked.
        Stopped: `stop` said so.
    """
    rows = sample(len(folder.images))
    part = replace(folder, images=tuple(folder.images[i] for i in rows))
    prompts = (prompts or PromptSet()).only(class_names)
    looked, failed, asked = [], [], list(dict.fromkeys(models))
    for number, model in enumerate(asked):
        try:
            looked.append(
                look(
                    part,
                    canvases.some(rows),
                    class_names,
                    model,
                    prompts,
                    cache_dir=cache_dir,
                    begin=_of_all(begin, number, len(asked), images=len(rows)),
                    stop=stop,
                    truth=None if truth is None else truth[rows],
                )
            )
        except ModelError as error:
            failed.append((model, str(error)))
    if not looked:
        raise ModelError(failed[0][1] if failed else "No model was named.")
    standings = rank_by_agreement(
        [one.probabilities for one in looked], say=[say(one, len(class_names)) for one in looked]
    )
    pairs = sorted(zip(looked, standings, strict=True), key=lambda pair: -pair[1].agreement)
    return Ranked(len(rows), tuple(class_names), prompts, tuple(pairs), tuple(failed))


def _of_all(begin: Begin, number: int, models: int, *, images: int) -> Begin:
    """Tells how far one of the models is as a share of all, in images; megabytes as they are."""

    def step(text: str) -> Progress:
        progress = begin(text)
        if text.startswith(FETCHING):
            return progress

        def told(done: int, total: int) -> None:
            here = round(images * done / total) if total else 0
            progress(number * images + here, models * images)

        return told

    return step


def models_here(chosen: str) -> list[str]:
    """The listed models that are on this machine, and the chosen one, listed or not, if it is."""
    from studio.clip.sources import is_here, models_at_hand

    return [*models_at_hand(), *([chosen] if is_here(chosen) else [])]


def say(looked: Looked, classes: int) -> float:
    """How much a model's votes weigh at first: a power of its estimated skill.

    Skill is how far it is on the way from guessing to all right.
    """
    if looked.estimate is None:
        return _LEAST_SKILL**SAY_POWER
    chance = 1 / classes
    skill = (looked.estimate.accuracy - chance) / (1 - chance)
    return float(max(skill, _LEAST_SKILL) ** SAY_POWER)


def sample(images: int) -> list[int]:
    """Which of so many images are looked at, in their order."""
    drawn = np.random.default_rng(0).permutation(images)[:SAMPLE]
    return sorted(int(i) for i in drawn)


def look(
    folder: Folder,
    canvases: Canvases,
    class_names: Sequence[str],
    model: str,
    prompts: PromptSet,
    *,
    cache_dir: Path,
    begin: Begin,
    stop: Stop,
    truth: NDArray[np.int64] | None,
) -> Looked:
    """What one model makes of these images. Raises ModelError, Stopped."""
    begin(f"Loading {model}")
    import_torch()
    from studio.clip.backbone import load_backbone
    from studio.clip.texts import TextTower
    from studio.runs import inputs

    backbone = load_backbone(model, begin=begin, stop=stop)
    wanted = canvas_size(backbone.image_size)
    if (canvases.size, canvases.resize) != (wanted, backbone.resize):
        # Of a sample, so that they are decoded as they are needed and not kept.
        canvases = Canvases(
            size=wanted,
            resize=backbone.resize,
            files=[folder.root / image.path for image in folder.images],
            places=[None] * len(folder.images),
        )
    progress = begin(f"Looking at the images with {model}")
    speed = images_per_second(backbone, canvases)
    features = inputs.encode(backbone, folder, canvases, cache_dir, progress=progress, stop=stop)
    begin(f"Labelling with {model}")
    encoded = Encoded(
        tower=TextTower(backbone), features=features, model=model, cache_dir=cache_dir
    )
    preview, probabilities = encoded.label_softly(class_names, prompts, truth=truth)
    judged = encoded.judge(preview)
    return Looked(
        model=model,
        probabilities=probabilities,
        level=judged.level,
        verdict=judged.verdict,
        z=judged.z,
        estimate=judged.estimate,
        images_per_second=speed,
        accuracy=judged.accuracy,
    )


def images_per_second(backbone: Backbone, canvases: Canvases) -> float:
    """Through the image tower, read before: the faster of a few batches, the first not counted."""
    import torch

    from studio.clip.encode import preprocess
    from studio.clip.precision import autocast

    batch = min(backbone.forward_batch, len(canvases))
    squares = canvases.batch(range(batch))
    times = []
    with torch.inference_mode(), autocast(backbone.device, backbone.visual):
        for _ in range(1 + _TIMED_BATCHES):
            began = time.perf_counter()
            backbone.visual(preprocess(squares, backbone)).float().cpu()  # waits for the device
            times.append(time.perf_counter() - began)
    return batch / max(min(times[1:]), 1e-9)
