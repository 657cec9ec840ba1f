"""The whole method, as a stream of events: zero-shot, Phase I, collaboration, Phase II."""

from __future__ import annotations

import copy
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from studio.clip.backbone import Backbone
from studio.clip.encode import Images
from studio.clip.space import Space
from studio.coft.classifier import Classifier
from studio.coft.cosine import cosine_tower
from studio.coft.dual import DualPromptModel, Judgement
from studio.coft.events import (
    Checkpoint,
    Event,
    Finished,
    Judged,
    Progress,
    SeedSet,
    Warned,
    ZeroShot,
)
from studio.coft.judge import (
    clean_sets,
    own_clean_probability,
    peer_clean_probability,
    training_sets,
)
from studio.coft.phase1 import EVALUATION_BATCH, build_models, generator_of, judge_all, phase_one
from studio.coft.phase2 import average_with_start, build_tower, phase_two
from studio.coft.selection import seed_set, seeds_per_class, without_prior
from studio.errors import FolderError
from studio.settings import Settings

TOP = 5
"""Classes per image that `Finished` reports."""


@dataclass(frozen=True)
class ZeroShotStart:
    """What every method starts from: the joint space and the zero-shot probabilities (N, C)."""

    space: Space
    probabilities: Tensor

    @classmethod
    def of(cls, backbone: Backbone, features: Tensor, class_vectors: Tensor) -> ZeroShotStart:
        """From raw features (N, d) and class vectors (C, d)."""
        if len(class_vectors) < 2:
            raise FolderError("CoFT needs at least two classes: give one more class name.")
        space = Space.of(
            image_features=features,
            class_vectors=class_vectors,
            scale=backbone.logit_scale,
            center=backbone.center,
        )
        return cls(space, space.probabilities(features, class_vectors))

    def event(self) -> ZeroShot:
        """Labels and confidences of all images."""
        confidence, labels = self.probabilities.max(-1)
        return ZeroShot(labels, confidence)


def fit(
    *,
    backbone: Backbone,
    images: Images,
    features: Tensor,
    class_vectors: Tensor,
    class_names: Sequence[str],
    settings: Settings,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[Event]:
    """Run CoFT on a set of unlabelled images.

    Args:
        backbone: the frozen CLIP model.
        images: N canvases, decoded once.
        features: (N, d) raw image features of the test view under the backbone.
        class_vectors: (C, d) class vectors of the zero-shot labels (`studio.clip.encode`).
        class_names: C names, for the learned prompts.
        settings: see `Settings`.
        stop: asked before each batch; when true, the fit ends early with what was learned.

    Yields:
        Events; the last one is `Finished`.

    Raises:
        FolderError: fewer than two classes.
    """
    start = ZeroShotStart.of(backbone, features, class_vectors)
    yield start.event()
    space = start.space.to(backbone.device)
    watched = _monitored(settings, len(images))
    probabilities = without_prior(start.probabilities, power=settings.prior_correction)
    indices, labels = yield from _seeds(probabilities, settings)
    models = build_models(backbone, class_names, space, settings)
    yield from phase_one(
        backbone=backbone,
        models=models,
        images=images,
        indices=indices,
        labels=labels,
        probabilities=probabilities,
        scale=space.scale,
        settings=settings,
        monitor=watched,
        stop=stop,
    )
    verdict = yield from judge_all(backbone, models, images, space.scale)
    clean = clean_sets(verdict.clean, verdict.labels, rule=settings.filter)
    yield _judged(verdict, clean)
    yield _phase1_checkpoint(models)
    sets = training_sets(verdict.labels, clean, data=settings.phase2_data)
    yield from _warnings(sets, len(indices), class_names)
    stage = "phase1"
    towers = [
        cosine_tower(backbone, space, model.texts()[0].detach(), adapter=model.adapter)
        for model in models
    ]
    head_input = "post_proj"
    if settings.phase2_epochs and not stop() and min(len(s[0]) for s in sets) > 0:
        stage = "phase2"
        towers = []
        for number, (chosen, own) in enumerate(sets):
            tower, head_input = build_tower(
                backbone=backbone,
                space=space,
                class_vectors=class_vectors,
                features=features[chosen],
                labels=own,
                adapter=models[number].adapter,
                settings=settings,
                generator=generator_of(settings, "head", number),
            )
            towers.append(tower)
        starts = [copy.deepcopy(tower.state_dict()) for tower in towers]
        yield from phase_two(
            backbone=backbone,
            towers=towers,
            images=images,
            data=sets,
            settings=settings,
            monitor=watched,
            clean_fraction=float(clean.float().mean()),
            stop=stop,
        )
        for tower, origin in zip(towers, starts, strict=True):
            average_with_start(tower, origin, share=settings.weight_average)
    # Asked before the last pass over the images, which is the outcome and not training any more.
    stopped = stop()
    classifier = Classifier(towers, backbone)
    probabilities = yield from _label_all(classifier, images)
    kind = "fine-tuned" if stage == "phase2" else "phase1"
    shipped = classifier if settings.inference == "ensemble" else Classifier(towers[:1], backbone)
    meta = shipped.meta(kind=kind, head_input=head_input, class_names=class_names)
    yield Checkpoint("classifier", shipped.state(), meta)
    yield finish(
        probabilities,
        verdict.clean,
        clean,
        verdict.labels,
        single=settings.inference == "single",
        stage=stage,
        stopped=stopped,
    )


def finish(
    probabilities: Tensor,
    clean_scores: Tensor,
    clean: Tensor,
    judged: Tensor,
    *,
    single: bool,
    stage: str,
    stopped: bool,
) -> Finished:
    """The outcome for all images.

    Args:
        probabilities: (2, N, C) of the final classifiers.
        clean_scores: (2, N, C) p_clean of both judges for all classes.
        clean: (2, N) bool, S_clean of both models.
        judged: (2, N) the labels that were judged.
        single: the first classifier decides alone, instead of the mean.
        stage: how far the fit came.
        stopped: whether the user stopped it.
    """
    mean = probabilities[0] if single else probabilities.mean(0)
    confidence, labels = mean.max(-1)
    top = mean.topk(min(TOP, mean.shape[1]), dim=-1)
    own = probabilities.argmax(-1)
    of_final = clean_scores.gather(2, labels.expand(2, -1)[..., None])[..., 0].float().mean(0)
    # To be trusted: the final label is one that a model gave and its peer believed.
    kept = (clean & (judged == labels)).any(0)
    return Finished(
        labels=labels,
        confidence=confidence,
        clean_probability=of_final,
        model_labels=own,
        model_clean_probability=peer_clean_probability(clean_scores, own),
        kept=kept,
        top_labels=top.indices,
        top_probabilities=top.values,
        stage=stage,
        stopped=stopped,
    )


def _monitored(settings: Settings, images: int) -> Tensor:
    order = torch.randperm(images, generator=generator_of(settings, "monitor", 0))
    return order[: settings.monitor_images].sort().values


def _seeds(
    probabilities: Tensor, settings: Settings
) -> Generator[Event, None, tuple[Tensor, Tensor]]:
    count, classes = probabilities.shape
    k = seeds_per_class(k=settings.k, images=count, classes=classes, cap=settings.k_cap)
    indices, labels = seed_set(probabilities, k=k, mode=settings.seed_selection)
    per_class = torch.bincount(labels, minlength=classes)
    yield SeedSet(indices, labels, tuple(per_class.tolist()))
    empty = int((per_class == 0).sum())
    if empty:
        yield Warned(
            f"{empty} of {classes} classes have no zero-shot image at all, so nothing can be "
            "learned about them: check their names, or use the setting seed_selection=leaderboard."
        )
    return indices, labels


def _warnings(
    sets: Sequence[tuple[Tensor, Tensor]],
    seeds: int,
    class_names: Sequence[str],
) -> Iterator[Warned]:
    present = torch.cat([labels for _, labels in sets]).unique()
    lost = [name for number, name in enumerate(class_names) if number not in set(present.tolist())]
    if lost:
        shown = ", ".join(lost[:5]) + (" ..." if len(lost) > 5 else "")
        yield Warned(
            f"No label of {len(lost)} classes was believed, so the classifier cannot name them: "
            f"{shown}"
        )
    if min(len(indices) for indices, _ in sets) < seeds:
        yield Warned(
            "Fewer labels were believed than there were seeds: the models distrust each other here."
        )


def _judged(verdict: Judgement, clean: Tensor) -> Judged:
    labels = verdict.labels
    return Judged(
        labels=labels,
        clean_probability=peer_clean_probability(verdict.clean, labels),
        own_clean_probability=own_clean_probability(verdict.clean, labels),
        clean=clean,
        confidence=verdict.probabilities.amax(-1),
    )


def _phase1_checkpoint(models: Sequence[DualPromptModel]) -> Checkpoint:
    tensors = {
        f"models.{i}.{name}": tensor.detach().cpu().clone()
        for i, model in enumerate(models)
        for name, tensor in model.state_dict().items()
    }
    return Checkpoint("phase1", tensors, {})


def _label_all(classifier: Classifier, images: Images) -> Generator[Event, None, Tensor]:
    """(2, N, C) probabilities of the towers on all images."""
    parts = []
    for begin in range(0, len(images), EVALUATION_BATCH):
        chunk = range(begin, min(begin + EVALUATION_BATCH, len(images)))
        parts.append(classifier.each(images.batch(chunk)))
        yield Progress("labelling", chunk.stop, len(images))
    return torch.cat(parts, dim=1)
