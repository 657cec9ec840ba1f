"""Groups of copies and the list of outliers, in HTML: each opens its images."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from studio.runs.outcome import Outcome
from studio.scores.duplicates import Group
from studio.scores.neighbours import Floats
from studio.views.markup import empty, esc
from studio.views.numbers import count, percent, plural

PAGE_SIZE = 12
"""Groups shown at a time."""

_THUMBS = 6

Picture = Callable[[int], str]


def group_list(outcome: Outcome, groups: Sequence[Group], picture: Picture, *, none: str) -> str:
    """Groups of copies as buttons, with the labels they were given; those that differ are marked.

    Args:
        outcome: the run's labels.
        groups: those of one page; their indices are the run's.
        picture: address of the thumbnail of image i; empty when it is gone.
        none: what stands there without any group.
    """
    if not groups:
        return empty(none)
    return f'<ul class="groups">{"".join(_group(outcome, g, picture) for g in groups)}</ul>'


def _group(outcome: Outcome, group: Group, picture: Picture) -> str:
    labels = outcome.labels[list(group.indices)]
    names = [outcome.name(int(c)) for c in np.unique(labels)]
    shown = group.indices[:_THUMBS]
    images = "".join(
        f'<img src="{esc(url)}" alt="" loading="lazy" width="72" height="72">'
        for i in shown
        if (url := picture(i))
    )
    more = len(group.indices) - len(shown)
    if more:
        images += f'<span class="group-more">+{count(more)}</span>'
    alike = "equal" if group.exact else f"{percent(group.cosine, digits=1)} alike"
    told = f"{plural(len(group.indices), 'image')}, {alike}"
    said = ", ".join(names[:4]) + (" …" if len(names) > 4 else "")
    mark = '<span class="is-wrong">labels differ: </span>' if len(names) > 1 else ""
    return (
        f'<li><button type="button" class="group" data-pick="group:{group.indices[0]}" '
        f'aria-label="{esc(told)}, labelled {esc(said)}. Select them.">'
        f'<span class="group-images">{images}</span><span class="group-text">'
        f"<b>{esc(told)}</b><span>{mark}{esc(said)}</span></span></button></li>"
    )


def outlier_card(distances: Floats) -> Callable[[Outcome, int, str], str]:
    """Cards that say how far an image is from its nearest ones. distances: (N,)."""

    def card(outcome: Outcome, index: int, source: str) -> str:
        name, distance = outcome.name(int(outcome.labels[index])), float(distances[index])
        said = f"{outcome.paths[index]}, labelled {name}, distance {distance:.2f}"
        picture = (
            f'<img src="{esc(source)}" alt="" loading="lazy" width="224" height="224">'
            if source
            else '<span class="card-gone">not found</span>'
        )
        return (
            f'<button type="button" class="card card-small" data-pick="image:{index}" '
            f'aria-label="{esc(said)}. Show large." title="{esc(said)}">{picture}'
            f'<span class="card-body"><span class="card-label">{esc(name)}</span>'
            f'<span class="card-clean">distance {distance:.2f}</span></span></button>'
        )

    return card
