"""Text files that name the images: OxfordPets, FGVCAircraft, UCF101."""

from __future__ import annotations

import re
from collections.abc import Iterator

from studio.paper.model import Item, Listing, Part, Plan
from studio.paper.plans.reading import lines
from studio.paper.rules import without_val


def pets(listing: Listing) -> Plan:
    """OxfordPets: lines IMAGE CLASS SPECIES BREED; the class name is the image's without number."""
    names: dict[int, str] = {}

    def read(name: str) -> Iterator[tuple[str, int]]:
        for line in lines(listing, name):
            image, number = line.split()[:2]
            names[int(number) - 1] = image.rpartition("_")[0].lower()
            yield f"{image}.jpg", int(number) - 1

    items = without_val(read("trainval.txt"))
    items += [Item("test", key, label) for key, label in read("test.txt")]
    return Plan(tuple(names[label] for label in sorted(names)), tuple(items))


def aircraft(listing: Listing) -> Plan:
    """FGVCAircraft: lines IMAGE VARIANT, for the three parts that were published."""
    names = tuple(lines(listing, "variants.txt"))
    index = {name: label for label, name in enumerate(names)}
    parts: tuple[Part, ...] = ("train", "val", "test")
    items = []
    for part in parts:
        for line in lines(listing, f"images_variant_{part}.txt"):
            image, _, name = line.partition(" ")
            items.append(Item(part, f"{image}.jpg", index[name]))
    return Plan(names, tuple(items))


def ucf(listing: Listing) -> Plan:
    """UCF101: the first of the three published divisions, lines ACTION/VIDEO.avi.

    CoOp's folders of middle frames have an underscore before each capital: Apply_Eye_Makeup.
    """
    index: dict[str, int] = {}
    for line in lines(listing, "classInd.txt"):
        number, action = line.split()
        index[action] = int(number) - 1

    def read(name: str) -> Iterator[tuple[str, int]]:
        for line in lines(listing, name):
            action, _, video = line.split()[0].partition("/")
            yield f"{_words(action)}/{video.removesuffix('.avi')}.jpg", index[action]

    items = without_val(read("trainlist01.txt"))
    items += [Item("test", key, label) for key, label in read("testlist01.txt")]
    return Plan(tuple(map(_words, sorted(index, key=index.__getitem__))), tuple(items))


def _words(action: str) -> str:
    return "_".join(re.findall("[A-Z][^A-Z]*", action))
