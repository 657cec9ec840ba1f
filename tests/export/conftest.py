"""Runs whose labels and models are exported, and model folders of other architectures."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from studio.clip.backbone import Backbone, build_model
from studio.coft.classifier import Classifier, Tower, without_projection
from studio.images.resize import CROP, Resize
from studio.runs.corrections import Corrections
from studio.runs.job import run_job
from studio.runs.model import save_model
from studio.runs.request import JobRequest, create_run
from studio.runs.run import Run
from studio.runs.store import RunStore
from studio.settings import Settings
from tests.clip.conftest import families  # noqa: F401 (a fixture)
from tests.coft.conftest import convolutional_config
from tests.conftest import tiny_config

NAMES = ("red square", "green/circle", "Ünïted <b>")
"""Class names that formats must not stumble over."""
JUDGED = {"blue_line/5.png": NAMES[1], "blue_line/6.png": ""}


@pytest.fixture(scope="session")
def run(
    tmp_path_factory: pytest.TempPathFactory, image_folder: Path, tiny_model: Path,
    quick_settings: dict[str, Any],
) -> Run:  # fmt: skip
    """A run with what formats must not stumble over, two corrections, and judged labels."""
    place = tmp_path_factory.mktemp("formats")
    folder = place / "photos"
    shutil.copytree(image_folder, folder)
    (folder / "red_square" / "0.png").rename(folder / "=a & b, c.png")
    request = JobRequest(
        folder=folder, model=str(tiny_model), class_names=NAMES, settings=Settings(**quick_settings)
    )
    run = create_run(request, RunStore(place / "runs"))
    run_job(request, run, cache_dir=place / "cache", stop=lambda: False)
    corrections = Corrections.of(run)
    corrections.add("relabelled", {"=a & b, c.png": NAMES[2]})
    corrections.add("rejected", {"blue_line/3.png": ""})
    corrections.add("judged", {"=a & b, c.png": NAMES[0], **JUDGED})
    return run


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A folder that is not there yet."""
    return tmp_path / "out"


TRANSFORMER = tiny_config()["vision_cfg"]
CONVOLUTIONAL = convolutional_config()["vision_cfg"]


def write_model(
    folder: Path,
    vision: dict[str, Any],
    *,
    head_input: str = "post_proj",
    resize: Resize = CROP,
    models: int = 2,
    classes: int = 3,
    more: dict[str, Any] | None = None,
    embed_dim: int = 16,
) -> Classifier:
    """A model folder as a run writes it, with random weights. more: of open_clip's model_cfg."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        text = {"context_length": 8, "vocab_size": 64, "width": 32, "heads": 2, "layers": 1}
        config = {"embed_dim": embed_dim, "vision_cfg": vision, "text_cfg": text, **(more or {})}
        size, half = vision["image_size"], (0.5, 0.5, 0.5)
        towers = []
        for _ in range(models):
            visual = build_model(config).visual
            assert isinstance(visual, torch.nn.Module)
            for tensor in visual.parameters():  # some start at zero, and would hide mistakes
                tensor.data.add_(torch.randn(tensor.shape) * 0.02)
            if head_input == "pre_proj":
                visual, projection = without_projection(visual)
                assert projection is not None
            visual.eval()
            with torch.no_grad():
                features = visual(torch.randn(16, 3, size, size))
            head = torch.nn.Linear(features.shape[1], classes)
            torch.nn.init.normal_(head.weight, std=float(2 / features.std(0).norm()))
            with torch.no_grad():  # about the middle of what it reads, so that images differ
                head.bias.copy_(-head(features).mean(0) + head.bias)
            towers.append(Tower(visual, head))
    backbone = Backbone(
        name="random", model=torch.nn.Module(), tokenizer=torch.tensor, config=config,
        image_size=size, mean=half, std=half, template="{}", center=False,
        device=torch.device("cpu"), resize=resize,
    )  # fmt: skip
    classifier = Classifier(towers, backbone)
    names = [f"class {number}" for number in range(classes)]
    meta = classifier.meta(kind="fine-tuned", head_input=head_input, class_names=names)
    save_model(folder, tensors=classifier.state(), meta=meta)
    return classifier


@pytest.fixture
def with_model(run: Run, tmp_path: Path) -> Callable[..., Run]:
    """Makes a copy of `run` with a model of another architecture: arguments as of `write_model`."""

    def make(vision: dict[str, Any], **more: Any) -> Run:
        copy = tmp_path / "runs" / run.id
        shutil.copytree(run.path, copy)
        shutil.rmtree(copy / "model")
        write_model(copy / "model", vision, **more)
        return Run(copy)

    return make
