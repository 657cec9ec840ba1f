"""Images in folders: for `datasets` and torchvision, for the Hugging Face hub, for FiftyOne."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from studio.export.card import data_card
from studio.export.entry import Entry, text_of_rows
from studio.export.json_rows import json_of_rows
from studio.export.labels import LABEL_COLUMNS
from studio.export.subject import Subject, image_names
from studio.runs.table import row_text


def imagefolder(subject: Subject) -> Iterator[Entry]:
    """A folder for each class, and metadata.csv, which `datasets` reads with the images.

    torchvision's ImageFolder and most trainers read the folders alone.
    """
    names = image_names(subject, by_class=True)
    for index, name in names.items():
        yield Entry(name, subject.file(index))
    yield _metadata(subject, names)


def huggingface(subject: Subject) -> Iterator[Entry]:
    """The same with a card that names the classes: `datasets.load_dataset(FOLDER)` reads it."""
    yield Entry("README.md", data_card(subject).encode())
    names = {i: f"train/{name}" for i, name in image_names(subject, by_class=False).items()}
    for index, name in names.items():
        yield Entry(name, subject.file(index))
    inside = {index: name.removeprefix("train/") for index, name in names.items()}
    yield _metadata(subject, inside, place="train/")


def fiftyone(subject: Subject) -> Iterator[Entry]:
    """FiftyOneImageClassificationDataset: data/ and labels.json with confidence and attributes.

    The attribute is_clean is the column `clean`.
    """
    keys: dict[int, str] = {}
    taken: set[str] = set()
    for index, name in image_names(subject, by_class=False).items():
        # FiftyOne pairs a label with an image by the file's name without its ending.
        stem, dot, ending = name.rpartition(".")
        key = stem if dot else name
        if key in taken:
            key = f"{key}-{index}"
        taken.add(key)
        keys[index] = key
        yield Entry(f"data/{key}{dot}{ending if dot else ''}", subject.file(index))

    def label(index: int) -> object:
        row = subject.row(index)
        extra = {k: v for k, v in row.items() if k not in ("label", "confidence", "clean")}
        # Documents of FiftyOne have a method `clean`: with such an attribute it opens nothing.
        extra["is_clean"] = row["clean"]
        return {"label": row["label"], "confidence": row["confidence"], "attributes": extra}

    # classes is null where labels are texts.
    head: dict[str, object] = {"classes": None}
    yield json_of_rows(
        "labels.json", head, "labels", label, list(keys), names=keys.__getitem__,
        begin=subject.begin,
    )  # fmt: skip


def _metadata(subject: Subject, names: dict[int, str], *, place: str = "") -> Entry:
    """metadata.csv: file_name, then the columns of labels.csv without its path, of every exported
    image. place: the folder that it stands in, with `/`.
    """
    columns = ("file_name", *LABEL_COLUMNS[1:], "original_path")

    def parts(chosen: Sequence[int]) -> Iterator[str]:
        yield row_text(columns)
        for index in chosen:
            row = subject.row(index)
            cells = {"file_name": names[index], **row, "original_path": row["path"]}
            yield row_text([cells[column] for column in columns])

    return text_of_rows(f"{place}metadata.csv", parts, list(names), begin=subject.begin)
