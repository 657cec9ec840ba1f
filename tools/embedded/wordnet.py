"""A small reader for WordNet 3.0's database files, which Debian's package `wordnet-base` installs.

Synset ids are written as ImageNet writes them: "n" and the eight-digit offset in `data.noun`.
The format is described in WordNet's manual page wndb(5WN).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

DEFAULT_FOLDER = Path("/usr/share/wordnet")


@dataclass(frozen=True)
class Synset:
    """One meaning: its lemmas (spaces, original case), its definition, the ids of its hypernyms."""

    id: str
    lemmas: tuple[str, ...]
    definition: str
    hypernyms: tuple[str, ...]


@dataclass
class WordNet:
    """All noun synsets, the order of senses of every noun, and the plain lists of adjectives.

    nouns: id -> Synset. sense_rank: (lower-case lemma, id) -> 0 for the most frequent sense.
    adjectives: lemmas in file order, without syntactic markers such as "(a)".
    """

    nouns: dict[str, Synset]
    sense_rank: dict[tuple[str, str], int]
    adjectives: list[str] = field(default_factory=list)

    @cached_property
    def _ancestors(self) -> dict[str, frozenset[str]]:
        return {}

    def ancestors(self, synset: str) -> frozenset[str]:
        """The synset itself and everything above it."""
        known = self._ancestors
        if synset not in known:
            found = {synset}
            for parent in self.nouns[synset].hypernyms:
                found |= self.ancestors(parent)
            known[synset] = frozenset(found)
        return known[synset]

    @cached_property
    def information_content(self) -> dict[str, float]:
        """Intrinsic information content (Seco et al., 2004): 1 for leaves, 0 for the root."""
        below = dict.fromkeys(self.nouns, 0)
        for synset in self.nouns:
            for above in self.ancestors(synset):
                below[above] += 1
        total = math.log(len(self.nouns))
        return {synset: 1.0 - math.log(count) / total for synset, count in below.items()}


def _readable(lemma: str) -> str:
    """Undo the file's underscores and drop markers such as "(p)"."""
    return lemma.split("(")[0].replace("_", " ")


def _parse_line(line: str, kind: str) -> Synset:
    fields, _, gloss = line.partition(" | ")
    parts = fields.split()
    n_lemmas = int(parts[3], 16)
    lemmas = tuple(_readable(parts[4 + 2 * i]) for i in range(n_lemmas))
    at = 4 + 2 * n_lemmas
    pointers = [parts[at + 1 + 4 * i : at + 5 + 4 * i] for i in range(int(parts[at]))]
    # "@" is a hypernym, "@i" the class of an instance; both lead upwards.
    above = tuple(f"n{p[1]}" for p in pointers if p[0] in ("@", "@i") and p[2] == "n")
    definition = gloss.strip().split('; "')[0].strip()
    return Synset(f"{kind}{parts[0]}", lemmas, definition, above)


def _data_lines(path: Path) -> list[str]:
    # The licence at the top of every file is indented by two spaces.
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return [line for line in lines if line and not line.startswith("  ")]


def read_wordnet(folder: Path = DEFAULT_FOLDER) -> WordNet:
    """Read nouns and adjectives.

    Raises:
        FileNotFoundError: when the files are missing; the message names the Debian package.
    """
    if not (folder / "data.noun").is_file():
        raise FileNotFoundError(f"{folder}/data.noun is missing: apt-get install wordnet-base")
    nouns = {}
    for line in _data_lines(folder / "data.noun"):
        synset = _parse_line(line, "n")
        nouns[synset.id] = synset
    ranks: dict[tuple[str, str], int] = {}
    for line in _data_lines(folder / "index.noun"):
        parts = line.split()
        n_synsets = int(parts[2])
        for rank, offset in enumerate(parts[-n_synsets:]):
            ranks[(_readable(parts[0]), f"n{offset}")] = rank
    adjectives: dict[str, None] = {}
    for line in _data_lines(folder / "data.adj"):
        adjectives.update(dict.fromkeys(_parse_line(line, "a").lemmas))
    return WordNet(nouns, ranks, list(adjectives))
