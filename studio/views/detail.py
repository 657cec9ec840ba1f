"""One image with everything that is known about it, in HTML for the dialog."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from studio.runs.outcome import Outcome
from studio.views.cards import alt_text
from studio.views.markup import esc
from studio.views.numbers import percent

CLASSES = 5


def detail(
    outcome: Outcome, index: int, source: str, *, way: str = "", actions: str = "", **data: str
) -> str:
    """The image large, its labels, the best classes, its way through the run.

    Args:
        outcome: the run's labels at the stage that is looked at.
        index: the image.
        source: address of the large picture; empty when it is gone.
        way: its way in HTML, see `views.journey`.
        actions: HTML of what can be done with it.
        data: attributes that the page's script reads: `where` it stands among the images that it
            was opened from, in words, and the like.
    """
    picture = (
        f'<img src="{esc(source)}" alt="{esc(alt_text(outcome, index))}">'
        if source
        else '<p class="card-gone">The image is no longer in its folder.</p>'
    )
    attributes = "".join(f' data-{name}="{esc(value)}"' for name, value in data.items())
    road = f'<h3 class="detail-head">Its way</h3>{way}' if way else ""
    return (
        f'<div class="detail"{attributes}><div><figure>{picture}'
        f"<figcaption>{esc(outcome.paths[index])}</figcaption></figure>{actions}"
        '<section class="near" data-near><h3 class="detail-head">Nearest images</h3>'
        '<div aria-live="polite"></div></section></div>'
        f'<div class="detail-text"><dl>{_facts(outcome, index)}</dl>{_beliefs(outcome, index)}'
        f"{_top(outcome, index)}{road}</div></div>"
    )


def _facts(outcome: Outcome, index: int) -> str:
    label, clean = outcome.name(int(outcome.labels[index])), float(outcome.clean_probability[index])
    sure = percent(float(outcome.confidence[index]), digits=1)
    verdict = "clean" if outcome.clean[index] else "noisy"
    rows = [("Label", f"{label}, {sure}")]
    if outcome.stage != "zero-shot":  # before training nobody has judged
        rows.append(("Verdict", f"{verdict}, {percent(clean, digits=1)} clean"))
    if outcome.combined is not None:
        rows.append(("Combined score", percent(float(outcome.combined[index]), digits=1)))
    if outcome.truth is not None and outcome.truth[index] >= 0:
        rows.append(("Sub-folder says", outcome.name(int(outcome.truth[index]))))
    return "".join(f"<dt>{esc(name)}</dt><dd>{esc(value)}</dd>" for name, value in rows)


def _beliefs(outcome: Outcome, index: int) -> str:
    """What each model says, and how clean that is in the eyes of the other, with bars."""
    if outcome.stage == "zero-shot":
        return ""
    rows = [
        (
            f"Model {1 + model} says {outcome.name(int(outcome.model_labels[model, index]))}",
            float(outcome.model_clean_probability[model, index]),
        )
        for model in (0, 1)
    ]
    title = "How clean each label is to the other model"
    return _bars(title, ("label", "clean"), rows)


def _top(outcome: Outcome, index: int) -> str:
    """The classifier's best classes, as a table with bars."""
    best = zip(
        outcome.top_labels[index].tolist(), outcome.top_probabilities[index].tolist(), strict=True
    )
    rows = [(outcome.name(label), float(p)) for label, p in list(best)[:CLASSES]]
    title = "The model's best classes"
    if outcome.stage != "zero-shot":
        title = "The classifier's best classes"
    return _bars(title, ("class", "probability"), rows) if rows else ""


def _bars(title: str, head: tuple[str, str], rows: Sequence[tuple[str, float]]) -> str:
    body = "".join(
        f'<tr><th scope="row">{esc(name)}</th><td class="bar-cell"><span class="meter" '
        f'aria-hidden="true"><span style="width:{100 * p:.0f}%"></span></span></td>'
        f'<td class="num">{percent(p, digits=1)}</td></tr>'
        for name, p in rows
    )
    return (
        f'<table class="plain bars"><caption class="detail-head">{esc(title)}</caption>'
        f'<thead class="hidden-text"><tr><th scope="col">{head[0]}</th>'
        f'<th scope="col" colspan="2">{head[1]}</th></tr></thead><tbody>{body}</tbody></table>'
    )


def nearest(
    outcome: Outcome,
    indices: Sequence[int],
    cosines: Sequence[float],
    picture: Callable[[int], str],
    *,
    label: int,
) -> str:
    """The nearest images as buttons with their labels, in HTML.

    Args:
        outcome: the run's labels.
        indices: of the images, nearest first.
        cosines: in [-1, 1], 1 = alike.
        picture: address of the thumbnail of image i; empty when it is gone.
        label: of the image they are near to; what has another label is marked.
    """
    if not indices:
        return '<p class="quiet">There are no features of this image to compare.</p>'
    drawn = []
    for index, cosine in zip(indices, cosines, strict=True):
        mine = int(outcome.labels[index])
        name, other = outcome.name(mine), mine != label
        source = picture(index)
        image = (
            f'<img src="{esc(source)}" alt="" loading="lazy" width="224" height="224">'
            if source
            else '<span class="card-gone">not found</span>'
        )
        said = f"{outcome.paths[index]}, labelled {name}, {percent(max(0.0, cosine))} alike"
        drawn.append(
            f'<li><button type="button" class="near-card{" is-other" if other else ""}" '
            f'data-pick="image:{index}" aria-label="{esc(said)}. Show large." title="{esc(said)}">'
            f'{image}<span class="near-label">{"≠ " if other else ""}{esc(name)}</span>'
            f'<span class="near-alike">{percent(max(0.0, cosine))} alike</span></button></li>'
        )
    others = sum(int(outcome.labels[i]) != label for i in indices)
    told = (
        f'<p class="quiet">{others} of {len(indices)} have another label (≠).</p>'
        if others
        else '<p class="quiet">All of them have the same label.</p>'
    )
    return f'{told}<ul class="near-list">{"".join(drawn)}</ul>'
