"""Zero-shot CLIP: the labels that CoFT starts from, with nothing learned (paper, Eq. 1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from studio.clip.backbone import Backbone
from studio.clip.encode import Images
from studio.coft.classifier import Classifier
from studio.coft.cosine import cosine_tower
from studio.coft.events import Checkpoint, Event, Finished
from studio.coft.given import REJECTED, checked
from studio.coft.outcome import TOP
from studio.coft.start import ZeroShotStart
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
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[Event]:
    """Label the images by their nearest class text; arguments as in `coft.fit`.

    There is no second model and no judge here: both models' labels are the same, and the clean
    probability is the class probability itself; kept means above one half.
    """
    del images, settings, stop
    start = ZeroShotStart.of(backbone, features, class_vectors)
    event = start.event()
    yield event
    tower = cosine_tower(
        backbone, start.space.to(backbone.device), start.space.texts(class_vectors)
    )
    classifier = Classifier([tower], backbone)
    yield Checkpoint(
        "classifier",
        classifier.state(),
        classifier.meta(kind="zero-shot", head_input="post_proj", class_names=class_names),
    )
    told = checked(given, images=len(features), classes=len(class_names))
    labels = torch.where(told >= 0, told, event.labels)
    confidence = start.probabilities.gather(1, labels[:, None])[:, 0]
    top = start.probabilities.topk(min(TOP, len(class_names)), dim=-1)
    yield Finished(
        labels=labels,
        confidence=confidence,
        clean_probability=confidence,
        model_labels=labels.expand(2, -1).clone(),
        model_clean_probability=confidence.expand(2, -1).clone(),
        kept=((confidence > 0.5) | (told >= 0)) & (told != REJECTED),
        top_labels=top.indices,
        top_probabilities=top.values,
        stage="zero-shot",
        stopped=False,
    )
