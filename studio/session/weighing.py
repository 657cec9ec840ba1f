"""What a person's answers say about all images of a set, and which image to ask about next.

Answers count as they do when a run begins: the images are labelled together, answered ones keep
what was said of them, and images alike follow (`coft.start.first_scores`). Nothing is trained.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from studio.runs.given import Correction, Given, given_vector, usable
from studio.runs.outcome import ANSWERED, LIKELY, Outcome
from studio.runs.outcome_of import zero_shot_outcome
from studio.runs.question import Followed, Question

ASKED_AMONG = 100_000
"""Images that are asked among and whose labels follow: of more, so many are drawn. To compare a
million with one another takes an hour and tens of gigabytes."""


class Weighs(Protocol):
    """What weighs answers about M images and C classes. Made once for a set."""

    @property
    def first(self) -> NDArray[np.int64]:
        """(M,) labels that no answer has touched."""
        ...

    def follow(self, said: Given) -> Followed:
        """The labels that follow; said: of the M images."""
        ...

    def choose(
        self, followed: Followed, said: Given, *, most: int, without: Collection[int]
    ) -> Sequence[Question]:
        """The images to ask about, the one whose answer is worth most first; none of `without`,
        and none that a person has answered.
        """
        ...


@dataclass(frozen=True)
class Subject:
    """A set of images with what weighs answers about them.

    rows: (M,) which of the N images have features, ascending; paths: of these M; class_names: C.
    """

    rows: NDArray[np.int64]
    paths: tuple[str, ...]
    class_names: tuple[str, ...]
    weighs: Weighs

    def place(self, image: int) -> int | None:
        """Where one of the N images is among the M; None where it is not."""
        at = int(np.searchsorted(self.rows, image))
        return at if at < len(self.rows) and self.rows[at] == image else None

    def said(self, corrections: Mapping[str, Correction]) -> Given:
        """The answers about these images, as far as they are to one of the names."""
        found = usable(corrections, paths=self.paths, class_names=self.class_names)
        return given_vector(found, paths=self.paths, class_names=self.class_names, what="answers")

    def outcome(self, before: Outcome, followed: Followed) -> Outcome:
        """All N images with the labels that follow; those without features keep theirs."""
        found, rows = followed.probabilities, self.rows
        labels, confidence = before.labels.copy(), before.confidence.astype(np.float32)
        labels[rows], confidence[rows] = found.argmax(1), followed.confidence
        best = np.argsort(-found, axis=1, kind="stable")[:, :LIKELY]
        top_labels = np.full((len(before), best.shape[1]), -1, np.int64)
        top_probabilities = np.zeros(top_labels.shape, np.float32)
        top_labels[rows] = best
        likely = np.take_along_axis(found, best, 1)
        # The label as likely as it is right; the others share the rest, and none is ahead of it.
        rest = (1 - followed.confidence) / np.maximum(1 - likely[:, 0], np.finfo(np.float32).tiny)
        likely[:, 1:] = np.minimum(likely[:, 1:] * rest[:, None], followed.confidence[:, None])
        likely[:, 0] = followed.confidence
        top_probabilities[rows] = likely
        made = zero_shot_outcome(
            paths=before.paths, class_names=self.class_names, labels=labels, confidence=confidence
        )
        return replace(
            made, stage=ANSWERED, truth=before.truth, strangers=before.strangers,
            top_labels=top_labels, top_probabilities=top_probabilities,
            corrections=before.corrections,
        )  # fmt: skip
