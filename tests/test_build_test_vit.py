"""The tool that teaches a small transformer the built-in model's features, on a few pictures."""

from __future__ import annotations

import json
from pathlib import Path

import open_clip
import pytest
import torch

from studio.clip.backbone import Backbone, load_backbone
from studio.clip.encode import encode_images, encode_texts
from studio.clip.weights import load_sharded_state_dict
from tests.coft.conftest import NAMES, Canvases, make_backbone, tiny_config
from tools.build_test_vit import build, picture_folders
from tools.make_twin import compare, make_twin
from tools.small_vit.lessons import Recipe, Shape, prepare_lessons, smaller

SHAPE = Shape(size=32, patch=16, width=32, layers=1)
RECIPE = Recipe(steps=60, views=2, batch=16, lr=5e-3, write_every=30)
IMAGES = Canvases(48, seed=3)


@pytest.fixture(scope="module")
def teacher() -> Backbone:
    return make_backbone(tiny_config(width=32, layers=1), center=True)


@pytest.fixture(scope="module")
def built(teacher: Backbone, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[float]]:
    out = tmp_path_factory.mktemp("built")
    return out, build(teacher, [IMAGES], out, shape=SHAPE, recipe=RECIPE, say=lambda _: None)


def test_the_student_comes_to_agree_with_the_teacher_on_pictures_it_has_not_learned(
    built: tuple[Path, list[float]],
) -> None:
    before, half_way, after = built[1]
    assert before < 0.3
    assert before + 0.2 < half_way
    assert after > 0.8


def test_the_folder_is_an_ordinary_one_of_open_clip(built: tuple[Path, list[float]]) -> None:
    folder, _ = built
    described = json.loads((folder / "open_clip_config.json").read_text(encoding="utf-8"))
    config = described["model_cfg"]
    assert not config.pop("custom_text")  # as the teacher's
    model = open_clip.CLIP(**config).eval()
    own = load_backbone(str(folder), device="cpu")
    model.load_state_dict(load_sharded_state_dict(folder))
    pixels = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(model.encode_image(pixels), own.visual(pixels))


def test_the_studio_opens_it_with_the_teachers_texts_and_works_on_it(
    built: tuple[Path, list[float]], teacher: Backbone, tmp_path: Path
) -> None:
    own = load_backbone(str(built[0]), device="cpu")
    assert own.is_transformer
    assert (own.image_size, own.center, own.template) == (32, True, teacher.template)
    assert own.logit_scale == pytest.approx(teacher.logit_scale)
    texts = ["a red square.", "something else"]
    torch.testing.assert_close(encode_texts(own, texts), encode_texts(teacher, texts))
    make_twin(own, tmp_path, images=IMAGES, names=NAMES)
    twin = load_backbone(str(tmp_path), device="cpu")
    assert "same labels: 100.00 %" in compare(own, twin, IMAGES, NAMES)


def test_the_same_seed_gives_the_same_model_and_another_another(
    teacher: Backbone, tmp_path: Path
) -> None:
    few = {"steps": 3, "views": 2, "batch": 16, "most": 20}
    features = []
    for number, seed in enumerate((0, 0, 1)):
        out = tmp_path / str(number)
        build(
            teacher, [IMAGES], out, shape=SHAPE, recipe=Recipe(**few, seed=seed), say=lambda _: None
        )
        features.append(encode_images(load_backbone(str(out), device="cpu"), IMAGES))
    assert torch.equal(features[0], features[1])
    assert not torch.allclose(features[0], features[2])


def test_lessons_are_views_at_the_students_size_with_what_the_teacher_sees_in_them(
    teacher: Backbone,
) -> None:
    recipe = Recipe(views=2, most=10)
    lessons = prepare_lessons(teacher, [IMAGES, IMAGES], shape=SHAPE, recipe=recipe, say=print)
    assert lessons.views.shape == (2, 20, 3, 32, 32)
    assert lessons.targets.shape == (2, 20, teacher.embed_dim)
    canvases = smaller(IMAGES.batch(range(len(IMAGES))), size=32)
    for place in (0, 7, 19):  # the first view is a whole picture, of which the teacher says this
        same = (canvases == lessons.views[0, place]).flatten(1).all(1).nonzero()
        expected = encode_images(teacher, IMAGES)[same[0, 0]]
        torch.testing.assert_close(lessons.targets[0, place], expected)
    learned, apart = lessons.split(held_out=5, seed=0)
    assert learned.views.shape[:2] == (2, 16)
    assert apart.views.shape[:2] == (1, 4)
    kept = {tuple(row) for row in learned.targets[0].tolist()}
    assert not kept & {tuple(row) for row in apart.targets[0].tolist()}


def test_minutes_become_steps(teacher: Backbone, tmp_path: Path) -> None:
    said: list[str] = []
    recipe = Recipe(minutes=0.02, views=1, batch=8, most=20)
    build(teacher, [IMAGES], tmp_path, shape=SHAPE, recipe=recipe, say=said.append)
    (steps,) = [line for line in said if "steps of 8 views" in line]
    assert 1 <= int(steps.split()[0]) < 1000


def test_folders_of_sets_give_their_training_pictures_and_others_themselves(tmp_path: Path) -> None:
    for name in ("cats/train", "cats/test", "dogs/train", "plain"):
        (tmp_path / name).mkdir(parents=True)
    found = list(picture_folders([tmp_path, tmp_path / "plain"]))
    assert found == [tmp_path / "cats/train", tmp_path / "dogs/train", tmp_path / "plain"]
