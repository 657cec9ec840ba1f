"""The only place where true labels meet a run: they are compared with what the run says.

Nothing here goes back to the fit, which is called without knowing that there is any truth.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from studio.runs.outcome import better_judged
from studio.runs.records import kind_of
from studio.scores import (
    accuracy,
    auroc,
    belief_precision,
    clean_fraction,
    clean_precision,
    clustering_accuracy,
    mean_known,
)

if TYPE_CHECKING:
    from torch import Tensor

Labels = npt.NDArray[np.int64]


class Scorer:
    """Scores events of a fit, and remembers what the result of the run needs.

    Attributes:
        scores: The last score of each stage ("zero-shot", "judged", "finished", ...).
    """

    def __init__(self, truth: Labels | None) -> None:
        """truth: (N,) true classes, -1 = unknown; None when nothing is known."""
        self._truth = truth
        self.scores: dict[str, dict[str, Any]] = {}

    def score(self, event: Any) -> dict[str, Any] | None:
        """The event's score as a record, or None for an event that has none.

        Shares in [0, 1]; None where the truth is not known.
        """
        kind = kind_of(event)
        score: dict[str, Any]
        if kind == "zero_shot":
            score = {"stage": "zero-shot", "accuracy": self._accuracy(event.labels)}
        elif kind == "seed_set":
            score = {
                "stage": "seed",
                "round": event.round_number,
                "model": event.model,
                "accuracy": self._accuracy(event.labels, event.indices),
            }
        elif kind == "monitor":
            score = self._monitor(event)
        elif kind == "judged":
            score = self._judged(event)
        elif kind == "finished":
            score = self._finished(event)
        else:
            return None
        self.scores[score["stage"]] = score
        return score

    def _monitor(self, event: Any) -> dict[str, Any]:
        each = [self._accuracy(labels, event.indices) for labels in event.labels]
        return {
            "stage": "monitor",
            "phase": event.phase,
            "epoch": event.epoch,
            "epochs": event.epochs,
            "accuracy": mean_known(each),
            "accuracies": each,
            "clean_fraction": event.clean_fraction,
            "agreement": event.agreement,
        }

    def _judged(self, event: Any) -> dict[str, Any]:
        each = [self._accuracy(labels) for labels in event.labels]
        clean = event.clean.numpy()
        chosen = better_judged(clean, event.clean_probability.float().numpy())
        labels = event.labels.numpy()[chosen, np.arange(len(chosen))]
        judged = list(zip(event.clean_probability, event.labels, strict=True))
        return {
            "stage": "judged",
            "round": event.round_number,
            "accuracy": mean_known(each),
            "accuracies": each,
            "clean_fraction": clean_fraction(clean.any(0)),
            "clean_precision": clean_precision(labels, clean.any(0), self._truth),
            "belief_precision": mean_known([self._belief(p, labels) for p, labels in judged]),
            "clean_auroc": mean_known([self._ranking(p, labels) for p, labels in judged]),
            "agreement": float((event.labels[0] == event.labels[1]).float().mean()),
        }

    def _finished(self, event: Any) -> dict[str, Any]:
        each = [self._accuracy(labels) for labels in event.model_labels]
        return {
            "stage": "finished",
            "accuracy": self._accuracy(event.labels),
            "clustering_accuracy": clustering_accuracy(event.labels.numpy(), self._truth),
            "accuracies": each,
            "single_accuracy": mean_known(each),
            "clean_fraction": clean_fraction(event.clean.numpy()),
            "clean_precision": clean_precision(
                event.labels.numpy(), event.clean.numpy(), self._truth
            ),
            "clean_auroc": self._ranking(event.clean_probability, event.labels),
            "agreement": float((event.model_labels[0] == event.model_labels[1]).float().mean()),
        }

    def _ranking(self, clean_probability: Tensor, labels: Tensor) -> float | None:
        """Area under the ROC curve: does the clean probability rank right labels first?"""
        return auroc(clean_probability.float().numpy(), labels.numpy(), self._truth)

    def _belief(self, clean_probability: Tensor, labels: Tensor) -> float | None:
        """Share of all belief that lies on right labels."""
        return belief_precision(labels.numpy(), clean_probability.float().numpy(), self._truth)

    def _accuracy(self, labels: Tensor, indices: Tensor | None = None) -> float | None:
        truth = self._truth
        if truth is not None and indices is not None:
            truth = truth[indices.numpy()]
        return accuracy(labels.numpy(), truth)
