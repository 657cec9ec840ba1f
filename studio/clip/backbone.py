"""The pre-trained CLIP model: presets, the embedded default, local checkpoints.

Everything is an ordinary open_clip model. Weights are read from safetensors only: a pickle can run
code when it is opened.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from studio.clip.presets import PRESETS, Preset, presets
from studio.clip.weights import INDEX_NAME, load_sharded_state_dict
from studio.errors import ModelError

EMBEDDED_FOLDER = Path(__file__).resolve().parents[2] / "assets" / "embedded"


@dataclass(frozen=True)
class Backbone:
    """A frozen CLIP model and what is needed to feed it.

    image_size in pixels; mean and std per RGB channel of [0, 1] images; template has one {} for the
    class name; center: subtract the image set's own mean feature (see `studio.clip.space`);
    config: open_clip's model_cfg, enough to build the architecture again.
    """

    name: str
    model: nn.Module
    tokenizer: Callable[[Sequence[str]], Tensor]
    config: dict[str, Any]
    image_size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    template: str
    center: bool
    device: torch.device

    @property
    def visual(self) -> nn.Module:
        """The image tower: normalised pixels (B, 3, S, S) to features (B, embed_dim)."""
        tower = self.model.visual
        assert isinstance(tower, nn.Module)
        return tower

    @property
    def embed_dim(self) -> int:
        """Length d of the joint features."""
        return int(self.config["embed_dim"])

    @property
    def logit_scale(self) -> float:
        """1 / tau: what cosines are multiplied by. It belongs to the model (CLIP: 100)."""
        scale = self.model.logit_scale
        assert isinstance(scale, Tensor)
        return float(scale.detach().exp())

    @cached_property
    def fingerprint(self) -> str:
        """Hash of all weights and of the preprocessing: the key of cached features."""
        digest = hashlib.sha256(f"{self.image_size}{self.mean}{self.std}".encode())
        for name, tensor in sorted(self.model.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
        return digest.hexdigest()[:16]

    @property
    def is_transformer(self) -> bool:
        """Whether the image tower is a vision transformer, open_clip's own or timm's."""
        trunk = getattr(self.visual, "trunk", None)
        return hasattr(self.visual, "transformer") or (
            hasattr(trunk, "patch_embed") and hasattr(trunk, "blocks")
        )

    @property
    def forward_batch(self) -> int:
        """Images that go through the image tower at a time.

        On the CPU 16 are as fast as 64, and a run takes less than half of the memory
        (docs/benchmarks.md).
        """
        return 16 if self.device.type == "cpu" else 64

    @property
    def takes_any_size(self) -> bool:
        """Whether the image tower takes images of other sizes than its own.

        Transformers have a position embedding per patch, and so has the pooling of CLIP's ResNets.
        """
        return not self.is_transformer and not hasattr(self.visual, "attnpool")


def load_backbone(name: str = "embedded", *, device: str | None = None) -> Backbone:
    """Load a model by preset name, or from a local folder or file.

    Args:
        name: a preset of `presets()`; a folder with open_clip_config.json and safetensors; or
            ARCHITECTURE=FILE.safetensors, e.g. ViT-B-32=/models/mine.safetensors.
        device: a torch device; None takes the GPU when there is one.

    Raises:
        ModelError: unknown name, missing or unsafe file, weights that do not fit, hub out of reach.
    """
    where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    architecture, separator, file = name.partition("=")
    if name == "embedded":
        backbone = _from_folder(EMBEDDED_FOLDER, name=name, device=where)
    elif name in PRESETS:
        backbone = _from_hub(name, PRESETS[name], device=where)
    elif separator:
        backbone = _from_file(architecture, Path(file).expanduser(), name=name, device=where)
    elif Path(name).expanduser().is_dir():
        backbone = _from_folder(Path(name).expanduser(), name=name, device=where)
    else:
        raise ModelError(
            f"There is no model {name!r}. Choose one of {', '.join(presets())}, a folder with "
            "open_clip_config.json and safetensors, or ARCHITECTURE=FILE.safetensors."
        )
    backbone.model.requires_grad_(False).eval()
    if where.type == "cpu" and not backbone.is_transformer:
        # Convolutions run about four times faster on the CPU with channels last.
        backbone.visual.to(memory_format=torch.channels_last)
    return backbone


def _from_folder(folder: Path, *, name: str, device: torch.device) -> Backbone:
    config_file = folder / "open_clip_config.json"
    if not config_file.is_file():
        raise ModelError(
            f"{folder} has no open_clip_config.json; give a folder as open_clip saves it."
        )
    config = json.loads(config_file.read_text(encoding="utf-8"))
    extra_file = folder / "studio.json"
    extra = json.loads(extra_file.read_text(encoding="utf-8")) if extra_file.is_file() else {}
    model = build_model(config["model_cfg"])
    _load_weights(model, _folder_state(folder), source=str(folder))
    preprocess = config.get("preprocess_cfg", {})
    return _backbone(
        name,
        model,
        config["model_cfg"],
        preprocess,
        extra.get("template", "a photo of a {}."),
        bool(extra.get("center", False)),
        device,
    )


def _folder_state(folder: Path) -> dict[str, Tensor]:
    """Weights in shards with an index, or in the folder's one safetensors file."""
    if (folder / INDEX_NAME).is_file():
        return load_sharded_state_dict(folder)
    files = sorted(folder.glob("*.safetensors"))
    if len(files) != 1:
        raise ModelError(
            f"{folder} holds {len(files)} .safetensors files; it should hold one, or an index."
        )
    return _read_safetensors(files[0])


def _read_safetensors(file: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(file)
    except SafetensorError as error:
        raise ModelError(f"{file} cannot be read as safetensors ({error}).") from error


def _from_file(architecture: str, file: Path, *, name: str, device: torch.device) -> Backbone:
    import open_clip

    config = open_clip.get_model_config(architecture)
    if config is None:
        raise ModelError(
            f"open_clip knows no architecture {architecture!r}; see open_clip.list_models()."
        )
    if file.suffix != ".safetensors":
        raise ModelError(
            f"{file.name} is not a .safetensors file; other formats can run code when opened."
        )
    if not file.is_file():
        raise ModelError(f"There is no file {file}.")
    model = build_model(config)
    _load_weights(model, _read_safetensors(file), source=str(file))
    preprocess = open_clip.get_model_preprocess_cfg(model)
    return _backbone(name, model, config, preprocess, "a photo of a {}.", False, device)


def _from_hub(name: str, preset: Preset, *, device: torch.device) -> Backbone:
    import open_clip

    try:
        model = open_clip.create_model(preset.architecture, pretrained=preset.weights)
    except Exception as error:  # the hub client raises a dozen kinds, none of them documented
        raise ModelError(
            f"The weights of {name} could not be fetched from the Hugging Face hub "
            f"({type(error).__name__}). Check the network, or use the model 'embedded': "
            "it needs none."
        ) from error
    config = open_clip.get_model_config(preset.architecture)
    preprocess = open_clip.get_model_preprocess_cfg(model)
    return _backbone(name, model, config, preprocess, preset.template, False, device)


def build_model(config: dict[str, Any]) -> nn.Module:
    """An open_clip model with random weights from its model_cfg."""
    import open_clip

    config = {key: value for key, value in config.items() if key not in ("hf_hub_id",)}
    custom_text = config.pop("custom_text", False)
    kind = open_clip.CustomTextCLIP if custom_text else open_clip.CLIP
    model: nn.Module = kind(**config)
    return model


def _load_weights(model: nn.Module, state: dict[str, Tensor], *, source: str) -> None:
    try:
        model.load_state_dict({key: value.float() for key, value in state.items()}, strict=True)
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise ModelError(
            f"The weights in {source} do not fit the architecture: {first[:160]}"
        ) from error


def _backbone(
    name: str,
    model: nn.Module,
    config: dict[str, Any],
    preprocess: dict[str, Any],
    template: str,
    center: bool,
    device: torch.device,
) -> Backbone:
    size = preprocess.get("size") or config["vision_cfg"].get("image_size", 224)
    side = int(size if isinstance(size, int) else size[0])
    mean = tuple(preprocess.get("mean") or (0.48145466, 0.4578275, 0.40821073))
    std = tuple(preprocess.get("std") or (0.26862954, 0.26130258, 0.27577711))
    return Backbone(
        name=name,
        model=model.to(device),
        tokenizer=_tokenizer(config),
        config=config,
        image_size=side,
        mean=mean,
        std=std,
        template=template,
        center=center,
        device=device,
    )


def _tokenizer(config: dict[str, Any]) -> Callable[[Sequence[str]], Tensor]:
    import open_clip

    text = config["text_cfg"]
    length = text.get("context_length", 77)
    if "hf_tokenizer_name" in text:
        return open_clip.HFTokenizer(
            text["hf_tokenizer_name"], context_length=length, **text.get("tokenizer_kwargs", {})
        )
    return open_clip.SimpleTokenizer(context_length=length)
