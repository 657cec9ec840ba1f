"""Measure whether the first labels depend on the logit scale and on where zero is among cosines.

    python tools/measure_logit_scale.py SET [SET ...] [--scale 100] [--cache DIR]

SET is a folder with train/<class>/<image> and classes.txt. The built-in model's features of a set
are compared with the same in CLIP's narrow cone, exactly: a unit feature u becomes
(sqrt(1 - a) u, sqrt(a)), 1 - a = scale / 100 (tools/make_twin.py makes a whole model so). For each
set, without answers and with one true label given per class: how many labels are right when all
images are labelled together, in the plain space and in the cone, how many labels are the same, and
how many of Phase I's seeds. True labels are used here, and only here.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from studio.bench.work import draw_shots  # noqa: E402 (needs the path above)
from studio.clip.backbone import Backbone, load_backbone  # noqa: E402
from studio.clip.texts import TextTower  # noqa: E402
from studio.coft.given import UNKNOWN  # noqa: E402
from studio.coft.selection import seed_set, seeds_by_class, without_prior  # noqa: E402
from studio.coft.start import ZeroShotStart  # noqa: E402
from studio.coft.together import label_together  # noqa: E402
from studio.runs.inputs import encode, images_for, prompts_of  # noqa: E402
from studio.settings import Settings  # noqa: E402
from tools.labelled_sets import names_of, true_labels  # noqa: E402 (needs the path above)

HEAD = "| set | given a class | right, plain | right, in the cone | same labels | same seeds |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", type=Path, nargs="+")
    parser.add_argument("--scale", type=float, default=100.0)
    parser.add_argument("--cache", type=Path, default=Path("build/estimate-cache"))
    options = parser.parse_args()
    backbone = load_backbone("embedded", device="cpu")
    print(HEAD, "|---" * 6 + "|", sep="\n")
    for root in options.sets:
        for row in rows(backbone, root, scale=options.scale, cache=options.cache):
            print(row, flush=True)


def rows(backbone: Backbone, root: Path, *, scale: float, cache: Path) -> Iterator[str]:
    folder, canvases = images_for(backbone, root / "train", cache_dir=cache)
    names, known = names_of(root), true_labels(folder, root)
    right, settings = torch.from_numpy(known), Settings()
    prompts = prompts_of(settings, backbone, None, names)
    vectors = TextTower(backbone).class_vectors(prompts.texts(names))
    start = ZeroShotStart.of(backbone, encode(backbone, folder, canvases, cache), vectors)
    scores = without_prior(start.probabilities, power=settings.prior_correction)
    pictures = (start.pictures, in_cone(start.pictures, share=backbone.logit_scale / scale))
    for shots in (0, 1):
        given = torch.full((len(right),), UNKNOWN)
        told = draw_shots(right.tolist(), shots, seed=0) if shots else []
        given[told] = right[told]
        plain, cone = (
            label_together(
                own, scores, given, device=torch.device("cpu"),
                given_evidence=settings.given_evidence,
            )
            for own in pictures
        )  # fmt: skip
        first, second = (seeds_of(z, settings) for z in (plain, cone))
        open_ = given == UNKNOWN
        shares = [float((z.argmax(1) == right)[open_].float().mean()) for z in (plain, cone)]
        shares.append(float((plain.argmax(1) == cone.argmax(1)).float().mean()))
        shares.append(len(first & second) / max(1, len(first)))
        cells = [root.name, str(shots), *(f"{100 * share:.1f}" for share in shares)]
        yield f"| {' | '.join(cells)} |"


def in_cone(pictures: Tensor, *, share: float) -> Tensor:
    """Unit vectors (N, d) to (N, d + 1): the same with a large number in common."""
    common = torch.full((len(pictures), 1), (1 - share) ** 0.5)
    return torch.cat([share**0.5 * pictures, common], dim=1)


def seeds_of(scores: Tensor, settings: Settings) -> set[tuple[int, int]]:
    k = seeds_by_class(scores, k=settings.k, cap=settings.k_cap)
    indices, labels = seed_set(scores, k=k)
    return set(zip(indices.tolist(), labels.tolist(), strict=True))


if __name__ == "__main__":
    main()
