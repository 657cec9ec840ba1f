"""What a run says of its labels without knowing a true one: how many are right, and which."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from studio.clip.space import ZeroShotRows
from studio.coft.events import Finished, Judged, Monitor
from studio.coft.given import REJECTED
from studio.scores.cleanliness import combined, neighbour_share
from studio.scores.estimate import Estimate, Evidence, estimate_clean, estimate_run

if TYPE_CHECKING:
    from torch import Tensor

    from studio.ask.confidence import Following
    from studio.clip.backbone import Backbone
    from studio.coft.events import Event
    from studio.runs.report import Report
    from studio.scores.knowledge import Knowledge


class RunEstimates:
    """Writes records of kind "estimate", from before training on, and one of kind "combined".

    The latter holds a score of each final label that ranks better than p_clean does, see
    `scores.cleanliness.combined`; methods without Phase I have none. While a run trains, the labels
    of the monitored sample are estimated after each epoch ("monitor"), and all labels after each
    round of Phase I ("judged"): the mean of both models, as their accuracy is.

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
        known: Knowledge,
        given: NDArray[np.int64] | None,
        following: Following | None = None,
        candidates: NDArray[np.int64] | None = None,
    ) -> None:
        """Begin with the estimate before training.

        Args:
            report: what the records are written with.
            backbone: the run's model.
            features: (N, d) raw.
            class_vectors: (C, d).
            known: of the same.
            given: (N,), labels from 0 on that a person gave, `REJECTED` for images that are left
                out, or None.
            following: the labels that follow the run's answers; with enough of them the estimates
                of what comes later are read from these.
            candidates: (N, K) images that are most alike, or None.
        """
        self._probabilities = ZeroShotRows.of(  # a table would be held as long as the run lasts
            features=features, class_vectors=class_vectors, scale=backbone.logit_scale,
            center=backbone.center,
        )  # fmt: skip
        self._report = report
        self._given = None if given is None else given >= 0
        self._usable = None if given is None else given != REJECTED
        self._following = following
        self._features, self._center = features, backbone.center
        self._candidates = candidates
        found = known.indicators
        self.evidence = Evidence.of(
            self._probabilities,
            z=found.get("z"),
            near=found.get("near"),
            agreement=found.get("agreement"),
        )
        self.judged: Judged | None = None
        self.before = self.evidence.estimate()
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
            self._write("judged", self._of_both(event.labels.numpy()))
        elif isinstance(event, Monitor) and len(event.indices):
            rows = event.indices.numpy()
            place = {"phase": event.phase, "epoch": event.epoch}
            self._write("monitor", self._of_both(event.labels.numpy(), rows), **place)

    def finish(self, finished: Finished) -> None:
        """Make the estimates of the labels that the run ended with."""
        scores = None
        if self.judged is not None:
            scores = self._combined(finished, self.judged)
            self._report.write("combined", {}, {"score": scores})
        self.after = self._of(finished.labels.numpy())
        self._write("finished", self.after)
        if scores is not None:
            self.clean = estimate_clean(
                after=self.after,
                scores=scores.numpy(),
                clean=finished.clean.numpy(),
                given=self._given,
            )
        if self.clean is not None:
            self._write("clean", self.clean)

    def _of(
        self, labels: NDArray[np.int64], rows: NDArray[np.int64] | slice = slice(None)
    ) -> Estimate:
        """Of labels of the images `rows`."""
        if self._following is not None:
            found = self._following.estimate_after(labels, rows)
            if found is not None:
                return replace(found, z=self.before.z)
        of_all = self._probabilities
        return estimate_run(
            evidence=self.evidence,
            probabilities=of_all if isinstance(rows, slice) else of_all[rows],
            labels=labels,
            given=None if self._given is None else self._given[rows],
        )

    def _of_both(
        self, labels: NDArray[np.int64], rows: NDArray[np.int64] | slice = slice(None)
    ) -> Estimate:
        """The mean of both models' labels (2, n)."""
        each = [self._of(own, rows) for own in labels]
        middle, low, high = (
            float(np.mean([getattr(found, part) for found in each]))
            for part in ("accuracy", "low", "high")
        )
        return Estimate(middle, low, high, self.before.z, each[0].source)

    def _combined(self, finished: Finished, judged: Judged) -> Tensor:
        import torch

        score = combined(
            confidence=finished.confidence.numpy(),
            neighbours=neighbour_share(
                self.features,
                finished.labels.numpy(),
                candidates=self._candidates,
                usable=self._usable,
            ),
            phase1_confidence=judged.confidence.numpy(),
        )
        return torch.from_numpy(score).float()

    def _write(self, stage: str, found: Estimate, **place: int) -> None:
        values: dict[str, Any] = {"stage": stage, **place, **found.to_dict()}
        self._report.write("estimate", values)
