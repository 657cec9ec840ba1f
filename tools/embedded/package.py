"""From trained parts to files: an ordinary open_clip model in assets/."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import open_clip
import torch

from .imagenet import TRUNK, load_classifier

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from studio.clip.weights import save_sharded_state_dict  # noqa: E402 (needs the path above)

LOGIT_SCALE = 15.0


def model_config(*, embed_dim: int, image_size: int, text: dict[str, Any]) -> dict[str, Any]:
    """The part of open_clip's config that describes the architecture."""
    return {
        "embed_dim": embed_dim,
        "custom_text": True,
        "vision_cfg": {
            "timm_model_name": TRUNK,
            "timm_model_pretrained": False,
            "timm_pool": "avg",
            "timm_proj": "linear",
            "image_size": image_size,
        },
        "text_cfg": text,
    }


def preprocess_config(image_size: int) -> dict[str, Any]:
    """The part of open_clip's config that says how an image becomes a tensor."""
    return {
        "size": [image_size, image_size],
        "mean": [0.5, 0.5, 0.5],
        "std": [0.5, 0.5, 0.5],
        "interpolation": "bicubic",
        "resize_mode": "shortest",
    }


def build_model(config: dict[str, Any]) -> open_clip.CustomTextCLIP:
    """An open_clip model with random weights from a model config."""
    config = {k: v for k, v in config.items() if k != "custom_text"}
    return open_clip.CustomTextCLIP(**config)


def write_model(
    folder: Path,
    config: dict[str, Any],
    projection: torch.Tensor,
    text: dict[str, torch.Tensor],
    *,
    template: str,
    center: bool,
) -> None:
    """Put the parts together and write config, weights (float16) and the studio's hints.

    projection: [E, 1280] the image projection; text: state dict of the text tower.
    """
    model = build_model(config)
    trunk = load_classifier().state_dict()
    wanted = model.visual.trunk.state_dict()
    model.visual.trunk.load_state_dict({k: trunk[k] for k in wanted}, strict=True)
    model.text.load_state_dict(text, strict=True)
    with torch.no_grad():
        model.visual.head.proj.weight.copy_(projection)
        model.logit_scale.fill_(math.log(LOGIT_SCALE))
    state = {k: v.half() if v.is_floating_point() else v for k, v in model.state_dict().items()}
    save_sharded_state_dict(state, folder)
    size = config["vision_cfg"]["image_size"]
    both = {"model_cfg": config, "preprocess_cfg": preprocess_config(size)}
    hints = {"template": template, "center": center, "image_size": size}
    for name, content in (("open_clip_config.json", both), ("studio.json", hints)):
        text_form = json.dumps(content, indent=2) + "\n"
        (folder / name).write_text(text_form, encoding="utf-8")
