"""CIFAR-100 in two pickles, and the human labels of CIFAR-100-N in a third."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from studio.errors import FolderError
from studio.paper.model import Item, Listing, Part, Plan
from studio.paper.pickles import read_pickle
from studio.paper.plans.reading import data

LABELS = "CIFAR-100_human.pt"
NOISY = "noisy_labels.csv"
_SIDE = 32


def cifar(listing: Listing) -> Plan:
    """All 50,000 and 10,000 images under their true classes; the human labels beside them.

    The true classes are for measuring. CoFT learns from neither; `fit --labels noisy_labels.csv`
    is what checks the human ones.
    """
    names = tuple(_read(listing, "meta")["fine_label_names"])
    items: list[Item] = []
    made: dict[str, Callable[[], bytes]] = {}
    train: list[Item] = []
    parts: tuple[Part, ...] = ("train", "test")
    for part in parts:
        batch = _read(listing, part)
        pixels = np.asarray(batch["data"], dtype=np.uint8).reshape(-1, 3, _SIDE, _SIDE)
        own = [
            Item(part, f"{part}/{number:05d}.png", int(label))
            for number, label in enumerate(batch["fine_labels"])
        ]
        if len(own) != len(pixels):
            raise FolderError(f"{part} of CIFAR-100 has {len(own)} labels, {len(pixels)} images.")
        made |= {item.key: partial(_png, image) for item, image in zip(own, pixels, strict=True)}
        items += own
        train = train or own
    human = _human(listing, [item.label for item in train])
    extra = partial(_noisy_table, train, human, names)
    return Plan(names, tuple(items), made, extra)


def _read(listing: Listing, name: str) -> dict[str, Any]:
    return read_pickle(data(listing, name), source=f"{name} of CIFAR-100")


def _human(listing: Listing, truth: list[int]) -> list[int]:
    """The label that a person gave to each training image, in their order."""
    found = read_pickle(data(listing, LABELS), source=LABELS)
    if np.ravel(found["clean_label"]).tolist() != truth:
        raise FolderError(f"{LABELS} and CIFAR-100 do not have the same images in the same order.")
    return [int(label) for label in np.ravel(found["noisy_label"])]


def _noisy_table(
    train: list[Item], human: list[int], names: tuple[str, ...], places: Mapping[str, str]
) -> dict[str, str]:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("path", "label"))
    for item, label in zip(train, human, strict=True):
        rows.writerow((places[item.key].partition("/")[2], names[label].replace("_", " ")))
    return {NOISY: text.getvalue()}


def _png(pixels: npt.NDArray[np.uint8]) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels.transpose(1, 2, 0)).save(file, "PNG")
    return file.getvalue()
