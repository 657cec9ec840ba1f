"""Labels for tools in which people annotate: CVAT and Label Studio. They bring their own images."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree as ET

from studio.export.entry import Entry, text_of_rows
from studio.export.json_rows import json_of_rows
from studio.export.subject import Subject

_ATTRIBUTES = (
    "clean", "clean_probability", "confidence", "combined_score", "of_none", "correction",
    "judged_label",
)  # fmt: skip
"""Columns of labels.csv that go with each tag."""
_FROM, _TO = "label", "image"
_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def cvat(subject: Subject) -> Iterator[Entry]:
    """annotations.xml, "CVAT for images 1.1": a tag for each image, with its scores.

    Upload the images to a task first; CVAT finds them by their paths.
    """
    meta = ET.Element("meta")
    task = ET.SubElement(meta, "task")
    ET.SubElement(task, "name").text = _xml(subject.reader.info.name)
    ET.SubElement(task, "size").text = str(len(subject.indices))
    labels = ET.SubElement(task, "labels")
    for name in subject.class_names:
        label = ET.SubElement(labels, "label")
        ET.SubElement(label, "name").text = _xml(name)
        attributes = ET.SubElement(label, "attributes")
        for attribute in _ATTRIBUTES:
            part = ET.SubElement(attributes, "attribute")
            ET.SubElement(part, "name").text = attribute
            ET.SubElement(part, "mutable").text = "False"
            ET.SubElement(part, "input_type").text = "text"
            ET.SubElement(part, "default_value")
            ET.SubElement(part, "values")

    def parts(chosen: Sequence[int]) -> Iterator[str]:
        yield '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n'
        yield _text(meta)
        for number, index in enumerate(chosen):
            yield _text(_tagged(number, subject.row(index)))
        yield "</annotations>\n"

    yield text_of_rows("annotations.xml", parts, subject.indices, begin=subject.begin)


def _tagged(number: int, row: dict[str, Any]) -> ET.Element:
    image = ET.Element("image", id=str(number), name=_xml(row["path"]))
    tag = ET.SubElement(image, "tag", label=_xml(row["label"]), source="auto")
    for attribute in _ATTRIBUTES:
        value = row[attribute]
        text = (
            str(value).lower() if isinstance(value, bool) else str("" if value is None else value)
        )
        ET.SubElement(tag, "attribute", name=attribute).text = _xml(text)
    return image


def _text(element: ET.Element) -> str:
    ET.indent(element)
    return ET.tostring(element, encoding="unicode") + "\n"


def label_studio(subject: Subject) -> Iterator[Entry]:
    """tasks.json with predictions and their scores, and config.xml, the labelling interface.

    Images are named as Label Studio's local storage serves them: set its document root to the
    folder of the images. What a person corrected is an annotation, all else a prediction.
    """

    def task(index: int) -> object:
        row = subject.row(index)
        choice: dict[str, Any] = {
            "from_name": _FROM, "to_name": _TO, "type": "choices",
            "value": {"choices": [row["label"]]},
        }  # fmt: skip
        by_person = row["correction"] not in (None, "judged")
        said: dict[str, Any] = {"result": [choice]}
        if not by_person:
            said |= {"score": row["clean_probability"], "model_version": subject.run.id}
        facts: dict[str, Any] = {k: v for k, v in row.items() if k != "label"}
        facts["image"] = f"/data/local-files/?d={quote(row['path'])}"
        return {"data": facts, "annotations" if by_person else "predictions": [said]}

    yield json_of_rows("tasks.json", None, "", task, subject.indices, begin=subject.begin)
    view = ET.Element("View")
    ET.SubElement(view, "Image", name=_TO, value="$image")
    choices = ET.SubElement(view, "Choices", name=_FROM, toName=_TO, showInLine="true")
    for name in subject.class_names:
        ET.SubElement(choices, "Choice", value=_xml(name))
    ET.indent(view)
    yield Entry("config.xml", ET.tostring(view, encoding="utf-8"))


def _xml(text: str) -> str:
    """A text without the characters that XML 1.0 cannot hold, not even escaped."""
    return _NOT_XML.sub("", text)
