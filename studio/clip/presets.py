"""The models that have a name of their own, with their facts. A new one is one entry; no torch.

Parameters and image sizes are those of open_clip's configurations, the figures on ImageNet (top-1,
zero-shot, in percent) those their makers published, also listed in open_clip's table of results. A
download is about four bytes for each parameter.
"""

from __future__ import annotations

from dataclasses import dataclass

SIMPLE = "a photo of a {}."


@dataclass(frozen=True)
class Preset:
    """A model of open_clip's list, and what is worth knowing before it is chosen.

    tag: its weights' tag there; image_size: in pixels; parameters: in millions, both towers;
    imagenet: None where it is not known or means nothing; research_only: the licence forbids
    other use; template: what it was made with.
    """

    architecture: str
    tag: str
    image_size: int
    parameters: float
    licence: str
    imagenet: float | None
    purpose: str
    template: str = SIMPLE
    research_only: bool = False

    @property
    def download_mb(self) -> int:
        """About how much is fetched, in megabytes; the embedded model is here already."""
        return round(4 * self.parameters) if self.architecture else 0


EMBEDDED = Preset(
    "", "", 224, 17.6, "Apache-2.0", None, "part of the studio, works without a network", "{}."
)

PRESETS: dict[str, Preset] = {
    "ViT-B-32-256": Preset(
        "ViT-B-32-256", "datacomp_s34b_b86k", 256, 151.3, "MIT", 72.8, "laptops: fast and good"
    ),
    "ViT-B-16": Preset(
        "ViT-B-16-quickgelu", "openai", 224, 149.6, "MIT", 68.3, "the paper's model"
    ),
    "ViT-L-14": Preset(
        "ViT-L-14-quickgelu", "openai", 224, 427.6, "MIT", 75.5, "the paper's larger model; a GPU"
    ),
    "ViT-B-16-SigLIP2": Preset(
        "ViT-B-16-SigLIP2", "webli", 224, 375.2, "Apache-2.0", 78.2, "quality",
        "This is a photo of {}.",
    ),
    "PE-Core-B-16": Preset(
        "PE-Core-B-16", "meta", 224, 447.7, "Apache-2.0", 78.4, "quality; a large text tower"
    ),
    "PE-Core-S-16-384": Preset(
        "PE-Core-S-16-384", "meta", 384, 87.2, "Apache-2.0", 72.7, "small things in large images"
    ),
    "MobileCLIP2-S0": Preset(
        "MobileCLIP2-S0", "dfndr2b", 256, 74.8, "Apple's research licence", 71.5,
        "the smallest; research only", research_only=True,
    ),
}  # fmt: skip

RECOMMENDED = ("ViT-B-32-256", "ViT-B-16-SigLIP2")
"""What to try where the embedded model knows too little: on a laptop, and where time is no matter.
Both may be used for anything."""

FORMER: dict[str, Preset] = {
    "ViT-B-32": Preset(
        "ViT-B-32-quickgelu", "openai", 224, 151.3, "MIT", 63.3, "for runs that were made with it"
    ),
}
"""Names that older runs have and that are offered no more."""


def preset(name: str) -> Preset | None:
    """The facts of a named model; None for any other form of name."""
    if name == "embedded":
        return EMBEDDED
    return PRESETS.get(name) or FORMER.get(name)


IMAGE_ONLY = "timm:"
"""How the name of a model without a text side begins, see `studio.clip.image_only`."""


def is_embedded(name: str) -> bool:
    """Whether it is the model that is part of the studio, at whatever size."""
    return name.partition("@")[0] == "embedded"


def spoken(name: str) -> str:
    """A model's name as a page says it: the embedded one is the built-in model."""
    if not is_embedded(name):
        return name
    side = name.partition("@")[2]
    return f"built-in model at {side} pixels" if side else "built-in model"


def presets() -> list[str]:
    """Names that are offered, the offline default first."""
    return ["embedded", *PRESETS]
