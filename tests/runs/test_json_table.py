"""Tables as other tools write them: by their forms, and by what is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from studio.errors import RunError
from studio.images.image_names import ImageNames
from studio.runs.checking import claimed, read_labels
from studio.runs.given import given_vector
from studio.runs.given_table import read_corrections

PATHS = ("cats/a.jpg", "dogs/b c.jpg")
NAMES = ("cat", "dog")
ROOT = Path("/photos/pets")
TASK = {"data": {"image": "/data/local-files/?d=cats/a.jpg"}}


def choice(*names: str) -> dict[str, Any]:
    return {"result": [{"type": "choices", "value": {"choices": list(names)}}]}


FORMS: dict[str, Any] = {
    "list": [{"path": "cats/a.jpg", "label": "cat"}, {"path": "dogs/b c.jpg", "label": "dog"}],
    "hugging face": [
        {"file_name": "cats/a.jpg", "label": 0}, {"file_name": "dogs/b c.jpg", "label": 1},
    ],
    "by name": {"cats/a.jpg": "cat", "dogs/b c.jpg": "Dog"},
    "by number": {"cats/a.jpg": 0, "dogs/b c.jpg": 1},
    "own classes": {
        "classes": ["dog", "cat"],
        "images": [{"image": "cats/a.jpg", "label": 1}, {"image": "dogs/b c.jpg", "label": 0}],
    },
    "yolo names": {
        "names": {"0": "dog", "1": "cat"},
        "images": [{"file": "cats/a.jpg", "label": 1}, {"file": "dogs/b c.jpg", "label": 0}],
    },
    "windows": [
        {"filename": "cats\\a.jpg", "category": "cat"},
        {"filename": "C:\\data\\pets\\dogs\\b c.jpg", "category": "dog"},
    ],
    "absolute": [
        {"filepath": "/photos/pets/cats/a.jpg", "class": "cat"},
        {"filepath": "file:///photos/pets/dogs/b c.jpg", "class": "dog"},
    ],
    "label studio": [
        {**TASK, "annotations": [choice("dog"), choice("cat")], "predictions": [choice("dog")]},
        {"data": {"image": "/data/local-files/?d=dogs/b%20c.jpg"}, "annotations": [choice("dog")]},
        {"data": {"image": "x.jpg"}, "annotations": [choice("cat", "dog")]},
        {"data": {"image": "y.jpg"}, "annotations": [], "predictions": [choice("dog")]},
    ],
    "label studio, short": [
        {"image": "/data/local-files/?d=cats/a.jpg", "choice": "cat", "id": 1},
        {"image": "/data/local-files/?d=dogs/b%20c.jpg", "choice": "dog", "id": 2},
    ],
    "fiftyone": {
        "classes": None,
        "labels": {
            "cats__a": {"label": "cat", "attributes": {"path": "cats/a.jpg"}},
            "dogs__b c": {"label": "dog", "attributes": {"path": "dogs/b c.jpg"}},
        },
    },
    "both": [
        {"file_name": "1.jpg", "original_path": "cats/a.jpg", "label": 0, "class_name": "cat"},
        {"file_name": "2.jpg", "original_path": "dogs/b c.jpg", "label": 1, "class_name": "dog"},
    ],
}  # fmt: skip


def vector(file: Path) -> list[int]:
    images = ImageNames(PATHS, roots=[ROOT])
    given = given_vector(
        read_corrections(file, images=images), paths=PATHS, class_names=NAMES, roots=[ROOT]
    )
    checked, _ = claimed(
        read_labels(file, images=images), paths=PATHS, class_names=NAMES, roots=[ROOT]
    )
    assert checked.tolist() == given.vector.tolist()
    return given.vector.tolist()


@pytest.mark.parametrize("form", FORMS)
def test_json_of_other_tools_is_read(form: str, tmp_path: Path) -> None:
    file = tmp_path / "labels.json"
    file.write_text(json.dumps(FORMS[form]))
    assert vector(file) == [0, 1]


def test_an_object_on_each_line_is_read(tmp_path: Path) -> None:
    file = tmp_path / "metadata.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in FORMS["hugging face"]) + "\n\n")
    assert vector(file) == [0, 1]


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
@pytest.mark.parametrize("by_number", [False, True])
def test_tables_with_the_columns_of_other_tools_are_read(
    mark: str, by_number: bool, tmp_path: Path
) -> None:
    rows = [("image", "choice"), ("cats\\a.jpg", "cat"), ("/photos/pets/dogs/b c.jpg", "dog")]
    if by_number:
        rows[1:] = [(path, str(NAMES.index(name))) for path, name in rows[1:]]
    file = tmp_path / "labels.csv"
    file.write_text("\n".join(mark.join(row) for row in rows))
    assert vector(file) == [0, 1]


def test_what_the_studio_exports_is_read_again(tmp_path: Path) -> None:
    rows = [
        {
            "path": "cats/a.jpg",
            "label": "cat",
            "clean_probability": 0.9,
            "correction": "relabelled",
        },
        {"path": "dogs/b c.jpg", "label": "cat", "clean_probability": 0.9, "correction": None},
    ]
    file = tmp_path / "labels.json"
    file.write_text(json.dumps({"classes": list(NAMES), "images": rows}))
    found = read_corrections(file)
    assert {path: said.verdict for path, said in found.items()} == {"cats/a.jpg": "relabelled"}


def test_names_that_are_digits_stay_names(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text("path,label\na,7\nb,1\n")
    given = given_vector(read_corrections(file), paths=["a", "b"], class_names=["1", "7"])
    assert given.vector.tolist() == [1, 0]
    with pytest.raises(RunError, match="not in the list: 1, 7"):
        given_vector(read_corrections(file), paths=["a", "b"], class_names=["cat", "dog"])


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("{", "is no JSON"),
        ("[1, 2]", "holds no list of images"),
        ('{"classes": ["a"]}', "holds no list of images"),
        ('[{"path": "a"}]', "has no column label"),
        ("[" * 5000 + "]" * 5000, "nested too deep"),
        ('[{"path": "a", "label": "x"}, {"path": "a", "label": "y"}]', "more than one label"),
    ],
)
def test_what_is_wrong_is_one_line(text: str, line: str, tmp_path: Path) -> None:
    file = tmp_path / "labels.json"
    file.write_text(text)
    with pytest.raises(RunError, match=line) as caught:
        read_corrections(file)
    assert "\n" not in str(caught.value)
