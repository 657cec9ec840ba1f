"""Does `models --rank` put the best model first? Measured on labelled sets, a table for the docs.

    python tools/measure_which_model.py DATA [DATA ...] [--model MODEL ...] [--part train]
        [--cache DIR]

DATA: sets of the form SET/<part>/<class>/<image> with SET/classes.txt. The models are the embedded
one at 224, 128 and 96 pixels, the embedded one with noise on the weights of its image tower, the
same with random weights there, and what --model names. Each set's models are ranked as the command
does, without a label; the labels then say which was best. Beside it, who would have been first by
three other rules: agreement where all models have the same say, the estimate, and z of the verdict.
"Best" allows for chance: a model whose labels are not right less often than the best one's, as far
as can be told from these images (McNemar's test at 5 %), counts as best too.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch
from safetensors.torch import save_file

from studio.clip.backbone import EMBEDDED_FOLDER, load_backbone
from studio.images.preparing import prepare
from studio.places import default_cache_dir
from studio.runs.which_model import Looked, Ranked, rank_models, sample
from studio.scores.consensus import close, labels_of, rank_by_agreement
from tools.labelled_sets import names_of, true_labels

SIZES = ("embedded", "embedded@128", "embedded@96")
NOISE = 0.1
"""Standard deviation of the noise, as a share of each tensor's own."""


@dataclass(frozen=True)
class Found:
    """A set, its models in the order of the ranking, and which of them are best, by their labels.

    firsts: by rule, the model that it would have put first.
    """

    name: str
    ranked: Ranked
    best: frozenset[str]
    firsts: dict[str, str]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="+", metavar="DATA")
    parser.add_argument("--model", action="append", default=[], metavar="MODEL")
    parser.add_argument("--part", default="train")
    parser.add_argument("--cache", type=Path, default=default_cache_dir())
    options = parser.parse_args(arguments)
    made = options.cache / "measure_which_model"
    worse = [worse_model(made, "noisy", noise=NOISE), worse_model(made, "random", noise=None)]
    models = [*SIZES, *options.model, *map(str, worse)]
    found = []
    for root in options.data:
        found.append(measure(root, models, part=options.part, cache=options.cache))
        print(f"{root.name}: {found[-1].ranked.models[0][0].model} first", file=sys.stderr)
    print(table(found))
    return 0


def measure(root: Path, models: Sequence[str], *, part: str, cache: Path) -> Found:
    """One set's ranking, and what its labels say of it."""
    folder, canvases = prepare(root / part, cache_dir=cache)
    names, known = names_of(root), true_labels(folder, root)
    ranked = rank_models(
        folder=folder, canvases=canvases, class_names=names, models=models, cache_dir=cache,
        begin=lambda _: quiet, truth=known,
    )  # fmt: skip
    if ranked.failed:
        raise SystemExit(f"{ranked.failed[0][0]}: {ranked.failed[0][1]}")
    looked = [one for one, _ in ranked.models]
    right = [labels_of(one.probabilities) == known[sample(len(known))] for one in looked]
    top = max(range(len(looked)), key=lambda m: right[m].sum())
    best = [one for one, own in zip(looked, right, strict=True) if close(right[top], own)]
    alike = [one.agreement for one in rank_by_agreement([one.probabilities for one in looked])]
    firsts = {
        "same say": looked[int(np.argmax(alike))].model,
        "estimate": first(looked, lambda one: one.estimate.accuracy if one.estimate else 0.0),
        "z": first(looked, lambda one: -99.0 if one.z is None else one.z),
    }
    return Found(root.name, ranked, frozenset(one.model for one in best), firsts)


def quiet(_done: int, _total: int) -> None:
    """Progress that nobody sees."""


def first(looked: Sequence[Looked], rule: Callable[[Looked], float]) -> str:
    return max(looked, key=rule).model


def table(found: Sequence[Found]) -> str:
    """Each model's accuracy and agreement on each set, and how often each rule was right."""
    models = sorted({one.model for each in found for one, _ in each.ranked.models}, key=shown)
    names = [shown(model) for model in models]
    lines = [
        f"| set | classes | {' | '.join(names)} | first | best? |",
        "|---" * (len(names) + 4) + "|",
    ]
    for each in found:
        cells = []
        for model in models:
            one, standing = next(pair for pair in each.ranked.models if pair[0].model == model)
            text = f"{100 * (one.accuracy or 0):.1f}, {100 * standing.agreement:.0f}"
            cells.append(f"**{text}**" if model in each.best else text)
        first_one = each.ranked.models[0][0].model
        good = "yes" if first_one in each.best else "no"
        classes = len(each.ranked.class_names)
        lines.append(
            f"| {each.name} | {classes} | {' | '.join(cells)} | {shown(first_one)} | {good} |"
        )
    tops = {"agreement (the rule)": [each.ranked.models[0][0].model for each in found]}
    for rule in found[0].firsts:
        tops[rule] = [each.firsts[rule] for each in found]
    lines += [
        "",
        "In each cell: accuracy of the zero-shot labels, and agreement, per cent; bold: best, or "
        "as good as far as can be told.",
        "",
        "| rule | a best one first | points below the best one, mean | at most |",
        "|---|---|---|---|",
    ]
    for rule, chosen in tops.items():
        lost = []
        for each, model in zip(found, chosen, strict=True):
            scores = {one.model: one.accuracy or 0.0 for one, _ in each.ranked.models}
            lost.append(100 * (max(scores.values()) - scores[model]))
        good = sum(model in each.best for each, model in zip(found, chosen, strict=True))
        lines.append(f"| {rule} | {good} of {len(found)} | {np.mean(lost):.1f} | {max(lost):.1f} |")
    return "\n".join(lines)


def shown(model: str) -> str:
    return Path(model).name


def worse_model(folder: Path, name: str, *, noise: float | None) -> Path:
    """The embedded model with noise on the weights of its image tower; None: with random ones."""
    place = folder / name
    if place.is_dir():
        return place
    backbone = load_backbone("embedded", device="cpu")
    torch.manual_seed(0)
    if noise is None:
        for module in backbone.visual.modules():
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()
    else:
        for weights in backbone.visual.parameters():
            if weights.ndim > 1:
                weights.data += noise * weights.std() * torch.randn_like(weights)
    place.mkdir(parents=True)
    for file in EMBEDDED_FOLDER.iterdir():
        if "safetensors" not in file.name:
            shutil.copy(file, place)
    state = {key: tensor.contiguous() for key, tensor in backbone.model.state_dict().items()}
    save_file(state, place / "model.safetensors")
    return place


if __name__ == "__main__":
    sys.exit(main())
