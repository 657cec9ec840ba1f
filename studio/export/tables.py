"""Labels as one file: JSON and Parquet. labels.csv is in `studio.export.labels`."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import studio
from studio.errors import StudioError
from studio.export.subject import Entry, Subject


def as_json(subject: Subject) -> Iterator[Entry]:
    """labels.json: the classes, every image with its best classes, and what was refused."""
    images = [
        {**subject.row(index), "likely": dict(subject.likely(index))} for index in subject.listed
    ]
    info = subject.reader.info
    value = {
        "made_by": f"CoFT Studio {studio.__version__}",
        "run": info.id,
        "method": info.method,
        "model": info.model,
        "folder": info.folder,
        "only": subject.only,
        "classes": list(subject.class_names),
        "images": images,
        "refused": subject.refused,
    }
    yield Entry("labels.json", json.dumps(value, ensure_ascii=False, indent=1).encode())


def as_parquet(subject: Subject) -> Iterator[Entry]:
    """labels.parquet: the columns of labels.csv, typed, and the best classes as lists.

    Raises:
        StudioError: pyarrow is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise StudioError(
            "Parquet needs pyarrow: `pip install 'coft-studio[hub]'`, or `pip install pyarrow`."
        ) from None
    rows = []
    for index in subject.listed:
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
    out = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows, pyarrow.schema(kinds)), out)
    yield Entry("labels.parquet", out.getvalue())
