"""How far the names of the classes still fit labels that training has changed.

Asked of the probabilities that the model gave before it was trained, for nothing that training
itself is sure of counts: on sets where it does harm, its confidence, the agreement of its models
and that of similar images all rise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studio.scores.rows import Rows, parts

LabelArray = npt.NDArray[np.integer]

_IN_USE = 0.25  # of an even share: a name with fewer labels than that is hardly used
_LIKELY = 3


@dataclass(frozen=True)
class NamesFit:
    """probable: mean probability, in (0, 1), that the model gave a new label, among the names that
    the new labels use; a list of a hundred names for a folder that holds ten would hide it else.
    likely: share of the new labels that are among the image's three likeliest names.
    """

    probable: float
    likely: float

    @classmethod
    def of(
        cls,
        probabilities: Rows,
        labels: LabelArray,
        *,
        images: npt.NDArray[np.integer] | None = None,
    ) -> NamesFit:
        """Of zero-shot probabilities (N, C) and labels (n,), n >= 1, of some images (n,); None: of
        all. A name is in use that has a quarter of an even share of the labels or more; of C <= 3
        names the likeliest C - 1 count.
        """
        labels, classes = np.asarray(labels), probabilities.shape[1]
        used = np.bincount(labels, minlength=classes) >= _IN_USE * len(labels) / classes
        own, among = np.empty((2, len(labels)))
        before = np.empty(len(labels), dtype=np.int64)
        for part, some in parts(probabilities, images):
            said = some[np.arange(len(some)), labels[part]]
            own[part], before[part] = said, (some > said[:, None]).sum(axis=1)
            among[part] = some[:, used].sum(axis=1, dtype=np.float64)
        found = np.where(used[labels], own / np.maximum(among, 1e-12), 0.0)
        return cls(float(found.mean()), float((before < min(_LIKELY, classes - 1)).mean()))


def evenness(labels: LabelArray, classes: int) -> float:
    """In (0, 1]: how many of the classes labels (N,) use, as the exponential of their entropy, as a
    share of all. 1: all alike; 1 / classes: one class only.
    """
    share = np.bincount(np.asarray(labels), minlength=classes) / max(len(labels), 1)
    share = share[share > 0]
    return float(np.exp(-(share * np.log(share)).sum())) / classes
