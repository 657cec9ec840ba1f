"""Images under names, with what is known of them: what the estimate is fitted to and measured on.

Units of a labelled set are each of its parts as it is, and random subsets of classes and images of
its train part, some of them under names that belong to other sets. True labels are used here.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from studio.clip.backbone import load_backbone
from studio.clip.encode import class_vectors
from studio.demo import demo_folder
from studio.images.folder import propose_class_names, read_aliases, truth
from studio.runs.inputs import encode, images_for, knowledge, zero_shot_probabilities
from studio.scores.estimate import Evidence

SETS = ("oxford_pets", "caltech101", "cifar10", "clothing10", "pacs_art_painting", "eurosat")
SUBSETS = 36  # of each set: two thirds of classes as they are, the rest under other names


@dataclass(frozen=True)
class Unit:
    """Images under names. kind: "whole", "subset", "some names" or "other names" exchanged."""

    set: str
    kind: str
    part: str
    evidence: Evidence
    accuracy: float
    z: float
    share: float  # weight of one unit of its kind

    @property
    def target(self) -> float:
        """Logit of the accuracy above chance; bounded, for subsets without any error."""
        chance = 1 / self.evidence.classes
        skill = float(np.clip((self.accuracy - chance) / (1 - chance), 0.02, 0.97))
        return float(np.log(skill / (1 - skill)))


def kept_units(data: Path, cache: Path) -> list[Unit]:
    """All units. Those of a set are kept in CACHE/units; delete them to measure anew."""
    folder = cache / "units"
    folder.mkdir(parents=True, exist_ok=True)
    done = {file.stem: json.loads(file.read_text("utf-8")) for file in folder.glob("*.json")}
    if not {*SETS, "demo"} <= set(done):
        for unit in all_units(data, cache, skip=set(done)):
            done.setdefault(unit.set, []).append(asdict(unit))
            text = json.dumps(done[unit.set])
            if len(done[unit.set]) == SUBSETS + (1 if unit.set == "demo" else 2):
                (folder / f"{unit.set}.json").write_text(text, encoding="utf-8")
    rows = [row for name in (*SETS, "demo") for row in done[name]]
    return [Unit(**{**row, "evidence": Evidence(**row["evidence"])}) for row in rows]


def all_units(data: Path, cache: Path, skip: set[str]) -> Iterator[Unit]:
    """Every part of every set, then its subsets."""
    backbone = load_backbone("embedded", device="cpu")
    vectors_of: dict[str, torch.Tensor] = {}
    parts = []
    for name in (*SETS, "demo"):
        folders = [(p, data / name / p) for p in ("train", "test")]
        for part, root in folders if name != "demo" else [("train", demo_folder(cache))]:
            folder, canvases = images_for(backbone, root, cache_dir=cache)
            file = data / name / "classes.txt"
            aliases = read_aliases(file) if file.is_file() else {}
            names = list(aliases.values()) or propose_class_names(folder)
            known = truth(folder, names, aliases=aliases)
            features = encode(backbone, folder, canvases, cache)
            vectors_of[name] = class_vectors(backbone, names, [backbone.template])
            parts.append((name, part, names, features, np.asarray(known)))

    def unit(name, kind, part, names, features, vectors, known, share=1.0):  # type: ignore[no-untyped-def]
        p = zero_shot_probabilities(backbone, features=features, class_vectors=vectors, of=features)
        verdict = knowledge(
            backbone, features=features, class_vectors=vectors, class_names=names,
            templates=[backbone.template], cache_dir=cache,
        )  # fmt: skip
        right = float((p.argmax(1).numpy() == known).mean())
        return Unit(
            name,
            kind,
            part,
            Evidence.of(p.numpy()),
            right,
            float(verdict.numbers["z"] or 0.0),
            share,
        )

    for name, part, names, features, known in parts:
        if name in skip:
            continue
        yield unit(name, "whole", part, names, features, vectors_of[name], known, 8.0)
        if part != "train":
            continue
        foreign = torch.cat([v for other, v in vectors_of.items() if other != name])
        for number in range(SUBSETS):
            rng = np.random.default_rng(number)
            size = min(int(np.exp(rng.uniform(np.log(3), np.log(len(names) + 0.5)))), len(names))
            classes = rng.choice(len(names), size, replace=False)
            mine = np.flatnonzero(np.isin(known, classes))
            mine = rng.choice(mine, min(len(mine), int(rng.integers(100, 401))), replace=False)
            position = {int(c): i for i, c in enumerate(classes)}
            labels = np.array([position[int(k)] for k in known[mine]])
            vectors = vectors_of[name][classes].clone()
            kind = ("subset", "subset", "subset", "subset", "some names", "other names")[number % 6]
            if kind != "subset":
                share = 1.0 if kind == "other names" else rng.uniform(0.2, 0.8)
                other = rng.random(size) < share
                vectors[other] = foreign[rng.choice(len(foreign), int(other.sum()), replace=False)]
            # The nouns to compare with are those of the whole set: they are cached.
            yield unit(name, kind, part, names, features[mine], vectors, labels)
        print(name, file=sys.stderr, flush=True)
