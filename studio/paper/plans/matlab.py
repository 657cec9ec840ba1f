"""Labels in Matlab's files: Flowers102, StanfordCars."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from studio.paper.model import Item, Listing, Plan
from studio.paper.plans.reading import matlab
from studio.paper.rules import divided, without_val


def flowers(listing: Listing) -> Plan:
    """Flowers102: the class of image n is the nth label, from 1. The names are torchvision's.

    The published division (10 images of each class to learn from) is not the one of CoOp.
    """
    from torchvision.datasets import Flowers102

    images: dict[int, list[str]] = defaultdict(list)
    for number, label in enumerate(np.ravel(matlab(listing, "imagelabels.mat")["labels"]), 1):
        images[int(label) - 1].append(f"image_{number:05d}.jpg")
    names = tuple(str(name).rstrip("?") for name in Flowers102.classes)  # one is "...dahlia?"
    return Plan(names, tuple(divided(images)))


def cars(listing: Listing) -> Plan:
    """StanfordCars: annotations of train and test; the year stands first in a class name."""
    found = matlab(listing, "cars_meta.mat")["class_names"]
    names = []
    for name in np.ravel(found).tolist():
        model, _, year = str(name).rpartition(" ")
        names.append(f"{year} {model}")

    def read(folder: str, name: str) -> list[tuple[str, int]]:
        rows = np.atleast_1d(matlab(listing, name)["annotations"])
        return [(f"{folder}/{row['fname']}", int(row["class"]) - 1) for row in rows]

    items = without_val(read("cars_train", "cars_train_annos.mat"))
    test = read("cars_test", "cars_test_annos_withlabels.mat")
    items += [Item("test", key, label) for key, label in test]
    return Plan(tuple(names), tuple(items))
