"""The whole method, as a stream of events: zero-shot, Phase I, collaboration, Phase II."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from studio.coft.classifier import Classifier, Tower, cosine_tower
from studio.coft.dual import DualPromptModel
from studio.coft.events import Checkpoint, Event, Warned
from studio.coft.finetune import fine_tune
from studio.coft.judge import clean_share, training_sets
from studio.coft.outcome import finish_all
from studio.coft.rounds import Learned, phase_one_rounds
from studio.coft.task import Task
from studio.numbers import classes_of, them

NO_START = (
    "phase2_init=phase1 changes nothing here: of a transformer Phase I learns tokens, which its "
    "weights do not hold. Phase II starts from the pre-trained weights."
)
NOTHING_TO_LEARN = (
    "Phase II was left out, and the labels are those of Phase I: the labels of a model all weigh "
    "nothing, because the other model finds none of them clean. Check the class names, or set "
    "filter=none."
)


def fit(task: Task) -> Iterator[Event]:
    """Run CoFT (paper, Sections 3.1 and 3.2): one round, no contrast. See `fit_plus`."""
    return fit_plus(task.with_settings(rounds=1, contrast_weight=0.0))


def fit_plus(task: Task) -> Iterator[Event]:
    """Run CoFT+ (paper, Section 3.3) on a set of unlabelled images.

    Of the task's settings, `rounds` and `contrast_weight` are what CoFT+ adds to CoFT.

    Yields:
        Events; the last one is `Finished`.
    """
    settings = task.settings
    if task.ranks.writer:
        yield task.start.event()
    learned = yield from phase_one_rounds(task)
    yield _phase1_checkpoint(learned.models)
    sets = training_sets(learned.labels, learned.weights, data=settings.phase2_data)
    yield from _warnings(learned, task.class_names)
    if settings.phase2_epochs and not task.stop() and all(len(own.indices) for own in sets):
        stage, kind = "phase2", "fine-tuned"
        shipped_by, images = task.student.backbone, task.student.images
        if settings.phase2_init == "phase1" and shipped_by.is_transformer:
            yield Warned(NO_START)
        towers, head_input = yield from fine_tune(
            task,
            data=sets,
            adapters=[model.adapter for model in learned.models],
            clean_fraction=clean_share(learned.clean),
        )
    else:
        if settings.phase2_epochs and not task.stop():
            yield Warned(NOTHING_TO_LEARN)
        stage, kind = "phase1", "phase1"
        shipped_by, images = task.backbone, task.images
        towers, head_input = _phase1_towers(task, learned), "post_proj"
    # Asked before the last pass over the images, which is the outcome and not training any more.
    stopped = task.stop()
    single = settings.inference == "single"
    finished = yield from finish_all(
        Classifier(towers, shipped_by), images, learned.odds.odds, learned.clean, learned.labels,
        given=task.given, single=single, stage=stage, stopped=stopped, ranks=task.ranks,
    )  # fmt: skip
    shipped = Classifier(towers[:1] if single else towers, shipped_by)
    meta = shipped.meta(kind=kind, head_input=head_input, class_names=task.class_names)
    yield Checkpoint("classifier", shipped.state(), meta)
    if finished is not None:
        yield finished


def _phase1_towers(task: Task, learned: Learned) -> list[Tower]:
    """What is shipped without a Phase II: the models' image towers under their positive texts.

    Where the first labels were kept, what the models have learned is not trusted, and both are
    CLIP as it was, under the class texts.
    """
    if learned.first_kept:
        texts = task.start.space.texts(task.class_vectors)
        return [cosine_tower(task.backbone, task.space, texts) for _ in learned.models]
    return [
        cosine_tower(task.backbone, task.space, model.texts()[0].detach(), adapter=model.adapter)
        for model in learned.models
    ]


def _warnings(learned: Learned, class_names: Sequence[str]) -> Iterator[Warned]:
    present = set(learned.labels[learned.clean].unique().tolist())
    lost = [name for number, name in enumerate(class_names) if number not in present]
    if lost:
        shown = ", ".join(lost[:5]) + (" ..." if len(lost) > 5 else "")
        yield Warned(
            f"{classes_of(len(lost), len(class_names))} no clean label, so the classifier will "
            f"hardly ever choose {them(len(lost))}: {shown}"
        )
    if int(learned.clean.sum(1).min()) < learned.seeds:
        yield Warned(
            "There are fewer clean labels than seeds: the two models reject most of each other's "
            "labels."
        )


def _phase1_checkpoint(models: Sequence[DualPromptModel]) -> Checkpoint:
    tensors = {
        f"models.{i}.{name}": tensor.detach().cpu().clone()
        for i, model in enumerate(models)
        for name, tensor in model.state_dict().items()
    }
    return Checkpoint("phase1", tensors, {})
