"""The texts that the student learns from: names of things, and names with something around them."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass

from .imagenet import all_synsets, class_synsets
from .wordnet import WordNet

# How often a text is drawn, by what it names. The 1,000 classes are what the image tower knows.
CLASS_WEIGHT, ANCESTOR_WEIGHT, IMAGENET_WEIGHT, OTHER_WEIGHT = 8.0, 4.0, 2.0, 1.0
UNPICTURED_WEIGHT = 0.5  # abstract nouns, people and places by name
MAX_WORDS = 7
HELD_OUT_EVERY = 50
COMPOUND_FORMS = ("{} {}", "{} {}", "{} and {}", "{} with {}")


@dataclass(frozen=True)
class Corpus:
    """Unique lower-case texts with weights; held_out texts are for measuring only."""

    texts: list[str]
    weights: list[float]
    held_out: list[str]


def plural(name: str) -> str:
    """A regular English plural of the last word; wrong ones do no harm here."""
    if name.endswith(("s", "x", "ch", "sh")):
        return name + "es"
    if name.endswith("y") and name[-2:-1] not in "aeiou":
        return name[:-1] + "ies"
    return name + "s"


def _usable(name: str) -> bool:
    return name.isascii() and len(name) > 1 and len(name.split()) <= MAX_WORDS and name[0].isalpha()


def _short_definition(definition: str) -> str:
    """The first clause: enough to say what it is, short enough for the text tower."""
    return " ".join(definition.split(";")[0].split(",")[0].split()[:20])


def build_corpus(wordnet: WordNet, *, n_described: int, n_compound: int, seed: int) -> Corpus:
    """Collect the texts.

    n_described: number of "adjective noun" texts; n_compound: of "noun noun" texts.
    """
    rng = random.Random(seed)
    nouns = wordnet.nouns
    weight_of: dict[str, float] = {}

    def add(names: Iterable[str], weight: float) -> None:
        for name in names:
            text = name.lower()
            if _usable(text):
                weight_of[text] = max(weight, weight_of.get(text, 0.0))

    classes = class_synsets()
    ancestors = sorted({a for c in classes for a in wordnet.ancestors(c)})
    pictured = sorted({a for s in all_synsets() if s in nouns for a in wordnet.ancestors(s)})
    class_names = sorted({n.lower() for s in classes for n in nouns[s].lemmas})
    known_names = sorted({n.lower() for s in ancestors for n in nouns[s].lemmas if _usable(n)})
    pictured_names = sorted({n.lower() for s in pictured for n in nouns[s].lemmas if _usable(n)})
    add(class_names, CLASS_WEIGHT)
    add(known_names, ANCESTOR_WEIGHT)
    add(map(plural, known_names), ANCESTOR_WEIGHT / 2)
    add(pictured_names, IMAGENET_WEIGHT)
    add(map(plural, pictured_names), OTHER_WEIGHT / 2)
    all_names = sorted({n for s in nouns.values() for n in s.lemmas})
    add(all_names, UNPICTURED_WEIGHT)
    # A name's parts are asked for as well: "english setter" by "setter".
    add((w for n in pictured_names for w in n.split() if len(w) > 2), OTHER_WEIGHT)
    # Texts learnt by heart say nothing about new ones: some names outside ImageNet-1k are kept.
    candidates = sorted(t for t, w in weight_of.items() if w == IMAGENET_WEIGHT)
    held_out = set(candidates[::HELD_OUT_EVERY])
    adjectives = [a.lower() for a in wordnet.adjectives if len(a) < 12 and _usable(a)]
    pools = (known_names, pictured_names)
    for _ in range(n_described):
        noun = rng.choice(rng.choice(pools))
        add([f"{rng.choice(adjectives)} {noun}"], OTHER_WEIGHT)
    for _ in range(n_compound):
        first, second = rng.choice(rng.choice(pools)), rng.choice(rng.choice(pools))
        form = rng.choice(COMPOUND_FORMS)
        add([form.format(first, second)], OTHER_WEIGHT)
    for s in pictured:
        text = _short_definition(nouns[s].definition)
        if text.isascii() and text:
            weight_of.setdefault(text.lower(), OTHER_WEIGHT)
    texts = sorted(t for t in weight_of if t not in held_out)
    return Corpus(texts, [weight_of[t] for t in texts], sorted(held_out))
