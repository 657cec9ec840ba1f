"""Make the twin of a model: the same cosines, squeezed into the narrow cone that CLIP's lie in.

    python tools/make_twin.py MODEL OUT [--scale 100] [--images FOLDER --names FILE] [--cache DIR]

All features of a real CLIP share a large common part: cosines of images and texts lie between
about .1 and .4, those of two images between .4 and 1, and its logit scale is 100. The built-in
model has no such part (it is centred) and a scale of 15. The twin has both and says the same:

    cos' = (1 - a) cos + a,    scale' = scale / (1 - a),    so scale' cos' = scale cos + constant.

So labels, probabilities and losses are those of the original, and whatever comes out otherwise
depends on the scale, or on where zero is on the axis of cosines. OUT is an ordinary open_clip
folder, one number wider than the original: a unit feature u becomes (sqrt(1 - a) u, sqrt(a)).

How it is made. Lengths differ and a projection is linear, so the last number would have to be
sqrt(a) |f|, which no projection gives. A transformer gets a block more, whose attention is zero and
whose MLP writes the feature f into the residual stream, a million times as long as what stood
there; the final layer norm then gives all features the same length, and a new projection adds
the constant. Texts and open_clip's own vision transformers are exact so, to about 1e-5. Of timm's
towers with a linear projection only that and its bias are changed: the last number is the linear
function of the pooled features that is nearest to |f| on the images of FOLDER. That leaves labels
exact, and multiplies all logit differences of an image by one number near 1, which is reported
(the built-in model: within some 5 % on these images, 7 % on others).

A centred model (studio.json) subtracts two means that belong to a set and its class names. They
are worked in, so such a twin is that of one set under the model's own template.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from studio.clip.backbone import Backbone, load_backbone  # noqa: E402 (needs the path above)
from studio.clip.encode import Images, encode_images  # noqa: E402
from studio.clip.space import Space  # noqa: E402
from studio.clip.texts import TextTower  # noqa: E402
from studio.clip.weights import save_sharded_state_dict  # noqa: E402
from studio.errors import ModelError, StudioError  # noqa: E402
from studio.images.folder import read_class_names  # noqa: E402
from studio.runs.inputs import images_for, prompts_of  # noqa: E402
from studio.settings import Settings  # noqa: E402

CLIP_SCALE = 100.0
FIRST_GAIN, NEXT_GAIN = 1e6, 1e7
"""How much longer each added block's outcome is than what it stands beside."""
LOST = 1e-3
"""Largest share of the features' spread that may lie in directions that a tower has no room for."""
RIDGE = 1.0
"""Of the fit of lengths: of 0.01 to 100 the one that is nearest on images it was not fitted to."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("out", type=Path)
    parser.add_argument("--scale", type=float, default=CLIP_SCALE)
    parser.add_argument("--images", type=Path, metavar="FOLDER")
    parser.add_argument("--names", type=Path, metavar="FILE")
    parser.add_argument("--cache", type=Path, default=Path("build/twin-cache"))
    options = parser.parse_args()
    try:
        backbone = load_backbone(options.model, device="cpu")
        images, names = None, None
        if options.images is not None:
            _, images = images_for(backbone, options.images, cache_dir=options.cache)
        if options.names is not None:
            names = read_class_names(options.names)
        make_twin(backbone, options.out, scale=options.scale, images=images, names=names)
        if images is not None and names is not None:
            print(compare(backbone, load_backbone(str(options.out), device="cpu"), images, names))
    except StudioError as error:
        sys.exit(str(error))


def make_twin(
    backbone: Backbone,
    out: Path,
    *,
    scale: float = CLIP_SCALE,
    images: Images | None = None,
    names: Sequence[str] | None = None,
) -> None:
    """Write the twin of a model into a folder.

    Args:
        backbone: the original, on the CPU.
        out: the folder.
        scale: the twin's, above the original's.
        images: the set's, for centred models and for towers of timm.
        names: the set's class names, for centred models.

    Raises:
        ModelError: something is missing, or the model is of a kind that has no twin.
    """
    share = backbone.logit_scale / scale  # 1 - a
    if share > 1:
        raise ModelError(f"The twin's scale must be above {backbone.logit_scale:.1f}, the model's.")
    if backbone.center and (images is None or names is None):
        raise ModelError("This model is centred: name a set with --images and --names.")
    config = json.loads(json.dumps(backbone.config))
    state = {name: tensor.clone() for name, tensor in backbone.model.state_dict().items()}
    features = None if images is None else encode_images(backbone, images)
    space = None
    if backbone.center:
        assert features is not None
        assert names is not None
        space = space_of(backbone, features, names)
    _squeeze_texts(state, config, share=share, mean=space.text_mean if space else None)
    mean = space.image_mean if space else torch.zeros(backbone.embed_dim)
    if "timm_model_name" in config["vision_cfg"]:
        if images is None or features is None:
            raise ModelError("The twin of this image tower is fitted to images: give --images.")
        pooled = encode_images(backbone, images, forward=backbone.visual.trunk)
        lengths = (features - mean).norm(dim=-1)
        _squeeze_linear(state, config, share=share, mean=mean, pooled=pooled, lengths=lengths)
    else:
        _squeeze_images(state, config, share=share, mean=mean)
    config["embed_dim"] += 1
    state["logit_scale"] = torch.full_like(state["logit_scale"], math.log(scale))
    _write(out, backbone, config, state)


def space_of(backbone: Backbone, features: Tensor, names: Sequence[str]) -> Space:
    """The space in which a run compares these images (N, d) with these classes."""
    return Space.of(
        image_features=features,
        class_vectors=vectors_of(backbone, names),
        scale=backbone.logit_scale,
        center=backbone.center,
    )


def vectors_of(backbone: Backbone, names: Sequence[str]) -> Tensor:
    """(C, d) class vectors under the model's own template, as a run takes them."""
    prompts = prompts_of(Settings(), backbone, None, names)
    return TextTower(backbone).class_vectors(prompts.texts(names))


def compare(original: Backbone, twin: Backbone, images: Images, names: Sequence[str]) -> str:
    """How far the twin says the same of a set, for people."""
    logits = []
    for backbone in (original, twin):
        features = encode_images(backbone, images)
        space, vectors = space_of(backbone, features, names), vectors_of(backbone, names)
        own = space.scale * space.images(features) @ space.texts(vectors).T
        logits.append(own - own.mean(1, keepdim=True))
    same = float((logits[0].argmax(1) == logits[1].argmax(1)).float().mean())
    ratio = (logits[0] * logits[1]).sum(1) / logits[0].square().sum(1)
    rest = (logits[1] - ratio[:, None] * logits[0]).abs().max()
    return (
        f"scale {original.logit_scale:.1f} -> {twin.logit_scale:.1f}; same labels: "
        f"{100 * same:.2f} %; logit differences of an image times {float(ratio.mean()):.4f} "
        f"(standard deviation {float(ratio.std()):.4f}); all else differs by {float(rest):.1e} "
        "at most"
    )


@dataclass(frozen=True)
class _Ending:
    """Where a transformer ends: names in the state of its blocks, norm and projection (w, d)."""

    blocks: str
    norm: str
    projection: str


def _squeeze_texts(
    state: dict[str, Tensor], config: dict[str, Any], *, share: float, mean: Tensor | None
) -> None:
    tower = config["text_cfg"]
    _refuse_unlike(tower, "text", "hf_model_name", "embed_cls", "proj_bias")
    prefix = "text." if "text.text_projection" in state else ""
    ending = _Ending(
        f"{prefix}transformer.resblocks", f"{prefix}ln_final", f"{prefix}text_projection"
    )
    zero = torch.zeros(config["embed_dim"])
    offsets = [zero] if mean is None else [zero, mean]
    tower["layers"] = _squeeze_ending(state, ending, tower["layers"], offsets, share=share)


def _squeeze_images(
    state: dict[str, Tensor], config: dict[str, Any], *, share: float, mean: Tensor
) -> None:
    tower = config["vision_cfg"]
    _refuse_unlike(tower, "image", "attentional_pool", "final_ln_after_pool")
    if not isinstance(tower["layers"], int) or tower.get("pool_type", "tok") != "tok":
        raise ModelError("This image tower has no class token at its end: it has no twin.")
    ending = _Ending("visual.transformer.resblocks", "visual.ln_post", "visual.proj")
    tower["layers"] = _squeeze_ending(state, ending, tower["layers"], [mean], share=share)


def _refuse_unlike(tower: dict[str, Any], which: str, *keys: str) -> None:
    more = ("block_type", "qk_norm", "scale_heads", "scale_attn", "scale_attn_inner", "scale_fc")
    for key in (*keys, *more):
        if tower.get(key):
            raise ModelError(f"The {which} tower's {key} is not one that a twin can be made of.")


def _squeeze_ending(
    state: dict[str, Tensor],
    ending: _Ending,
    layers: int,
    offsets: Sequence[Tensor],
    *,
    share: float,
) -> int:
    """Add a block for each offset (d,), subtracted before features get one length; the new depth.

    In one dimension less than the width w, because a layer norm takes the mean away.
    """
    gain, bias = (state[f"{ending.norm}.{part}"] for part in ("weight", "bias"))
    projection = state[ending.projection]  # (w, d)
    width = len(projection)
    # Orthonormal columns (w, w - 1) without a mean, and then (d, r): where the features lie.
    level = torch.linalg.qr(torch.cat([torch.ones(width, 1), torch.eye(width)[:, 1:]], 1)).Q[:, 1:]
    spans = torch.cat(
        [projection.T * gain @ level, (projection.T @ bias)[:, None], torch.stack(offsets[-1:], 1)],
        dim=1,
    )
    directions, strengths, _ = torch.linalg.svd(spans, full_matrices=False)
    rank = min(width - 1, int((strengths > 1e-7 * strengths[0]).sum()))
    if float(strengths[rank:].square().sum().sqrt()) > LOST * float(strengths.norm()):
        raise ModelError("A tower is too narrow for its features: it has no room for a twin.")
    level, directions = level[:, :rank], directions[:, :rank]
    read, strength = directions.T @ projection.T, FIRST_GAIN
    for offset in offsets:
        name = f"{ending.blocks}.{layers}"
        before = f"{ending.blocks}.{layers - 1}"
        block = {
            key.removeprefix(before): torch.zeros_like(tensor)
            for key, tensor in state.items()
            if key.startswith(f"{before}.")
        }
        hidden = len(block[".mlp.c_fc.weight"])
        if 2 * rank > hidden:
            raise ModelError("A tower's MLP is too narrow for its features: it has no twin.")
        # x = gelu(x) - gelu(-x), of QuickGELU as well: so an MLP is linear.
        block[".ln_2.weight"], block[".ln_2.bias"] = gain.clone(), bias.clone()
        block[".mlp.c_fc.weight"][: 2 * rank] = torch.cat([read, -read])
        shift = directions.T @ offset
        block[".mlp.c_fc.bias"][: 2 * rank] = torch.cat([-shift, shift])
        block[".mlp.c_proj.weight"][:, : 2 * rank] = strength * torch.cat([level, -level], dim=1)
        for scaled in (".ls_1.gamma", ".ls_2.gamma"):
            if scaled in block:
                block[scaled] += 1
        state.update({name + key: tensor for key, tensor in block.items()})
        # A layer norm now gives sqrt(w) times the unit vector, and its bias a constant.
        gain, bias = torch.ones(width), torch.ones(width)
        read, strength = level.T / math.sqrt(width), strength * NEXT_GAIN
        layers += 1
    state[f"{ending.norm}.weight"], state[f"{ending.norm}.bias"] = gain, bias
    unit = math.sqrt(share / width) * level @ directions.T
    constant = torch.full((width, 1), math.sqrt(1 - share) / width)
    state[ending.projection] = torch.cat([unit, constant], dim=1)
    return layers


def _squeeze_linear(
    state: dict[str, Tensor],
    config: dict[str, Any],
    *,
    share: float,
    mean: Tensor,
    pooled: Tensor,
    lengths: Tensor,
) -> None:
    """A linear head (d, k) on pooled features (N, k): one row more, nearest to the lengths (N,)."""
    tower, weight = config["vision_cfg"], state.get("visual.head.proj.weight")
    if weight is None:
        raise ModelError("This image tower does not end in a linear projection: it has no twin.")
    bias = state.get("visual.head.proj.bias", torch.zeros(len(weight)))
    # Relative errors count, and a small ridge keeps the row short.
    middle, typical = pooled.mean(0), lengths.mean()
    rows = ((pooled - middle) / lengths[:, None]).double()
    rows = torch.cat([rows, (typical / lengths[:, None]).double()], dim=1)
    gram = rows.T @ rows
    ridge = RIDGE * gram.diagonal()[:-1].mean() * torch.eye(len(gram), dtype=gram.dtype)
    ridge[-1, -1] = 0.0
    found = torch.linalg.solve(gram + ridge, rows.sum(0)).float()
    row, constant = found[:-1], found[-1] * typical - found[:-1] @ middle
    inside, beside = math.sqrt(share), math.sqrt(1 - share)
    state["visual.head.proj.weight"] = torch.cat([inside * weight, beside * row[None]])
    state["visual.head.proj.bias"] = torch.cat([inside * (bias - mean), beside * constant[None]])
    tower["timm_proj_bias"] = True


def _write(out: Path, backbone: Backbone, config: dict[str, Any], state: dict[str, Tensor]) -> None:
    save_sharded_state_dict(state, out)
    size = [backbone.image_size] * 2
    preprocess = {
        "size": size, "mean": list(backbone.mean), "std": list(backbone.std),
        "resize_mode": "squash" if backbone.resize.mode == "squash" else "shortest",
        "interpolation": backbone.resize.interpolation,
    }  # fmt: skip
    hints = {"template": backbone.template, "center": False}
    described = {"model_cfg": config, "preprocess_cfg": preprocess}
    for name, content in (("open_clip_config.json", described), ("studio.json", hints)):
        (out / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
