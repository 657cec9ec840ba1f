"""Images in folders: for `datasets` and torchvision, for the Hugging Face hub, for FiftyOne."""

from __future__ import annotations

import json
from collections.abc import Iterator

from studio.export.card import data_card
from studio.export.labels import LABEL_COLUMNS
from studio.export.subject import Entry, Subject, image_names
from studio.runs.table import csv_text


def imagefolder(subject: Subject) -> Iterator[Entry]:
    """A folder for each class, and metadata.csv, which `datasets` reads with the images.

    torchvision's ImageFolder and most trainers read the folders alone.
    """
    names = image_names(subject, by_class=True)
    for index, name in names.items():
        yield Entry(name, subject.file(index))
    yield Entry("metadata.csv", _metadata(subject, names))


def huggingface(subject: Subject) -> Iterator[Entry]:
    """The same with a card that names the classes: `datasets.load_dataset(FOLDER)` reads it."""
    yield Entry("README.md", data_card(subject).encode())
    names = {i: f"train/{name}" for i, name in image_names(subject, by_class=False).items()}
    for index, name in names.items():
        yield Entry(name, subject.file(index))
    inside = {index: name.removeprefix("train/") for index, name in names.items()}
    yield Entry("train/metadata.csv", _metadata(subject, inside))


def fiftyone(subject: Subject) -> Iterator[Entry]:
    """FiftyOneImageClassificationDataset: data/ and labels.json with confidence and attributes."""
    labels: dict[str, dict[str, object]] = {}
    for index, name in image_names(subject, by_class=False).items():
        # FiftyOne pairs a label with an image by the file's name without its ending.
        stem, dot, ending = name.rpartition(".")
        key = stem if dot else name
        if key in labels:
            key = f"{key}-{index}"
        row = subject.row(index)
        extra = {k: v for k, v in row.items() if k not in ("label", "confidence")}
        labels[key] = {
            "label": row["label"], "confidence": row["confidence"], "attributes": extra,
        }  # fmt: skip
        yield Entry(f"data/{key}{dot}{ending if dot else ''}", subject.file(index))
    # classes is null where labels are texts.
    value = {"classes": None, "labels": labels}
    yield Entry("labels.json", json.dumps(value, ensure_ascii=False, indent=1).encode())


def _metadata(subject: Subject, names: dict[int, str]) -> bytes:
    """file_name, then the columns of labels.csv without its path, of every exported image."""
    rows = []
    for index, name in names.items():
        row = subject.row(index)
        rows.append({"file_name": name, **row, "original_path": row["path"]})
    columns = ["file_name", *LABEL_COLUMNS[1:], "original_path"]
    return csv_text(columns, ([row[c] for c in columns] for row in rows)).encode()
