"""What a run says about its images, as plain numpy arrays."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from studio.runs.given import Correction

ANSWERED = "answers"
"""The stage of labels that follow a person's answers, without training."""
TOGETHER = "together"
"""The way of labelling all images together, before anything is trained and without answers."""

LIKELY = 9
"""Other classes that an image may show, at most: as many as there are digits to pick them by."""


def better_judged(clean: NDArray[np.bool_], probability: NDArray[np.floating]) -> NDArray[np.int64]:
    """(N,) which of two models' labels stands before there is a classifier: 0 or 1.

    The clean one, else the one that the other model judges better: an image is clean when one of
    its labels is. clean, probability: (2, N), of each model's label under the other one.
    """
    first, second = clean
    better = (second > first) | ((second == first) & (probability[1] > probability[0]))
    return np.asarray(better, np.int64)


@dataclass(frozen=True)
class Outcome:
    """What a run says about its N images.

    paths: relative, in the order of the arrays; class_names: C names; labels: (N,) final labels;
    confidence: (N,) probability of the final label; clean_probability: (N,) of the final label;
    clean: (N,) bool, False = noisy; model_labels: (2, N) and model_clean_probability: (2, N),
    each model's label and the other model's judgement of it; top_labels, top_probabilities: (N, k),
    k may be 0; truth: (N,) with -1 = unknown, or None; stage: how far the run came; combined: (N,)
    the score of `scores.cleanliness.combined`, or None; strangers: (N,) that of `scores.strangers`,
    how far an image seems to be of none of the classes, or None; by_combined: what `cleanliness`
    is;
    corrections: by path, what people and a judge said about images, which all of the above leave
    out.
    """

    paths: tuple[str, ...]
    class_names: tuple[str, ...]
    labels: NDArray[np.int64]
    confidence: NDArray[np.float32]
    clean_probability: NDArray[np.float32]
    clean: NDArray[np.bool_]
    model_labels: NDArray[np.int64]
    model_clean_probability: NDArray[np.float32]
    top_labels: NDArray[np.int64]
    top_probabilities: NDArray[np.float32]
    truth: NDArray[np.int64] | None = None
    stage: str = ""
    combined: NDArray[np.float32] | None = None
    strangers: NDArray[np.float32] | None = None
    by_combined: bool = False
    corrections: Mapping[str, Correction] = field(default_factory=dict)

    @property
    def clean_share(self) -> float:
        """The share of clean labels, as everything shows it; 0 without images."""
        return float(self.clean.mean()) if len(self) else 0.0

    def right_share(self, chosen: NDArray[np.bool_] | None = None) -> float | None:
        """The share of right labels where the truth is known; None where it never is.

        chosen: (N,) of these images only; None = all.
        """
        if self.truth is None:
            return None
        of = self.truth >= 0 if chosen is None else chosen & (self.truth >= 0)
        return float((self.labels[of] == self.truth[of]).mean()) if of.any() else None

    @property
    def cleanliness(self) -> NDArray[np.float32]:
        """(N,) in [0, 1], what images are sorted by: the clean probability, or the combined score
        where that is wanted and known.
        """
        if self.by_combined and self.combined is not None:
            return self.combined
        return self.clean_probability

    def least_clean_first(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """Indices of images by their cleanliness; ties stay in their order."""
        return indices[np.argsort(self.cleanliness[indices], kind="stable")]

    def doubtful(self) -> list[int]:
        """Indices of the images that no person has corrected, the label least likely to be right
        first: by the combined score, or by the clean probability where there is none.
        """
        score = self.clean_probability if self.combined is None else self.combined
        order = np.argsort(score, kind="stable").tolist()
        said = (self.corrections.get(self.paths[i]) for i in order)
        return [i for i, one in zip(order, said, strict=True) if one is None or not one.by_person]

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def judged(self) -> bool:
        """Whether a peer has judged the labels; else their confidence is all there is."""
        return self.stage not in ("zero-shot", TOGETHER, ANSWERED)

    @property
    def disagree(self) -> NDArray[np.bool_]:
        """(N,) whether the two models give different labels."""
        return np.asarray(self.model_labels[0] != self.model_labels[1])

    @property
    def final_labels(self) -> NDArray[np.int64]:
        """(N,) labels with the corrections applied: a person's label stands, a judge's is evidence
        that the next run weighs.
        """
        return self._corrected[0]

    @property
    def final_clean(self) -> NDArray[np.bool_]:
        """(N,) clean with the corrections applied: a person's label is, a rejected image is not."""
        return self._corrected[1]

    @cached_property
    def digest(self) -> str:
        """Changes with the labels and what is known of them; made once, of tens of megabytes."""
        digest = hashlib.sha1(usedforsecurity=False)
        arrays = (self.labels, self.clean_probability, self.combined, self.strangers, self.clean)
        for array in (*arrays, self.truth):
            digest.update(b"-" if array is None else np.ascontiguousarray(array).data)
        return digest.hexdigest()

    @cached_property
    def _corrected(self) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        if not self.corrections:
            return self.labels, self.clean
        labels, clean = self.labels.copy(), self.clean.copy()
        number = {name: label for label, name in enumerate(self.class_names)}
        for index, path in enumerate(self.paths):
            correction = self.corrections.get(path)
            if correction is not None and correction.by_person:
                labels[index] = number.get(correction.label, labels[index])
                clean[index] = correction.verdict != "rejected"
        return labels, clean

    def name(self, label: int) -> str:
        """A class name; `unknown` for -1 and whatever else has none."""
        return self.class_names[label] if 0 <= label < len(self.class_names) else "unknown"


def likely(outcome: Outcome, index: int, stages: Sequence[Outcome] = ()) -> list[int]:
    """At most LIKELY other classes that the image may show, the likeliest first: the models' own
    labels, the best classes, those of other stages, and of few classes the rest.
    """
    label, names = int(outcome.labels[index]), outcome.class_names
    found = [*outcome.model_labels[:, index].tolist()]
    for stage in (outcome, *stages):
        found += [*stage.top_labels[index].tolist(), int(stage.labels[index])]
    if len(names) <= 2 * LIKELY:
        found += range(len(names))
    return [c for c in dict.fromkeys(found) if 0 <= c < len(names) and c != label][:LIKELY]


def fingerprint(stages: Mapping[str, Outcome], *, of: object) -> str:
    """Changes with the labels of any stage, and with what they are labels of."""
    digest = hashlib.sha1(repr(of).encode(), usedforsecurity=False)
    for name, outcome in stages.items():
        digest.update(repr((name, outcome.class_names, outcome.digest)).encode())
    return digest.hexdigest()
