"""Labels for tools in which people annotate: CVAT and Label Studio. They bring their own images."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree as ET

from studio.export.subject import Entry, Subject

_FROM, _TO = "label", "image"
_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def cvat(subject: Subject) -> Iterator[Entry]:
    """annotations.xml, "CVAT for images 1.1": a tag for each image, with its scores.

    Upload the images to a task first; CVAT finds them by their paths.
    """
    root = ET.Element("annotations")
    ET.SubElement(root, "version").text = "1.1"
    task = ET.SubElement(ET.SubElement(root, "meta"), "task")
    ET.SubElement(task, "name").text = _xml(subject.reader.info.name)
    ET.SubElement(task, "size").text = str(len(subject.indices))
    labels = ET.SubElement(task, "labels")
    for name in subject.class_names:
        label = ET.SubElement(labels, "label")
        ET.SubElement(label, "name").text = _xml(name)
        attributes = ET.SubElement(label, "attributes")
        for attribute in ("clean", "clean_probability", "confidence"):
            part = ET.SubElement(attributes, "attribute")
            ET.SubElement(part, "name").text = attribute
            ET.SubElement(part, "mutable").text = "False"
            ET.SubElement(part, "input_type").text = "text"
    for number, row in enumerate(subject.rows()):
        image = ET.SubElement(root, "image", id=str(number), name=_xml(row["path"]))
        tag = ET.SubElement(image, "tag", label=_xml(row["label"]), source="auto")
        for attribute in ("clean", "clean_probability", "confidence"):
            part = ET.SubElement(tag, "attribute", name=attribute)
            part.text = str(row[attribute]).lower()
    ET.indent(root)
    yield Entry("annotations.xml", ET.tostring(root, encoding="utf-8", xml_declaration=True))


def label_studio(subject: Subject) -> Iterator[Entry]:
    """tasks.json with predictions and their scores, and config.xml, the labelling interface.

    Images are named as Label Studio's local storage serves them: set its document root to the
    folder of the images. What a person corrected is an annotation, all else a prediction.
    """
    tasks = []
    for index in subject.indices:
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
        tasks.append({"data": facts, "annotations" if by_person else "predictions": [said]})
    yield Entry("tasks.json", json.dumps(tasks, ensure_ascii=False, indent=1).encode())
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
