"""Labels in JSON, as tools write them, in the shape of a table: one row for each image.

Understood are a list of objects; an object with such a list under `images`, `labels`,
`annotations`, `data`, `items` or `samples`; an object with a label for each image; one object on
each line (.jsonl); what Label Studio exports (tasks with annotations); and FiftyOne's labels.json.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from studio.untrusted import Unreadable, parse_json

Row = tuple[int, dict[str, str]]

_LISTS = ("images", "annotations", "labels", "data", "items", "samples")
_NAMES = ("classes", "class_names", "label_names", "names")
_FIRST = re.compile(r"\s*[\[{]")


def is_json(name: str, text: str) -> bool:
    """Whether a table is JSON: by the ending of its name, or by how it begins."""
    return name.lower().endswith((".json", ".jsonl", ".ndjson")) or bool(_FIRST.match(text))


def json_rows(name: str, text: str) -> tuple[list[str], list[Row]]:
    """The head in lower case, and each row with the number of its entry, from 1.

    Raises:
        Unreadable: It is no JSON, or none of the forms above.
    """
    value = _parsed(name, text)
    names = _names(value)
    rows = [(n, _cells(entry, names)) for n, entry in enumerate(_entries(value), 1)]
    head = list(dict.fromkeys(column for _, row in rows for column in row))
    return head, [(n, {column: row.get(column, "") for column in head}) for n, row in rows]


def _parsed(name: str, text: str) -> Any:
    if not name.lower().endswith((".jsonl", ".ndjson")):
        return parse_json(text)
    return [parse_json(line) for line in text.splitlines() if line.strip()]


def _names(value: Any) -> list[str]:
    """The classes by number, where the file lists them."""
    found = next((value.get(key) for key in _NAMES if key in value), None) if _is(value) else None
    if isinstance(found, dict):  # YOLO's {0: name}
        found = [found[key] for key in sorted(found, key=lambda key: (len(key), key))]
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []


def _is(value: Any) -> bool:
    return isinstance(value, dict)


def _entries(value: Any) -> Iterator[Mapping[str, Any]]:
    """One object for each image."""
    if _is(value):
        lists = (value[key] for key in _LISTS if isinstance(value.get(key), (list, dict)))
        inner = next(lists, None)
        if inner is None and not value.keys() & {*_NAMES}:
            inner = value
        value = inner
    if _is(value):
        value = [
            {"path": path, **(label if _is(label) else {"label": label})}
            for path, label in value.items()
        ]
    if not isinstance(value, list) or not all(_is(entry) for entry in value):
        raise Unreadable("it holds no list of images with a path and a label each")
    yield from value


def _cells(entry: Mapping[str, Any], names: list[str]) -> dict[str, str]:
    """A row of texts. Label Studio's tasks hold the image under `data`, the label in a result."""
    flat: dict[str, Any] = {}
    data = entry.get("data")
    more = entry.get("attributes")  # of FiftyOne's labels, with the path as it was
    for part in (data, entry, more):
        for key, cell in part.items() if isinstance(part, dict) else ():
            flat[str(key).strip().lower()] = cell
    choice = _choice(entry)
    if choice is not None:
        flat["label"] = choice
        # Of a task of the studio's own: what was said before is not what is said now.
        flat.pop("correction", None)
        flat.pop("clean_probability", None)
    row = {key: text for key, cell in flat.items() if (text := _text(cell)) is not None}
    label = flat.get("label")
    if names and isinstance(label, int) and not isinstance(label, bool) and 0 <= label < len(names):
        row["label"] = names[label]
    return row


def _choice(entry: Mapping[str, Any]) -> str | None:
    """The last choice that a person made in one of Label Studio's tasks; "" where none did."""
    annotations = entry.get("annotations")
    if not isinstance(annotations, list):
        return None if "predictions" not in entry else ""
    for annotation in reversed(annotations):
        results = annotation.get("result") if _is(annotation) else None
        for result in results if isinstance(results, list) else ():
            value = result.get("value") if _is(result) else None
            choices = value.get("choices") if isinstance(value, dict) else None
            if isinstance(choices, list) and len(choices) == 1 and isinstance(choices[0], str):
                return choices[0]
    return ""


def _text(cell: Any) -> str | None:
    """A value as a cell holds it; None for what no cell can hold."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, (str, int, float)):
        return str(cell)
    if isinstance(cell, dict) and isinstance(cell.get("label"), str):  # FiftyOne's Classification
        return str(cell["label"])
    return None
