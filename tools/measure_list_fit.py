"""Measure first labels and seeds where the list of classes does not fit the folder.

    python tools/measure_list_fit.py DATA [--sets SET ...] [--draws N] [--cache DIR]

DATA holds sets of the form SET/train/<class>/<image> with SET/classes.txt. All names stay on the
list, but only some classes keep images, or classes have very different sizes, as in `bench
--present` and `--tail`. For each way of labelling together: how many labels are right, and how many
of the seeds that Phase I would take. True labels are used here, and only here.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from studio.bench.subsets import Subset  # noqa: E402 (needs the path above)
from studio.clip.backbone import Backbone, load_backbone  # noqa: E402
from studio.clip.texts import TextTower  # noqa: E402
from studio.coft.given import UNKNOWN  # noqa: E402
from studio.coft.selection import seed_set, seeds_by_class, without_prior  # noqa: E402
from studio.coft.start import ZeroShotStart  # noqa: E402
from studio.coft.together import label_together  # noqa: E402
from studio.runs.inputs import encode, images_for, prompts_of  # noqa: E402
from studio.settings import Settings  # noqa: E402
from tools.labelled_sets import names_of, true_labels  # noqa: E402 (needs the path above)

CUTS = {
    "all": Subset(), "50 %": Subset(present=0.5), "25 %": Subset(present=0.25),
    "10 %": Subset(present=0.1), "tail 10:1": Subset(tail=10), "tail 50:1": Subset(tail=50),
}  # fmt: skip
FEW_CLASSES = 20  # of which a tenth would be fewer than may stay
WAYS = ("zero-shot", "free", "default")

Cell = dict[str, tuple[float, float]]
"""By way: the share of right labels, and that of right seeds."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", nargs="*", metavar="SET")
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--cache", type=Path, default=Path("build/estimate-cache"))
    options = parser.parse_args()
    backbone = load_backbone("embedded", device="cpu")
    names = options.sets or sorted(p.parent.name for p in options.data.glob("*/classes.txt"))
    found = {name: dict(cells(backbone, options.data / name, options)) for name in names}
    print(table(found))


def cells(
    backbone: Backbone, root: Path, options: argparse.Namespace
) -> Iterator[tuple[str, Cell]]:
    """What is found of a set under each cut, as means of the draws."""
    folder, canvases = images_for(backbone, root / "train", cache_dir=options.cache)
    names, known = names_of(root), true_labels(folder, root)
    right, settings = torch.from_numpy(known), Settings()
    features = encode(backbone, folder, canvases, options.cache)
    prompts = prompts_of(settings, backbone, None, names)
    vectors = TextTower(backbone).class_vectors(prompts.texts(names))
    for title, cut in CUTS.items():
        if cut.present == 0.1 and len(names) < FEW_CLASSES:
            continue
        drawn = []
        for seed in range(options.draws if cut.suffix else 1):
            left = kept(right, cut, seed=seed)
            start = ZeroShotStart.of(backbone, features[left], vectors)
            drawn.append(dict(measured(start, right[left], settings)))
        yield title, {way: mean_of([cell[way] for cell in drawn]) for way in WAYS}


def mean_of(pairs: Sequence[tuple[float, float]]) -> tuple[float, float]:
    return statistics.mean(p[0] for p in pairs), statistics.mean(p[1] for p in pairs)


def kept(right: Tensor, cut: Subset, *, seed: int) -> Tensor:
    """Indices of the images that a cut leaves, in their order."""
    members = {str(c): (right == c).nonzero()[:, 0].tolist() for c in range(int(right.max()) + 1)}
    sizes = cut.keep({name: len(images) for name, images in members.items()}, seed=seed)
    chosen = [
        image
        for name, number in sizes.items()
        for image in random.Random(f"{seed} {name}").sample(members[name], number)
    ]
    return torch.tensor(sorted(chosen))


def measured(
    start: ZeroShotStart, right: Tensor, settings: Settings
) -> Iterator[tuple[str, tuple[float, float]]]:
    scores = without_prior(start.probabilities, power=settings.prior_correction)
    nobody = torch.full((len(right),), UNKNOWN)
    for way in WAYS:
        found = start.probabilities
        if way != "zero-shot":
            anchor = settings.anchor if way == "default" else 0.0
            found = label_together(
                start.pictures, scores, nobody, device=torch.device("cpu"), anchor=anchor
            )
        k = seeds_by_class(found, k=settings.k, cap=settings.k_cap)
        chosen, labels = seed_set(found, k=k)
        pure = float((labels == right[chosen]).float().mean())
        yield way, (float((found.argmax(1) == right).float().mean()), pure)


def table(found: dict[str, dict[str, Cell]]) -> str:
    lines = ["| set | labelled | " + " | ".join(CUTS) + " |", "|---" * (len(CUTS) + 2) + "|"]
    columns: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    for name, by_cut in found.items():
        for way in WAYS:
            for title in by_cut:
                columns[way, title].append(by_cut[title][way])
            shown = [by_cut[title][way] if title in by_cut else None for title in CUTS]
            lines.append(f"| {name} | {way} | " + " | ".join(map(_cell, shown)) + " |")
    for way in WAYS:
        found_of = [columns[way, title] for title in CUTS]
        means = [mean_of(pairs) if pairs else None for pairs in found_of]
        lines.append(f"| **mean** | {way} | " + " | ".join(map(_cell, means)) + " |")
    return "\n".join([*lines, "", "In each cell: labels right, seeds right, per cent."])


def _cell(value: tuple[float, float] | None) -> str:
    return "" if value is None else f"{100 * value[0]:.1f}, {100 * value[1]:.1f}"


if __name__ == "__main__":
    main()
