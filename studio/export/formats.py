"""Everything that a run can be exported as: THE list, for the page, the command line and Python."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from studio.errors import RunError
from studio.export.entry import Entry
from studio.export.subject import COPYING, Subject


@dataclass(frozen=True)
class Format:
    """One way to take a run away.

    Attributes:
        name: What is typed for it.
        title: What people read.
        about: What it is and who reads it, in one sentence.
        function: `module:function`, which yields the entries of a `Subject`; imported when used.
        images: Whether the images are in it.
        model: Whether it needs a trained model.
        hub: What the Hugging Face hub calls a repository of it: "dataset", "model", or "" for
            formats that do not belong there.
    """

    name: str
    title: str
    about: str
    function: str
    images: bool = False
    model: bool = False
    hub: str = ""

    def entries(self, subject: Subject) -> Iterator[Entry]:
        """The files of the export, made one after the other.

        Raises:
            StudioError: Something that it needs is missing.
        """
        module, name = self.function.split(":")
        found = getattr(importlib.import_module(f"studio.export.{module}"), name)
        return cast(Callable[[Subject], Iterator[Entry]], found)(subject)


_ALL = (
    Format("csv", "labels.csv", "A table with a row for each image, for any spreadsheet.",
           "labels:as_csv"),
    Format("json", "labels.json", "As labels.csv, with each image's likeliest classes.",
           "tables:as_json"),
    Format("parquet", "labels.parquet", "As labels.csv with typed columns, for pandas and DuckDB.",
           "tables:as_parquet"),
    Format("imagefolder", "Images in folders",
           "A folder for each class and metadata.csv, for torchvision, timm and datasets.",
           "folders:imagefolder", images=True),
    Format("huggingface", "Hugging Face data set",
           "Images, labels and a card, which datasets.load_dataset reads.",
           "folders:huggingface", images=True, hub="dataset"),
    Format("fiftyone", "FiftyOne", "FiftyOneImageClassificationDataset, with all scores.",
           "folders:fiftyone", images=True),
    Format("cvat", "CVAT", "annotations.xml (CVAT for images 1.1) with a tag for each image.",
           "annotation:cvat"),
    Format("label-studio", "Label Studio",
           "Tasks with predictions and their scores, and the labelling interface.",
           "annotation:label_studio"),
    Format("cleanlab", "cleanlab", "Labels and out-of-sample probabilities, as arrays.",
           "cleanlab_folder:cleanlab"),
    Format("checked", "Checked labels", "checked.csv: the labels that came with the images, the "
           "least clean first, each with the classifier's own suggestion.", "labels:checked"),
    Format("html", "Report", "One file to send: figures, map, galleries of clean and noisy labels, "
           "settings.", "report:report"),
    Format("model", "The model", "Its weights as safetensors, and model.json, which says what they "
           "are.", "weights:model", model=True),
    Format("onnx", "ONNX", "The model in one file, with class names and preprocessing, for "
           "onnxruntime.", "onnx_file:as_onnx", model=True),
    Format("timm", "timm", "The two models as folders that timm.create_model loads.",
           "timm_folder:timm", model=True, hub="model"),
    Format("model-card", "Model card", "What was fitted on what, how sure it is, and its limits.",
           "card:model_card"),
)  # fmt: skip


def copying(format: Format, subject: Subject) -> Callable[[int], None]:
    """What is told how many files of an export are written: of images, that is how far it is."""
    if not format.images:
        return lambda _files: None
    progress, images = subject.begin(COPYING), len(subject.indices)
    progress(0, images)

    def told(files: int) -> None:
        if files <= images:  # beside the images there are one or two files more
            progress(files, images)

    return told


FORMATS: Mapping[str, Format] = {format.name: format for format in _ALL}


def format_of(name: str) -> Format:
    """The format of that name.

    Raises:
        RunError: There is none.
    """
    if name not in FORMATS:
        raise RunError(f"there is no format {name!r}; choose one of {', '.join(FORMATS)}")
    return FORMATS[name]
