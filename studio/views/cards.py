"""Images of a run with what is said about them, in HTML: cards, the large view, the classes."""

from __future__ import annotations

from collections.abc import Sequence

from studio.views.gallery import Outcome, class_rows
from studio.views.markup import count, details, esc, percent, table


def class_list(outcome: Outcome, chosen: int | None) -> str:
    """All classes as buttons that filter the galleries, the most doubtful first, in HTML."""
    rows = class_rows(outcome)
    whole = float(outcome.kept.mean()) if len(outcome) else 0.0
    items = [("all", "All classes", len(outcome), whole, chosen is None)]
    items += [(str(r.index), r.name, r.images, r.kept, r.index == chosen) for r in rows]
    body = "".join(
        f'<li><button type="button" class="class-pick" data-pick="{pick}" '
        f'aria-pressed="{str(on).lower()}" '
        f'aria-label="{esc(name)}: {count(images)} images, {percent(kept)} clean">'
        f'<span class="name">{esc(name)}</span><span class="share">{count(images)}, '
        f"{percent(kept if images else None)}</span>"
        f'<span class="meter"><span style="width:{100 * kept:.0f}%"></span></span></button></li>'
        for pick, name, images, kept, on in items
    )
    return (
        '<section class="panel"><h3>Classes</h3><p class="quiet">Images and share of clean ones, '
        "the most doubtful "
        f'first</p><ul class="class-list">{body}</ul></section>'
    )


def class_table(outcome: Outcome) -> str:
    """The same with all figures, as a table to unfold."""
    known = outcome.truth is not None
    head = (
        "class",
        "images",
        "clean",
        "mean clean probability",
        "models disagree",
        *(("right",) if known else ()),
    )
    rows = [
        (
            r.name,
            count(r.images),
            *(percent(v if r.images else None) for v in (r.kept, r.clean_probability, r.disagree)),
            *((percent(r.accuracy),) if known else ()),
        )
        for r in class_rows(outcome)
    ]
    return details(
        "All classes in figures", table(head, rows, numeric=len(head) - 1), key="class-table"
    )


def opinion(outcome: Outcome, index: int, model: int) -> str:
    """`violin, 83 % clean`: one model's label of an image and the other model's belief in it."""
    label = outcome.name(int(outcome.model_labels[model, index]))
    return f"{label}, {percent(float(outcome.model_clean_probability[model, index]))} clean"


def _short_opinion(outcome: Outcome, index: int, model: int) -> str:
    """The same in HTML for a card, whose heading says what the numbers are."""
    label = outcome.name(int(outcome.model_labels[model, index]))
    share = percent(float(outcome.model_clean_probability[model, index]))
    return (
        f'<span class="card-model"><b>{model + 1}</b> {esc(label)}, '
        f'<span class="nowrap">{share}</span></span>'
    )


def alt_text(outcome: Outcome, index: int) -> str:
    """What a card shows, in one sentence, for those who cannot see the picture."""
    label = outcome.name(int(outcome.labels[index]))
    clean = percent(float(outcome.clean_probability[index]))
    return f"{outcome.paths[index]}, labelled {label}, {clean} clean"


def card(outcome: Outcome, index: int, source: str) -> str:
    """An image of a gallery with its caption, in HTML: a button that asks for the image.

    Args:
        outcome: the run's outcome.
        index: the image.
        source: address of the thumbnail; empty when the picture is gone.
    """
    picture = (
        f'<img src="{esc(source)}" alt="" loading="lazy" width="224" height="224">'
        if source
        else '<span class="card-gone">image not found</span>'
    )
    clean = float(outcome.clean_probability[index])
    truth = ""
    if outcome.truth is not None and outcome.truth[index] >= 0:
        right = outcome.truth[index] == outcome.labels[index]
        word = "right" if right else f"in truth {outcome.name(int(outcome.truth[index]))}"
        truth = f'<span class="card-truth {"is-right" if right else "is-wrong"}">{esc(word)}</span>'
    lines = "".join(_short_opinion(outcome, index, model) for model in (0, 1))
    return (
        f'<button type="button" class="card" data-pick="{index}" '
        f'aria-label="{esc(alt_text(outcome, index))}. Show large.">{picture}'
        '<span class="card-body"><span class="card-label">'
        f"{esc(outcome.name(int(outcome.labels[index])))}</span>"
        f'<span class="card-clean"><span class="meter"><span style="width:{100 * clean:.0f}%">'
        "</span></span>"
        f"{percent(clean)} clean</span>{lines}{truth}</span></button>"
    )


def detail(outcome: Outcome, index: int, source: str) -> str:
    """The image large, with all that is known about it, in HTML for the dialog."""
    rows: list[tuple[str, str]] = [
        (
            "Label",
            f"{outcome.name(int(outcome.labels[index]))}, "
            f"{percent(float(outcome.confidence[index]), digits=1)}",
        ),
        (
            "Verdict",
            f"{'clean' if outcome.kept[index] else 'noisy'}, "
            f"{percent(float(outcome.clean_probability[index]), digits=1)} clean",
        ),
    ]
    rows += [(f"Model {model + 1} says", opinion(outcome, index, model)) for model in (0, 1)]
    if outcome.truth is not None and outcome.truth[index] >= 0:
        rows.append(("Sub-folder says", outcome.name(int(outcome.truth[index]))))
    facts = "".join(f"<dt>{esc(name)}</dt><dd>{esc(value)}</dd>" for name, value in rows)
    picture = (
        f'<img src="{esc(source)}" alt="{esc(alt_text(outcome, index))}">'
        if source
        else '<p class="card-gone">The image is no longer in its folder.</p>'
    )
    return (
        f'<div class="detail"><figure>{picture}<figcaption>'
        f"{esc(outcome.paths[index])}</figcaption></figure>"
        f'<div class="detail-text"><dl>{facts}</dl>{_top(outcome, index)}</div></div>'
    )


def _top(outcome: Outcome, index: int) -> str:
    """The classifier's best classes as bars."""
    pairs: Sequence[tuple[int, float]] = list(
        zip(
            outcome.top_labels[index].tolist(),
            outcome.top_probabilities[index].tolist(),
            strict=True,
        )
    )
    if not pairs:
        return ""
    bars = "".join(
        f'<li><span>{esc(outcome.name(label))}</span><span class="meter"><span '
        f'style="width:{100 * p:.0f}%">'
        f"</span></span><span>{percent(p, digits=1)}</span></li>"
        for label, p in pairs
    )
    return f'<p class="detail-head">The classifier\'s best classes</p><ol class="top">{bars}</ol>'
