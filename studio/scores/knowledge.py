"""Does the model know anything about these images under these names? Told without a label.

The indicator is the mean confidence of the zero-shot labels, the highest class probability. By
itself it means little: it depends on the model, its scale, the number of classes and the kind of
images. So it is compared with what the same images give under random nouns instead of the class
names. A model that recognises the images decides between their names more clearly than between
names that have nothing to do with them; names that mean nothing to it are just other random nouns.
The result z is the distance to the random sets in their standard deviations. The rule is the usual
one of significance and was fitted to no set: z < 2 near chance, 2 to 3 doubtful, from 3 promising.

Measured with the embedded model on 500 images of each set (fewer where it has fewer); beside it the
other indicators that were tried in the same way: the gap between the two best cosines, the best
cosine, and the agreement of labels with those of the ten most similar images beyond chance.

    set                  accuracy   confidence     gap   best cosine   10 neighbours
    oxford_pets               .54          8.6     4.7           9.5             5.6
    caltech101                .52          8.4     4.7           9.7             3.9
    cifar10                   .61          4.7     3.2           6.0             3.7
    clothing10                .47          7.1     5.7          10.0             7.3
    pacs_art_painting         .59          4.7     4.8           5.6             4.0
    the demo set              .71         11.0    11.8          11.4             8.4
    eurosat                   .14          1.0    -1.0           3.6             1.5

On 346 random subsets of these sets (3 to 37 classes, 60 to 400 images), a third of them under names
of another set: of those whose accuracy is well above chance 2 % were called near chance and 3 %
doubtful; of those at chance none was called promising and 4 % doubtful. Without the comparison
nothing can be told: eurosat uses 90 % of its classes evenly and its labels agree with those of
similar images (.40) as well as those of pacs_art_painting (.39).

What it cannot see: names that fit the images but are exchanged among themselves; and it says
nothing about single classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from studio.images.names import canonical

if TYPE_CHECKING:  # a verdict is read from a run without torch
    from torch import Tensor

NEAR_CHANCE_BELOW = 2.0
PROMISING_FROM = 3.0
_RANDOM_SETS = 200
_IMAGES = 1000  # a sample of this size tells as much as a million
_FEWEST_IMAGES = 20


@dataclass(frozen=True)
class Knowledge:
    """The verdict. level: "promising", "doubtful" or "near chance"; sentence: for the user.

    numbers: z (see above), confidence (under the class names), random_mean and random_std (under
    random nouns), images (how many were looked at); z is None when there are too few images.
    """

    level: str
    sentence: str
    numbers: dict[str, float | None]

    @property
    def explanation(self) -> str:
        """The sentence with the figure behind it, where there is one."""
        z = self.numbers["z"]
        if z is None:
            return self.sentence
        return (
            f"{self.sentence} In figures: {z:.1f} standard deviations above random nouns; by "
            f"chance it is below {NEAR_CHANCE_BELOW:g}."
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-able, with `knows`: False only for "near chance"."""
        return {**asdict(self), "knows": self.level != "near chance"}


def nouns(class_names: Sequence[str], *, count: int = 500) -> list[str]:
    """Everyday nouns to compare class names with: ImageNet's class names, less the names given.

    At least `count` of them, or five times the number of classes; as many as there are at most
    (about 1,000). Always the same.
    """
    from timm.data.imagenet_info import ImageNetInfo  # timm takes seconds to import

    info = ImageNetInfo()
    words = [info.index_to_description(i).split(",")[0] for i in range(info.num_classes())]
    given = {canonical(name) for name in class_names}
    others = sorted({word for word in words if canonical(word) not in given})
    order = np.random.default_rng(0).permutation(len(others))
    return [others[i] for i in order[: max(count, 5 * len(class_names))]]


def knowledge(
    image_features: Tensor,
    class_vectors: Tensor,
    *,
    noun_vectors: Tensor,
    logit_scale: float,
    center: bool,
    seed: int = 0,
) -> Knowledge:
    """Judges whether zero-shot labels can be any good; the same for the same seed.

    image_features: (N, d) raw, of the unlabelled images; class_vectors: (C, d) of the C >= 2 names;
    noun_vectors: (M, d) of unrelated names (`nouns`), made with the same templates, M >= 4;
    logit_scale, center: the backbone's (see `studio.clip.space`).
    """
    import torch

    from studio.clip.space import Space

    rng = np.random.default_rng(seed)
    images = image_features
    if len(images) > _IMAGES:
        images = images[np.sort(rng.choice(len(images), _IMAGES, replace=False))]
    if len(images) < _FEWEST_IMAGES:
        return Knowledge(
            "doubtful",
            f"{len(images)} images are too few to tell whether the model knows them.",
            {"z": None, "images": float(len(images))},
        )

    def confidence(vectors: Tensor) -> float:
        space = Space.of(
            image_features=images, class_vectors=vectors, scale=logit_scale, center=center
        )
        return float(space.probabilities(images, vectors).max(dim=-1).values.mean())

    def some(vectors: Tensor) -> Tensor:
        return vectors[rng.choice(len(vectors), size, replace=False)]

    # Sets of equal size, or the number of names would decide; and small enough for the random sets
    # to differ from one another.
    size = min(len(class_vectors), max(2, len(noun_vectors) // 2))
    with torch.inference_mode():
        random = [confidence(some(noun_vectors)) for _ in range(_RANDOM_SETS)]
        if size == len(class_vectors):
            own = confidence(class_vectors)
        else:
            own = float(np.mean([confidence(some(class_vectors)) for _ in range(20)]))
    mean, std = float(np.mean(random)), float(np.std(random))
    z = (own - mean) / max(std, 1e-9)
    level = "near chance"
    if z >= NEAR_CHANCE_BELOW:
        level = "doubtful" if z < PROMISING_FROM else "promising"
    numbers: dict[str, float | None] = {
        "z": z,
        "confidence": own,
        "random_mean": mean,
        "random_std": std,
        "images": float(len(images)),
    }
    return Knowledge(level, _SENTENCES[level], numbers)


_SENTENCES = {
    "promising": (
        "The model decides between these names far more clearly than between random nouns: it "
        "knows these images."
    ),
    "doubtful": (
        "The model decides between these names only a little more clearly than between random "
        "nouns: expect many wrong labels."
    ),
    "near chance": (
        "To this model these names fit these images no better than random nouns: expect labels "
        "near chance. Try other names or another model before you train."
    ),
}
