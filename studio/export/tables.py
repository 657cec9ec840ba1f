"""Labels as one file: JSON and Parquet. labels.csv is in `studio.export.labels`."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import IO

import studio
from studio.errors import StudioError
from studio.export.entry import Entry, Made
from studio.export.json_rows import json_of_rows
from studio.export.subject import Subject
from studio.imports import installed

_PARQUET_ROW = 110
"""Bytes an image, about: 418 images of the demo set with 11 classes were 45 kB."""
_TOLD_EVERY = 4096


def as_json(subject: Subject) -> Iterator[Entry]:
    """labels.json: the classes, every image with its best classes, and what was refused."""
    info = subject.reader.info
    head: dict[str, object] = {
        "made_by": f"CoFT Studio {studio.__version__}",
        "run": info.id,
        "method": info.method,
        "model": info.model,
        "folder": info.folder,
        "only": subject.only,
        "classes": list(subject.class_names),
        "refused": subject.refused,
    }

    def image(index: int) -> object:
        return {**subject.row(index), "likely": dict(subject.likely(index))}

    yield json_of_rows("labels.json", head, "images", image, subject.listed, begin=subject.begin)


def as_parquet(subject: Subject) -> Iterator[Entry]:
    """labels.parquet: the columns of labels.csv, typed, and the best classes as lists.

    Raises:
        StudioError: pyarrow is not installed.
    """
    if not installed("pyarrow"):
        raise StudioError("Parquet needs pyarrow: `pip install pyarrow`.")
    about = 2000 + len(subject.listed) * _PARQUET_ROW
    yield Entry("labels.parquet", Made(lambda file: _write_parquet(subject, file), about=about))


def _write_parquet(subject: Subject, file: IO[bytes]) -> None:
    import pyarrow
    import pyarrow.parquet

    rows = []
    progress, number = subject.begin("Writing labels.parquet"), len(subject.listed)
    for done, index in enumerate(subject.listed):
        if done % _TOLD_EVERY == 0:
            progress(done, number)
        likely = subject.likely(index)
        rows.append({
            **subject.row(index), "likely": [name for name, _ in likely],
            "probabilities": [share for _, share in likely],
        })  # fmt: skip
    text, number, true = pyarrow.string(), pyarrow.float64(), pyarrow.bool_()
    kinds = {
        "path": text, "label": text, "clean_probability": number, "model_1_label": text,
        "model_2_label": text, "clean": true, "confidence": number, "combined_score": number,
        "of_none": number, "correction": text, "judged_label": text, "likely": pyarrow.list_(text),
        "probabilities": pyarrow.list_(number),
    }  # fmt: skip
    out = io.BytesIO()  # a zip that it is written into cannot be wound back
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows, pyarrow.schema(kinds)), out)
    file.write(out.getbuffer())
    progress(number, number)
