"""Groups of duplicates in HTML: each opens its images."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from studio.runs.outcome import Outcome
from studio.scores.duplicates import Group
from studio.views.render import render

PAGE_SIZE = 12
"""Groups shown at a time."""

_THUMBNAILS = 6


def group_list(
    outcome: Outcome, groups: Sequence[Group], picture: Callable[[int], str], *, none: str
) -> str:
    """Groups of duplicates as buttons, with the labels they have; those that differ are marked.

    Args:
        outcome: the run's labels.
        groups: those of one page; their indices are the run's.
        picture: address of the thumbnail of image i; empty when it is gone.
        none: what stands there without any group.
    """
    shown = []
    for group in groups:
        pictures = [p for i in group.indices[:_THUMBNAILS] if (p := picture(i))]
        labels = np.unique(outcome.labels[list(group.indices)]).tolist()
        shown.append((group, pictures, [outcome.name(c) for c in labels]))
    return render("explore/duplicates.html", groups=shown, at_once=_THUMBNAILS, nothing=none)
