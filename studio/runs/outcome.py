"""What a run says about its images, as plain numpy arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Outcome:
    """What a run says about its N images.

    paths: relative, in the order of the arrays; class_names: C names; labels: (N,) final labels;
    confidence: (N,) probability of the final label; clean_probability: (N,) of the final label;
    clean: (N,) bool, False = noisy; model_labels: (2, N) and model_clean_probability: (2, N),
    each model's label and the other model's judgement of it; top_labels, top_probabilities: (N, k),
    k may be 0; truth: (N,) with -1 = unknown, or None; stage: how far the run came; combined: (N,)
    the score of `scores.cleanliness.combined`, or None; by_combined: what `cleanliness` is.
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
    by_combined: bool = False

    @property
    def cleanliness(self) -> NDArray[np.float32]:
        """(N,) in [0, 1], what images are sorted by: the clean probability, or the combined score
        where that is wanted and known.
        """
        if self.by_combined and self.combined is not None:
            return self.combined
        return self.clean_probability

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def disagree(self) -> NDArray[np.bool_]:
        """(N,) whether the two models give different labels."""
        return np.asarray(self.model_labels[0] != self.model_labels[1])

    def name(self, label: int) -> str:
        """A class name; `unknown` for -1 and whatever else has none."""
        return self.class_names[label] if 0 <= label < len(self.class_names) else "unknown"
