"""The trained classifier as folders that timm loads: config.json and model.safetensors."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any

import studio
from studio.errors import RunError, StudioError
from studio.export.entry import Entry, Made
from studio.export.subject import Subject
from studio.export.towers import (
    SAME,
    classifier_of,
    described,
    preprocessing,
    some_pixels,
    weights_bytes,
)
from studio.numbers import percent

if TYPE_CHECKING:
    from torch import Tensor, nn

    from studio.coft.classifier import Tower

SECOND = "second"
"""The folder of the second model in that of the first."""
_CLIP = "vit_base_patch32_clip_224"
"""open_clip's own transformers are this one of timm in other sizes."""
_STEPS = 3
"""Of a model's way: read, compared with timm's, written."""
_SIZES = {768: "base", 1024: "large", 1280: "huge"}


def timm(subject: Subject) -> Iterator[Entry]:
    """The first model, and the second in a folder of its own; timm has no mean of two.

    `timm.create_model("local-dir:DIR", pretrained=True)` loads one, "hf-hub:OWNER/NAME" once it is
    there. Each is compared with the studio's own before it is written.

    Raises:
        RunError: The run trained no model, or one that timm has no counterpart of.
    """
    meta = described(subject)
    _check(meta)
    names = ("", f"{SECOND}/")[: int(meta["models"])]
    yield Entry("README.md", _readme(subject, meta).encode())
    for number, place in enumerate(names):
        yield Entry(f"{place}config.json", json.dumps(_config(meta), indent=2).encode())
        size = weights_bytes(subject) // len(names)
        yield Entry(f"{place}model.safetensors", Made(_Weights(subject, number).write, about=size))


def _check(meta: dict[str, Any]) -> None:
    vision = meta["open_clip"]["vision_cfg"]
    why = ""
    if meta["kind"] != "fine-tuned" or meta["head"] != "linear":
        why = "it compares images with texts, because the run ended before the classifier was made"
    elif meta["visual_tokens"]:
        why = "it has visual prompt tokens"
    elif isinstance(vision.get("layers"), list):
        why = "timm has no such residual network"
    elif (
        str(vision.get("timm_pool")) in ("abs_attn", "rot_attn") or vision.get("timm_proj") == "mlp"
    ):
        why = "timm's models do not end as it does"
    if why:
        raise RunError(f"timm has no counterpart of this model: {why}. Export it as `model`.")


def _config(meta: dict[str, Any]) -> dict[str, Any]:
    """config.json, as timm.models.save_for_hf writes it."""
    architecture, arguments = _architecture(meta)
    feed = preprocessing(meta)
    size = feed["image_size"]
    return {
        "architecture": architecture,
        "num_classes": len(meta["class_names"]),
        "label_names": meta["class_names"],
        **({"model_args": arguments} if arguments else {}),
        "pretrained_cfg": {
            "tag": "coft",
            "input_size": [3, size, size],
            "fixed_input_size": "timm_model_name" not in meta["open_clip"]["vision_cfg"],
            "interpolation": feed["interpolation"],
            "crop_pct": 1.0,
            "crop_mode": "squash" if feed["resize"] == "squash" else "center",
            "mean": feed["mean"],
            "std": feed["std"],
            "num_classes": len(meta["class_names"]),
            "custom_load": False,
        },
    }


def _architecture(meta: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Timm's name for the image tower, and arguments where it is that one in another size."""
    from timm import is_model

    vision: dict[str, Any] = meta["open_clip"]["vision_cfg"]
    if named := vision.get("timm_model_name"):
        pool = vision.get("timm_pool")
        return str(named), {"global_pool": pool} if pool else {}
    size, patch, width = (int(vision.get(k, d)) for k, d in _DEFAULTS.items())
    layers, head = int(vision.get("layers", 12)), int(vision.get("head_width", 64))
    quick = "quickgelu_" if meta["open_clip"].get("quick_gelu") else ""
    usual = f"vit_{_SIZES.get(width)}_patch{patch}_clip_{quick}{size}"
    if is_model(usual) and head == 64 and layers == {768: 12, 1024: 24, 1280: 32}[width]:
        return usual, {}
    arguments = {
        "img_size": size, "patch_size": patch, "embed_dim": width, "depth": layers,
        "num_heads": width // head, "mlp_ratio": float(vision.get("mlp_ratio", 4.0)),
    }  # fmt: skip
    return _CLIP, arguments | ({"act_layer": "quick_gelu"} if quick else {})


_DEFAULTS = {"image_size": 224, "patch_size": 16, "width": 768}
"""open_clip's own, where a configuration leaves them out."""


class _Weights:
    """model.safetensors of one of the classifier's models, made when it is wanted."""

    def __init__(self, subject: Subject, number: int) -> None:
        self._subject, self._number = subject, number

    def write(self, file: IO[bytes]) -> None:
        import torch
        from safetensors.torch import save

        progress = self._subject.begin(f"Making timm's form of model {self._number + 1}")
        progress(0, _STEPS)
        classifier, meta = classifier_of(self._subject), described(self._subject)
        progress(1, _STEPS)
        tower = classifier.towers[self._number]
        model = _counterpart(tower, meta)
        pixels = some_pixels(classifier, 2)
        with torch.inference_mode():
            apart = (model(pixels).softmax(-1) - tower(pixels).softmax(-1)).abs().max()
        if not apart <= SAME:
            raise _other(meta)
        progress(2, _STEPS)
        state = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
        file.write(save(state, {"format": "pt"}))
        progress(_STEPS, _STEPS)


def _counterpart(tower: Tower, meta: dict[str, Any]) -> nn.Module:
    """Timm's model with the tower's weights, its head in the place of timm's own.

    Raises:
        StudioError: timm's architecture is another one.
    """
    import torch
    from timm import create_model

    architecture, arguments = _architecture(meta)
    try:
        model: nn.Module = create_model(
            architecture, num_classes=len(meta["class_names"]), **arguments
        )
        weight, bias, state = _parts(tower, model)
        head = model.get_classifier()  # type: ignore[operator]
        own = {id(parameter) for parameter in head.parameters()}
        of_head = {name for name, parameter in model.named_parameters() if id(parameter) in own}
        left = model.load_state_dict(
            {name: tensor for name, tensor in state.items() if name not in of_head}, strict=False
        )
        if set(left.missing_keys) - of_head or left.unexpected_keys:
            raise _other(meta)
        with torch.no_grad():
            head.weight.copy_(weight)
            head.bias.copy_(bias)
    except (AttributeError, AssertionError, RuntimeError, TypeError, ValueError) as error:
        raise _other(meta) from error
    return model.eval()


def _parts(tower: Tower, model: Any) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """The head as one linear layer on what timm's model pools, and the other weights as timm names
    them.
    """
    visual: Any = tower.visual
    weight, bias = tower.head.weight.detach(), tower.head.bias.detach()
    if not hasattr(visual, "trunk"):
        from timm.models.vision_transformer import checkpoint_filter_fn

        if visual.proj is not None:
            weight = weight @ visual.proj.detach().T
        state = {f"visual.{name}": tensor for name, tensor in visual.state_dict().items()}
        state.pop("visual.proj", None)
        converted: dict[str, Tensor] = checkpoint_filter_fn(state, model)
        return weight, bias, converted
    for layer in (getattr(visual.head, "proj", None), visual.trunk.get_classifier()):
        if layer is not None and hasattr(layer, "weight"):
            if layer.bias is not None:
                bias = bias + weight @ layer.bias.detach()
            weight = weight @ layer.weight.detach()
    return weight, bias, dict(visual.trunk.state_dict())


def _other(meta: dict[str, Any]) -> StudioError:
    return StudioError(
        f"timm's {_architecture(meta)[0]} is not quite this model, so it was not written; export "
        "it as `model` or `onnx`."
    )


def _readme(subject: Subject, meta: dict[str, Any]) -> str:
    outcome = subject.outcome
    two = int(meta["models"]) > 1
    alike = percent(float((outcome.model_labels[0] == outcome.labels).mean()))
    lines = [
        "---", "library_name: timm", "tags: [timm, image-classification, coft]", "---", "",
        f"# {subject.reader.info.name}", "",
        f"An image classifier made by CoFT Studio {studio.__version__}, as timm loads it:", "",
        "```python", "import timm",
        'model = timm.create_model("local-dir:DIR", pretrained=True).eval()',
        "transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model))",
        'names = model.pretrained_cfg["label_names"]', "```", "",
    ]  # fmt: skip
    if two:
        lines += [
            f"This is the first of two models; the second one is in `{SECOND}/`. The studio takes "
            "the mean of both softmax outputs. The first one alone gives the same label to "
            f"{alike} of the images that they were trained on.", "",
        ]  # fmt: skip
    lines += [
        "timm resizes an image and then cuts out its middle; the studio does both at once. "
        "Probabilities differ a little for that reason.", "",
    ]  # fmt: skip
    return "\n".join(lines)
