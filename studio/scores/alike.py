"""Class names that a model can hardly tell apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

ALIKE_FROM = 0.9
"""Cosine of two class vectors without what all have in common: cat and cats .93, tv and television
.94, shirt and t-shirt .93, but sofa and couch .84, two breeds of one kind mostly under .6."""


def alike(names: Sequence[str], vectors: Tensor) -> list[tuple[int, int]]:
    """Pairs of classes that are hardly told apart, most alike first: (i, j) with i < j.

    Args:
        names: of the C classes. Two that differ only in case, or in singular and plural, count
            whatever the model makes of them.
        vectors: (C, d) class vectors.
    """
    from torch.nn.functional import normalize

    unit = normalize(vectors.detach().float().cpu(), dim=1)
    apart = normalize(unit - unit.mean(0), dim=1)
    cosines = (apart @ apart.T).triu(1)
    found = {(i, j): float(cosines[i, j]) for i, j in (cosines >= ALIKE_FROM).nonzero().tolist()}
    first: dict[str, int] = {}
    for j, name in enumerate(names):
        i = first.setdefault(_singular(name), j)
        if i != j:
            found[i, j] = 1.0
    return sorted(found, key=lambda pair: (-found[pair], pair))


def _singular(name: str) -> str:
    """The name without case, spaces and the usual English plural."""
    plain = " ".join(name.replace("_", " ").split()).casefold()
    if plain.endswith("ies") and len(plain) > 4:
        return plain[:-3] + "y"
    if plain.endswith(("ches", "shes", "xes", "sses")):
        return plain[:-2]
    return plain[:-1] if plain.endswith("s") and not plain.endswith("ss") else plain
