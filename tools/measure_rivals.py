"""Measure methods that train nothing: labels of `train`, also where the list does not fit.

    python tools/measure_rivals.py DATA [--sets SET ...] [--methods NAME ...] [--cache DIR]
    python tools/measure_rivals.py DATA --test [--out RESULTS.jsonl]

DATA holds sets of the form SET/train/<class>/<image> with SET/classes.txt. Each method runs as
`fit --method NAME` would run it, on the built-in model's features. What is left of a set under
`--present` and `--tail` is drawn as in `tools/measure_list_fit.py`. *first labels* are those that
CoFT's seeds are taken from. With `--test` the classifier that each method ships labels the
images of SET/test instead, which it has not seen, one by one, from their features; RESULTS are
lines as `bench` writes them, for tools/benchmark_tables.py. True labels are used here, and only
here.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import normalize

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "tools"))

from measure_list_fit import CUTS, FEW_CLASSES, kept  # noqa: E402

from studio.clip.backbone import Backbone, load_backbone  # noqa: E402
from studio.clip.texts import TextTower  # noqa: E402
from studio.coft.events import Checkpoint, Finished  # noqa: E402
from studio.coft.task import Task  # noqa: E402
from studio.methods import METHODS  # noqa: E402
from studio.progress import to_the_end  # noqa: E402
from studio.runs.inputs import encode, images_for, prompts_of  # noqa: E402
from studio.settings import Settings  # noqa: E402
from tools.labelled_sets import names_of, true_labels  # noqa: E402 (needs the paths above)

FIRST = "first labels"
RIVALS = ("zero-shot", "transclip", "transclip-released", "stata", "zlap", "ecalp", FIRST)

Found = dict[tuple[str, str, str], float]
"""By set, cut and method: the share of right labels."""


class Counted:
    """So many images that nobody looks at: these methods see features only."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def batch(self, indices: Sequence[int]) -> Tensor:
        raise NotImplementedError("a method that trains nothing looked at images")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", nargs="*", metavar="SET")
    parser.add_argument("--methods", nargs="*", metavar="NAME", default=list(RIVALS))
    parser.add_argument("--test", action="store_true", help="new images, one by one")
    parser.add_argument("--out", type=Path, metavar="RESULTS.jsonl")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path, default=Path("build/estimate-cache"))
    options = parser.parse_args()
    backbone = load_backbone("embedded", device="cpu")
    sets = options.sets or sorted(p.parent.name for p in options.data.glob("*/classes.txt"))
    found: Found = {}
    methods = [name for name in options.methods if name != FIRST or not options.test]
    measure = tested if options.test else measured
    for name in sets:
        found.update(measure(backbone, options.data / name, options))
        print(name, file=sys.stderr, flush=True)
    print(table(found, sets=sets, methods=methods))
    if options.out and options.test:
        rows = [
            {"set": name, "entrant": method, "seed": 0, "accuracy": value,
             "zero_shot_accuracy": found[name, "all", "zero-shot"]}
            for (name, _, method), value in found.items()
        ]  # fmt: skip
        options.out.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")


def measured(
    backbone: Backbone, root: Path, options: argparse.Namespace
) -> Iterator[tuple[tuple[str, str, str], float]]:
    """What every method finds of a set under every cut."""
    features, right = seen(backbone, root, "train", options.cache)
    names, vectors = named(backbone, root)
    for title, cut in CUTS.items():
        if cut.present == 0.1 and len(names) < FEW_CLASSES:
            continue
        left = kept(right, cut, seed=options.seed)
        for method in options.methods:
            task = task_of(backbone, features[left], vectors, names)
            labels = first_labels(task) if method == FIRST else labels_of(method, task)
            yield (root.name, title, method), float((labels == right[left]).float().mean())


def tested(
    backbone: Backbone, root: Path, options: argparse.Namespace
) -> Iterator[tuple[tuple[str, str, str], float]]:
    """What the classifiers that all methods but FIRST ship say of `test`."""
    features, _ = seen(backbone, root, "train", options.cache)
    new, right = seen(backbone, root, "test", options.cache)
    names, vectors = named(backbone, root)
    for method in options.methods:
        if method != FIRST:
            task = task_of(backbone, features, vectors, names)
            events = METHODS[method].load()(task)
            state = next(e for e in events if isinstance(e, Checkpoint)).tensors
            weight, bias = state["models.0.head.weight"], state["models.0.head.bias"]
            units = normalize(new - state["models.0.mean"], dim=-1)
            labels = (units @ weight.T + bias).argmax(1)
            yield (root.name, "all", method), float((labels == right).float().mean())


def seen(backbone: Backbone, root: Path, part: str, cache: Path) -> tuple[Tensor, Tensor]:
    """Raw features (N, d) of a part of a set, and its true labels (N,)."""
    folder, canvases = images_for(backbone, root / part, cache_dir=cache)
    known = torch.from_numpy(true_labels(folder, root))
    return encode(backbone, folder, canvases, cache), known


def named(backbone: Backbone, root: Path) -> tuple[list[str], Tensor]:
    """The names of a set, and their vectors (C, d)."""
    names = names_of(root)
    prompts = prompts_of(Settings(), backbone, None, names)
    return names, TextTower(backbone).class_vectors(prompts.texts(names))


def task_of(backbone: Backbone, features: Tensor, vectors: Tensor, names: list[str]) -> Task:
    """These images under these names, with the defaults."""
    return Task(
        backbone=backbone, images=Counted(len(features)), features=features,
        class_vectors=vectors, class_names=names, settings=Settings(),
    )  # fmt: skip


def labels_of(method: str, task: Task) -> Tensor:
    """(N,) the labels of a method."""
    *_, last = METHODS[method].load()(task)
    assert isinstance(last, Finished)
    return last.labels


def first_labels(task: Task) -> Tensor:
    """(N,) the labels that CoFT's seeds are taken from."""
    return to_the_end(task.first_scores)().argmax(1)


def table(found: Found, *, sets: Sequence[str], methods: Sequence[str]) -> str:
    """Right labels in per cent: whole sets one by one, then the means under each cut."""
    lines = ["| method | " + " | ".join([*sets, "mean"]) + " |", "|---" * (len(sets) + 2) + "|"]
    for method in methods:
        cells = [found[name, "all", method] for name in sets]
        shown = [f"{100 * value:.1f}" for value in [*cells, sum(cells) / len(cells)]]
        lines.append(f"| {method} | " + " | ".join(shown) + " |")
    if all(cut == "all" for _, cut, _ in found):
        return "\n".join(lines)
    lines += ["", "| method | " + " | ".join(CUTS) + " |", "|---" * (len(CUTS) + 1) + "|"]
    for method in methods:
        shown = []
        for title in CUTS:
            own = [found[key] for key in found if key[1:] == (title, method)]
            shown.append(f"{100 * sum(own) / len(own):.1f}" if own else "")
        lines.append(f"| {method} | " + " | ".join(shown) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
