"""Outcomes of several runs on the same images, to see where their labels differ and who is right.

R runs, M images that all of them labelled (matched by path); classes are matched by name, for runs
may have been given other ones. Nothing here reads a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from studio.runs.outcome import Outcome

ALL, NONE_RIGHT = "all", "none-right"


@dataclass(frozen=True)
class MatchedRuns:
    """Outcomes brought onto the same images and classes.

    outcomes: of the R runs; indices: (R, M) int64, image m in the arrays of run r; labels: (R, M)
    int64 into `names`, the classes of all runs; truth: (M,) into `names`, -1 = unknown.
    """

    outcomes: tuple[Outcome, ...]
    names: tuple[str, ...]
    indices: NDArray[np.int64]
    labels: NDArray[np.int64]
    truth: NDArray[np.int64]

    def __len__(self) -> int:
        return int(self.indices.shape[1])

    @cached_property
    def differ(self) -> NDArray[np.bool_]:
        """(M,) whether the runs give the image more than one label."""
        return np.asarray((self.labels != self.labels[:1]).any(axis=0))

    @cached_property
    def right(self) -> NDArray[np.bool_]:
        """(R, M) whether a run's label is the true one; false where the truth is unknown."""
        return np.asarray((self.labels == self.truth) & (self.truth >= 0))

    @cached_property
    def alike(self) -> NDArray[np.float64]:
        """(R, R) the share of images that each two runs label the same."""
        return np.array([
            [float((mine == its).mean()) if len(mine) else np.nan for its in self.labels]
            for mine in self.labels
        ])  # fmt: skip

    def name(self, label: int) -> str:
        """A class name; `unknown` for -1."""
        return self.names[label] if 0 <= label < len(self.names) else "unknown"

    def path(self, m: int) -> str:
        """The image's path in the folder."""
        return self.outcomes[0].paths[self.indices[0, m]]

    @property
    def filters(self) -> list[str]:
        """What `select` can be asked for: all that differ and, where the truth is known of some
        image, those that only one run has right, one filter a run, and those that none has.
        """
        if not (self.truth >= 0).any():
            return [ALL]
        return [ALL, *(f"only-{r}" for r in range(len(self.outcomes))), NONE_RIGHT]

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many images each of the filters leaves."""
        return {show: int(self._chosen(show).sum()) for show in self.filters}

    def select(self, show: str) -> NDArray[np.int64]:
        """The differing images that a filter asks for, those first that all runs hold for clean.

        A filter that does not exist shows all that differ.
        """
        images = np.flatnonzero(self._chosen(show))
        clean = [
            outcome.clean_probability[indices[images]]
            for outcome, indices in zip(self.outcomes, self.indices, strict=True)
        ]
        return images[np.argsort(-np.min(clean, axis=0), kind="stable")]

    def _chosen(self, show: str) -> NDArray[np.bool_]:
        chosen = self.differ
        if show == NONE_RIGHT:
            chosen = chosen & (self.truth >= 0) & ~self.right.any(axis=0)
        elif show.startswith("only-") and show in self.filters:
            run = int(show.removeprefix("only-"))
            chosen = chosen & self.right[run] & (self.right.sum(axis=0) == 1)
        return chosen


def match(outcomes: Sequence[Outcome]) -> MatchedRuns:
    """Bring outcomes, at least one, onto the images that all have, in the order of the first."""
    names = tuple(dict.fromkeys(name for outcome in outcomes for name in outcome.class_names))
    number = {name: n for n, name in enumerate(names)}
    first = outcomes[0].paths
    rows = [np.arange(len(first), dtype=np.int64)]
    for outcome in outcomes[1:]:
        if outcome.paths == first:
            rows.append(rows[0])
            continue
        where = {path: i for i, path in enumerate(outcome.paths)}
        rows.append(np.array([where.get(path, -1) for path in first], dtype=np.int64))
    places = np.stack(rows)
    indices = places[:, (places >= 0).all(axis=0)]
    labels, truth = np.empty_like(indices), np.full(indices.shape[1], -1, dtype=np.int64)
    for r, outcome in enumerate(outcomes):
        # One more entry, which -1 points at: an unknown label or truth stays -1.
        to_shared = np.array([*(number[name] for name in outcome.class_names), -1], dtype=np.int64)
        labels[r] = to_shared[outcome.labels[indices[r]]]
        if outcome.truth is not None:
            truth = np.where(truth >= 0, truth, to_shared[outcome.truth[indices[r]]])
    return MatchedRuns(tuple(outcomes), names, indices, labels, truth)
