from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from studio.scores.knowledge import OTHER_TEMPLATES, Knowledge, nouns
from studio.scores.knowledge import knowledge as judge

WIDTH = 64


def normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def world() -> dict[str, Tensor]:
    """Six clusters of images, vectors of their names, and vectors of 200 nouns."""
    names = normal(0, 6, WIDTH)
    images = names.repeat_interleave(40, dim=0) + 1.5 * normal(1, 240, WIDTH)
    return {"images": images + 3, "names": names + 5, "nouns": normal(2, 200, WIDTH) + 5}


def knowledge(images: Tensor, names: Tensor, *, noun_vectors: Tensor, **more) -> Knowledge:
    others = [names + 0.5 * normal(seed, *names.shape) for seed in (90, 91)]
    options = {"logit_scale": 15.0, "center": True, "other_vectors": others, **more}
    return judge(images, names, noun_vectors=noun_vectors, **options)


def test_names_that_fit_are_promising(world):
    found = knowledge(world["images"], world["names"], noun_vectors=world["nouns"])
    assert found.level == "promising"
    assert found.numbers["z"] > 10
    assert found.to_dict()["knows"] is True


def test_any_other_names_are_not_promising(world):
    levels = []
    for seed in range(10):
        others = normal(seed + 10, 6, WIDTH) + 5
        levels.append(knowledge(world["images"], others, noun_vectors=world["nouns"]).level)
    assert levels.count("near chance") >= 7
    assert levels.count("promising") == 0


def test_names_are_compared_with_nouns_near_to_them(world):
    """A model that sees a group, but not which of its members, fits random nouns worse only."""
    near = torch.cat([world["names"] + 1.0 * normal(seed, 6, WIDTH) for seed in range(70, 80)])
    far = knowledge(world["images"], world["names"], noun_vectors=world["nouns"])
    rough = world["names"] + 1.0 * normal(69, 6, WIDTH)
    found = knowledge(
        world["images"], rough, noun_vectors=torch.cat([near, world["nouns"]])
    )  # fmt: skip
    assert found.numbers["z"] > 5
    assert found.numbers["near_z"] < 2.5 < far.numbers["near_z"]
    assert f"{found.numbers['near_z']:.1f} above nouns near to the names" in found.explanation


def test_labels_that_hang_on_the_sentence_are_counted(world):
    def agreement(*others):
        return knowledge(
            world["images"], world["names"], noun_vectors=world["nouns"], other_vectors=others
        ).indicators["agreement"]

    names = world["names"]
    assert agreement(names, names) == 1.0
    assert agreement(names, names.roll(1, 0)) == pytest.approx(0.5, abs=0.02)


def test_half_right_names_lie_between(world):
    rough = world["names"] + 2.5 * normal(3, 6, WIDTH)
    z = [
        knowledge(world["images"], names, noun_vectors=world["nouns"]).numbers["z"]
        for names in (normal(4, 6, WIDTH), rough, world["names"])
    ]
    assert z[0] < z[1] < z[2]


def test_images_without_structure_are_near_chance(world):
    noise = normal(5, 240, WIDTH)
    found = knowledge(noise, world["names"], noun_vectors=world["nouns"])
    assert found.level != "promising"
    assert found.numbers["z"] < 2


def test_lengths_of_name_vectors_do_not_count(world):
    plain = knowledge(world["images"], world["names"], noun_vectors=world["nouns"])
    again = knowledge(
        world["images"], normalize(world["names"], dim=-1), noun_vectors=3 * world["nouns"]
    )
    assert again.numbers["z"] == pytest.approx(plain.numbers["z"], rel=1e-3)


def test_a_model_that_is_not_centred_is_taken_as_it_is(world):
    images, names, others = (world[key] - shift for key, shift in
                             [("images", 3), ("names", 5), ("nouns", 5)])  # fmt: skip
    found = knowledge(images, names, noun_vectors=others, center=False)
    assert found.level == "promising"
    # with a large common part and no centring all names look alike
    shifted = knowledge(images + 30, names + 30, noun_vectors=others + 30, center=False)
    assert shifted.numbers["confidence"] < 0.2 < found.numbers["confidence"]


def test_the_same_twice(world):
    first = knowledge(world["images"], world["names"], noun_vectors=world["nouns"])
    assert first == knowledge(world["images"], world["names"], noun_vectors=world["nouns"])


def test_a_verdict_can_be_written_and_read(world):
    verdict = knowledge(world["images"], world["names"], noun_vectors=world["nouns"])
    found, explanation = verdict.to_dict(), verdict.explanation
    assert json.loads(json.dumps(found)) == found
    assert "standard deviation" not in found["sentence"], "a run warns in plain words"
    assert explanation.startswith(found["sentence"])
    assert f"{found['numbers']['z']:.1f} standard deviations above" in explanation


def test_too_few_images_are_no_basis(world):
    found = knowledge(world["images"][:19], world["names"], noun_vectors=world["nouns"])
    assert found.level == "doubtful"
    assert "too few" in found.sentence
    assert found.explanation == found.sentence
    assert found.numbers["z"] is None


def test_more_classes_than_nouns(world):
    found = knowledge(world["images"], world["nouns"], noun_vectors=world["names"])
    assert found.level in {"near chance", "doubtful", "promising"}
    assert np.isfinite(found.numbers["z"])


def test_a_large_set_is_judged_by_a_sample(world):
    many = world["images"].repeat(10, 1)
    found = knowledge(many, world["names"], noun_vectors=world["nouns"])
    assert found.numbers["images"] == 1000
    assert found.level == "promising"


def test_nouns_leave_out_the_names_given():
    words = nouns(["Goldfish", "school-bus", "no such thing"])
    assert len(words) == len(set(words)) == 500
    assert "goldfish" not in words
    assert "school bus" not in nouns(["school-bus"], count=1000)
    assert words == nouns(["Goldfish", "school-bus", "no such thing"])
    assert len(nouns(["a name"] * 150)) == 750


class Some:
    """Every n-th image of a set."""

    def __init__(self, images, step: int) -> None:
        self.images, self.indices = images, range(0, len(images), step)

    def __len__(self) -> int:
        return len(self.indices)

    def batch(self, indices: Iterable[int]) -> Tensor:
        return self.images.batch([self.indices[i] for i in indices])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "step", "level"),
    [("eurosat", 10, "near chance"), ("pacs_art_painting", 2, "doubtful")],
)
def test_the_embedded_model_on_real_images(
    shared_data: Path, tmp_path: Path, name: str, step: int, level: str
):
    from studio.clip.backbone import EMBEDDED_FOLDER, load_backbone
    from studio.clip.encode import class_vectors, encode_images
    from studio.images.folder import read_class_names
    from studio.images.preparing import prepare

    if not list(EMBEDDED_FOLDER.glob("*.safetensors")):
        pytest.skip("no embedded model in assets/")
    backbone = load_backbone("embedded", device="cpu")
    _, canvases = prepare(shared_data / name / "test", cache_dir=tmp_path)
    names = read_class_names(shared_data / name / "classes.txt")
    found = knowledge(
        encode_images(backbone, Some(canvases, step)),
        class_vectors(backbone, names, (backbone.template,)),
        noun_vectors=class_vectors(backbone, nouns(names), (backbone.template,)),
        other_vectors=[class_vectors(backbone, names, (text,)) for text in OTHER_TEMPLATES],
        logit_scale=backbone.logit_scale,
        center=backbone.center,
    )
    assert found.level == level, found


def test_it_says_how_far_it_is_with_all_images(world):
    told: list[tuple[int, int]] = []
    many = world["images"].repeat(20, 1)  # more than are read at a time
    knowledge(
        many, world["names"], noun_vectors=world["nouns"], progress=lambda *far: told.append(far)
    )
    done = [at for at, _ in told]
    assert done == sorted(done)
    assert {total for _, total in told} == {4800}
    assert done[0] <= 4800 / 4, "two other templates, labels and evidence are four turns"
    assert (done[-1], len(done)) == (4800, 8)
