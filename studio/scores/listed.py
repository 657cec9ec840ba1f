"""What first labels show of a list of class names: which seem not to fit, which are too alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from studio.numbers import plural, some

SELDOM = 0.25
"""Of an even share of the images; a name with fewer first labels is seldom given."""


@dataclass(frozen=True)
class Listed:
    """never: names that no image was given; seldom: names that fewer than a quarter of an even
    share were given; alike: pairs of names that are hardly told apart.

    A name that is never or seldom given may be that of a class which is not in the folder, or one
    that the model does not know although its images are there: without a label the two look the
    same. docs/lab-notes.md says how often it is which.
    """

    never: tuple[str, ...]
    seldom: tuple[str, ...]
    alike: tuple[tuple[str, str], ...]

    @classmethod
    def of(
        cls, names: Sequence[str], counts: Sequence[int], alike: Sequence[tuple[int, int]] = ()
    ) -> Listed:
        """From how many images each of the names was given first, and pairs of their numbers."""
        even = sum(counts) / max(1, len(counts))
        return cls(
            never=tuple(name for name, n in zip(names, counts, strict=True) if not n),
            seldom=tuple(
                name for name, n in zip(names, counts, strict=True) if 0 < n < SELDOM * even
            ),
            alike=tuple((names[i], names[j]) for i, j in alike),
        )

    def sentences(self, *, most: int = 8) -> list[str]:
        """Each in one line for the terminal, with at most so many names."""
        said = []
        if self.never or self.seldom:
            names = [*self.never, *self.seldom]
            seem, them = ("it seems", "it") if len(names) == 1 else ("they seem", "them")
            said.append(
                f"{plural(len(names), 'name')} that hardly any image is first labelled as; {seem} "
                f"to be absent, or the model does not know {them}: {some(names, most)}"
            )
        if self.alike:
            pairs = [f"{one} / {other}" for one, other in self.alike]
            said.append(f"names that are hardly told apart: {some(pairs, most)}")
        return said
