"""The data set at hand in HTML: three steps, what was found and refused, the first labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from studio.analysis.verdict import verdict
from studio.analysis.which_model import (
    conclusion,
    meaning,
    places,
    recommended,
    shown_agreement,
)
from studio.clip.presets import spoken
from studio.numbers import count
from studio.scores.listed import Listed
from studio.views.render import render

if TYPE_CHECKING:
    from studio.images.folder import Folder, Refused
    from studio.runs.first_labels import Preview
    from studio.runs.which_model import Ranked
    from studio.session.label_table import LabelTable

SAMPLE = 18
RECENT = 5
CLASSES_WITH_PICTURES = 24
PICTURES_PER_CLASS = 5
_REFUSED_SHOWN = 200


def steps(current: int) -> Markup:
    """The way through the tab; current: the step that comes next, 0, 1 or 2."""
    return render("data/steps.html", current=current)


def folder_html(
    folder: Folder,
    *,
    source: str,
    classes: int,
    picture: Callable[[int], str],
    note: str = "",
    notes: Sequence[str] = (),
) -> Markup:
    """Counts, where the images are, a sample of them and what was refused.

    picture: address of the thumbnail of image i, empty when there is none; note: what the cache
    has no room for, in a sentence; notes: what was guessed about the files.
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
        note=note,
        notes=notes,
        others=folder.others,
    )


def notes_html(sentence: str, notes: Sequence[str]) -> Markup:
    """What is to be said of the class names: how sub-folders were read (`sentence`), and what was
    merged, left out or looks doubtful; empty when there is nothing.
    """
    told = [text for text in (sentence, *notes) if text]
    return render("data/notes.html", notes=told) if told else Markup("")


def table_html(table: LabelTable | None) -> Markup:
    """The labels that came with the images; empty when there are none."""
    return Markup("") if table is None else render("data/table.html", table=table)


def cache_html(cached: int | None, where: str) -> Markup:
    """How much the cache takes, and what makes it less; empty while that is not known, or less
    than a megabyte, as before anything was kept.

    where: its folder; "" when that is nobody's business.
    """
    return (
        Markup("")
        if (cached or 0) < 1_000_000
        else render("data/cache.html", bytes=cached, where=where)
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
        model=spoken(preview.model),
        recommended=recommended(preview.model, preview.level, preview.z),
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


def ranking_html(ranked: Ranked | None, *, stale: bool, recommend: bool) -> Markup:
    """The models at hand, the best first, with what the scores are; empty when none was asked.

    stale: whether names or prompts have changed since; recommend: a larger model where the best one
    knows little, unless the labels on the same page do so.
    """
    if ranked is None:
        return Markup("")
    best = ranked.models[0][0]
    return render(
        "data/ranking.html",
        models=[
            (place, looked, shown_agreement(ranked, standing))
            for place, (looked, standing) in zip(places(ranked), ranked.models, strict=True)
        ],
        conclusion=conclusion(ranked),
        meaning=meaning(ranked),
        known=any(looked.accuracy is not None for looked, _ in ranked.models),
        failed=ranked.failed,
        recommended=recommended(best.model, best.level, best.z) if recommend else [],
        stale=stale,
    )


def _pictures(
    folder: Folder, indices: Sequence[int], picture: Callable[[int], str]
) -> list[dict[str, Any]]:
    """Index, path and address of those images that have a picture."""
    shown = [{"index": i, "path": folder.images[i].path, "url": picture(i)} for i in indices]
    return [image for image in shown if image["url"]]
