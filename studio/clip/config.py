"""What a model's configuration says, checked before anything is fetched or built from it.

A configuration may come from anywhere: open_clip's own list, the hub, a folder, a run that somebody
sent. None of them may make open_clip or timm fetch weights of their own, which may be pickles.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio.errors import ModelError
from studio.images.resize import Resize
from studio.untrusted import Unreadable, load_json

_MOST_BYTES = 10 << 20  # of a configuration
_MOST_ITEMS = 1000
_MOST_OF = {
    "layers": 256, "width": 1 << 15, "embed_dim": 1 << 15, "heads": 1 << 12, "image_size": 1 << 13,
    "patch_size": 1 << 13, "size": 1 << 13, "vocab_size": 1 << 22, "context_length": 1 << 16,
    "": 1 << 22,
}  # fmt: skip
"""The most that a number of a configuration may be: beyond all models that there are."""

Channels = tuple[float, float, float]

CLIP_MEAN: Channels = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD: Channels = (0.26862954, 0.26130258, 0.27577711)

_SIZE = 224  # of open_clip's towers, where a configuration has none
_MOST_CHANNEL = 1000.0
_RESIZE = {"shortest": "crop", "squash": "squash"}
# open_clip takes "random" for bicubic where it does not train.
_INTERPOLATION = {"bicubic": "bicubic", "bilinear": "bilinear", "random": "bicubic"}
_TOKENIZER_OPTIONS = {"clean", "strip_sep_token"}
_CLEAN = ("lower", "whitespace", "canonicalize")
_IMAGE_ONLY_TEXT = {"context_length": 4, "vocab_size": 8, "width": 8, "heads": 1, "layers": 1}


@dataclass(frozen=True)
class Preprocess:
    """How images are made into what the model reads: pixels a side, mean and std of [0, 1]."""

    size: int
    mean: Channels = CLIP_MEAN
    std: Channels = CLIP_STD
    resize: Resize = Resize()  # noqa: RUF009 (frozen)


def checked_config(config: Any, *, name: str) -> dict[str, Any]:
    """A copy of open_clip's model_cfg from which nothing is fetched.

    Raises:
        ModelError: the studio cannot work with such a model, and why.
    """
    parts = [config.get(part) for part in ("vision_cfg", "text_cfg")] if _is_dict(config) else []
    if not parts or not all(_is_dict(part) for part in parts) or "embed_dim" not in config:
        raise ModelError(
            f"{name} has no model_cfg with embed_dim, vision_cfg and text_cfg, as open_clip writes."
        )
    _check_sizes(config, name)
    config = deepcopy(dict(config))
    vision, text = config["vision_cfg"], config["text_cfg"]
    if "multimodal_cfg" in config or vision.get("output_tokens") or text.get("output_tokens"):
        raise ModelError(f"{name} is a CoCa model, which writes captions; choose a CLIP model.")
    if text.get("hf_model_name"):
        raise ModelError(
            f"{name} takes its text tower from another model ({text['hf_model_name']}), on which "
            "no prompts can be learned; choose a model with open_clip's own text tower."
        )
    if unknown := _unknown_reading(text):
        raise ModelError(
            f"{name} reads text in a way the studio does not know ({', '.join(unknown)}); "
            "choose another model."
        )
    if "image_size" in vision:
        vision["image_size"] = square_side(vision["image_size"], name)
    trunk = vision.get("timm_model_name")
    if trunk:
        import timm

        # timm takes hf-hub:..., local-dir:... and more for names, and fetches what they mean.
        if not isinstance(trunk, str) or ":" in trunk or not timm.is_model(trunk):
            raise ModelError(
                f"{name} has an image tower that the installed timm does not know ({trunk}); "
                "update timm, or choose another model."
            )
        vision["timm_model_pretrained"] = False
    return config


def _unknown_reading(text: Mapping[str, Any]) -> list[str]:
    """What a text_cfg says of reading texts that `studio.clip.tokens` does not do."""
    options, kind = text.get("tokenizer_kwargs") or {}, text.get("hf_tokenizer_name") or ""
    if not _is_dict(options) or not isinstance(kind, str):
        return ["tokenizer_kwargs" if isinstance(kind, str) else "hf_tokenizer_name"]
    unknown = sorted(map(str, set(options) - _TOKENIZER_OPTIONS))
    if options.get("clean", _CLEAN[0]) not in _CLEAN:
        unknown.append(f"clean={options['clean']}")
    if text.get("tokenizer_mode"):
        unknown.append(f"tokenizer_mode={text['tokenizer_mode']}")
    if not isinstance(text.get("context_length", 1), int):
        unknown.append(f"context_length={text['context_length']}")
    return unknown


def _check_sizes(value: Any, name: str, key: str = "") -> None:
    """Raise where a number is none that a model has: it might be asked to take all memory."""
    if isinstance(value, Mapping):
        for inner, item in value.items():
            _check_sizes(item, name, str(inner))
    elif isinstance(value, (list, tuple)):
        for item in value[:_MOST_ITEMS]:
            _check_sizes(item, name, key)
    most = _MOST_OF.get(key, _MOST_OF[""])
    long = isinstance(value, (str, list, tuple)) and len(value) > _MOST_ITEMS
    if long or (isinstance(value, (int, float)) and not abs(value) <= most):
        raise ModelError(f"{name} has a {key[:40]} that no model has: it is damaged.")


def least_parameters(config: Mapping[str, Any]) -> int:
    """At least how many parameters a model of this (checked) model_cfg has; 0: not known.

    Of open_clip's own transformers, by their widths and numbers of layers.
    """
    total, vision, text = 0, config["vision_cfg"], config["text_cfg"]
    for part in (vision, text):
        layers, width = part.get("layers"), part.get("width")
        if part.get("timm_model_name") or not isinstance(layers, int):
            continue  # timm's own models, and ResNets, are as large as they are
        if isinstance(width, int):
            total += 4 * max(layers, 0) * width**2
            total += width * max(_whole(part.get("vocab_size")), _whole(part.get("context_length")))
    patches = _whole(vision.get("image_size")) // max(_whole(vision.get("patch_size")), 1)
    return total + (_whole(vision.get("width")) * patches**2 if vision.get("patch_size") else 0)


def _whole(value: Any) -> int:
    return value if isinstance(value, int) else 0


def preprocess_of(
    config: Mapping[str, Any], given: Mapping[str, Any] | None, *, name: str
) -> Preprocess:
    """What a preprocess_cfg says about a model with this (checked) model_cfg.

    The size is that of the image tower, as in open_clip.

    Raises:
        ModelError: images that are not square, or are not made square in a way the studio knows.
    """
    given = given or {}
    size = square_side(config["vision_cfg"].get("image_size", _SIZE), name)
    mode = str(given.get("resize_mode") or "shortest")
    interpolation = str(given.get("interpolation") or "bicubic")
    if mode not in _RESIZE or interpolation not in _INTERPOLATION:
        raise ModelError(
            f"{name} wants its images resized in a way the studio does not know ({mode}, "
            f"{interpolation}); choose another model."
        )
    return Preprocess(
        size,
        _channels(given.get("mean"), CLIP_MEAN, name),
        _channels(given.get("std"), CLIP_STD, name),
        Resize(_RESIZE[mode], _INTERPOLATION[interpolation]),
    )


def read_config(file: Path, *, source: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """model_cfg, checked, and preprocess_cfg of an open_clip_config.json.

    Raises:
        ModelError: it is no such file, or the studio cannot work with the model.
    """
    try:
        whole = load_json(file, most=_MOST_BYTES)
    except Unreadable:
        whole = None
    if not isinstance(whole, dict):
        raise ModelError(f"The open_clip_config.json of {source} is damaged.")
    preprocess = whole.get("preprocess_cfg")
    return checked_config(whole.get("model_cfg"), name=source), (
        preprocess if isinstance(preprocess, dict) else {}
    )


def square_side(size: Any, name: str) -> int:
    """Pixels a side of images, given as a number or as both. Raises ModelError: not square."""
    sides = list(size) if isinstance(size, (list, tuple)) else [size]
    if not sides or any(not isinstance(side, int) or side < 1 for side in sides):
        raise ModelError(f"{name} has no usable image size ({size}).")
    if len(set(sides)) > 1:
        raise ModelError(
            f"{name} looks at images of {' x '.join(map(str, sides))} pixels; the studio works "
            "with square ones only. Choose another model."
        )
    return int(sides[0])


def image_only(config: Mapping[str, Any]) -> dict[str, Any]:
    """The same with the smallest text tower: all that a trained classifier is built from."""
    return {**config, "custom_text": True, "text_cfg": dict(_IMAGE_ONLY_TEXT)}


def _is_dict(value: Any) -> bool:
    return isinstance(value, Mapping)


def _channels(value: Any, default: Channels, name: str) -> Channels:
    if value is None:
        return default
    numbers = list(value) if isinstance(value, (list, tuple)) else [value] * 3
    if len(numbers) != 3 or not all(
        isinstance(n, (int, float)) and abs(n) <= _MOST_CHANNEL for n in numbers
    ):
        raise ModelError(f"{name} has no usable mean or std ({value}).")
    return (float(numbers[0]), float(numbers[1]), float(numbers[2]))
