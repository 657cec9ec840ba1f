"""What a run says of its labels without knowing a true one: how many are right, and which."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from studio.coft.events import Finished, Judged
from studio.runs.inputs import zero_shot_probabilities
from studio.scores.cleanliness import combined, neighbour_share
from studio.scores.estimate import Estimate, estimate_clean, estimate_run, estimate_zero_shot

if TYPE_CHECKING:
    from torch import Tensor

    from studio.clip.backbone import Backbone
    from studio.coft.events import Event
    from studio.runs.report import Report


class RunEstimates:
    """Writes records of kind "estimate", before and after, and one of kind "combined".

    The latter holds a score of each final label that ranks better than p_clean does, see
    `scores.cleanliness.combined`; methods without Phase I have none.

    judged: the last judgement so far; before, after, clean: the estimates before training, of the
    labels that the run ended with, and of those that are clean; None until `finish`.
    """

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
        self._features, self._center = features, backbone.center
        self.judged: Judged | None = None
        self.before = estimate_zero_shot(probabilities, z=z)
        self.after: Estimate | None = None
        self.clean: Estimate | None = None
        self._write("zero-shot", self.before)

    @cached_property
    def features(self) -> NDArray[np.float32]:
        """(N, d) whose cosines compare images; made when the training is over."""
        # Centred where the model asks for it, as in `clip.space`; lengths do not matter here.
        features = self._features - self._features.mean(0) if self._center else self._features
        return np.asarray(features.numpy())

    def take(self, event: Event) -> None:
        """To be called with every event of the fit."""
        if isinstance(event, Judged):
            self.judged = event

    def finish(self, finished: Finished, given: NDArray[np.int64] | None) -> None:
        """Make the estimates of the labels that the run ended with.

        given: (N,), labels from 0 on that a person gave, or None.
        """
        labels, scores = finished.labels, None
        if self.judged is not None:
            scores = self._combined(finished, self.judged)
            self._report.write("combined", {}, {"score": scores})
        self.after = estimate_run(
            before=self.before,
            zero_shot_labels=self._labels,
            labels=labels.numpy(),
            scores=None if scores is None else scores.numpy(),
            given=None if given is None else given >= 0,
        )
        self._write("finished", self.after)
        if scores is not None:
            self.clean = estimate_clean(
                before=self.before,
                scores=scores.numpy(),
                clean=finished.clean.numpy(),
                given=None if given is None else given >= 0,
            )
        if self.clean is not None:
            self._write("clean", self.clean)

    def _combined(self, finished: Finished, judged: Judged) -> Tensor:
        import torch

        score = combined(
            confidence=finished.confidence.numpy(),
            neighbours=neighbour_share(self.features, finished.labels.numpy()),
            phase1_confidence=judged.confidence.numpy(),
        )
        return torch.from_numpy(score).float()

    def _write(self, stage: str, found: Estimate) -> None:
        values: dict[str, Any] = {"stage": stage, **found.to_dict()}
        self._report.write("estimate", values)
