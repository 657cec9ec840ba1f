"""The simulated judge: right but for a share, which it draws from the names that are confused."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch

from studio.bench.judging import judged_labels, spoilt
from studio.bench.plan import Entrant, LabelledSet


def test_a_share_of_the_answers_is_wrong_and_names_what_the_model_confuses() -> None:
    right = torch.zeros(1000, dtype=torch.int64)
    odds = torch.tensor([0.5, 0.4, 0.1, 0.0]).expand(1000, -1)
    said = spoilt(right, odds, wrong=0.2, seed=0)
    counts = torch.bincount(said, minlength=4).tolist()
    assert counts[0] == 800
    assert counts[1] > 2.5 * counts[2] > 0
    assert counts[3] == 0
    assert said.tolist() == spoilt(right, odds, wrong=0.2, seed=0).tolist()
    assert said.tolist() != spoilt(right, odds, wrong=0.2, seed=1).tolist()
    assert spoilt(right, odds, wrong=0, seed=0).tolist() == right.tolist()
    few = [spoilt(right[:14], odds[:14], wrong=0.1, seed=seed).tolist() for seed in range(20)]
    assert {said.count(0) for said in few} == {13}, "the share holds for few answers too"
    assert len({tuple(said) for said in few}) > 10


def test_it_answers_for_well_chosen_images_of_a_set(
    image_folder: Path, tiny_model: Path, tmp_path: Path
) -> None:
    data = LabelledSet(tmp_path / "colours")
    shutil.copytree(image_folder, data.train)
    data.names.write_text("\n".join(sorted(path.name for path in image_folder.iterdir())))
    for text in ("coft:judge=2C", "coft:judge=6,judge_random=true"):
        answers = judged_labels(
            Entrant.parse(text), data, seed=0, model=str(tiny_model), cache=tmp_path / "cache"
        )
        assert len(answers) == 6
        assert {said.verdict for said in answers.values()} == {"judged"}
        assert all(path.startswith(said.label) for path, said in answers.items())
