"""Labelled sets out of packages, and the true labels that measuring tools read in any set."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from studio.images.folder import scan
from tools import build_new_sets as tool
from tools.labelled_sets import names_of, true_labels


def draw(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4)).save(path)


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """A few images of each kind, as the packages hold them."""
    root = tmp_path / "packages"
    for classes, name in ((tool.STAMPS, "stamps"), (tool.CLIPART, "clipart")):
        for folder in classes.values():
            for number in range(5):
                draw(root / name / folder / "deep" / f"{number}.png")
    categories = {*tool.EMOJI.values(), *tool.THINGS}
    emoji = [
        {"image": f"{place}-{number}.png", "name": f"THING {place} {number}", "sort_order": number,
         "subcategory": category}
        for place, category in enumerate(sorted(categories)) for number in range(4)
    ]  # fmt: skip
    for vendor in tool.VENDORS:
        for entry in emoji:
            draw(root / "emoji" / vendor / "img" / vendor / "64" / str(entry["image"]))
    (root / "emoji" / "apple" / "emoji.json").write_text(json.dumps(emoji), encoding="utf-8")
    rows = np.linspace(0, 1, 8 * 784)
    for name, folder, data in (
        ("mnist", "digits", rows.tolist()),
        ("fashion", "clothes", [*(255 * rows).reshape(8, 784).tolist(), [0]]),
    ):
        (root / name / "src" / folder).mkdir(parents=True)
        for number in range(10):
            file = root / name / "src" / folder / f"{number}.json"
            file.write_text(json.dumps({"data": data}), encoding="utf-8")
    return root


def test_the_same_packages_give_the_same_labelled_sets(
    packages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tool, "DRAWN_PER_CLASS", 4)
    made = []
    for out in (tmp_path / "one", tmp_path / "two"):
        monkeypatch.setattr("sys.argv", ["build_new_sets", str(packages), str(out)])
        tool.main()
        made.append(sorted(path.relative_to(out) for path in out.rglob("*")))
        classes = {"stamps": 16, "clipart": 24, "emoji": 24, "emoji_things": 44}
        for name, number in {**classes, "mnist": 10, "fashion": 10}.items():
            root = out / name
            assert len(names_of(root)) == number
            for part in ("train", "test"):
                labels = true_labels(scan(root / part), root)
                assert set(labels.tolist()) == set(range(number)), (name, part)
        seen = {path.name.partition("-")[2] for path in (out / "emoji" / "train").rglob("*.png")}
        new = {path.name.partition("-")[2] for path in (out / "emoji" / "test").rglob("*.png")}
        assert not seen & new, "what is tested on was not trained on in another drawing"
    assert made[0] == made[1]


@pytest.mark.parametrize("listed", ["a cat\na dog\n", "cats\ta cat\ndogs\ta dog\n"])
def test_true_labels_are_read_with_and_without_names_of_folders(
    tmp_path: Path, listed: str
) -> None:
    (tmp_path / "classes.txt").write_text(listed, encoding="utf-8")
    folders = ("cats", "dogs") if "\t" in listed else ("a cat", "a dog")
    for folder in folders:
        draw(tmp_path / "train" / folder / "1.png")
    assert names_of(tmp_path) == ["a cat", "a dog"]
    assert true_labels(scan(tmp_path / "train"), tmp_path).tolist() == [0, 1]
    (tmp_path / "classes.txt").write_text("one thing\nanother\n", encoding="utf-8")
    with pytest.raises(SystemExit, match="called like a class"):
        true_labels(scan(tmp_path / "train"), tmp_path)
