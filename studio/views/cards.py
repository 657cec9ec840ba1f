"""Images of a run with what is said about them, in HTML: cards in galleries, and the classes."""

from __future__ import annotations

from studio.runs.outcome import Outcome
from studio.views.gallery import class_rows
from studio.views.markup import details, esc, table
from studio.views.numbers import count, percent


def class_list(outcome: Outcome, chosen: int | None) -> str:
    """All classes as buttons that filter the galleries, the most doubtful first, in HTML."""
    rows = class_rows(outcome)
    whole = float(outcome.clean.mean()) if len(outcome) else 0.0
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


def worth(outcome: Outcome, index: int) -> str:
    """`83 % clean`; before training, when nobody has judged a label yet, `83 % sure`."""
    share = percent(float(outcome.cleanliness[index]))
    return f"{share} {'sure' if outcome.stage == 'zero-shot' else 'clean'}"


def alt_text(outcome: Outcome, index: int) -> str:
    """What a card shows, in one sentence, for those who cannot see the picture."""
    label = outcome.name(int(outcome.labels[index]))
    return f"{outcome.paths[index]}, labelled {label}, {worth(outcome, index)}"


def small_card(outcome: Outcome, index: int, source: str) -> str:
    """The same for a narrow gallery: label and share only, a mark where the models disagree."""
    picture = (
        f'<img src="{esc(source)}" alt="" loading="lazy" width="224" height="224">'
        if source
        else '<span class="card-gone">not found</span>'
    )
    said, mark = alt_text(outcome, index), ""
    if outcome.model_labels[0, index] != outcome.model_labels[1, index]:
        said, mark = f"{said}, the models disagree", " ≠"
    return (
        f'<button type="button" class="card card-small" data-pick="{index}" '
        f'aria-label="{esc(said)}. Show large." title="{esc(said)}">{picture}'
        f'<span class="card-body"><span class="card-label">'
        f"{esc(outcome.name(int(outcome.labels[index])))}</span>"
        f'<span class="card-clean">{worth(outcome, index)}{mark}</span></span></button>'
    )


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
    clean = float(outcome.cleanliness[index])
    truth = ""
    if outcome.truth is not None and outcome.truth[index] >= 0:
        right = outcome.truth[index] == outcome.labels[index]
        word = "right" if right else f"in truth {outcome.name(int(outcome.truth[index]))}"
        truth = f'<span class="card-truth {"is-right" if right else "is-wrong"}">{esc(word)}</span>'
    models = (0, 1) if outcome.stage != "zero-shot" else ()
    lines = "".join(_short_opinion(outcome, index, model) for model in models)
    return (
        f'<button type="button" class="card" data-pick="{index}" '
        f'aria-label="{esc(alt_text(outcome, index))}. Show large.">{picture}'
        '<span class="card-body"><span class="card-label">'
        f"{esc(outcome.name(int(outcome.labels[index])))}</span>"
        f'<span class="card-clean"><span class="meter"><span style="width:{100 * clean:.0f}%">'
        "</span></span>"
        f"{worth(outcome, index)}</span>{lines}{truth}</span></button>"
    )
