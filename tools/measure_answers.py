"""Measure what answers about well-chosen images are worth, and how well few checks tell accuracy.

    OMP_NUM_THREADS=1 python tools/measure_answers.py DATA [--sets SET ...] [--cache DIR]
        [--what choosing wrong checks judged]

DATA holds sets of the form SET/train/<class>/<image> with SET/classes.txt. No training: frozen
features of the built-in model, first labels on `train`. *choosing*: `studio.ask.choose` beside
random images, the least confident, TypiClust (Hacohen, Dekel and Weinshall, ICML 2022) and the
coreset (Sener and Savarese, ICLR 2018), both written from the papers. *wrong*: a judge's answers of
which a share is wrong, drawn by the zero-shot probabilities of the other classes. *checks*: 200
draws of checked images; *judged*: the same by a judge of whose answers a share is wrong, alone and
where a person has checked a third of the images. True labels are used here, and only here.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from studio.ask.accuracy import checks, right_share  # noqa: E402 (needs the path above)
from studio.ask.choose import Groups, choose  # noqa: E402
from studio.ask.judge_accuracy import judged_share  # noqa: E402
from studio.ask.judge_question import MAX_NAMES  # noqa: E402
from studio.ask.relabel import Relabeller  # noqa: E402
from studio.bench.judging import spoilt  # noqa: E402
from studio.clip.backbone import Backbone, load_backbone  # noqa: E402
from studio.clip.texts import TextTower  # noqa: E402
from studio.coft.start import ZeroShotStart  # noqa: E402
from studio.runs.inputs import encode, images_for, prompts_of  # noqa: E402
from studio.scores.neighbours import nearest, unit  # noqa: E402
from studio.settings import Settings  # noqa: E402
from tools.labelled_sets import names_of, true_labels  # noqa: E402 (needs the path above)

WRONG, ANSWERS = (0.0, 0.1, 0.2), (1, 2)
"""Shares of a judge's answers that are wrong, and how many answers there are for each class."""
DRAWN = ("random", "TypiClust")
"""Who chooses by chance: the mean of all seeds. The others choose the same each time."""
CHECKED, DRAWS = (20, 40, 60, 100), 200
JUDGED, BY_PERSON = 60, 20
"""Images that a judge checks, and how many of them a person has checked as well."""


@dataclass(frozen=True)
class DataSet:
    """A set's start and what is right. features: (N, d); right: (N,)."""

    name: str
    features: np.ndarray
    start: ZeroShotStart
    right: Tensor
    relabeller: Relabeller

    @property
    def classes(self) -> int:
        return self.start.probabilities.shape[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", nargs="*", metavar="SET")
    parser.add_argument("--cache", type=Path, default=Path("build/estimate-cache"))
    parser.add_argument("--seeds", type=int, default=3)
    kinds = {"choosing": choosing, "wrong": wrong, "checks": checked, "judged": by_judge}
    parser.add_argument("--what", nargs="*", default=list(kinds), choices=list(kinds))
    options = parser.parse_args()
    backbone = load_backbone("embedded", device="cpu")
    names = options.sets or sorted(p.parent.name for p in options.data.glob("*/classes.txt"))
    sets = [data_set(backbone, options.data / name, options.cache) for name in names]
    for what in options.what:
        print(f"\n## {what}\n")
        for line in kinds[what](sets, options.seeds):
            print(line, flush=True)


def data_set(backbone: Backbone, root: Path, cache: Path) -> DataSet:
    folder, canvases = images_for(backbone, root / "train", cache_dir=cache)
    names, known = names_of(root), true_labels(folder, root)
    features = encode(backbone, folder, canvases, cache)
    prompts = prompts_of(Settings(), backbone, None, names)
    vectors = TextTower(backbone).class_vectors(prompts.texts(names))
    start = ZeroShotStart.of(backbone, features, vectors)
    return DataSet(
        root.name, features.numpy(), start, torch.from_numpy(known), Relabeller.of(start)
    )


def choosing(sets: list[DataSet], seeds: int) -> Iterator[str]:
    """Right labels after C and 2C answers, all right, by who chose the images."""
    ways: dict[str, Callable[[DataSet, int, int], list[int]]] = {
        "random": random_images, "least confident": least_confident, "TypiClust": typiclust,
        "coreset": coreset, "choose": chosen,
    }  # fmt: skip
    yield "| set | no answer | " + " | ".join(f"{w}, C / 2C" for w in ways) + " |"
    yield "|---" * (len(ways) + 2) + "|"
    columns: dict[str, list[tuple[float, ...]]] = {way: [] for way in ways}
    none: list[float] = []
    for data in sets:
        none.append(share(data.relabeller.first.argmax(1), data))
        for way, images in ways.items():
            found = []
            for seed in range(seeds if way in DRAWN else 1):
                found.append([
                    answered(data, images(data, n, seed)) for n in (data.classes, 2 * data.classes)
                ])  # fmt: skip
            columns[way].append(tuple(map(statistics.mean, zip(*found, strict=True))))
        cells = [" / ".join(f"{v:.1f}" for v in columns[way][-1]) for way in ways]
        yield f"| {data.name} | {none[-1]:.1f} | " + " | ".join(cells) + " |"
    means = [tuple(map(statistics.mean, zip(*columns[way], strict=True))) for way in ways]
    cells = [" / ".join(f"{v:.1f}" for v in mean) for mean in means]
    yield f"| **mean** | {statistics.mean(none):.1f} | " + " | ".join(cells) + " |"


def wrong(sets: list[DataSet], seeds: int) -> Iterator[str]:
    """Right labels after a judge's answers, of which a share is wrong: mean and worst."""
    heads = [f"{n}C, {100 * w:.0f} % wrong (worst)" for n in ANSWERS for w in WRONG]
    yield "| set | no answer | " + " | ".join(heads) + " |"
    yield "|---" * (len(heads) + 2) + "|"
    table, none = [], []
    for data in sets:
        none.append(share(data.relabeller.first.argmax(1), data))
        orders = [chosen(data, n * data.classes) for n in ANSWERS]
        found = [
            [after(data, order, wrong=w, seed=seed) for seed in range(seeds if w else 1)]
            for order in orders for w in WRONG
        ]  # fmt: skip
        table.append([statistics.mean(own) for own in found])
        cells = [f"{statistics.mean(own):.1f} ({min(own):.1f})" for own in found]
        yield f"| {data.name} | {none[-1]:.1f} | " + " | ".join(cells) + " |"
    cells = [f"{statistics.mean(own):.1f}" for own in zip(*table, strict=True)]
    yield f"| **mean** | {statistics.mean(none):.1f} | " + " | ".join(cells) + " |"


def after(data: DataSet, order: list[int], *, wrong: float, seed: int) -> float:
    """Right labels after a judge's answers about these images, of which a share is wrong."""
    said = spoilt(data.right[order], data.start.probabilities[order], wrong=wrong, seed=seed)
    judged = dict(zip(order, said.tolist(), strict=True))
    return share(data.relabeller({}, judged=judged).labels, data)


def checked(sets: list[DataSet], _seeds: int) -> Iterator[str]:
    """Mean error in points of the accuracy from n checks, and how often the interval holds it."""
    yield "| set | right labels | " + " | ".join(f"{n} checks" for n in CHECKED) + " |"
    yield "|---" * (len(CHECKED) + 2) + "|"
    columns: dict[int, list[tuple[float, float]]] = {n: [] for n in CHECKED}
    for data in sets:
        first = data.relabeller.first
        labels = first.argmax(1).numpy()
        sure = data.start.probabilities.numpy()[np.arange(len(labels)), labels]
        right = labels == data.right.numpy()
        for n in CHECKED:
            errors, held = [], []
            for seed in range(DRAWS):
                asked = checks(labels, sure, seed=seed)[:n]
                found = right_share({int(i): bool(right[i]) for i in asked}, labels, sure)
                errors.append(100 * abs(found.value - float(right.mean())))
                held.append(float(found.low <= right.mean() <= found.high))
            columns[n].append((statistics.mean(errors), statistics.mean(held)))
        cells = [f"{columns[n][-1][0]:.1f}, {columns[n][-1][1]:.2f}" for n in CHECKED]
        yield f"| {data.name} | {100 * right.mean():.1f} | " + " | ".join(cells) + " |"
    means = [tuple(map(statistics.mean, zip(*columns[n], strict=True))) for n in CHECKED]
    yield "| **mean** | | " + " | ".join(f"{e:.1f}, {h:.2f}" for e, h in means) + " |"


def by_judge(sets: list[DataSet], _seeds: int) -> Iterator[str]:
    """From a judge's checks: mean error of what it sees and of the share, and how often its
    interval holds the truth; alone / with a person's checks of some of the images.
    """
    heads = [f"{100 * w:.0f} % wrong: seen" for w in WRONG]
    yield (
        "| set | right labels | " + " | ".join(f"{h} | alone | with a person" for h in heads) + " |"
    )
    yield "|---" * (3 * len(WRONG) + 2) + "|"
    table = []
    for data in sets:
        labels = data.relabeller.first.argmax(1).numpy()
        odds = data.start.probabilities
        sure = odds.numpy()[np.arange(len(labels)), labels]
        right = labels == data.right.numpy()
        cells = []
        for w in WRONG:
            found = []
            for seed in range(DRAWS):
                asked = checks(labels, sure, seed=seed)[:JUDGED]
                said = judge_says(data, labels, asked, wrong=w, seed=seed)
                person = {int(i): bool(right[i]) for i in asked[:BY_PERSON]}
                alone, both = (judged_share(said, k, labels, sure) for k in ({}, person))
                true = float(right.mean())
                found.append([
                    abs(alone.seen - true),
                    *(x for one in (alone, both) for x in (
                        abs(one.value - true), one.low <= true <= one.high, one.high - one.low,
                    )),
                ])  # fmt: skip
            cells.append(np.mean(np.array(found, np.float64), axis=0))
        table.append(np.concatenate(cells))
        yield f"| {data.name} | {100 * right.mean():.1f} | {judged_cells(table[-1])} |"
    yield f"| **mean** | | {judged_cells(np.mean(table, axis=0))} |"


def judged_cells(row: np.ndarray) -> str:
    """Of each share of wrong answers: error of what is seen; then error, coverage, and width."""
    cells = []
    for seen, error, held, wide, error_2, held_2, wide_2 in row.reshape(len(WRONG), 7):
        cells.append(f"{100 * seen:.1f}")
        cells.append(f"{100 * error:.1f}, {held:.2f}, {100 * wide:.0f}")
        cells.append(f"{100 * error_2:.1f}, {held_2:.2f}, {100 * wide_2:.0f}")
    return " | ".join(cells)


def judge_says(
    data: DataSet, labels: np.ndarray, asked: np.ndarray, *, wrong: float, seed: int
) -> dict[int, float]:
    """Whether a judge that is shown each label, the likeliest other names and "none of these" takes
    the label to be right: it names the class where it is shown, else none; wrong answers are of the
    other names shown, by how likely the model takes them to be.
    """
    draws = np.random.default_rng(seed)
    odds = data.start.probabilities.numpy()
    failing = set(draws.permutation(len(asked))[: round(wrong * len(asked))].tolist())
    said = {}
    for place, image in enumerate(map(int, asked)):
        likely = np.argsort(-odds[image], kind="stable")[:MAX_NAMES].tolist()
        shown = list(dict.fromkeys([int(labels[image]), *likely]))[:MAX_NAMES]
        true = int(data.right[image])
        answer = true if true in shown else None
        if place in failing:
            others = [c for c in shown if c != true]
            share = odds[image][others] + 1e-12
            answer = int(draws.choice(others, p=share / share.sum()))
        said[image] = float(answer == labels[image])
    return said


def answered(data: DataSet, images: list[int]) -> float:
    """Right labels after right answers about these images."""
    judged = {image: int(data.right[image]) for image in images}
    return share(data.relabeller({}, judged=judged).labels, data)


def share(labels: Tensor, data: DataSet) -> float:
    return 100 * float((labels == data.right).float().mean())


def chosen(data: DataSet, budget: int, _seed: int = 0) -> list[int]:
    groups = Groups.of(data.features, classes=data.classes)
    return [q.image for q in choose(groups, data.relabeller.first.float().numpy(), {}, budget)]


def random_images(data: DataSet, budget: int, seed: int) -> list[int]:
    return np.random.default_rng(seed).permutation(len(data.right))[:budget].tolist()


def least_confident(data: DataSet, budget: int, _seed: int = 0) -> list[int]:
    return data.start.probabilities.max(1).values.argsort(stable=True)[:budget].tolist()


def coreset(data: DataSet, budget: int, _seed: int = 0) -> list[int]:
    """Greedy k-centre: each next image is the one farthest from all before."""
    units = unit(data.features)
    found = [int(np.linalg.norm(units - units.mean(0), axis=1).argmin())]
    reach = units @ units[found[0]]
    while len(found) < budget:
        found.append(int(reach.argmin()))
        np.maximum(reach, units @ units[found[-1]], out=reach)
    return found


def typiclust(data: DataSet, budget: int, seed: int) -> list[int]:
    """Of the largest clusters, as many as the budget, the image with the nearest neighbours."""
    from sklearn.cluster import MiniBatchKMeans

    units = unit(data.features)
    own = MiniBatchKMeans(budget, random_state=seed, n_init=1).fit_predict(units)
    near = nearest(units, k=20)
    assert near is not None
    typical = 1 / np.maximum(np.sqrt(np.maximum(2 - 2 * near.cosines, 0)).mean(1), 1e-6)
    order = np.argsort(-np.bincount(own, minlength=budget), kind="stable")
    members = [np.flatnonzero(own == cluster) for cluster in order]
    return [int(own[typical[own].argmax()]) for own in members if len(own)]


if __name__ == "__main__":
    main()
