"""A run as one file to send: figures, the map, galleries of clean and noisy labels, settings.

It holds everything in itself, no script among it, and opens offline. Where the images lie on this
machine is not in it; small pictures of some of them are.
"""

from __future__ import annotations

import base64
import contextlib
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import studio
from studio.errors import Stopped, StudioError
from studio.export.card import limits
from studio.export.charts import HEIGHT, LEFT, MAP_SIDE, RIGHT, WIDTH, Chart, Plane, chart, plane
from studio.export.entry import Entry, Made
from studio.export.subject import Subject
from studio.methods import title_of
from studio.numbers import percent
from studio.runs.given import count as count_corrections
from studio.scores.projection import FEWEST, pca
from studio.settings import Settings
from studio.templates import render

if TYPE_CHECKING:
    from studio.export.seen import Seen
    from studio.scores.neighbours import Floats

FILE = "report.html"
SHOWN = 24
"""Images in a gallery, as on the page."""
SIDE = 128
"""Pixels of a small picture's side."""
MOST_REFUSED = 20
MOST_FOR_UMAP = 20_000
"""Images that UMAP lays out for a report where no map is at hand: about a minute. More of them are
shown by PCA.
"""
_PICTURE_BYTES, _PAGE_BYTES = 6_000, 60_000


@dataclass(frozen=True)
class Card:
    """An image in a gallery. picture: of its small form, as a data address."""

    picture: str
    path: str
    label: str
    score: str
    other: str
    correction: str


def report(subject: Subject) -> Iterator[Entry]:
    """report.html.

    Raises:
        StudioError: The images are gone.
    """
    for index in subject.indices[:1]:
        subject.file(index)  # says that the folder is gone before anybody waits
    pictures = min(len(subject.indices), 2 * SHOWN)
    about = _PAGE_BYTES + pictures * _PICTURE_BYTES + 25 * len(subject.indices)
    yield Entry(FILE, Made(lambda file: _write(subject, file), about=about))


def _write(subject: Subject, file: IO[bytes]) -> None:
    from studio.export.seen import seen

    looked = seen(subject)
    outcome, info = subject.outcome, subject.reader.info
    wanted = np.array(subject.indices, np.int64)
    places, how = _places(subject, looked)
    kinds = count_corrections(outcome.corrections)
    html = render(
        "export/report.html",
        made_by=f"CoFT Studio {studio.__version__}",
        info=info,
        method=title_of(info.method),
        created=_day(info.created),
        folder=subject.root.name,
        result=subject.result,
        judged=outcome.stage != "zero-shot",
        combined=outcome.combined is not None,
        share=outcome.clean_share,
        only_clean=subject.only == "clean",
        exported=len(wanted),
        corrections=kinds,
        charts=_charts(subject),
        size=(WIDTH, HEIGHT, LEFT, RIGHT),
        plane=_plane(subject, places),
        side=MAP_SIDE,
        how=how,
        classes=_classes(subject),
        noisy=_cards(subject, looked, _noisiest(subject)),
        clean=_cards(subject, looked, _cleanest(subject)),
        limits=limits(subject),
        settings=_settings(subject),
        versions=dict(info.versions),
        refused=subject.refused[:MOST_REFUSED],
        refused_in_all=len(subject.refused),
    )
    file.write(html.encode())


# The map ----------------------------------------------------------------------------------------


def _places(subject: Subject, looked: Seen) -> tuple[Floats, str]:
    """(N, 2) where the images stand, and what put them there."""
    from studio.scores.layout_files import LayoutFiles, key_of
    from studio.scores.neighbours import unit

    units = unit(looked.features)
    files = LayoutFiles(subject.cache_dir / "maps")
    key, number = key_of(units), len(units)
    laid_out = files.read(key, number) if number >= FEWEST else None
    if laid_out is None and FEWEST <= number <= MOST_FOR_UMAP:
        begin = subject.begin
        try:
            laid_out = files.make(
                key, units, report=lambda text, done, total: begin(text)(done, total)
            )
        except Stopped:
            raise
        except StudioError:  # then PCA is what there is
            pass
    return (pca(units), "PCA") if laid_out is None else (laid_out, "UMAP")


def _plane(subject: Subject, places: Floats) -> Plane:
    wanted = subject.indices
    return plane(places[wanted], subject.outcome.final_clean[wanted])


# Figures ----------------------------------------------------------------------------------------


def _charts(subject: Subject) -> list[Chart]:
    curves = subject.reader.curves
    estimates = [(point.place, point.found.estimate.accuracy) for point in curves.estimates]
    accuracy = [
        (point.place, value) for point in curves.scores
        if (value := point.score.get("accuracy")) is not None
    ]  # fmt: skip
    agreement = [
        (place, row.agreement) for place, row in curves.epochs if row.agreement is not None
    ]
    clean = [
        (place, row.clean_fraction) for place, row in curves.epochs
        if row.clean_fraction is not None
    ]  # fmt: skip
    found = [
        chart(
            "Shares by epoch",
            [
                ("right labels, estimated", estimates),
                ("right labels, by sub-folder names", accuracy),
                ("agreement", agreement), ("clean labels", clean),
            ],
            x_title="epoch", shares=True,
        )
    ]  # fmt: skip
    for phase, title in ((1, "Loss in Phase I"), (2, "Loss in Phase II")):
        lines = [
            (f"model {model + 1}", [(float(step), loss) for step, loss in points])
            for (of, model), points in sorted(curves.loss.items())
            if of == phase
        ]
        found.append(chart(title, lines, x_title="step", shares=False))
    return [one for one in found if one is not None]


def _classes(subject: Subject) -> list[tuple[str, int, float]]:
    """Name, images, and share of clean labels, the class with most images first."""
    outcome, wanted = subject.outcome, subject.indices
    labels, clean = outcome.final_labels[wanted], outcome.final_clean[wanted]
    counts = Counter(labels.tolist())
    rows = [
        (name, counts[number], float(clean[labels == number].mean()) if counts[number] else 0.0)
        for number, name in enumerate(subject.class_names)
    ]
    return sorted(rows, key=lambda row: -row[1])


# Galleries --------------------------------------------------------------------------------------


def _scores(subject: Subject) -> NDArray[np.float32]:
    """(N,) what images are sorted by: the combined score, else the clean probability."""
    outcome = subject.outcome
    return outcome.clean_probability if outcome.combined is None else outcome.combined


def _noisiest(subject: Subject) -> list[int]:
    """The noisy images with the lowest scores; none where only clean ones are exported."""
    wanted = np.array(subject.indices, np.int64)
    noisy = wanted[~subject.outcome.final_clean[wanted]]
    return noisy[np.argsort(_scores(subject)[noisy], kind="stable")][:SHOWN].tolist()


def _cleanest(subject: Subject) -> list[int]:
    """The cleanest image of each class, then the second of each, and so on."""
    wanted = np.array(subject.indices, np.int64)
    clean = wanted[subject.outcome.final_clean[wanted]]
    order = clean[np.argsort(-_scores(subject)[clean], kind="stable")]
    seen_of: Counter[int] = Counter()
    turns = []
    for index in order.tolist():
        label = int(subject.outcome.final_labels[index])
        turns.append((seen_of[label], label, index))
        seen_of[label] += 1
    return [index for _, _, index in sorted(turns)[:SHOWN]]


def _cards(subject: Subject, looked: Seen, indices: list[int]) -> list[Card]:
    cards, scores = [], _scores(subject)
    for index in indices:
        row = subject.row(index)
        others = [name for name, _ in subject.likely(index) if name != row["label"]]
        picture = looked.canvases.image(int(looked.place[index]))
        cards.append(
            Card(
                _address(picture), row["path"], row["label"], percent(float(scores[index])),
                next(iter(others), ""), row["correction"] or "",
            )
        )  # fmt: skip
    return cards


def _address(picture: Image.Image) -> str:
    small = picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    data = io.BytesIO()
    small.save(data, "JPEG", quality=80, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode()


# Settings ---------------------------------------------------------------------------------------


def _settings(subject: Subject) -> list[tuple[str, Any, bool]]:
    """Name, value, and whether it is another one than usual, of every setting that was kept."""
    usual = Settings().to_dict()
    kept = dict(subject.result.settings or subject.reader.info.settings)
    return [(name, value, name in usual and usual[name] != value) for name, value in kept.items()]


def _day(created: str) -> str:
    with contextlib.suppress(ValueError):
        return datetime.fromisoformat(created).strftime("%Y-%m-%d")
    return created
