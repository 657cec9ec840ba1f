"""Zero-shot labels of the images at hand, before anything is trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from studio.folder import Folder
from studio.ui import heavy

if TYPE_CHECKING:
    from studio.pixels import Canvases


@dataclass(frozen=True)
class Preview:
    """What a model says about N images that it was never trained on.

    labels: (N,); confidence: (N,) in [0, 1]; accuracy: in [0, 1], None when the truth is unknown;
    verdict, level: whether the labels can be any good, see `scores.knowledge`; "" when not judged.
    """

    class_names: tuple[str, ...]
    model: str
    labels: NDArray[np.int64]
    confidence: NDArray[np.float32]
    verdict: str
    level: str
    accuracy: float | None

    def counts(self) -> list[int]:
        """Images per class."""
        return [int(n) for n in np.bincount(self.labels, minlength=len(self.class_names))]

    def best(self, label: int, number: int) -> list[int]:
        """The most confident images of a class, at most `number`."""
        mine = np.flatnonzero(self.labels == label)
        return [int(i) for i in mine[np.argsort(-self.confidence[mine], kind="stable")][:number]]


def label_images(
    *,
    folder: Folder,
    canvases: Canvases,
    class_names: Sequence[str],
    model: str,
    cache_dir: Path,
    report: Callable[[str, int, int], None],
    stop: Callable[[], bool],
    truth: NDArray[np.int64] | None,
) -> Preview:
    """Label all images zero-shot, exactly as a run would start.

    Args:
        folder: the folder.
        canvases: its images.
        class_names: the C names.
        model: a preset or a local checkpoint.
        cache_dir: where features are kept.
        report: told (what is being done, done, total).
        stop: asked now and then.
        truth: (N,) with -1 = unknown, or None; for the accuracy only.

    Raises:
        StudioError: the model cannot be loaded.
    """
    report("Loading the model", 0, 0)
    heavy.load()
    from studio.clip.backbone import load_backbone
    from studio.clip.encode import class_vectors
    from studio.pixels import prepare
    from studio.runs.inputs import encode, knowledge, templates_of, zero_shot_probabilities
    from studio.scores import accuracy
    from studio.settings import Settings

    backbone = load_backbone(model)
    if backbone.image_size > canvases.size:
        folder, canvases = prepare(
            folder.root,
            cache_dir=cache_dir,
            size=backbone.image_size,
            stop=stop,
            progress=lambda done, total: report("Reading the images for this model", done, total),
        )
    features = encode(
        backbone,
        folder,
        canvases,
        cache_dir,
        progress=lambda done, total: report("Looking at the images", done, total),
        stop=stop,
    )
    report("Labelling", 0, 0)
    templates = templates_of(Settings(), backbone)
    vectors = class_vectors(backbone, list(class_names), templates)
    probabilities = zero_shot_probabilities(
        backbone, features=features, class_vectors=vectors, of=features
    )
    confidence, labels = probabilities.max(-1)
    told = knowledge(
        backbone,
        features=features,
        class_vectors=vectors,
        class_names=class_names,
        templates=templates,
        cache_dir=cache_dir,
    )
    return Preview(
        class_names=tuple(class_names),
        model=model,
        labels=labels.numpy(),
        confidence=confidence.numpy(),
        verdict=told.sentence,
        level=told.level,
        accuracy=None if truth is None else accuracy(labels.numpy(), truth),
    )
