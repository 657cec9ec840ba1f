"""How well are images of none of the classes found, when a third of the names is taken away?

    python tools/measure_strangers.py DATA [--cache DIR] [--draws 3]

For each set of DATA (SET/train, SET/classes.txt) a third of the classes is drawn and its names are
taken away; every image of the train part is scored under the other names. Printed: the area under
the ROC curve, by score, mean of the draws; then what `STRONG` leaves out: how many images, how many
of them are of none of the classes, and how many seeds are right with and without them, also where
no name was taken away. True labels are used here, and only here.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from estimate_units import Set, labelled, read  # noqa: E402 (needs the path above)

from studio.clip.backbone import Backbone, load_backbone  # noqa: E402
from studio.coft.given import UNKNOWN, without_strangers  # noqa: E402
from studio.coft.start import ZeroShotStart, first_scores, seeds  # noqa: E402
from studio.progress import to_the_end  # noqa: E402
from studio.runs.inputs import strangers  # noqa: E402
from studio.scores.strangers import STRONG, with_neighbours  # noqa: E402
from studio.settings import Settings  # noqa: E402

SHARE = 1 / 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--cache", type=Path, default=Path("build/estimate-cache"))
    parser.add_argument("--draws", type=int, default=3)
    options = parser.parse_args()
    backbone = load_backbone("embedded", device="cpu")
    areas: dict[str, list[dict[str, float]]] = {}
    left: list[str] = []
    for name in labelled(options.data):
        whole = read(backbone, options.data, name, options.cache)
        found = [
            taken_away(backbone, whole, np.random.default_rng(draw), options.cache)
            for draw in range(options.draws)
        ]
        areas[name] = [area for area, _ in found]
        full = left_out(backbone, whole, np.arange(len(whole.names)), options.cache)
        left.append(row(name, np.mean([out for _, out in found], axis=0), full))
    scores = list(next(iter(areas.values()))[0])
    print("| score | " + " | ".join([*areas, "mean"]) + " |")
    print("|---" * (len(areas) + 2) + "|")
    for score in scores:
        means = [float(np.mean([area[score] for area in own])) for own in areas.values()]
        print(f"| {score} | " + " | ".join(f"{m:.3f}" for m in [*means, np.mean(means)]) + " |")
    print("\n| set | a third away: left out | of none | seeds right | without them ", end="")
    print("| all names: left out | seeds right | without them |\n" + "|---" * 8 + "|")
    print("\n".join(left))


def row(name: str, third: np.ndarray, full: np.ndarray) -> str:
    cells = [f"{100 * value:.1f}" for value in (*third, full[0], *full[2:])]
    return f"| {name} | " + " | ".join(cells) + " |"


def taken_away(
    backbone: Backbone, whole: Set, rng: np.random.Generator, cache: Path
) -> tuple[dict[str, float], np.ndarray]:
    """Areas by score, and what is left out, of one draw."""
    count = len(whole.names)
    gone = rng.choice(count, round(SHARE * count), replace=False)
    kept = np.setdiff1d(np.arange(count), gone)
    vectors = whole.vectors[torch.from_numpy(kept)]
    start = ZeroShotStart.of(backbone, whole.features, vectors)
    score = strange(backbone, whole, kept, cache)
    of_none = np.isin(whole.labels, gone)
    areas = {
        name: float(roc_auc_score(of_none, values))
        for name, values in {**usual(start, vectors), "the studio's": score.numpy()}.items()
    }
    return areas, left_out(backbone, whole, kept, cache)


def usual(start: ZeroShotStart, vectors: torch.Tensor) -> dict[str, np.ndarray]:
    """The scores that are usual, each as it is and as the mean with its neighbours."""
    p, pictures = start.probabilities, start.pictures
    logits = start.space.scale * (pictures @ start.space.texts(vectors).T)
    labels = p.argmax(1)
    means = torch.zeros(p.shape[1], pictures.shape[1]).index_add_(0, labels, pictures)
    means = torch.nn.functional.normalize(means, dim=1)
    found = {
        "largest probability": -p.amax(1),
        "energy": -logits.logsumexp(1),
        "distance to the class means": -(pictures @ means.T).amax(1),
    }
    plain = {name: values.double().numpy() for name, values in found.items()}
    smooth = {
        f"{name}, with neighbours": with_neighbours(pictures.numpy(), values)
        for name, values in plain.items()
    }
    return plain | smooth


def strange(backbone: Backbone, whole: Set, kept: np.ndarray, cache: Path) -> torch.Tensor:
    return strangers(
        backbone, features=whole.features, class_vectors=whole.vectors[torch.from_numpy(kept)],
        class_names=[whole.names[c] for c in kept], templates=[backbone.template], cache_dir=cache,
    )  # fmt: skip


def left_out(backbone: Backbone, whole: Set, kept: np.ndarray, cache: Path) -> np.ndarray:
    """Shares: of images left out, of those that are of none of the classes, of seeds that are right
    with them and without.
    """
    settings = Settings()
    vectors = whole.vectors[torch.from_numpy(kept)]
    start = ZeroShotStart.of(backbone, whole.features, vectors)
    given = torch.full((len(whole.labels),), UNKNOWN)
    scores = to_the_end(first_scores)(start, given, settings, device=torch.device("cpu"))
    out = strange(backbone, whole, kept, cache) >= STRONG
    place = {int(c): i for i, c in enumerate(kept)}
    true = np.array([place.get(int(c), -1) for c in whole.labels])
    right = []
    for told in (given, without_strangers(given, out)):
        rows, labels = to_the_end(seeds)(scores, told, settings)
        right.append(float((true[rows.numpy()] == labels.numpy()).mean()))
    of_none = float((true[out.numpy()] < 0).mean()) if out.any() else 0.0
    return np.array([float(out.float().mean()), of_none, *right])


if __name__ == "__main__":
    main()
