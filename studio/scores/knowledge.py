"""Does the model know anything about these images under these names? Told without a label.

The indicator is the mean confidence of the zero-shot labels, the highest class probability. By
itself it means little: it depends on the model, its scale, the number of classes and the kind of
images. So it is compared with what the same images give under other names, twice:

- z: under random nouns. A model that recognises the images decides between their names more clearly
  than between names that have nothing to do with them.
- near_z: under nouns near to the names, each name replaced by one of the ten nouns nearest to it in
  the text tower's space. A model that sees flowers, but not which flower, decides between the names
  of flowers no more clearly than between names near to them.

Both are distances to the other sets of names, in their standard deviations. A third indicator is
how many labels stay the same when the names stand in other templates (agreement): what the model
knows does not depend on the sentence around a name.

They are not judged by themselves: `studio.scores.estimate` makes an estimate of them, with its
interval, and the level follows that (`level_of`). By itself z calls 102 flowers promising of which
3.5 % are right.

What it cannot see: names that fit the images but are exchanged among themselves (the images and the
list of names are then the same as before, and so is all that is made of them); and it says nothing
about single classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from studio.images.names import canonical
from studio.numbers import plural
from studio.progress import Progress, turn
from studio.scores.estimate import Evidence, level_of
from studio.scores.rows import likeliest

if TYPE_CHECKING:  # a verdict is read from a run without torch
    from torch import Tensor

_RANDOM_SETS = 200
_NEAR_SETS = 100
OTHER_TEMPLATES = ("a photo of a {}.", "a picture of {}, a type of thing.", "itap of the {}.")
_NEAR = 10  # nouns to draw from for each name; 5 and 20 do about as well, and so do 11,000 nouns
_IMAGES = 1000  # a sample of this size tells as much as a million
_FEWEST_IMAGES = 20


@dataclass(frozen=True)
class Knowledge:
    """The verdict. level: "promising", "doubtful" or "near chance"; sentence: for the user.

    numbers: z, near_z and agreement (see above), confidence (under the class names), random_mean
    and random_std (under random nouns), images (how many were looked at); the first three are None
    when there are too few images.
    """

    level: str
    sentence: str
    numbers: dict[str, float | None]

    @property
    def explanation(self) -> str:
        """The sentence with the figure behind it, where there is one."""
        z, near, agreement = (self.numbers.get(name) for name in ("z", "near_z", "agreement"))
        if z is None:
            return self.sentence
        words = f"{self.sentence} In figures: {z:.1f} standard deviations above random nouns"
        if near is not None and agreement is not None:
            words += (
                f", {near:.1f} above nouns near to the names; {100 * agreement:.0f} % of the "
                "labels are the same in other templates"
            )
        return f"{words}."

    @property
    def indicators(self) -> dict[str, float | None]:
        """z, near and agreement, as `Evidence` calls them; None: not known."""
        names = {"z": "z", "near": "near_z", "agreement": "agreement"}
        return {name: self.numbers.get(key) for name, key in names.items()}

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
    other_vectors: Sequence[Tensor],
    logit_scale: float,
    center: bool,
    seed: int = 0,
    progress: Progress | None = None,
) -> Knowledge:
    """Judges whether zero-shot labels can be any good; the same for the same seed.

    image_features: (N, d) raw, of the unlabelled images; class_vectors: (C, d) of the C >= 2 names;
    noun_vectors: (M, d) of unrelated names (`nouns`), made with the same templates, M >= 4;
    other_vectors: (C, d) each, of the same names in OTHER_TEMPLATES;
    logit_scale, center: the backbone's (see `studio.clip.space`);
    progress: told (images done, N), while all of them are gone over several times.
    """
    import torch

    from studio.clip.space import Space, ZeroShotRows

    rng = np.random.default_rng(seed)
    images = image_features
    if len(images) > _IMAGES:
        images = images[np.sort(rng.choice(len(images), _IMAGES, replace=False))]
    if len(images) < _FEWEST_IMAGES:
        return Knowledge(
            "doubtful",
            f"{plural(len(images), 'image')} {'is' if len(images) == 1 else 'are'} too few to tell "
            "whether the model knows them.",
            {"z": None, "near_z": None, "agreement": None, "images": float(len(images))},
        )

    def space(vectors: Tensor, images: Tensor = images) -> Space:
        return Space.of(
            image_features=images, class_vectors=vectors, scale=logit_scale, center=center
        )

    def confidence(vectors: Tensor) -> float:
        return float(space(vectors).probabilities(images, vectors).max(dim=-1).values.mean())

    def some(vectors: Tensor) -> Tensor:
        return vectors[rng.choice(len(vectors), size, replace=False)]

    # Sets of equal size, or the number of names would decide; and small enough for the random sets
    # to differ from one another.
    size = min(len(class_vectors), max(2, len(noun_vectors) // 2))
    with torch.inference_mode():
        random = [confidence(some(noun_vectors)) for _ in range(_RANDOM_SETS)]
        whole = own = confidence(class_vectors)
        if size < len(class_vectors):
            own = float(np.mean([confidence(some(class_vectors)) for _ in range(20)]))
        texts = space(class_vectors).texts
        cosines = texts(class_vectors) @ texts(noun_vectors).T
        nearest = cosines.topk(min(_NEAR, len(noun_vectors)), dim=1).indices.numpy()
        rows = np.arange(len(nearest))
        drawn = [
            nearest[rows, rng.integers(0, nearest.shape[1], len(rows))] for _ in range(_NEAR_SETS)
        ]
        near = [confidence(noun_vectors[choice]) for choice in drawn]

        def of_all(vectors: Tensor) -> ZeroShotRows:
            return ZeroShotRows.of(
                features=image_features, class_vectors=vectors, scale=logit_scale, center=center
            )

        turns = len(other_vectors) + 2
        others = [
            likeliest(of_all(vectors), progress=turn(progress, number, turns))
            for number, vectors in enumerate(other_vectors)
        ]
        probabilities = of_all(class_vectors)
        labels = likeliest(probabilities, progress=turn(progress, turns - 2, turns))
        evidence = Evidence.of(probabilities, progress=turn(progress, turns - 1, turns))
    z, near_z = _deviations(own, random), _deviations(whole, near)
    agreement = float(np.mean([(other == labels).mean() for other in others]))
    evidence = replace(evidence, z=z, near=near_z, agreement=agreement)
    level = level_of(evidence.estimate(), evidence.classes)
    numbers: dict[str, float | None] = {
        "z": z,
        "near_z": near_z,
        "agreement": agreement,
        "confidence": own,
        "random_mean": float(np.mean(random)),
        "random_std": float(np.std(random)),
        "images": float(len(images)),
    }
    return Knowledge(level, _SENTENCES[level], numbers)


def _deviations(value: float, others: Sequence[float]) -> float:
    """How far a value is above others, in their standard deviations."""
    return (value - float(np.mean(others))) / max(float(np.std(others)), 1e-9)


_SENTENCES = {
    "promising": (
        "The model decides clearly between these names, and more clearly than between other nouns: "
        "it knows these images."
    ),
    "doubtful": (
        "The model knows something about these images, but whether it can tell these names apart "
        "is doubtful: expect many wrong labels."
    ),
    "near chance": (
        "To this model these names fit these images hardly better than other nouns: expect labels "
        "near chance. Try other names or another model before you train."
    ),
}
