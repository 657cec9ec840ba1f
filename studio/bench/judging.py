"""A simulated judge: true labels of the images that it is asked about, some of them wrong.

No vision-language model is asked. Its wrong answers are drawn from the names that the model
confuses with the right one, as a real judge's would be.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from studio.ask.judge_cost import images_wanted
from studio.errors import FolderError
from studio.images.folder import read_aliases, read_class_names, truth
from studio.runs.given import Correction

if TYPE_CHECKING:
    from torch import Tensor

    from studio.bench.plan import Entrant, LabelledSet


def spoilt(right: Tensor, probabilities: Tensor, *, wrong: float, seed: int) -> Tensor:
    """(n,) answers: the right class, and for a share `wrong` of them, drawn by chance, another one.

    right: (n,); probabilities: (n, C) of the model, by which the wrong ones are drawn. The share is
    met to one answer: were each wrong by a chance of its own, 20 answers would have 0 to 6 of them.
    """
    draws = np.random.default_rng(seed)
    said = right.clone()
    for row in draws.permutation(len(right))[: round(wrong * len(right))]:
        odds = probabilities[row].double().numpy() + 1e-12
        odds[int(right[row])] = 0
        said[row] = int(draws.choice(len(odds), p=odds / odds.sum()))
    return said


def judged_labels(
    entrant: Entrant, data: LabelledSet, *, seed: int, model: str, cache: Path
) -> dict[str, Correction]:
    """What the entrant's judge says of the images that `studio.ask.choose` asks it about.

    Raises:
        StudioError: the set has no sub-folders that are called like a class, or cannot be read.
    """
    import torch

    from studio.ask.choose import choose
    from studio.ask.relabel import Relabeller
    from studio.clip.backbone import load_backbone
    from studio.clip.texts import TextTower
    from studio.coft.start import ZeroShotStart
    from studio.runs.inputs import encode, images_for, prompts_of
    from studio.settings import Settings

    backbone = load_backbone(model)
    folder, canvases = images_for(backbone, data.train, cache_dir=cache)
    names = read_class_names(data.names)
    known = truth(folder, names, aliases=read_aliases(data.names))
    if known is None:
        raise FolderError(f"{data.train} has no sub-folders that are called like a class.")
    features = encode(backbone, folder, canvases, cache)
    texts = prompts_of(Settings(), backbone, None, names).texts(names)
    start = ZeroShotStart.of(backbone, features, TextTower(backbone).class_vectors(texts))
    budget = images_wanted(entrant.judge, classes=len(names))
    if entrant.judge_random:
        draws = np.random.default_rng(seed)
        asked = draws.permutation(len(known))[:budget].tolist()
    else:
        first = Relabeller.of(start).first.float().numpy()
        asked = [question.image for question in choose(features.numpy(), first, {}, budget)]
    asked = [image for image in asked if known[image] >= 0]
    right, odds = torch.from_numpy(known)[asked], start.probabilities[asked]
    said = spoilt(right, odds, wrong=entrant.judge_error, seed=seed)
    return {
        folder.images[image].path: Correction("judged", names[label])
        for image, label in zip(asked, said.tolist(), strict=True)
    }
