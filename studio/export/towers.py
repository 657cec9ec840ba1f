"""The trained classifier of a run, as exports of models take it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from studio.errors import RunError
from studio.export.subject import Subject
from studio.export.weights import model_files
from studio.files import read_json
from studio.images.canvases import canvas_size
from studio.runs.model import load_classifier

if TYPE_CHECKING:
    from torch import Tensor, nn

    from studio.coft.classifier import Classifier

SAME = 1e-3
"""Two programs give the same probabilities when none differs by more: sums of single precision in
another order differ by about 1e-5."""


def described(subject: Subject) -> dict[str, Any]:
    """The run's model.json.

    Raises:
        RunError: The run trained no model.
    """
    meta = read_json(subject.run.path / "model" / "model.json")
    if not isinstance(meta, dict):
        raise RunError("This run trained no model; only its labels can be exported.")
    return meta


def weights_bytes(subject: Subject) -> int:
    """How large the weights of all its models are."""
    files = model_files(subject.run)
    return sum(file.stat().st_size for file in files if file.suffix == ".safetensors")


def classifier_of(subject: Subject) -> Classifier:
    """The run's classifier, on the CPU: what is written down is the same on every machine.

    Raises:
        ModelError: Its files are damaged.
    """
    classifier = load_classifier(subject.run.path / "model", device="cpu")
    for tower in classifier.towers:
        tower.requires_grad_(False)
    return classifier


def mean_of(towers: Sequence[nn.Module]) -> nn.Module:
    """A module from normalised pixels (B, 3, S, S) to the mean of the towers' probabilities."""
    import torch

    class Mean(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.towers = torch.nn.ModuleList(towers)

        def forward(self, pixels: Tensor) -> Tensor:
            each = [tower(pixels).softmax(-1) for tower in self.towers]
            return torch.stack(each).mean(0)

    return Mean().eval()


def preprocessing(meta: dict[str, Any]) -> dict[str, Any]:
    """How an image becomes what the model reads, in plain values.

    resize: "crop" cuts out the middle square, "squash" gives both sides the same length;
    canvas_size: the square that the photo is first brought to; image_size: the one that is read.
    """
    size = int(meta["image_size"])
    return {
        "resize": meta.get("resize", "crop"),
        "interpolation": meta.get("interpolation", "bicubic"),
        "canvas_size": canvas_size(size),
        "image_size": size,
        "mean": list(meta["mean"]),
        "std": list(meta["std"]),
    }


def some_pixels(classifier: Classifier, images: int) -> Tensor:
    """(images, 3, S, S) pixels for comparing two forms of a model; the same every time."""
    import torch

    size, seed = classifier.backbone.image_size, torch.Generator().manual_seed(0)
    return torch.randn(images, 3, size, size, generator=seed)
