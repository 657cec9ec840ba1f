"""Does each listed model work from its fetching to its use elsewhere? A table for docs/models.md.

    python tools/measure_models.py [MODEL ...] [--layers N] [--images N]

A hub on this machine serves every model under its real name, with the real architecture and random
weights; nothing is asked of the network. For each model: it is fetched and loaded, its zero-shot
labels are compared with plain open_clip's, both phases run for a few steps, the classifier is saved
and the lines of docs/export.md load it in a process without the studio. --layers cuts open_clip's
own towers to so many layers, where memory or time demand it; image towers of timm stay whole, and
their text towers are cut. It says so in the table.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image

from studio.clip.backbone import load_backbone
from studio.clip.encode import class_vectors, encode_images
from studio.clip.presets import PRESETS, Preset
from studio.clip.sources import find_source
from studio.runs.inputs import images_for
from studio.runs.job import run_job
from studio.runs.model import label_each, load_classifier
from studio.runs.request import JobRequest, create_run
from studio.runs.store import RunStore
from studio.settings import Settings
from tests.clip.hub_server import FakeHub, serving, use
from tests.clip.small_hub import gemma_like_tokenizer, weights_of

ROOT = Path(__file__).resolve().parents[1]
COLUMNS = (
    "model", "layers", "fetched", "loaded", "zero-shot", "Phase I", "Phase II", "exported",
    "elsewhere",
)  # fmt: skip
COLOURS = {"red": (200, 40, 40), "green": (40, 200, 40), "blue": (40, 40, 200)}
FEW_STEPS = {
    "k": 2, "seed_selection": "leaderboard", "n_ctx": 4, "n_visual_tokens": 2, "phase1_epochs": 1,
    "phase1_min_steps": 0, "phase1_batch": 4, "phase2_epochs": 1, "phase2_batch": 4,
    "filter": "none", "monitor_images": 4, "inference": "single", "micro_batch": 4,
}  # fmt: skip


def main() -> None:
    """Print the table, a line a model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", default=list(PRESETS), metavar="MODEL")
    parser.add_argument("--layers", type=int, help="cut towers to so many (default: whole)")
    parser.add_argument("--images", type=int, default=12)
    options = parser.parse_args()
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}", flush=True)
    for name in options.models:
        with tempfile.TemporaryDirectory() as place, pytest.MonkeyPatch.context() as patch:
            row = measure(name, PRESETS[name], options, Path(place), patch)
        print(f"| {' | '.join(row)} |", flush=True)


def measure(
    name: str, facts: Preset, options: argparse.Namespace, place: Path, patch: pytest.MonkeyPatch
) -> list[str]:
    """One model's row; what fails stands in its cell, and what comes behind it is not tried."""
    row = [name, cut_layers(facts.architecture, options.layers, patch)]
    folder, state = draw(place / "images", options.images), Trial(name, place)
    hub = FakeHub()
    fill(hub, name, facts.architecture)
    with serving(hub):
        use(patch, hub.endpoint, str(place / "hub"))
        steps: list[Callable[[Path], str]] = [
            state.fetched, state.loaded, state.zero_shot, state.phase_1, state.phase_2,
            state.exported, state.elsewhere,
        ]  # fmt: skip
        for step in steps:
            try:
                row.append(step(folder))
            except Exception as error:
                row.append(f"no: {type(error).__name__}: {str(error).splitlines()[0][:100]}")
                break
    return row + ["-"] * (len(COLUMNS) - len(row))


class Trial:
    """One model on its way; each step returns what its cell says, or raises."""

    def __init__(self, name: str, place: Path) -> None:
        self.name, self.place = name, place

    def fetched(self, _folder: Path) -> str:
        """Through the hub's protocol."""
        began = time.perf_counter()
        self.source = find_source(self.name)
        size = self.source.weights().stat().st_size
        self.source.tokenizer()
        return f"{size / 1e6:.0f} MB, {time.perf_counter() - began:.1f} s"

    def loaded(self, _folder: Path) -> str:
        """From what was fetched."""
        began = time.perf_counter()
        self.backbone = load_backbone(self.name, device="cpu")
        return f"{time.perf_counter() - began:.1f} s"

    def zero_shot(self, folder: Path) -> str:
        """Beside plain open_clip, its own preprocessing and the same tokens."""
        facts, backbone = PRESETS[self.name], self.backbone
        plain, _, transform = open_clip.create_model_and_transforms(
            facts.architecture, pretrained=facts.tag
        )
        plain.eval()
        found, canvases = images_for(backbone, folder, cache_dir=self.place / "cache")
        ours = encode_images(backbone, canvases)
        files = [folder / image.path for image in found.images]
        with torch.no_grad():
            theirs = torch.cat([plain.encode_image(transform(Image.open(f))[None]) for f in files])
        cosine = torch.nn.functional.cosine_similarity(ours, theirs).min()
        vectors = class_vectors(backbone, list(COLOURS), [backbone.template])
        same = (ours @ vectors.T).argmax(1) == (theirs @ vectors.T).argmax(1)
        assert cosine > 0.99, f"cosine {cosine:.4f} to open_clip's features"
        return f"{int(same.sum())}/{len(same)} labels as open_clip, cosine {cosine:.4f}"

    def phase_1(self, folder: Path) -> str:
        """Both phases run here; what the first said is the cell."""
        from studio.coft.events import Event, Judged, Step

        losses: dict[int, list[float]] = {1: [], 2: []}
        judged: list[Any] = []

        def listen(event: Event) -> None:
            if isinstance(event, Step):
                losses[event.phase].append(float(event.loss))
            if isinstance(event, Judged):
                judged.append(event)

        request = JobRequest(
            folder=folder, class_names=tuple(COLOURS), model=self.name,
            settings=Settings.from_overrides({k: str(v) for k, v in FEW_STEPS.items()}),
        )  # fmt: skip
        run = create_run(request, RunStore(self.place / "runs"))
        self.result = run_job(
            request, run, cache_dir=self.place / "cache", stop=lambda: False, listen=listen
        )
        self.run, self.losses = run, losses
        assert judged, "no label was judged"
        return finite(losses[1])

    def phase_2(self, _folder: Path) -> str:
        """Of the run before."""
        return finite(self.losses[2])

    def exported(self, _folder: Path) -> str:
        """Of the run before."""
        meta = json.loads((self.run.path / "model" / "model.json").read_text())
        return f"{meta['kind']}, {meta['head_input']}"

    def elsewhere(self, folder: Path) -> str:
        """The lines of docs/export.md, in a process without the studio."""
        (snippet,) = re.findall(
            r"```python\n(.*?)```", (ROOT / "docs" / "export.md").read_text("utf-8"), re.DOTALL
        )
        shipped = load_classifier(self.run.path / "model", device="cpu")
        found, canvases = images_for(self.backbone, folder, cache_dir=self.place / "cache")
        expected = label_each(shipped, canvases)[0, 0].numpy()
        shutil.copy(folder / found.images[0].path, self.run.path / "photo.jpg")
        done = subprocess.run(
            [sys.executable, "-c", snippet + "\nprint(probabilities.tolist())"],
            cwd=self.run.path, capture_output=True, text=True, check=False,
            env={**os.environ, "PYTHONPATH": ""},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr.strip().splitlines()[-1]
        off = np.abs(np.array(json.loads(done.stdout.splitlines()[-1])) - expected).max()
        assert off < 0.01, f"probabilities differ by {off:.4f}"
        return f"same to {max(off, 1e-6):.0e}"


def finite(losses: list[float]) -> str:
    """How many steps there were; each has to have a number for a loss."""
    assert losses, "no step"
    assert np.isfinite(losses).all(), f"loss {losses}"
    return f"{len(losses)} steps"


def cut_layers(architecture: str, most: int | None, patch: pytest.MonkeyPatch) -> str:
    """Let open_clip's own towers have at most so many layers; what was cut, in words."""
    from open_clip import factory

    config = open_clip.get_model_config(architecture)
    words = []
    for part in ("vision_cfg", "text_cfg"):
        layers = config[part].get("layers")
        if most and isinstance(layers, int) and layers > most:
            config[part]["layers"] = most
            words.append(f"{part.removesuffix('_cfg')} {most} of {layers}")
    patch.setitem(factory._MODEL_CONFIGS, architecture, config)
    return ", ".join(words) or "whole"


def fill(hub: FakeHub, name: str, architecture: str) -> None:
    """Put the model on the hub, where open_clip's list has it."""
    from open_clip.pretrained import get_pretrained_cfg

    repo = get_pretrained_cfg(architecture, PRESETS[name].tag)["hf_hub"].rstrip("/")
    hub.repos[repo] = {"open_clip_model.safetensors": weights_of(architecture)}
    tokenizer = open_clip.get_model_config(architecture)["text_cfg"].get("hf_tokenizer_name")
    if tokenizer:
        hub.repos.setdefault(tokenizer, {}).update(gemma_like_tokenizer())


def draw(folder: Path, count: int) -> Path:
    """Noisy pictures in three colours, without sub-folders."""
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(count):
        colour = np.array(list(COLOURS.values())[number % 3])
        coarse = np.clip(colour + random.normal(0, 50, (8, 8, 3)), 0, 255).astype(np.uint8)
        picture = Image.fromarray(coarse).resize((320, 280), Image.Resampling.BICUBIC)
        picture.save(folder / f"{number}.png")
    return folder


if __name__ == "__main__":
    main()
