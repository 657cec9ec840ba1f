"""The data set at hand in HTML: three steps, what was found and refused, the first labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from studio.analysis.verdict import verdict
from studio.numbers import count
from studio.scores.listed import Listed
from studio.views.render import render

if TYPE_CHECKING:
    from studio.images.folder import Folder, Refused
    from studio.runs.first_labels import Preview

SAMPLE = 18
RECENT = 5
CLASSES_WITH_PICTURES = 24
PICTURES_PER_CLASS = 5
_REFUSED_SHOWN = 200


def steps(current: int) -> Markup:
    """The way through the tab; current: the step that comes next, 0, 1 or 2."""
    return render("data/steps.html", current=current)


def folder_html(
    folder: Folder, *, source: str, classes: int, picture: Callable[[int], str]
) -> Markup:
    """Counts, where the images are, a sample of them and what was refused.

    picture: address of the thumbnail of image i, empty when there is none.
    """
    total = len(folder.images)
    sample = range(0, total, max(1, total // SAMPLE))[:SAMPLE]
    return render(
        "data/folder.html",
        source=source,
        where=str(folder.root),
        images=total,
        refused=len(folder.refused),
        classes=classes,
        bytes=sum(image.bytes for image in folder.images),
        pictures=_pictures(folder, sample, picture),
        refused_list=refused_html(folder.refused),
    )


def arriving_html(folder: Folder, *, picture: Callable[[int], str]) -> Markup:
    """The images of a folder that is being read, as far as they are there."""
    pictures = _pictures(folder, range(len(folder.images)), picture)
    return render("data/arriving.html", where=str(folder.root), pictures=pictures)


def recent_html(folders: Sequence[str]) -> Markup:
    """The folders that were opened last, as buttons; empty when there are none."""
    names = [path.rstrip("/\\").replace("\\", "/").split("/")[-1] or path for path in folders]
    shown = list(zip(folders, names, strict=True))[:RECENT]
    return render("data/recent.html", folders=shown) if shown else Markup("")


def refused_html(refused: Sequence[Refused]) -> Markup:
    """Refused files by reason, and the list of them; empty when there are none."""
    if not refused:
        return Markup("")
    reasons = Counter(item.reason for item in refused)
    return render(
        "data/refused.html",
        total=len(refused),
        reasons=", ".join(f"{count(n)} {reason}" for reason, n in reasons.most_common()),
        rows=[(item.path, item.reason, item.detail) for item in refused[:_REFUSED_SHOWN]],
        more=max(0, len(refused) - _REFUSED_SHOWN),
    )


def labels_html(
    preview: Preview, *, folder: Folder, picture: Callable[[int], str], stale: bool
) -> Markup:
    """The first labels: the verdict, then every class with its most confident images.

    picture: as in `folder_html`; stale: whether names or model have changed since.
    """
    names, counts = preview.class_names, preview.counts()
    order = sorted(range(len(names)), key=lambda c: -counts[c])
    used = [c for c in order if counts[c]]
    rows = []
    for c in used[:CLASSES_WITH_PICTURES]:
        pictures = _pictures(folder, preview.best(c, PICTURES_PER_CLASS), picture)
        for shown in pictures:
            shown["confidence"] = float(preview.confidence[shown["index"]])
        rows.append({"name": names[c], "images": counts[c], "pictures": pictures})
    return render(
        "data/labels.html",
        model=preview.model,
        stale=stale,
        verdict=verdict(preview.estimate, preview.level, len(names)),
        explanation=preview.verdict,
        total=sum(counts),
        classes=len(names),
        estimate=preview.estimate,
        accuracy=preview.accuracy,
        listed=Listed.of(names, counts, preview.alike),
        rows=rows,
        most=max([*counts, 1]),
        more=[(names[c], count(counts[c])) for c in used[CLASSES_WITH_PICTURES:]],
    )


def _pictures(
    folder: Folder, indices: Sequence[int], picture: Callable[[int], str]
) -> list[dict[str, Any]]:
    """Index, path and address of those images that have a picture."""
    shown = [{"index": i, "path": folder.images[i].path, "url": picture(i)} for i in indices]
    return [image for image in shown if image["url"]]
