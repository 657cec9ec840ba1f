"""The whole method, as a stream of events: zero-shot, Phase I, collaboration, Phase II."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence

from torch import Tensor

from studio.clip.backbone import Backbone
from studio.clip.encode import Images
from studio.coft.classifier import Classifier
from studio.coft.cosine import cosine_tower
from studio.coft.dual import DualPromptModel
from studio.coft.events import Checkpoint, Event, Warned
from studio.coft.finetune import fine_tune
from studio.coft.given import REJECTED, checked
from studio.coft.judge import training_sets
from studio.coft.outcome import finish, label_all
from studio.coft.rounds import Learned, phase_one_rounds
from studio.coft.start import ZeroShotStart, watched
from studio.coft.student import Student
from studio.settings import Settings


def fit(
    *,
    backbone: Backbone,
    images: Images,
    features: Tensor,
    class_vectors: Tensor,
    class_names: Sequence[str],
    settings: Settings,
    given: Tensor | None = None,
    claims: Tensor | None = None,
    student: Student | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[Event]:
    """Run CoFT (paper, Sections 3.1 and 3.2): one round, no contrast. See `fit_plus`."""
    return fit_plus(
        backbone=backbone,
        images=images,
        features=features,
        class_vectors=class_vectors,
        class_names=class_names,
        settings=dataclasses.replace(settings, rounds=1, contrast_weight=0.0),
        given=given,
        claims=claims,
        student=student,
        stop=stop,
    )


def fit_plus(
    *,
    backbone: Backbone,
    images: Images,
    features: Tensor,
    class_vectors: Tensor,
    class_names: Sequence[str],
    settings: Settings,
    given: Tensor | None = None,
    claims: Tensor | None = None,
    student: Student | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[Event]:
    """Run CoFT+ (paper, Section 3.3) on a set of unlabelled images.

    Args:
        backbone: the frozen CLIP model.
        images: N canvases, decoded once.
        features: (N, d) raw image features of the test view under the backbone.
        class_vectors: (C, d) class vectors of the zero-shot labels (`studio.clip.encode`).
        class_names: C names, for the learned prompts.
        settings: see `Settings`; `rounds` and `contrast_weight` are what CoFT+ adds to CoFT.
        given: (N,) labels that a person gave, see `studio.coft.given`; None: none.
        claims: (N,) labels that may be wrong, see `studio.coft.claims`; -1 and None: none.
        student: what Phase II fine-tunes and the fit ships, on the same images; None: the backbone.
        stop: asked before each batch; when true, the fit ends early with what was learned.

    Yields:
        Events; the last one is `Finished`.

    Raises:
        FolderError: fewer than two classes.
    """
    start = ZeroShotStart.of(backbone, features, class_vectors)
    yield start.event()
    space = start.space.to(backbone.device)
    monitor = watched(settings, len(images))
    told = checked(given, images=len(images), classes=len(class_names))
    learned = yield from phase_one_rounds(
        backbone=backbone,
        class_names=class_names,
        images=images,
        start=start,
        space=space,
        given=told,
        claims=checked(claims, images=len(images), classes=len(class_names)),
        settings=settings,
        monitor=monitor,
        stop=stop,
    )
    yield _phase1_checkpoint(learned.models)
    sets = training_sets(learned.labels, learned.weights, data=settings.phase2_data)
    yield from _warnings(learned, class_names)
    stage, seen, shown = "phase1", backbone, images
    towers = [
        cosine_tower(backbone, space, model.texts()[0].detach(), adapter=model.adapter)
        for model in learned.models
    ]
    head_input = "post_proj"
    if settings.phase2_epochs and not stop() and all(len(s.indices) for s in sets):
        student = student or Student(backbone, images, features, class_vectors)
        stage, seen, shown = "phase2", student.backbone, student.images
        towers, head_input = yield from fine_tune(
            student=student,
            data=sets,
            adapters=[model.adapter for model in learned.models],
            pool=(told != REJECTED).nonzero()[:, 0],
            settings=settings,
            monitor=monitor,
            clean_fraction=float(learned.clean.float().mean()),
            stop=stop,
        )
    # Asked before the last pass over the images, which is the outcome and not training any more.
    stopped = stop()
    classifier = Classifier(towers, seen)
    probabilities = yield from label_all(classifier, shown)
    kind = "fine-tuned" if stage == "phase2" else "phase1"
    shipped = classifier if settings.inference == "ensemble" else Classifier(towers[:1], seen)
    meta = shipped.meta(kind=kind, head_input=head_input, class_names=class_names)
    yield Checkpoint("classifier", shipped.state(), meta)
    yield finish(
        probabilities,
        learned.scores,
        learned.clean,
        learned.labels,
        given=told,
        single=settings.inference == "single",
        stage=stage,
        stopped=stopped,
    )


def _warnings(
    learned: Learned,
    class_names: Sequence[str],
) -> Iterator[Warned]:
    present = learned.labels[learned.clean].unique()
    lost = [name for number, name in enumerate(class_names) if number not in set(present.tolist())]
    if lost:
        shown = ", ".join(lost[:5]) + (" ..." if len(lost) > 5 else "")
        yield Warned(
            f"No label of {len(lost)} classes was believed, so the classifier will hardly name "
            f"them: {shown}"
        )
    if int(learned.clean.sum(1).min()) < learned.seeds:
        yield Warned(
            "Fewer labels were believed than there were seeds: the models distrust each other here."
        )


def _phase1_checkpoint(models: Sequence[DualPromptModel]) -> Checkpoint:
    tensors = {
        f"models.{i}.{name}": tensor.detach().cpu().clone()
        for i, model in enumerate(models)
        for name, tensor in model.state_dict().items()
    }
    return Checkpoint("phase1", tensors, {})
