"""The images on which the labels of several runs differ, in HTML: how many, cards, and one large.

`letters` are those of the matched runs, in order: "A", "C", ...
"""

from __future__ import annotations

from collections.abc import Sequence

from studio.analysis.differences import ImageCard, card
from studio.analysis.matching import MatchedRuns
from studio.scores.significance import sign_test
from studio.views.render import render


def summary(matched: MatchedRuns, letters: Sequence[str]) -> str:
    """How far the labels differ and who is right, in HTML."""
    known = matched.differ & (matched.truth >= 0)
    right = matched.right[:, known]
    chance = None
    if known.any() and len(letters) == 2:
        chance = sign_test(int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum()))
    return render(
        "compare/summary.html",
        letters=letters,
        total=len(matched),
        differing=int(matched.differ.sum()),
        known=int(known.sum()),
        right=[int(row.sum()) for row in right],
        none_right=int((~right.any(axis=0)).sum()),
        chance=chance,
        alike=matched.alike.tolist() if len(letters) > 2 else [],
    )


def cards(images: Sequence[ImageCard]) -> str:
    """Cards as buttons that ask for the image, in HTML."""
    return render("compare/cards.html", images=images)


def detail(matched: MatchedRuns, letters: Sequence[str], m: int, source: str) -> str:
    """The image large, with what each run says about it, in HTML for the dialog."""
    image = card(matched, letters, m, source)
    runs = zip(image.opinions, matched.outcomes, matched.indices[:, m].tolist(), strict=True)
    return render("compare/detail.html", image=image, runs=runs)
