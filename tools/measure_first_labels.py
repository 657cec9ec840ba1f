"""Measure the labels that CoFT starts from: zero-shot, and all images labelled together.

    python tools/measure_first_labels.py DATA [--part train] [--prompts DIR] [--shots N ...]
        [--cache DIR]

DATA holds sets of the form SET/<part>/<class>/<image> with SET/classes.txt; DIR holds SET.json,
prompts to use instead of the model's own template. For each set and each temperature of the
transduction: how many labels are right, and how many of the seeds that Phase I would take from
them. With --shots also where N true labels a class are given (means of four random draws): of the
other images, with and without `given_evidence`. True labels are used here, and only here.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from studio.bench.work import draw_shots  # noqa: E402 (needs the path above)
from studio.clip.backbone import Backbone, load_backbone  # noqa: E402
from studio.clip.texts import TextTower  # noqa: E402
from studio.coft.gaussians import temperature_of  # noqa: E402
from studio.coft.given import UNKNOWN  # noqa: E402
from studio.coft.selection import seed_set, seeds_by_class, without_prior  # noqa: E402
from studio.coft.start import ZeroShotStart  # noqa: E402
from studio.coft.together import TRACE, label_together  # noqa: E402
from studio.coft.transduction import transduce  # noqa: E402
from studio.prompts.prompt_set import PromptSet  # noqa: E402
from studio.runs.inputs import encode, images_for, prompts_of  # noqa: E402
from studio.settings import Settings  # noqa: E402
from tools.labelled_sets import names_of, true_labels  # noqa: E402 (needs the path above)

SETS = ("oxford_pets", "caltech101", "cifar10", "clothing10", "pacs_art_painting")
TEMPERATURES = (1.0, 5.0, 10.0, 15.0)
DRAWS = 4

Row = tuple[str, float, float]
"""What the labels are, the share of them that is right, and that of the seeds."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--part", default="train")
    parser.add_argument("--prompts", type=Path)
    parser.add_argument("--shots", type=int, nargs="*", default=[], metavar="N")
    parser.add_argument("--cache", type=Path, default=Path("build/estimate-cache"))
    options = parser.parse_args()
    backbone = load_backbone("embedded", device="cpu")
    found = {
        name: list(rows(backbone, options.data / name, options))
        for name in SETS
        if (options.data / name / options.part).is_dir()
    }
    print(table(found))


def rows(backbone: Backbone, root: Path, options: argparse.Namespace) -> Iterator[Row]:
    cache = options.cache
    folder, canvases = images_for(backbone, root / options.part, cache_dir=cache)
    names, known = names_of(root), true_labels(folder, root)
    features = encode(backbone, folder, canvases, cache)
    settings, right = Settings(), torch.from_numpy(known)
    written = options.prompts and PromptSet.load(options.prompts / f"{root.name}.json")
    prompts = prompts_of(settings, backbone, written, names)
    vectors = TextTower(backbone).class_vectors(prompts.texts(names))
    start = ZeroShotStart.of(backbone, features, vectors)

    def row(title: str, scores: Tensor, *, among: Tensor | None = None) -> Row:
        open_ = torch.ones_like(right, dtype=torch.bool) if among is None else among
        scores, true = scores[open_], right[open_]
        mode = settings.seed_selection
        k = seeds_by_class(scores, k=settings.k, cap=settings.k_cap, mode=mode)
        chosen, labels = seed_set(scores, k=k, mode=mode)
        pure = float((labels == true[chosen]).float().mean())
        return title, float((scores.argmax(1) == true).float().mean()), pure

    yield row("zero-shot", start.probabilities)
    first = without_prior(start.probabilities, power=settings.prior_correction)
    yield row("zero-shot, prior corrected", first)
    nobody = torch.full((len(right),), UNKNOWN)
    trials = {f"T = {temperature:g}": temperature for temperature in TEMPERATURES}
    trials["T from the features"] = temperature_of(start.pictures)
    for title, temperature in trials.items():
        *_, last = transduce(start.pictures, first, nobody, temperature=temperature)
        yield row(title, last.z.lerp(first, TRACE))
        if temperature == 1:
            yield row("T = 1, no trace (as published)", last.z)
    cpu = torch.device("cpu")
    for number in options.shots:
        told = [shots(right, number, seed=seed) for seed in range(DRAWS)]
        for weight in (0.0, settings.given_evidence):
            title = f"{number} given a class, given_evidence={weight:g}"
            drawn = []
            for given in told:
                scores = label_together(
                    start.pictures, first, given, device=cpu, given_evidence=weight
                )
                drawn.append(row(title, scores, among=given == UNKNOWN))
            yield (
                title,
                statistics.mean(found for _, found, _ in drawn),
                statistics.mean(pure for _, _, pure in drawn),
            )


def shots(right: Tensor, number: int, *, seed: int) -> Tensor:
    """Labels (N,) given of so many random images of each class."""
    told = draw_shots(right.tolist(), number, seed=seed)
    given = torch.full_like(right, UNKNOWN)
    given[told] = right[told]
    return given


def table(found: Mapping[str, Sequence[Row]]) -> str:
    lines = ["| first labels | " + " | ".join(found) + " | mean |", "|---" * (len(found) + 2) + "|"]
    for each in zip(*found.values(), strict=True):
        cells = [f"{100 * right:.1f}, {100 * pure:.1f}" for _, right, pure in each]
        right, pure = (100 * statistics.mean(row[i] for row in each) for i in (1, 2))
        lines.append(f"| {each[0][0]} | " + " | ".join(cells) + f" | {right:.1f}, {pure:.1f} |")
    return "\n".join([*lines, "", "In each cell: labels right, seeds right, per cent."])


if __name__ == "__main__":
    main()
