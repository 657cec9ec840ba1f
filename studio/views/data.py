"""The data set at hand in HTML: three steps, what was found and refused, what the model sees."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from studio.views.estimates import estimate_stat
from studio.views.markup import bar, details, esc, notice, stat, stats, table
from studio.views.numbers import count, percent, plural

if TYPE_CHECKING:
    from studio.images.folder import Folder, Refused
    from studio.scores.estimate import Estimate

SAMPLE = 18
CLASSES_WITH_PICTURES = 24
PICTURES_PER_CLASS = 5
_REFUSED_SHOWN = 200

_STEPS = (
    ("Choose images", "the demo set, a folder or an upload"),
    ("Name the classes", "one a line; no labels are needed"),
    ("Label and train", "see what the model knows, then improve it"),
)


_NOT_SHOWN = {
    "demo": "Drawn by the studio on this machine; its sub-folders tell the truth, for scoring only",
    "upload": "Kept by the studio on the machine that it runs on",
}
_VERDICTS = {
    "promising": ("good", "The model knows these images."),
    "doubtful": ("warn", "The model knows these images only a little."),
    "near chance": ("bad", "The model knows nothing about these images."),
}


def steps(current: int) -> str:
    """The way through the tab; current: the step that comes next, 0, 1 or 2."""
    items = []
    for number, (title, text) in enumerate(_STEPS):
        state = "done" if number < current else "now" if number == current else "later"
        mark = ' aria-current="step"' if state == "now" else ""
        note = '<span class="hidden-text">done: </span>' if state == "done" else ""
        items.append(
            f'<li class="step step-{state}"{mark}><span class="step-number" aria-hidden="true">'
            f"{number + 1}</span>"
            f"<span><strong>{note}{title}</strong><small>{text}</small></span></li>"
        )
    return f'<ol class="steps" aria-label="Three steps">{"".join(items)}</ol>'


def welcome() -> str:
    """What a first-time visitor reads."""
    return (
        '<div class="welcome"><h2>From a folder of photos to labels you can trust</h2>'
        "<p>Give the studio images and a list of class names. Two copies of a vision-language "
        "model label every image, judge each other's labels, and train a classifier that trusts "
        "each as far as it holds up. You see which images are clean, which are doubtful, and "
        "why.</p>"
        "<p>Your images never leave this machine. New here? "
        "Press <strong>Try the demo set</strong>.</p>"
        "</div>"
    )


def folder_html(folder: Folder, *, source: str, classes: int, picture: Callable[[int], str]) -> str:
    """Counts, where the images are, a sample of them and what was refused.

    picture: address of the thumbnail of image i, empty when there is none.
    """
    total = len(folder.images)
    sizes = sum(image.bytes for image in folder.images)
    heads = {"demo": "The demo set", "upload": "Uploaded images"}.get(source, "Images")
    where = f'<p class="path">{esc(folder.root)}</p>'
    if source in _NOT_SHOWN:
        where = f'<p class="quiet">{_NOT_SHOWN[source]}</p>'
    figures = stats(
        [
            stat(count(total), "image" if total == 1 else "images"),
            stat(count(len(folder.refused)), "refused"),
            stat(count(classes) if classes else "–", "classes named"),
            stat(f"{sizes / 1e6:,.1f} MB" if sizes < 1e9 else f"{sizes / 1e9:,.2f} GB", "on disk"),
        ]
    )
    step = max(1, total // SAMPLE)
    chosen = list(range(0, total, step))[:SAMPLE]
    strip = "".join(
        f'<img src="{esc(url)}" alt="{esc(folder.images[i].path)}" '
        f'title="{esc(folder.images[i].path)}" '
        'loading="lazy" width="96" height="96">'
        for i in chosen
        if (url := picture(i))
    )
    return (
        f'<section class="panel"><h3>{heads}</h3>{where}{figures}<div class="strip">{strip}</div>'
        f"{refused_html(folder.refused)}</section>"
    )


def refused_html(refused: Sequence[Refused]) -> str:
    """Refused files by reason, and the list of them; empty when there are none."""
    if not refused:
        return ""
    reasons = Counter(item.reason for item in refused)
    told = ", ".join(f"{count(n)} {reason}" for reason, n in reasons.most_common())
    rows = [(item.path, item.reason, item.detail) for item in refused[:_REFUSED_SHOWN]]
    more = (
        f"<p>and {count(len(refused) - _REFUSED_SHOWN)} more</p>"
        if len(refused) > _REFUSED_SHOWN
        else ""
    )
    summary = f"{plural(len(refused), 'file was', 'files were')} refused: {told}"
    return details(summary, table(("file", "reason", "detail"), rows) + more, key="refused")


def preview_html(
    *,
    class_names: Sequence[str],
    counts: Sequence[int],
    best: Callable[[int, int], Sequence[int]],
    confidence: Callable[[int], float],
    picture: Callable[[int], str],
    path: Callable[[int], str],
    verdict: str,
    level: str,
    accuracy: float | None,
    model: str,
    stale: bool,
    estimate: Estimate | None = None,
) -> str:
    """The zero-shot labels: the verdict first, then every class with its most confident images.

    best(label, n): indices of its n most confident images; confidence(i), path(i), picture(i): of
    image i. verdict, level: what `scores.knowledge` says; estimate: of how many
    are right, without knowing any.
    """
    shown = sorted(range(len(class_names)), key=lambda c: -counts[c])
    empty_classes = [class_names[c] for c in shown if not counts[c]]
    top = max([*counts, 1])
    rows = []
    for c in [c for c in shown if counts[c]][:CLASSES_WITH_PICTURES]:
        pictures = "".join(
            f'<img src="{esc(url)}" alt="{esc(path(i))}" loading="lazy" width="72" height="72" '
            f'title="{esc(path(i))}: {percent(confidence(i))} sure">'
            for i in best(c, PICTURES_PER_CLASS)
            if (url := picture(i))
        )
        label = f"{class_names[c]}: {plural(counts[c], 'image')}"
        rows.append(
            f'<li class="class-row"><span class="class-name">{esc(class_names[c])}</span>'
            '<span class="class-count">'
            f"{plural(counts[c], 'image')}{bar(counts[c] / top, label=label)}</span>"
            f'<span class="class-pictures">{pictures}</span></li>'
        )
    parts = []
    if stale:
        parts.append(
            notice(
                "Names or model have changed since; label again to see the effect.",
                kind="warn",
                title="Not up to date.",
            )
        )
    if verdict:
        kind, title = _VERDICTS.get(level, ("info", "What the model knows."))
        parts.append(notice(verdict, kind=kind, title=title))
    figures = [
        stat(count(sum(counts)), "images labelled"),
        stat(count(len(class_names)), "classes"),
        estimate_stat(estimate),
    ]
    if accuracy is not None:
        figures.append(
            stat(percent(accuracy, digits=1), "right already", hint="by sub-folder names")
        )
    parts.append(stats(figures))
    if empty_classes:
        names = ", ".join(empty_classes[:8]) + (" …" if len(empty_classes) > 8 else "")
        parts.append(
            notice(
                f"{names}. Try a more usual word for it.",
                kind="warn",
                title=f"{plural(len(empty_classes), 'class', 'classes')} without any image:",
            )
        )
    parts.append(f'<ul class="class-rows">{"".join(rows)}</ul>')
    left = [(class_names[c], counts[c]) for c in shown[CLASSES_WITH_PICTURES:] if counts[c]]
    if left:
        parts.append(
            details(
                f"{plural(len(left), 'more class', 'more classes')}",
                table(("class", "images"), left, numeric=1),
                key="more-classes",
            )
        )
    return (
        f'<section class="panel"><h3>Zero-shot labels, {esc(model)}</h3>{"".join(parts)}</section>'
    )
