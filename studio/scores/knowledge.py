"""Does the model know anything about these images under these names? Told without a label.

The indicator is decisiveness: the mean gap between an image's best and second best class cosine.
By itself it means little (it depends on the model, the number of classes and the kind of images),
so it is compared with what the same images give under random nouns instead of the class names. A
model that recognises the images decides between their names more clearly than between names that
have nothing to do with them; names that mean nothing to it are just other random nouns. The result
z is the distance to the random sets in their standard deviations. The rule is the usual one of
significance and was fitted to no set: z < 2 near chance, 2 to 3 doubtful, from 3 promising.

Measured with the embedded model (first version, 192 px), all as z; accuracy of the zero-shot labels
for comparison:

    set (images)              accuracy  decisiveness  confidence  best cosine  10-NN agreement
    oxford_pets (740)              .53           5.4         9.3          9.4              6.2
    caltech101 (800)               .47           5.4        10.1         10.6              5.6
    cifar10 (1000)                 .61           4.5         6.0          7.0              5.1
    clothing10 (640)               .42           5.8         8.1         10.7              7.7
    pacs_art_painting (224)        .55           5.8         5.0          6.1              3.1
    the demo set (418)             .69          12.2        12.2         12.2              8.1
    eurosat (1000)                 .12          -0.7         1.3          3.2              0.6

On 375 random subsets of these sets (3 to 37 classes, 60 to 400 images), a third of them under names
of another set: of those with an accuracy well above chance 0.5 % were called near chance; of those
at chance 2 % were called promising. Raw values without random nouns do not tell: eurosat uses
91 % of its classes and agrees with its neighbours as clothing10 does.

What it cannot see: names that fit the images well but are exchanged among themselves; and it says
nothing of single classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from studio.names import canonical

Array = npt.NDArray[np.float32]

NEAR_CHANCE_BELOW = 2.0
PROMISING_FROM = 3.0
_RANDOM_SETS = 200
_IMAGES = 1000  # a sample of this size tells as much as a million
_FEWEST_IMAGES = 20


@dataclass(frozen=True)
class Knowledge:
    """The verdict. level: "promising", "doubtful" or "near chance"; sentence: for the user.

    numbers: z (see above), decisiveness (of the class names), random_mean and random_std (of the
    random nouns), images (how many were looked at); z is None when there are too few images.
    """

    level: str
    sentence: str
    numbers: dict[str, float | None]

    def to_dict(self) -> dict[str, Any]:
        """JSON-able, with `knows`: False only for "near chance"."""
        return {**asdict(self), "knows": self.level != "near chance"}


def nouns(class_names: Sequence[str], *, count: int = 500) -> list[str]:
    """Everyday nouns to compare class names with: ImageNet's class names, less the names given.

    At least `count` of them, or five times the number of classes; 1,000 at most. Always the same.
    """
    from timm.data.imagenet_info import ImageNetInfo  # imports torch

    info = ImageNetInfo()
    words = [info.index_to_description(i).split(",")[0] for i in range(info.num_classes())]
    given = {canonical(name) for name in class_names}
    others = sorted({word for word in words if canonical(word) not in given})
    order = np.random.default_rng(0).permutation(len(others))
    return [others[i] for i in order[: max(count, 5 * len(class_names))]]


def knowledge(
    image_features: npt.ArrayLike,
    class_vectors: npt.ArrayLike,
    *,
    noun_vectors: npt.ArrayLike,
    seed: int = 0,
) -> Knowledge:
    """Judges whether zero-shot labels can be any good; deterministic for a seed.

    image_features: (N, d) of the unlabelled images; class_vectors: (C, d) of the C >= 2 names;
    noun_vectors: (M, d) of unrelated names (`nouns`), made with the same templates, M >= 4. Raw
    or normalised alike.
    """
    rng = np.random.default_rng(seed)
    images = np.asarray(image_features, dtype=np.float32)
    if len(images) > _IMAGES:
        images = images[np.sort(rng.choice(len(images), _IMAGES, replace=False))]
    if len(images) < _FEWEST_IMAGES:
        return Knowledge(
            "doubtful",
            f"{len(images)} images are too few to tell whether the model knows them.",
            {"z": None, "images": float(len(images))},
        )
    images = _unit(images - images.mean(axis=0))
    classes, others = (
        _unit(np.asarray(v, dtype=np.float32)) for v in (class_vectors, noun_vectors)
    )
    # Sets of equal size, or the number of names would decide; and small enough for the random sets
    # to differ from one another.
    size = min(len(classes), max(2, len(others) // 2))
    random = [_decisiveness(images, _some(others, size, rng)) for _ in range(_RANDOM_SETS)]
    own = (
        _decisiveness(images, classes)
        if size == len(classes)
        else float(np.mean([_decisiveness(images, _some(classes, size, rng)) for _ in range(20)]))
    )
    mean, std = float(np.mean(random)), float(np.std(random))
    z = (own - mean) / max(std, 1e-9)
    level = (
        "near chance"
        if z < NEAR_CHANCE_BELOW
        else "doubtful" if z < PROMISING_FROM else "promising"
    )  # fmt: skip
    numbers: dict[str, float | None] = {
        "z": z,
        "decisiveness": own,
        "random_mean": mean,
        "random_std": std,
        "images": float(len(images)),
    }
    return Knowledge(level, _SENTENCES[level].format(z=z), numbers)


_SENTENCES = {
    "promising": (
        "The model tells these names apart on these images far better than random nouns "
        "({z:.1f} standard deviations above them; chance stays below 2)."
    ),
    "doubtful": (
        "The model tells these names apart on these images only a little better than random nouns "
        "({z:.1f} standard deviations above them; chance stays below 2): expect many wrong labels."
    ),
    "near chance": (
        "To this model these names fit these images no better than random nouns ({z:.1f} standard "
        "deviations; chance stays below 2): its labels would be near chance. Try other names or "
        "another model before you train."
    ),
}


def _decisiveness(images: Array, vectors: Array) -> float:
    """Mean gap between the best and the second best cosine; both sides (n, d) unit vectors."""
    cosines = images @ _unit(vectors - vectors.mean(axis=0)).T
    best_two = np.partition(cosines, -2, axis=1)[:, -2:]
    return float((best_two[:, 1] - best_two[:, 0]).mean())


def _some(vectors: Array, count: int, rng: np.random.Generator) -> Array:
    return vectors[rng.choice(len(vectors), count, replace=False)]


def _unit(vectors: Array) -> Array:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Array = vectors / np.maximum(norms, 1e-9)
    return unit
