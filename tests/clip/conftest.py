"""A hub on this machine, and small models of every family that open_clip lists."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from tests.clip.hub_server import FakeHub, serving, use


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[FakeHub, None, None]:
    """The hub that this process asks, with nothing on it and nothing in the cache."""
    with serving(FakeHub()) as made:
        use(monkeypatch, made.endpoint, str(tmp_path / "hub-cache"))
        yield made


TEXT = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
FAMILIES: dict[str, dict[str, Any]] = {
    "tiny-vit": {
        "vision_cfg": {"image_size": 224, "patch_size": 56, "width": 64, "layers": 2},
        "text_cfg": TEXT,
    },
    "tiny-vit-quickgelu": {
        "quick_gelu": True,
        "vision_cfg": {"image_size": 224, "patch_size": 56, "width": 64, "layers": 2},
        "text_cfg": TEXT,
    },
    "tiny-vit-336": {
        "vision_cfg": {"image_size": 336, "patch_size": 56, "width": 64, "layers": 1},
        "text_cfg": TEXT,
    },
    "tiny-resnet": {
        "quick_gelu": True,
        "vision_cfg": {"image_size": 224, "layers": [1, 1, 1, 1], "width": 8, "patch_size": None},
        "text_cfg": TEXT,
    },
    "tiny-SigLIP2": {
        "init_logit_bias": -10, "custom_text": True,
        "vision_cfg": {
            "image_size": 224, "timm_model_name": "vit_tiny_siglip_test", "timm_pool": "map",
            "timm_proj": "none", "timm_model_pretrained": False,
        },
        "text_cfg": {
            "context_length": 64, "vocab_size": 300, "hf_tokenizer_name": "makers/tiny-SigLIP2",
            "tokenizer_kwargs": {"clean": "canonicalize"}, "width": 64, "heads": 2, "layers": 1,
            "no_causal_mask": True, "proj_bias": True, "pool_type": "last",
            "norm_kwargs": {"eps": 1e-06}, "act_kwargs": {"approximate": "tanh"},
        },
    },
    "tiny-PE-Core": {
        "custom_text": True,
        "vision_cfg": {
            "image_size": 224, "timm_model_name": "vit_tiny_pe_test", "timm_pool": "map",
            "timm_proj": None, "timm_model_pretrained": False,
        },
        "text_cfg": TEXT | {"context_length": 32},
    },
    "tiny-MobileCLIP2": {
        "custom_text": True,
        "vision_cfg": {
            "image_size": 256, "timm_model_name": "fastvit_tiny_test", "timm_pool": "avg",
            "timm_proj": None, "timm_model_pretrained": False, "timm_drop": 0.0,
            "timm_drop_path": 0.0,
        },
        "text_cfg": TEXT | {"no_causal_mask": True},
    },
}  # fmt: skip
"""Each with the shape of open_clip's own configuration and as few layers as may be."""

CLIP_FEED = {
    "mean": (0.48145466, 0.4578275, 0.40821073), "std": (0.26862954, 0.26130258, 0.27577711),
    "interpolation": "bicubic", "resize_mode": "shortest",
}  # fmt: skip
HALF = {"mean": (0.5,) * 3, "std": (0.5,) * 3}
FEEDS: dict[str, dict[str, Any]] = {
    "tiny-vit": CLIP_FEED,
    "tiny-vit-quickgelu": CLIP_FEED | {"quick_gelu": True},
    "tiny-vit-336": CLIP_FEED,
    "tiny-resnet": CLIP_FEED | {"quick_gelu": True},
    "tiny-SigLIP2": HALF | {"interpolation": "bicubic", "resize_mode": "squash"},
    "tiny-PE-Core": HALF | {"interpolation": "bilinear", "resize_mode": "squash"},
    "tiny-MobileCLIP2": {
        "mean": (0.0,) * 3, "std": (1.0,) * 3, "interpolation": "bilinear",
        "resize_mode": "shortest",
    },
}  # fmt: skip
"""What open_clip's list says for the families' own weights."""


def _register_small_towers() -> None:
    """timm's own classes under names of ours, with one or two blocks of 64 numbers."""
    from timm.models import eva, fastvit, register_model, vision_transformer
    from timm.models.registry import is_model

    if is_model("vit_tiny_siglip_test"):
        return

    def vit_tiny_siglip_test(pretrained: bool = False, **kwargs: Any) -> Any:
        model_args = {
            "patch_size": 56, "embed_dim": 64, "depth": 2, "num_heads": 2, "class_token": False,
            "global_pool": "map",
        }  # fmt: skip
        return vision_transformer.VisionTransformer(img_size=224, **(model_args | _plain(kwargs)))

    def vit_tiny_pe_test(pretrained: bool = False, **kwargs: Any) -> Any:
        model_args = {
            "patch_size": 56, "embed_dim": 64, "depth": 2, "num_heads": 2, "mlp_ratio": 4.0,
            "global_pool": "map", "attn_type": "rope", "use_pre_transformer_norm": True,
            "use_rot_pos_emb": True, "ref_feat_shape": (4, 4), "rope_grid_offset": 1.0,
            "rope_grid_indexing": "xy", "use_fc_norm": False, "class_token": True,
        }  # fmt: skip
        return eva.Eva(img_size=224, **(model_args | _plain(kwargs)))

    def fastvit_tiny_test(pretrained: bool = False, **kwargs: Any) -> Any:
        model_args = {
            "layers": (1, 1, 1, 1), "embed_dims": (16, 16, 16, 32), "mlp_ratios": (2, 2, 2, 2),
            "se_downsamples": (False, False, True, True),
            "token_mixers": ("repmixer", "repmixer", "repmixer", "attention"),
            "fork_feat": False,
        }  # fmt: skip
        return fastvit.FastVit(**(model_args | _plain(kwargs)))

    for function in (vit_tiny_siglip_test, vit_tiny_pe_test, fastvit_tiny_test):
        register_model(function)


def _plain(kwargs: dict[str, Any]) -> dict[str, Any]:
    own = ("pretrained_cfg", "pretrained_cfg_overlay", "cache_dir", "pretrained")
    return {key: value for key, value in kwargs.items() if key not in own}


@pytest.fixture(scope="session")
def families(tmp_path_factory: pytest.TempPathFactory) -> Generator[list[str], None, None]:
    """The small models stand in open_clip's lists of architectures and of weights."""
    import open_clip
    from open_clip import factory, pretrained

    _register_small_towers()
    folder = tmp_path_factory.mktemp("architectures")
    before, listed = list(factory._MODEL_CONFIG_PATHS), dict(factory._MODEL_CONFIGS)
    for name, config in FAMILIES.items():
        (folder / f"{name}.json").write_text(json.dumps({"embed_dim": 64, **config}))
        pretrained._PRETRAINED[name] = {
            "made": {"url": "", "hf_hub": f"makers/{name}/", **FEEDS[name]}
        }
    open_clip.add_model_config(folder)
    yield list(FAMILIES)
    factory._MODEL_CONFIG_PATHS[:] = before
    factory._MODEL_CONFIGS = listed
    for name in FAMILIES:
        pretrained._PRETRAINED.pop(name, None)
