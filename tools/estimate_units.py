"""Images under names, with what is known of them: what the estimate is fitted to and measured on.

Units of a labelled set are its train part as it is, and parts of it: with the images of some
classes only under all names (`present`), with classes of very different sizes (`tail`), with half
of the names replaced by names of other sets (their images are never right then), and with some of
the classes under their own names (`subset`). True labels are used here.

What training does to labels is stood in for by what takes seconds (`trained`): whole runs take
minutes each.

Names that are exchanged among themselves are no kind of their own: images and list of names are the
same then, so that every estimate is, and none can tell.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from estimate_rivals import rivals, rivals_after

from studio.clip.backbone import Backbone, load_backbone
from studio.clip.encode import class_vectors
from studio.coft.first_labels import with_first
from studio.coft.given import UNKNOWN
from studio.coft.start import ZeroShotStart, first_scores, seeds
from studio.coft.together import label_together
from studio.demo import demo_folder
from studio.images.folder import ClassList, propose_class_names, read_classes, truth
from studio.images.names import canonical
from studio.progress import to_the_end
from studio.runs.inputs import encode, images_for, knowledge
from studio.scores.estimate import Evidence
from studio.scores.names_fit import NamesFit
from studio.settings import Settings

DEMO = "demo"
PRESENT = (0.5, 0.5, 0.25, 0.25, 0.1)
TAILS = (10, 50)
REPLACED, SUBSETS = 3, 3
WHOLE = 4.0  # weight of a set as it is, in units
RUN = 20.0  # of a whole run, among what stands in for runs


@dataclass(frozen=True)
class After:
    """Labels that training led to, or might. fit: of the names; accuracy: of the labels; rivals:
    other indicators of these labels.
    """

    fit: NamesFit
    accuracy: float
    rivals: dict[str, float]

    @classmethod
    def of(
        cls, pictures: np.ndarray, p: np.ndarray, labels: np.ndarray, right: np.ndarray
    ) -> After:
        """Of labels (N,) of images with unit features (N, d) and zero-shot probabilities (N, C)."""
        accuracy = float((labels == right).mean())
        return cls(NamesFit.of(p, labels), accuracy, rivals_after(pictures, p, labels))


@dataclass(frozen=True)
class Unit:
    """Images under names. kind: "whole", "present 50 %", "tail 10:1", "names", "subset", or "run"
    for the images of a whole run, whose labels are the only ones in `after`.
    """

    set: str
    kind: str
    evidence: Evidence
    accuracy: float
    after: dict[str, After]  # by `trained`
    rivals: dict[str, float]

    @property
    def weight(self) -> float:
        """In a mean over the units of its set."""
        return {"whole": WHOLE, "run": RUN}.get(self.kind, 1.0)

    @classmethod
    def from_dict(cls, row: dict[str, Any]) -> Unit:
        """From `asdict`."""
        after = {
            how: After(NamesFit(**own["fit"]), own["accuracy"], own["rivals"])
            for how, own in row["after"].items()
        }
        return cls(**{**row, "evidence": Evidence(**row["evidence"]), "after": after})


class Set(NamedTuple):
    """A labelled set. features: (N, d) raw; vectors: (C, d) of its names; labels: (N,); place: of
    an image, by its path.
    """

    names: list[str]
    features: torch.Tensor
    vectors: torch.Tensor
    labels: np.ndarray
    place: dict[str, int]


class Part(NamedTuple):
    """A unit to be: images `rows` of a set, under names with vectors; labels: -1 = of none."""

    kind: str
    rows: np.ndarray
    names: list[str]
    vectors: torch.Tensor
    labels: np.ndarray


def kept_units(data: Path, cache: Path) -> list[Unit]:
    """All units but whole runs, and but parts of too few images to compare their names with nouns.
    Those of a set are kept in CACHE/estimate-units; delete them to measure anew.
    """
    folder = cache / "estimate-units"
    folder.mkdir(parents=True, exist_ok=True)
    names = [*labelled(data), DEMO]
    missing = [name for name in names if not (folder / f"{name}.json").is_file()]
    if missing:
        backbone = load_backbone("embedded", device="cpu")
        sets = {name: read(backbone, data, name, cache) for name in names}
        for name in missing:
            found = [asdict(unit) for unit in measured(backbone, sets, name, cache)]
            (folder / f"{name}.json").write_text(json.dumps(found), encoding="utf-8")
            print(name, len(found), file=sys.stderr, flush=True)
    rows = [row for name in names for row in json.loads((folder / f"{name}.json").read_text())]
    return [unit for unit in map(Unit.from_dict, rows) if unit.evidence.z is not None]


def labelled(data: Path) -> list[str]:
    """The sets of a folder, by name."""
    return sorted(file.parent.name for file in data.glob("*/classes.txt"))


def read(backbone: Backbone, data: Path, name: str, cache: Path) -> Set:
    """A set's train part; its classes.txt names the classes."""
    root = demo_folder(cache) if name == DEMO else data / name / "train"
    folder, canvases = images_for(backbone, root, cache_dir=cache)
    file = data / name / "classes.txt"
    listed = read_classes(file) if file.is_file() else ClassList(tuple(propose_class_names(folder)))
    names = list(listed.names)
    known = truth(folder, names, aliases=listed.aliases)
    features = encode(backbone, folder, canvases, cache)
    vectors = class_vectors(backbone, names, [backbone.template])
    place = {image.path: i for i, image in enumerate(folder.images)}
    return Set(names, features, vectors, np.array(known), place)


def measured(backbone: Backbone, sets: dict[str, Set], name: str, cache: Path) -> Iterator[Unit]:
    """All units of a set."""
    whole = sets[name]
    others = [own for other, own in sets.items() if other not in (name, DEMO)]
    for part in parts(whole, others):
        features = whole.features[torch.from_numpy(part.rows)]
        found = knowledge(
            backbone, features=features, class_vectors=part.vectors, class_names=part.names,
            templates=[backbone.template], cache_dir=cache,
        )  # fmt: skip
        start = ZeroShotStart.of(backbone, features, part.vectors)
        p, pictures = start.probabilities.numpy(), start.pictures.numpy()
        after = {how: After.of(pictures, p, labels, part.labels) for how, labels in trained(start)}
        right = float((p.argmax(1) == part.labels).mean())
        evidence = Evidence.of(p, **found.indicators)
        rival = rivals(pictures, p)
        yield Unit(name, part.kind, evidence, right, after, rival)


def trained(start: ZeroShotStart) -> Iterator[tuple[str, np.ndarray]]:
    """Labels as training might leave them, by how they were made: labelled together as a run does
    it; by a linear classifier (ridge) on the features that has learned a run's seeds; and by that
    classifier and the first labels, together, as after Phase I.
    """
    settings, p = Settings(), start.probabilities
    given, cpu = torch.full((len(p),), UNKNOWN), torch.device("cpu")
    scores = to_the_end(first_scores)(start, given, settings, device=cpu)
    rows, labels = to_the_end(seeds)(scores, given, settings)
    yield "together", scores.argmax(1).numpy()
    learned = ridge(start.pictures, rows, labels, p.shape[1])
    yield "seeds", learned.argmax(1).numpy()
    sure = (2 * learned / learned.std().clamp_min(1e-9)).softmax(1).float()
    both = with_first(sure.expand(2, -1, -1), scores, weight=settings.first_label_weight)[0]
    anchor = settings.anchor
    together = label_together(start.pictures, both, given, device=cpu, anchor=anchor)
    yield "phase 1", together.argmax(1).numpy()


def ridge(
    pictures: torch.Tensor, rows: torch.Tensor, labels: torch.Tensor, count: int
) -> torch.Tensor:
    """(N, C) scores of a linear classifier that was fitted to some of the images."""
    own = pictures[rows].double()
    wanted = torch.eye(count, dtype=torch.float64)[labels] - 1 / count
    weights = torch.linalg.solve(own.T @ own + torch.eye(own.shape[1]), own.T @ wanted)
    return pictures.double() @ weights


def parts(whole: Set, others: list[Set]) -> Iterator[Part]:
    """The set and parts of it, always the same ones."""
    names, vectors, labels = whole.names, whole.vectors, whole.labels
    count, everything = len(names), np.arange(len(labels))
    yield Part("whole", everything, names, vectors, labels)
    for number, share in enumerate(PRESENT):
        rng = np.random.default_rng(100 + number)
        kept = rng.choice(count, max(2, round(share * count)), replace=False)
        rows = np.flatnonzero(np.isin(labels, kept))
        yield Part(f"present {100 * share:.0f} %", rows, names, vectors, labels[rows])
    for number, ratio in enumerate(TAILS):
        rows = tail(labels, count, ratio, np.random.default_rng(200 + number))
        yield Part(f"tail {ratio}:1", rows, names, vectors, labels[rows])
    foreign = [n for own in others for n in own.names]
    of_them = torch.cat([own.vectors for own in others])
    for number in range(REPLACED):
        rng = np.random.default_rng(400 + number)
        mine = {canonical(n) for n in names}
        free = [i for i, n in enumerate(foreign) if canonical(n) not in mine]
        gone = rng.choice(count, min(count // 2, len(free)), replace=False)
        taken = rng.choice(free, len(gone), replace=False)
        given, mixed = list(names), vectors.clone()
        for place, other in zip(gone, taken, strict=True):
            given[place], mixed[place] = foreign[other], of_them[other]
        yield Part("names", everything, given, mixed, np.where(np.isin(labels, gone), -1, labels))
    for number in range(SUBSETS):
        rng = np.random.default_rng(500 + number)
        size = max(3, int(np.exp(rng.uniform(np.log(3), np.log(count + 0.5)))))
        kept = rng.choice(count, min(count, size), replace=False)
        rows = np.flatnonzero(np.isin(labels, kept))
        place = {int(c): i for i, c in enumerate(kept)}
        own = np.array([place[int(c)] for c in labels[rows]])
        yield Part("subset", rows, [names[c] for c in kept], vectors[torch.from_numpy(kept)], own)


def tail(labels: np.ndarray, count: int, ratio: float, rng: np.random.Generator) -> np.ndarray:
    """Rows of classes whose sizes fall geometrically, in a random order, to 1 / ratio."""
    sizes, order = np.bincount(labels, minlength=count), rng.permutation(count)
    wanted = np.empty(count, int)
    shares = ratio ** (-np.arange(count) / max(count - 1, 1))
    wanted[order] = np.maximum(1, np.round(sizes[order] * shares))
    rows = [
        rng.choice(np.flatnonzero(labels == c), min(wanted[c], sizes[c]), replace=False)
        for c in range(count)
        if sizes[c]
    ]
    return np.sort(np.concatenate(rows))
