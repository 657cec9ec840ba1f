"""How CoOp divides a data set that comes without a fixed division.

Its split files were drawn once, with a random state that nobody wrote down. The same rules with a
fixed seed give as many images of each class, but not the same ones.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from studio.paper.model import Item

SEED = 1
TRAIN, VAL = 0.5, 0.2  # and the rest is test
VAL_OF_TRAINVAL = 0.2


def divided(images: Mapping[int, Sequence[str]]) -> list[Item]:
    """Half of each class for train, a fifth for val, the rest for test.

    images: label to the keys of its images.
    """
    draw, items = random.Random(SEED), []
    for label in sorted(images):
        keys = sorted(images[label])
        draw.shuffle(keys)
        train, val = round(len(keys) * TRAIN), round(len(keys) * VAL)
        items += [Item("train", key, label) for key in keys[:train]]
        items += [Item("val", key, label) for key in keys[train : train + val]]
        items += [Item("test", key, label) for key in keys[train + val :]]
    return items


def without_val(trainval: Iterable[tuple[str, int]]) -> list[Item]:
    """A fifth of each class of a published training set becomes val; pairs of key and label."""
    by_class: dict[int, list[str]] = defaultdict(list)
    for key, label in trainval:
        by_class[label].append(key)
    draw, items = random.Random(SEED), []
    for label in sorted(by_class):
        keys = sorted(by_class[label])
        draw.shuffle(keys)
        val = round(len(keys) * VAL_OF_TRAINVAL)
        items += [Item("val", key, label) for key in keys[:val]]
        items += [Item("train", key, label) for key in keys[val:]]
    return items
