"""What a run says about its images, made of the events that say it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from studio.runs.outcome import Outcome, better_judged

if TYPE_CHECKING:
    from studio.coft.events import Finished, Judged, ZeroShot


def zero_shot_outcome(
    *,
    paths: tuple[str, ...],
    class_names: tuple[str, ...],
    labels: NDArray[np.int64],
    confidence: NDArray[np.float32],
) -> Outcome:
    """Labels before any training as an outcome; see `RunReader.outcomes` for what that means.

    labels: (N,); confidence: (N,) in [0, 1].
    """
    return Outcome(
        paths=paths,
        class_names=class_names,
        labels=labels,
        confidence=confidence,
        clean_probability=confidence,
        clean=confidence > 0.5,
        model_labels=np.stack([labels, labels]),
        model_clean_probability=np.stack([confidence, confidence]),
        top_labels=np.zeros((len(labels), 0), np.int64),
        top_probabilities=np.zeros((len(labels), 0), np.float32),
        stage="zero-shot",
    )


def _from_zero_shot(event: ZeroShot, paths: tuple[str, ...], names: tuple[str, ...]) -> Outcome:
    return zero_shot_outcome(
        paths=paths,
        class_names=names,
        labels=event.labels.numpy(),
        confidence=event.confidence.numpy(),
    )


def _from_judged(event: Judged, paths: tuple[str, ...], names: tuple[str, ...]) -> Outcome:
    labels, clean = event.labels.numpy(), event.clean.numpy().astype(bool)
    probability = event.clean_probability.numpy()
    chosen, rows = better_judged(clean, probability), np.arange(labels.shape[1])
    return Outcome(
        paths=paths,
        class_names=names,
        labels=labels[chosen, rows],
        confidence=event.confidence.numpy()[chosen, rows],
        clean_probability=probability[chosen, rows],
        clean=clean[chosen, rows],
        model_labels=labels,
        model_clean_probability=probability,
        top_labels=np.zeros((len(rows), 0), np.int64),
        top_probabilities=np.zeros((len(rows), 0), np.float32),
        stage="phase1",
    )


def _from_finished(event: Finished, paths: tuple[str, ...], names: tuple[str, ...]) -> Outcome:
    return Outcome(
        paths=paths,
        class_names=names,
        labels=event.labels.numpy(),
        confidence=event.confidence.numpy(),
        clean_probability=event.clean_probability.numpy(),
        clean=event.clean.numpy().astype(bool),
        model_labels=event.model_labels.numpy(),
        model_clean_probability=event.model_clean_probability.numpy(),
        top_labels=event.top_labels.numpy(),
        top_probabilities=event.top_probabilities.numpy(),
        stage=event.stage,
    )


BUILD: dict[str, Any] = {
    "zero_shot": _from_zero_shot,
    "judged": _from_judged,
    "finished": _from_finished,
}
"""What makes an outcome of an event, by its kind."""
