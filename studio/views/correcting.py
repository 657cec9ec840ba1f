"""What people said about images, in HTML: marks on cards, the counts, the buttons of one image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from studio.runs.corrections import WITHDRAWN, Action
from studio.runs.given import VERDICTS, Correction, count
from studio.runs.outcome import Outcome
from studio.views.markup import esc
from studio.views.numbers import plural


def told(correction: Correction | None) -> str:
    """A correction in words; empty when there is none."""
    if correction is None:
        return ""
    if correction.verdict == "rejected":
        return "rejected"
    return f"{correction.verdict} as {correction.label}"


def marked(card: str, correction: Correction | None) -> str:
    """A card of a gallery (`views.cards`) with what was said in its corner, and in its name."""
    if correction is None:
        return card
    card = card.replace(". Show large.", f", {esc(told(correction))}. Show large.", 1)
    return card.removesuffix("</button>") + mark(correction) + "</button>"


def mark(correction: Correction) -> str:
    """What was said, for the corner of a card, in HTML: a sign and a word, no colour alone."""
    signs = {"accepted": "✓ accepted", "relabelled": f"→ {correction.label}"}
    text = signs.get(correction.verdict, "✕ rejected")
    return (
        f'<span class="card-said said-{correction.verdict}" aria-hidden="true">{esc(text)}</span>'
    )


def summary(
    corrections: Mapping[str, Correction], last: Action | None, *, trained: bool = True
) -> str:
    """How many images are corrected and what undo would undo, in HTML.

    trained: whether the labels are a run's; else those of the images at hand, before any.
    """
    counts = count(corrections)
    if not counts.total:
        kept = (
            "with the run, exported with its labels, and can be given to a new run"
            if trained
            else "with these images, and runs that the Train tab starts on them can take it along"
        )
        text = (
            f"Nothing is corrected yet, and nothing has to be. What you say here is kept {kept}. "
            "One or two images of each class, accepted or relabelled, help a run most, since "
            "whole groups follow them: the galleries can show each class in turn."
        )
        return f'<p class="quiet correct-told" role="status">{text}</p>'
    each = ", ".join(
        f"{number} {word}"
        for number, word in (
            (counts.accepted, "accepted"), (counts.relabelled, "relabelled"),
            (counts.rejected, "rejected"),
        )
        if number
    )  # fmt: skip
    latest = f" Last: {esc(last.text)}." if last is not None else ""
    return (
        f'<p class="correct-told" role="status"><strong>{plural(counts.total, "image")} corrected'
        f"</strong>: {each}.{latest}</p>"
    )


def image_buttons(
    outcome: Outcome, index: int, correction: Correction | None, *, best: Sequence[int] = ()
) -> str:
    """What can be said about one image, in HTML for its dialog.

    A button's data-say is its verdict; assets/correct.js sends it and has the keys.

    Args:
        outcome: the labels that are looked at; to accept is to say that this one is right.
        index: the image.
        correction: what was said of it, or None.
        best: classes to offer first, by index.
    """
    given = correction.verdict if correction is not None else ""
    label = int(outcome.labels[index])
    proposed = next((b for b in best if b != label), (label + 1) % len(outcome.class_names))
    if given == "relabelled" and correction is not None and correction.label in outcome.class_names:
        proposed = outcome.class_names.index(correction.label)
    options = "".join(
        f'<option value="{number}"{" selected" if number == proposed else ""}>{esc(name)}</option>'
        for number, name in sorted(enumerate(outcome.class_names), key=lambda item: item[1].lower())
    )
    state = told(correction)
    now = f"This image is {state}." if state else "Is the label right?"
    pressed = {v: f' aria-pressed="{"true" if v == given else "false"}"' for v in VERDICTS}
    back = ""
    if correction is not None:
        back = f'<button type="button" data-say="{WITHDRAWN}">Take back</button>'
    return (
        '<section class="say" aria-label="Correct this image">'
        f'<p class="say-now" role="status">{esc(now)}</p><div class="say-buttons">'
        f'<button type="button" data-say="accepted" aria-keyshortcuts="a"'
        f"{pressed['accepted']}>Accept {esc(outcome.name(label))} <kbd>A</kbd></button>"
        '<span class="say-other"><select aria-label="Its class" aria-keyshortcuts="l">'
        f"{options}</select>"
        f'<button type="button" data-say="relabelled"'
        f"{pressed['relabelled']}>Relabel <kbd>L</kbd></button></span>"
        f'<button type="button" data-say="rejected" aria-keyshortcuts="r"'
        f"{pressed['rejected']}>Reject <kbd>R</kbd></button>{back}</div></section>"
    )
