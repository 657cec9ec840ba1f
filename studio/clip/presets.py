"""The models that have a name of their own. A new one is one entry here; no torch is imported."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Preset:
    """A model of open_clip's list, its weights' tag there, and the template it was made with."""

    architecture: str
    weights: str
    template: str = "a photo of a {}."


PRESETS: dict[str, Preset] = {
    "MobileCLIP2-S0": Preset("MobileCLIP2-S0", "dfndr2b"),
    "ViT-B-32": Preset("ViT-B-32-quickgelu", "openai"),
    "ViT-B-16": Preset("ViT-B-16-quickgelu", "openai"),
    "ViT-L-14": Preset("ViT-L-14-quickgelu", "openai"),
    "ViT-B-16-SigLIP2": Preset("ViT-B-16-SigLIP2", "webli", "This is a photo of {}."),
}


def presets() -> list[str]:
    """Names that `load_backbone` knows, the offline default first."""
    return ["embedded", *PRESETS]
