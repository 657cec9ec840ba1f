"""Every family of models, in every form of its name, gives what plain open_clip gives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import load, save_file
from torch.nn.functional import cosine_similarity

from studio.clip.backbone import Backbone, load_backbone
from studio.clip.encode import encode_images, encode_texts, to_pixels
from studio.coft.adapters import with_unturned
from studio.coft.events import Finished, Step
from studio.coft.fit import fit
from studio.coft.prompts import PromptTemplate
from studio.errors import ModelError
from studio.images.canvases import canvas_size
from studio.images.preparing import prepare
from tests.clip.conftest import FAMILIES
from tests.clip.hub_server import FakeHub
from tests.clip.small_hub import as_folder, repository, weights_of
from tests.coft.conftest import Canvases, random_task
from tests.conftest import QUICK_SETTINGS

pytestmark = pytest.mark.slow

TEXTS = ["a photo of a red bird.", "This is a photo of an Old Cat!", "a dog"]


@pytest.fixture(scope="module")
def repositories(families: list[str]) -> dict[str, dict[str, bytes]]:
    return {f"makers/{name}": repository(name) for name in families}


@pytest.fixture
def full_hub(hub: FakeHub, repositories: dict[str, dict[str, bytes]]) -> FakeHub:
    hub.repos.update(repositories)
    return hub


def pictures(folder: Path, *sizes: tuple[int, int]) -> list[Image.Image]:
    """Smooth random pictures, saved without loss."""
    folder.mkdir()
    draw, made = np.random.default_rng(0), []
    for number, size in enumerate(sizes):
        coarse = Image.fromarray(draw.integers(0, 256, (6, 6, 3), dtype=np.uint8))
        made.append(coarse.resize(size, Image.Resampling.BICUBIC))
        made[-1].save(folder / f"{number}.png")
    return made


def features_of(backbone: Backbone, folder: Path, cache: Path) -> torch.Tensor:
    size = canvas_size(backbone.image_size)
    _, canvases = prepare(folder, cache_dir=cache, size=size, resize=backbone.resize)
    return encode_images(backbone, canvases)


@pytest.mark.parametrize("name", list(FAMILIES))
def test_images_and_texts_are_what_open_clip_makes_of_them(
    name: str, full_hub: FakeHub, tmp_path: Path
) -> None:
    backbone = load_backbone(f"{name}:made", device="cpu")
    plain, _, transform = open_clip.create_model_and_transforms(name, pretrained="made")
    plain.eval()
    made = pictures(tmp_path / "in", (400, 400), (430, 310))
    ours = features_of(backbone, tmp_path / "in", tmp_path / "cache")
    with torch.no_grad():
        theirs = plain.encode_image(torch.stack([transform(image) for image in made]))
        texts = plain.encode_text(backbone.tokenizer(TEXTS))
    torch.testing.assert_close(ours[0], theirs[0], rtol=2e-3, atol=2e-4)
    # open_clip resizes to whole pixels before it cuts; the studio cuts and resizes at once.
    assert cosine_similarity(ours[1], theirs[1], dim=0) > 0.999
    torch.testing.assert_close(encode_texts(backbone, TEXTS), texts)
    assert backbone.logit_scale == pytest.approx(float(plain.logit_scale.exp()))
    assert full_hub.bodies().count("open_clip_pytorch_model.bin") == 0


@pytest.mark.parametrize("name", [name for name in FAMILIES if "SigLIP" not in name])
def test_texts_are_tokenised_as_by_open_clip(name: str, full_hub: FakeHub) -> None:
    backbone = load_backbone(f"{name}:made", device="cpu")
    assert torch.equal(backbone.tokenizer(TEXTS), open_clip.get_tokenizer(name)(TEXTS))


def test_siglip_reads_clean_text_an_end_and_padding(full_hub: FakeHub) -> None:
    backbone = load_backbone("tiny-SigLIP2:made", device="cpu")
    rows = backbone.tokenizer(["A photo, of a RED bird!", "a photo of a red bird", "zebra"])
    assert rows.shape == (3, 64)
    assert torch.equal(rows[0], rows[1]), "punctuation and capitals are cleaned away"
    for row in rows.tolist():
        end = row.index(1)  # <eos>
        assert 0 not in row[:end]
        assert 2 not in row, "no <bos>, whatever tokenizer.json says"
        assert set(row[end + 1 :]) == {0}  # <pad>


@pytest.mark.parametrize("name", list(FAMILIES))
def test_the_learned_context_stands_where_its_words_would(name: str, full_hub: FakeHub) -> None:
    backbone = load_backbone(f"{name}:made", device="cpu")
    template = PromptTemplate(backbone, ["red_bird", "cat"], n_ctx=3)
    words = backbone.tokenizer(["a b a red bird.", "a b a cat."])
    embedding: Any = getattr(backbone.model, "text", backbone.model)
    table = embedding.token_embedding
    context = table(words[0].gather(0, template.places[0]))
    with torch.no_grad():
        expected = backbone.model.encode_text(words)  # type: ignore[operator]
        torch.testing.assert_close(template.encode(context), expected, rtol=1e-4, atol=1e-5)


def test_siglip_of_sixteen_tokens_learns_prompts_with_the_usual_settings(
    full_hub: FakeHub, tmp_path: Path
) -> None:
    """ViT-SO400M-14-SigLIP: 16 context vectors alone would be all that it reads."""
    folder = as_folder(full_hub.repos["makers/tiny-SigLIP2"], tmp_path / "model")
    described = json.loads((folder / "open_clip_config.json").read_text())
    described["model_cfg"]["text_cfg"]["context_length"] = 16
    (folder / "open_clip_config.json").write_text(json.dumps(described))
    state = load((folder / "open_clip_model.safetensors").read_bytes())
    state["text.positional_embedding"] = state["text.positional_embedding"][:16].clone()
    save_file(state, folder / "open_clip_model.safetensors")
    backbone = load_backbone(str(folder), device="cpu")
    template = PromptTemplate(backbone, ["red_bird", "cat"], n_ctx=16)
    assert 4 <= template.n_ctx < 16
    features = template.encode(torch.randn(template.n_ctx, template.width))
    assert not torch.allclose(features[0], features[1])
    task = random_task(backbone, Canvases(9, size=64), **QUICK_SETTINGS | {"n_ctx": 16})
    assert isinstance(list(fit(task))[-1], Finished)


def test_a_stem_that_crashes_on_channels_last_gets_contiguous_pixels(full_hub: FakeHub) -> None:
    """MobileCLIP's; in a process of its own a backward pass would end it (torch 2.14, CPU)."""
    images = torch.zeros(2, 3, 64, 64, dtype=torch.uint8)
    for name, wanted in (("tiny-MobileCLIP2", True), ("tiny-resnet", False)):
        backbone = load_backbone(f"{name}:made", device="cpu")
        assert to_pixels(images, backbone).is_contiguous() == wanted
        weights = [p for p in backbone.visual.parameters() if p.dim() == 4 and p.shape[2] > 1]
        plain = [weight.is_contiguous() for weight in weights if weight.shape[1] > 1]
        assert all(plain) == wanted


FORMS = ["tag", "hub", "folder", "file"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["tiny-vit-quickgelu", "tiny-SigLIP2", "tiny-MobileCLIP2"])
def test_all_forms_of_a_name_feed_and_build_the_same_model(
    name: str, form: str, full_hub: FakeHub, tmp_path: Path
) -> None:
    expected = load_backbone(f"{name}:made", device="cpu")
    folder = as_folder(full_hub.repos[f"makers/{name}"], tmp_path / "model")
    alone = tmp_path / "alone.safetensors"
    alone.write_bytes((folder / "open_clip_model.safetensors").read_bytes())
    given = {
        "tag": f"{name}:made", "hub": f"hf-hub:makers/{name}", "folder": str(folder),
        "file": f"{name}={alone}",
    }  # fmt: skip
    backbone = load_backbone(given[form], device="cpu")
    assert backbone.fingerprint == expected.fingerprint, "weights and preprocessing"
    assert bool(backbone.config.get("quick_gelu")) == bool(expected.config.get("quick_gelu"))
    assert torch.equal(encode_texts(backbone, TEXTS), encode_texts(expected, TEXTS))


@pytest.mark.parametrize(("half", "prefix"), [("float16", ""), ("bfloat16", ""), ("", "module.")])
def test_half_precision_and_prefixed_weights_load(
    half: str, prefix: str, families: list[str], tmp_path: Path
) -> None:
    whole, other = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    whole.write_bytes(weights_of("tiny-resnet"))
    other.write_bytes(weights_of("tiny-resnet", half=half, prefix=prefix))
    expected = load_backbone(f"tiny-resnet={whole}", device="cpu").model.state_dict()
    found = load_backbone(f"tiny-resnet={other}", device="cpu").model.state_dict()
    for key, tensor in found.items():
        assert tensor.dtype == expected[key].dtype
        torch.testing.assert_close(tensor, expected[key], rtol=1e-2, atol=1e-3)


def test_an_activation_that_a_file_does_not_tell_is_asked_about(
    families: list[str], tmp_path: Path
) -> None:
    """tiny-vit has a twin with QuickGELU, as OpenAI's architectures have."""
    file = tmp_path / "mine.safetensors"
    file.write_bytes(weights_of("tiny-vit"))
    twin = load_backbone(f"tiny-vit-quickgelu={file}", device="cpu")
    plain = load_backbone(f"tiny-vit:made={file}", device="cpu")
    assert twin.config["quick_gelu"]
    assert not plain.config.get("quick_gelu")
    pixels = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    assert not torch.allclose(twin.visual(pixels), plain.visual(pixels))
    for name in ("ViT-B-32", "RN50", "ViT-L-14-336"):
        with pytest.raises(ModelError, match=f"{name}:openai=mine.safetensors") as caught:
            load_backbone(f"{name}={file}", device="cpu")
        assert "\n" not in str(caught.value)


def test_a_configuration_beside_the_file_answers(families: list[str], tmp_path: Path) -> None:
    folder = as_folder(repository("tiny-MobileCLIP2"), tmp_path / "model")
    config = (folder / "open_clip_config.json").read_text().replace("bilinear", "bicubic")
    (folder / "open_clip_config.json").write_text(config)
    file = folder / "open_clip_model.safetensors"
    backbone = load_backbone(f"tiny-MobileCLIP2={file}", device="cpu")
    assert backbone.resize.interpolation == "bicubic"


def test_openais_weights_get_their_activation_under_the_plain_name() -> None:
    from studio.clip.sources import find_source

    assert find_source("ViT-B-16:openai").config["quick_gelu"]
    assert not find_source("ViT-B-16:datacomp_xl_s13b_b90k").config.get("quick_gelu")
    assert find_source("ViT-B-16").config["quick_gelu"]


def test_long_texts_are_cut_at_a_word(full_hub: FakeHub) -> None:
    for name, length in (("tiny-PE-Core", 32), ("tiny-SigLIP2", 64)):
        tokenizer: Any = load_backbone(f"{name}:made", device="cpu").tokenizer
        long = "photo " * 25 + "extraordinarily " * 12 + "red"
        row = tokenizer([long])[0]
        kept = next(
            n for n in range(1, len(long.split()))
            if torch.equal(tokenizer([" ".join(long.split()[:n])])[0], row)
        )  # fmt: skip
        assert kept < len(long.split())
        assert tokenizer.longer([long, "a dog"]) == [long]
        assert tokenizer.longer([" ".join(long.split()[:kept])]) == []
        assert row.shape == (length,)


def test_visual_tokens_have_no_place_in_rotary_embeddings(full_hub: FakeHub) -> None:
    from timm.layers import apply_rot_embed_cat

    trunk: Any = load_backbone("tiny-PE-Core:made", device="cpu").visual.trunk
    rope = trunk.rope.get_embed()
    x = torch.randn(1, 2, len(rope) + 3, rope.shape[-1] // 2)
    turned = apply_rot_embed_cat(x, with_unturned(rope, 3))
    torch.testing.assert_close(turned[:, :, :-3], apply_rot_embed_cat(x[:, :, :-3], rope))
    assert torch.equal(turned[:, :, -3:], x[:, :, -3:])


@pytest.mark.parametrize("vpt", ["deep", "shallow"])
@pytest.mark.parametrize("name", list(FAMILIES))
def test_both_phases_run_on_every_family(name: str, vpt: str, full_hub: FakeHub) -> None:
    backbone = load_backbone(f"{name}:made", device="cpu")
    few = QUICK_SETTINGS | {"phase1_epochs": 1, "vpt": vpt}
    task = random_task(backbone, Canvases(9, size=64), **few)
    events = list(fit(task))
    steps = [event for event in events if isinstance(event, Step)]
    assert {step.phase for step in steps} == {1, 2}
    assert all(np.isfinite(step.loss) for step in steps)
    assert isinstance(events[-1], Finished)
