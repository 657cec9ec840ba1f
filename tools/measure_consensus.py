"""Measure first labels on which two models agree, beside those of each alone.

    python tools/measure_consensus.py DATA --other MODEL [--sets SET ...] [--cache DIR]

DATA holds sets of the form SET/train/<class>/<image> with SET/classes.txt. The first model is the
built-in one, the other as `fit --consensus-model` takes it. True labels are used here, and only
here.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from studio.clip.backbone import Backbone, load_backbone  # noqa: E402 (needs the path above)
from studio.clip.image_only import image_space, load_any, reads_names  # noqa: E402
from studio.clip.texts import TextTower  # noqa: E402
from studio.coft.consensus import Opinion  # noqa: E402
from studio.coft.given import UNKNOWN  # noqa: E402
from studio.coft.start import ZeroShotStart, first_scores  # noqa: E402
from studio.progress import to_the_end  # noqa: E402
from studio.runs.inputs import encode, images_for, prompts_of  # noqa: E402
from studio.settings import Settings  # noqa: E402
from tools.labelled_sets import names_of, true_labels  # noqa: E402 (needs the path above)

WAYS = ("zero-shot", "first labels", "of the other", "of both")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--other", required=True, metavar="MODEL")
    parser.add_argument("--sets", nargs="*", metavar="SET")
    parser.add_argument("--cache", type=Path, default=Path("build/estimate-cache"))
    options = parser.parse_args()
    own, other = load_backbone("embedded", device="cpu"), load_any(options.other)
    sets = options.sets or sorted(p.parent.name for p in options.data.glob("*/classes.txt"))
    print(f"| set | {' | '.join(WAYS)} |\n{'|---' * (len(WAYS) + 1)}|")
    found = []
    for name in sets:
        found.append(measured(own, other, options.data / name, options.cache))
        print(row(name, found[-1]), flush=True)
    columns = [
        [value for value in column if value is not None] for column in zip(*found, strict=True)
    ]
    means = [sum(column) / len(column) if column else None for column in columns]
    print(row("**mean**", means))


def measured(own: Backbone, other: Backbone, root: Path, cache: Path) -> list[float | None]:
    """Shares of right labels, in the order of `WAYS`; None: the other reads no names."""
    names = names_of(root)
    folder, canvases = images_for(own, root / "train", cache_dir=cache)
    right = torch.from_numpy(true_labels(folder, root))
    start = start_of(own, encode(own, folder, canvases, cache), names)
    seen, large = images_for(other, root / "train", cache_dir=cache)
    features = encode(other, seen, large, cache)
    alone, opinion = None, Opinion(image_space(features))
    if reads_names(other):
        further = start_of(other, features, names)
        alone = share(first_labels(further), right)
        opinion = Opinion(further.pictures, further.probabilities)
    zero_shot = share(start.probabilities.argmax(1), right)
    both = share(first_labels(start, opinion), right)
    return [zero_shot, share(first_labels(start), right), alone, both]


def start_of(backbone: Backbone, features: Tensor, names: Sequence[str]) -> ZeroShotStart:
    texts = prompts_of(Settings(), backbone, None, names).texts(names)
    return ZeroShotStart.of(backbone, features, TextTower(backbone).class_vectors(texts))


def first_labels(start: ZeroShotStart, *others: Opinion) -> Tensor:
    """(N,) the labels that CoFT's seeds are taken from."""
    nobody = torch.full((len(start.features),), UNKNOWN)
    scores = to_the_end(first_scores)(
        start, nobody, Settings(), device=torch.device("cpu"), others=others
    )
    return scores.argmax(1)


def share(labels: Tensor, right: Tensor) -> float:
    return float((labels == right).float().mean())


def row(name: str, values: Sequence[float | None]) -> str:
    cells = ("" if value is None else f"{100 * value:.1f}" for value in values)
    return f"| {name} | {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
