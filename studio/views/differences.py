"""Where the final labels of several runs over the same images differ, and which of them is right.

R runs, M images that all of them labelled (matched by path); classes are matched by name, for runs
may have been given other ones. Nothing here reads a file.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.runs.outcome import Outcome
from studio.views.compare_figures import LETTERS
from studio.views.markup import esc, table
from studio.views.numbers import count, percent, plural

ALL, NONE_RIGHT = "all", "none-right"


@dataclass(frozen=True)
class Matched:
    """Outcomes brought onto the same images and classes.

    places: which of the compared runs these are (0 = A); outcomes: theirs; indices: (R, M) int64,
    image m in the arrays of run r; labels: (R, M) int64 into `names`, the classes of all runs;
    truth: (M,) into `names`, -1 = unknown.
    """

    places: tuple[int, ...]
    outcomes: tuple[Outcome, ...]
    names: tuple[str, ...]
    indices: NDArray[np.int64]
    labels: NDArray[np.int64]
    truth: NDArray[np.int64]

    def __len__(self) -> int:
        return int(self.indices.shape[1])

    @property
    def letters(self) -> list[str]:
        """What the runs are called, in order."""
        return [LETTERS[place] for place in self.places]

    @property
    def differ(self) -> NDArray[np.bool_]:
        """(M,) whether the runs give the image more than one label."""
        return np.asarray((self.labels != self.labels[:1]).any(axis=0))

    @property
    def right(self) -> NDArray[np.bool_]:
        """(R, M) whether a run's label is the true one; false where the truth is unknown."""
        return np.asarray((self.labels == self.truth) & (self.truth >= 0))

    def name(self, label: int) -> str:
        """A class name; `unknown` for -1."""
        return self.names[label] if 0 <= label < len(self.names) else "unknown"

    def clean(self, m: int) -> list[float]:
        """How clean each run holds its label of the image."""
        pairs = zip(self.outcomes, self.indices[:, m], strict=True)
        return [float(outcome.clean_probability[i]) for outcome, i in pairs]


def match(outcomes: Sequence[tuple[int, Outcome]]) -> Matched:
    """Bring outcomes onto the images that all of them have, in the order of the first.

    outcomes: (place among the compared runs, outcome), at least one.
    """
    whole = [outcome for _, outcome in outcomes]
    names = tuple(dict.fromkeys(name for outcome in whole for name in outcome.class_names))
    number = {name: n for n, name in enumerate(names)}
    first = whole[0].paths
    rows = [np.arange(len(first), dtype=np.int64)]
    for outcome in whole[1:]:
        if outcome.paths == first:
            rows.append(rows[0])
            continue
        where = {path: i for i, path in enumerate(outcome.paths)}
        rows.append(np.array([where.get(path, -1) for path in first], dtype=np.int64))
    found = np.stack(rows)
    indices = found[:, (found >= 0).all(axis=0)]
    labels, truth = np.empty_like(indices), np.full(indices.shape[1], -1, dtype=np.int64)
    for r, outcome in enumerate(whole):
        # One more entry, which -1 points at: an unknown label or truth stays -1.
        to_shared = np.array([*(number[name] for name in outcome.class_names), -1], dtype=np.int64)
        labels[r] = to_shared[outcome.labels[indices[r]]]
        if outcome.truth is not None:
            truth = np.where(truth >= 0, truth, to_shared[outcome.truth[indices[r]]])
    places = tuple(place for place, _ in outcomes)
    return Matched(places, tuple(whole), names, indices, labels, truth)


def options(matched: Matched) -> list[tuple[str, str]]:
    """What the gallery can be narrowed to: (text with the number of images, value)."""
    found = [(f"All that differ ({count(int(matched.differ.sum()))})", ALL)]
    if (matched.truth >= 0).any():
        for r, letter in enumerate(matched.letters):
            number = len(select(matched, f"only-{r}"))
            found.append((f"Only {letter} is right ({count(number)})", f"only-{r}"))
        number = len(select(matched, NONE_RIGHT))
        found.append((f"None is right ({count(number)})", NONE_RIGHT))
    return found


def select(matched: Matched, show: str) -> NDArray[np.int64]:
    """The differing images that `show` asks for, those first that all runs hold for clean.

    show: a value of `options`; anything else shows all.
    """
    chosen = matched.differ
    if show == NONE_RIGHT:
        chosen = chosen & (matched.truth >= 0) & ~matched.right.any(axis=0)
    elif show in (f"only-{r}" for r in range(len(matched.places))):
        r = int(show.removeprefix("only-"))
        chosen = chosen & matched.right[r] & (matched.right.sum(axis=0) == 1)
    images = np.flatnonzero(chosen)
    clean = [o.clean_probability[i[images]] for o, i in zip(matched.outcomes, matched.indices,
                                                            strict=True)]  # fmt: skip
    return images[np.argsort(-np.min(clean, axis=0), kind="stable")]


def summary(matched: Matched) -> str:
    """How far the labels differ and who is right, in HTML."""
    total, differing = len(matched), int(matched.differ.sum())
    if not total:
        return '<p class="compare-told">These runs have no image in common.</p>'
    share = percent(differing / total, digits=1)
    told = [
        f"The labels differ on <strong>{count(differing)}</strong> of "
        f"{plural(total, 'image')} ({share})."
    ]
    known = matched.differ & (matched.truth >= 0)
    if known.any():
        right = matched.right[:, known]
        each = [f"{letter} on {count(int(row.sum()))}"
                for letter, row in zip(matched.letters, right, strict=True)]  # fmt: skip
        none = int((~right.any(axis=0)).sum())
        told.append(
            f"Of the {count(int(known.sum()))} whose sub-folder tells the class, right are: "
            f"{', '.join(each)}; none on {count(none)}."
        )
        if len(matched.places) == 2:
            p = sign_test(int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum()))
            told.append(
                f"A difference of this size comes by chance alone with probability "
                f"{'below 0.001' if p < 0.001 else f'{p:.3f}'} (sign test)."
            )
    if differing:
        told.append("On each image: what the runs say, and how clean they hold it to be.")
    pairs = pairs_table(matched) if len(matched.places) > 2 else ""
    return f'<p class="compare-told">{" ".join(told)}</p>{pairs}'


def pairs_table(matched: Matched) -> str:
    """The share of images that each two runs label the same, in HTML."""
    rows = []
    for r, letter in enumerate(matched.letters):
        same = [float((matched.labels[r] == other).mean()) for other in matched.labels]
        rows.append((letter, *("" if s == r else percent(v, digits=1) for s, v in enumerate(same))))
    head = ("run", *matched.letters)
    return table(head, rows, caption="Images labelled the same, in pairs", numeric=len(rows))


def sign_test(wins: int, losses: int) -> float:
    """Probability that two equally good labellers differ at least so much, two-sided and exact.

    wins, losses: images on which only the one, only the other is right (McNemar's exact test).
    """
    n, k = wins + losses, min(wins, losses)
    if not n:
        return 1.0
    # In logarithms: the binomial coefficients of a large folder overflow.
    logs = [math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) - n * math.log(2)
            for i in range(k + 1)]  # fmt: skip
    return min(1.0, 2 * math.fsum(math.exp(value) for value in logs))


def mark(place: int) -> str:
    """The letter of a compared run in its colour, in HTML."""
    return f'<b class="run-mark run-{place + 1}">{LETTERS[place]}</b>'


def card(matched: Matched, m: int, source: str) -> str:
    """An image with the label that each run gives it, in HTML: a button that asks for the image."""
    picture = (
        f'<img src="{esc(source)}" alt="" loading="lazy" width="224" height="224">'
        if source
        else '<span class="card-gone">image not found</span>'
    )
    known = matched.truth[m] >= 0
    lines, said = [], []
    for r, clean in enumerate(matched.clean(m)):
        label, word = matched.name(int(matched.labels[r, m])), ""
        if known:
            right = bool(matched.right[r, m])
            word = f' <span class="is-{"right" if right else "wrong"}">'
            word += f"{'right' if right else 'wrong'}</span>"
        lines.append(
            f'<span class="card-run">{mark(matched.places[r])} <span><span class="card-label">'
            f'{esc(label)}</span> <span class="nowrap">{percent(clean)}{word}</span></span></span>'
        )
        said.append(f"{matched.letters[r]} says {label}")
    truth = matched.name(int(matched.truth[m]))
    told = f'<span class="card-model">sub-folder: {esc(truth)}</span>' if known else ""
    spoken = f"{matched.outcomes[0].paths[matched.indices[0, m]]}: {', '.join(said)}. Show large."
    return (
        f'<button type="button" class="card" data-pick="{m}" aria-label="{esc(spoken)}">{picture}'
        f'<span class="card-body">{"".join(lines)}{told}</span></button>'
    )


def detail(matched: Matched, m: int, source: str) -> str:
    """The image large, with what each run says about it, in HTML for the dialog."""
    path = matched.outcomes[0].paths[matched.indices[0, m]]
    blocks = []
    for r, outcome in enumerate(matched.outcomes):
        i, word = int(matched.indices[r, m]), ""
        if matched.truth[m] >= 0:
            word = ", right" if matched.right[r, m] else ", wrong"
        facts = [
            ("Label", f"{outcome.name(int(outcome.labels[i]))}"
                      f" ({percent(float(outcome.confidence[i]), digits=1)}){word}"),
            ("Verdict", f"{'clean' if outcome.clean[i] else 'noisy'}, "
                        f"{percent(float(outcome.clean_probability[i]), digits=1)} clean"),
        ]  # fmt: skip
        facts += [
            (f"Model {model + 1} says", outcome.name(int(outcome.model_labels[model, i])))
            for model in (0, 1)
        ]
        if outcome.top_labels.shape[1]:
            best = zip(outcome.top_labels[i], outcome.top_probabilities[i], strict=True)
            told = ", ".join(f"{outcome.name(int(c))} {percent(float(p))}" for c, p in best)
            facts.append(("Best classes", told))
        listed = "".join(f"<dt>{esc(name)}</dt><dd>{esc(value)}</dd>" for name, value in facts)
        blocks.append(f"<h4>{mark(matched.places[r])} run {matched.letters[r]}</h4>"
                      f"<dl>{listed}</dl>")  # fmt: skip
    if matched.truth[m] >= 0:
        truth = esc(matched.name(int(matched.truth[m])))
        blocks.insert(0, f"<dl><dt>Sub-folder says</dt><dd>{truth}</dd></dl>")
    picture = (
        f'<img src="{esc(source)}" alt="{esc(path)}">'
        if source
        else '<p class="card-gone">The image is no longer in its folder.</p>'
    )
    return (
        f'<div class="detail"><figure>{picture}<figcaption>{esc(path)}</figcaption></figure>'
        f'<div class="detail-text compare-detail">{"".join(blocks)}</div></div>'
    )
