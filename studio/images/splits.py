"""Which folders beside each other split a data set: by their names and by what lies in them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from studio.images.names import canonical, clean

_SPLIT = frozenset(
    {"train", "training", "trn", "test", "testing", "tst", "val", "valid", "validation", "validate"}
    | {"vali", "eval", "evaluation", "dev", "devel", "development", "holdout", "trainval"}
    | {"pred", "prediction", "fold", "split", "unlabeled", "unlabelled", "labeled", "labelled"}
)
_HOLDER = frozenset(
    {"images", "image", "imgs", "img", "pictures", "photos", "data", "dataset", "set", "jpegimages"}
)
_GLUED = re.compile(
    r"(train|training|test|testing|val|valid|validation|eval|dev)(set|data|images?|imgs?|dir)"
)
_LEAST_SHARED = 2  # sub-folders of the same name in two folders, before they mean anything


class Node:
    """A folder that holds images, at any depth."""

    def __init__(self) -> None:
        self.folders: dict[str, Node] = {}

    def add(self, parts: Sequence[str]) -> None:
        """Let there be this folder below, given by the names on the way to it."""
        node = self
        for part in parts:
            node = node.folders.setdefault(part, Node())


@dataclass(frozen=True)
class Reading:
    """expand: folders that may be splits; sure: they are; likely: rather so than not."""

    expand: tuple[str, ...] = ()
    sure: bool = False
    likely: bool = False


class Level:
    """Folders beside each other, those of several splits taken together.

    groups: for each parent its sub-folders by name.
    """

    def __init__(self, groups: Iterable[dict[str, Node]]) -> None:
        self.folders = [group for group in groups if group]
        self.names = list(dict.fromkeys(name for group in self.folders for name in group))

    def nodes(self, names: Iterable[str]) -> list[Node]:
        """The folders of these names, in each place."""
        return [group[name] for name in names for group in self.folders if name in group]

    def inside(self, *names: str) -> set[str]:
        """The sub-folders of these folders, by their canonical names."""
        return {canonical(inner) for node in self.nodes(names) for inner in node.folders}

    def below(self, names: Sequence[str]) -> Level:
        """The level in which these folders are replaced by what lies in them."""
        kept = [{n: f for n, f in group.items() if n not in names} for group in self.folders]
        return Level([*kept, *(node.folders for node in self.nodes(names))])

    def read(self) -> Reading:
        """Which of these folders split the set, by their names and by what lies in them."""
        words = {name: _split_word(name) for name in self.names}
        splits = [name for name in self.names if words[name]]
        rest = [name for name in self.names if not words[name]]
        inside = self.inside(*splits)
        if splits and not rest:
            whole = all(words[name] == "whole" for name in splits)
            return Reading(tuple(splits), sure=True) if whole or inside else Reading()
        if not inside:
            return self._alike()
        beside = [name for name in rest if canonical(name) in inside]  # cat, next to train/cat
        pools = [n for n in rest if n not in beside and self.inside(n) & inside]  # more/cat
        if len(splits) < 2 and not beside and not pools and len(inside) < _LEAST_SHARED:
            return Reading()
        return Reading(
            expand=(*splits, *pools),
            sure=len(beside) + len(pools) == len(rest) and "whole" in words.values(),
            likely=len(splits) > 1 or bool(beside or pools) or len(inside) > len(rest),
        )

    def _alike(self) -> Reading:
        """Folders with the same sub-folders: places that each hold all classes, or classes that are
        each seen from the same sides. Nothing tells which for certain.
        """
        counts = Counter(key for name in self.names for key in self.inside(name))
        shared = {key for key, number in counts.items() if number > 1}
        holders = [name for name in self.names if len(self.inside(name) & shared) > 1]
        if len(shared) < _LEAST_SHARED or 2 * len(shared) < len(counts):
            return Reading()
        if len(holders) < 2 or 2 * len(holders) < len(self.names):
            return Reading()
        numbered = len({re.sub(r"\d+", "", name) for name in self.names}) == 1
        expand = tuple(name for name in self.names if self.inside(name))
        return Reading(expand, likely=numbered or len(shared) > len(self.names))


def _split_word(name: str) -> str:
    """What a folder's name says: "whole": only that it splits or holds a set, "part": that, and
    other things (`seg_train`), "": nothing of the kind.
    """
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", clean(name))
    tokens = re.findall(r"[^\W\d_]+", spaced.casefold())
    tokens = [piece for token in tokens for piece in _pieces(token)]
    known = [token in _SPLIT or token in _HOLDER for token in tokens]
    if tokens and all(known):
        return "whole"
    return "part" if any(token in _SPLIT for token in tokens) else ""


def _pieces(token: str) -> tuple[str, ...]:
    found = _GLUED.fullmatch(token)
    return (found[1], "set") if found else (token,)
