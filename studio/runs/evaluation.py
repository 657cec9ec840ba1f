"""Measuring a finished run on a folder of test images that it has never seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from studio.clip.backbone import Backbone
from studio.images.canvases import Canvases
from studio.images.folder import Folder
from studio.progress import Progress
from studio.runs.inputs import at_size, encode, zero_shot_probabilities
from studio.runs.model import label_each, load_classifier
from studio.runs.scoring import Labels
from studio.scores import accuracy, mean_known


def evaluate(
    model: Path,
    *,
    backbone: Backbone,
    folder: Folder,
    canvases: Canvases,
    truth: Labels,
    features: Tensor,
    class_vectors: Tensor,
    cache_dir: Path,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Accuracies on the test images.

    The zero-shot classifier is the one of the fit: it is centred with the fitted set's own vectors.
    The trained one is loaded from disk, as a user would.

    Args:
        model: The run's model folder.
        backbone: The run's backbone.
        folder: The test folder.
        canvases: Its n images.
        truth: (n,) true classes, -1 = unknown.
        features: (N, d) of the images that were fitted.
        class_vectors: (C, d).
        cache_dir: Where features are kept.
        progress: Told (done, total) images.
    """
    test_features = encode(backbone, folder, canvases, cache_dir)
    start = zero_shot_probabilities(
        backbone, features=features, class_vectors=class_vectors, of=test_features
    )
    classifier = load_classifier(model, device=str(backbone.device))
    shown = at_size(folder, canvases, classifier.backbone, cache_dir=cache_dir)
    each = label_each(classifier, shown, progress=progress)  # (models, n, C)
    singles = [accuracy(single.argmax(-1).numpy(), truth) for single in each]
    return {
        "zero_shot_accuracy": accuracy(start.argmax(-1).numpy(), truth),
        "accuracy": accuracy(torch.mean(each, dim=0).argmax(-1).numpy(), truth),
        "single_accuracy": mean_known(singles),
    }
