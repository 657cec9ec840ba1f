"""What a run says of its own accuracy without knowing any true label."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from studio.runs.inputs import zero_shot_probabilities
from studio.scores.estimate import Estimate, estimate_run, estimate_zero_shot

if TYPE_CHECKING:
    from torch import Tensor

    from studio.clip.backbone import Backbone
    from studio.runs.report import Report


class RunEstimates:
    """Estimates before and after, written to the run as records of kind "estimate"."""

    def __init__(
        self,
        report: Report,
        *,
        backbone: Backbone,
        features: Tensor,
        class_vectors: Tensor,
        z: float | None,
    ) -> None:
        """features: (N, d) raw; class_vectors: (C, d); z: of `scores.knowledge`, None = unknown."""
        probabilities = zero_shot_probabilities(
            backbone, features=features, class_vectors=class_vectors, of=features
        ).numpy()
        self._report = report
        self._labels = probabilities.argmax(axis=1)
        self.before = estimate_zero_shot(probabilities, z=z)
        self._write("zero-shot", self.before)

    def result(self, labels: Tensor, given: NDArray[np.int64] | None) -> dict[str, float]:
        """What the result of the run says; estimates of the images that were fitted.

        labels: (N,) of the finished run; given: (N,), labels from 0 on that a person gave, or None.
        """
        after = estimate_run(
            before=self.before,
            zero_shot_labels=self._labels,
            labels=labels.numpy(),
            given=None if given is None else given >= 0,
        )
        self._write("finished", after)
        found: dict[str, float] = {}
        for name, one in (("zero_shot_accuracy", self.before), ("accuracy", after)):
            found[f"estimated_{name}"] = one.accuracy
            found[f"estimated_{name}_low"] = one.low
            found[f"estimated_{name}_high"] = one.high
        return found

    def _write(self, stage: str, found: Estimate) -> None:
        values: dict[str, Any] = {"stage": stage, **found.to_dict()}
        self._report.write("estimate", values)
