"""How much of a GPU the studio uses: a full-size ViT-B/16 through CoFT and CoFT+, and bare torch.

    python tools/measure_gpu.py --out build/gpu     # under 5 minutes on one GPU
    python tools/measure_gpu.py --tiny              # seconds, on a CPU, with a toy transformer

Needs the requirements of the project and nothing else: no network, no data. The model has the real
architecture of open_clip and random weights, the images are JPEGs that are drawn first and read
from disk, all settings are the defaults. So labels mean nothing; times and memory do.

For encoding and for the steps of both phases, the time is compared with the same towers in plain
torch: the same batch, size and precision, forward, and forward with backward, on pixels that are on
the device already. Phase I is compared with the image tower and the text tower, each with the
gradient that prompts need and none for weights; Phase II with the image tower and its optimizer;
CoFT+ with that and the forward pass of its second encoder. Waiting is the share of the time in
which the device did nothing, by torch's profiler over some steps that are left out of the times.
Writes OUT/gpu.md and OUT/gpu.json.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import open_clip
import torch
from PIL import Image
from safetensors.torch import save_file

from studio.clip.backbone import Backbone, build_model, load_backbone
from studio.clip.encode import encode_images
from studio.runs.inputs import images_for
from studio.runs.job import run_job
from studio.runs.request import JobRequest, create_run
from studio.runs.store import RunStore
from studio.settings import Settings
from tools.bare_torch import Bare, wait
from tools.watched_steps import Busy, Watch, peak, reset_peak

ARCHITECTURE = "ViT-B-16-quickgelu"
NAMES = ("dog", "guitar", "house", "horse", "person", "tree", "bicycle", "boat", "chair", "clock")
TINY = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 64, "layers": 2, "width": 64, "patch_size": 32, "head_width": 32},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}
# Random weights know nothing: a run would say so, keep its first labels and train nothing.
SETTINGS = {"train_near_chance": "true", "seed_selection": "leaderboard"}
TINY_SETTINGS = {
    **SETTINGS,
    "phase1_epochs": 2, "phase1_min_steps": 0, "phase1_batch": 4, "phase2_batch": 4, "k": 4,
    "phase2_epochs": 1, "monitor_images": 0,
}  # fmt: skip
GOALS = {"encoding": 0.9, "step": 0.85}


@dataclass
class Row:
    """One line of the table.

    images_per_second, milliseconds: of the studio (of a batch, or a step); bare: milliseconds of
    plain torch for the same; share: bare / studio; waiting: share of the time, None where it cannot
    be told; peak: GiB.
    """

    what: str
    batch: int
    images_per_second: float
    milliseconds: float
    bare: float | None = None
    share: float | None = None
    goal: float | None = None
    waiting: float | None = None
    peak: float | None = None


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tiny", action="store_true", help="a toy model and few images; for a CPU")
    parser.add_argument("--images", type=int, help="default: 1024; --tiny: 24")
    parser.add_argument("--architecture", default=ARCHITECTURE, help="a name of open_clip's")
    parser.add_argument("--out", type=Path, help="write gpu.md and gpu.json into this folder")
    options = parser.parse_args(arguments)
    began = time.perf_counter()
    images = options.images or (24 if options.tiny else 1024)
    names = NAMES[:3] if options.tiny else NAMES
    config = TINY if options.tiny else architecture(options.architecture)
    with tempfile.TemporaryDirectory(prefix="measure_gpu_") as place:
        work = Path(place)
        draw_images(work / "images", images, names, size=(96, 72) if options.tiny else (500, 375))
        write_model(work / "model", config)
        rows = measure(work, tiny=options.tiny)
    about = {
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "torch": torch.__version__, "architecture": "toy" if options.tiny else options.architecture,
        "images": images, "classes": len(names), "seconds": time.perf_counter() - began,
    }  # fmt: skip
    text = table(about, rows)
    print(text)
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "gpu.md").write_text(text + "\n", encoding="utf-8")
        whole = {**about, "rows": [asdict(row) for row in rows]}
        (options.out / "gpu.json").write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    return 0


def measure(work: Path, *, tiny: bool) -> list[Row]:
    """All rows: encoding, then the steps of a run of CoFT and one of CoFT+."""
    settings = Settings.from_overrides(
        {name: str(value) for name, value in (TINY_SETTINGS if tiny else SETTINGS).items()}
    )
    backbone = load_backbone(str(work / "model"))
    bare = Bare(backbone, repeats=2 if tiny else 20, classes=len(NAMES[:3] if tiny else NAMES))
    rows = encoding(backbone, bare, work)
    floors = {
        "Phase I": bare.phase_1(settings),
        "Phase II": bare.phase_2(settings),
        "Phase II, CoFT+": bare.phase_2(settings, contrast=True),
    }
    del backbone, bare
    for method, titles in (
        ("coft", ("Phase I", "Phase II")),
        ("coft+", ("Phase I, CoFT+", "Phase II, CoFT+")),
    ):
        watch = run(work, method, settings)
        for phase, title in enumerate(titles, start=1):
            floor = floors.get(title, floors["Phase I"])
            batch = settings.phase1_batch if phase == 1 else settings.phase2_batch
            took = watch.step(phase)
            rows.append(
                Row(f"step of {title}", batch, batch / took, 1000 * took, 1000 * floor,
                    floor / took, GOALS["step"], watch.waiting.get(phase), watch.peaks[phase])
            )  # fmt: skip
    return rows


# --- What is measured on --------------------------------------------------------------------------


def draw_images(folder: Path, images: int, names: Sequence[str], *, size: tuple[int, int]) -> None:
    """JPEGs of photo size: a soft pattern of the class's own, under noise."""
    rng = np.random.default_rng(0)
    for number in range(images):
        own = np.random.default_rng(number % len(names)).integers(0, 255, (4, 5, 3))
        mixed = (0.7 * own + 0.3 * rng.integers(0, 255, (4, 5, 3))).astype(np.uint8)
        soft = np.asarray(Image.fromarray(mixed).resize(size, Image.Resampling.BICUBIC))
        noisy = soft.astype(np.int16) + rng.integers(-20, 20, soft.shape)
        place = folder / names[number % len(names)]
        place.mkdir(parents=True, exist_ok=True)
        picture = Image.fromarray(noisy.clip(0, 255).astype(np.uint8))
        picture.save(place / f"{number:05d}.jpg", quality=90)


def architecture(name: str) -> dict[str, Any]:
    config: dict[str, Any] | None = open_clip.get_model_config(name)
    if config is None:
        raise SystemExit(f"open_clip knows no architecture {name!r}")
    if config.get("custom_text") or not isinstance(config["vision_cfg"].get("layers"), int):
        raise SystemExit(f"{name} has not open_clip's own towers; give a ViT of OpenAI's form")
    return config


def write_model(folder: Path, config: dict[str, Any]) -> None:
    """A folder as open_clip saves models, with random weights at CLIP's own logit scale."""
    torch.manual_seed(0)
    model: Any = build_model(config)
    model.logit_scale.data.fill_(math.log(100.0))
    folder.mkdir(parents=True)
    described = json.dumps({"model_cfg": config, "preprocess_cfg": {}})
    (folder / "open_clip_config.json").write_text(described, encoding="utf-8")
    state = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    save_file(state, folder / "model.safetensors")


# --- The studio -----------------------------------------------------------------------------------


def encoding(backbone: Backbone, bare: Bare, work: Path) -> list[Row]:
    """Reading the files once, and encoding them against the forward pass in bf16 and in fp32."""
    began = time.perf_counter()
    _, canvases = images_for(backbone, work / "images", cache_dir=work / "cache")
    took, batch = time.perf_counter() - began, min(backbone.forward_batch, len(canvases))
    each = took / len(canvases)
    rows = [Row("reading JPEGs, once", batch, 1 / each, 1000 * each * batch)]
    encode_images(backbone, canvases)  # warms up
    wait()
    reset_peak()
    with Busy() as busy:
        encode_images(backbone, canvases)
    began = time.perf_counter()
    encode_images(backbone, canvases)
    wait()
    took = (time.perf_counter() - began) / len(canvases)
    for half in (True, False):
        floor = bare.forward(batch, half=half) / batch
        goal = GOALS["encoding"] if half and torch.cuda.is_available() else None
        title = f"encoding, against {'bf16' if half else 'fp32'}"
        rows.append(
            Row(title, batch, 1 / took, 1000 * took * batch, 1000 * floor * batch, floor / took,
                goal, busy.waiting, peak())
        )  # fmt: skip
    return rows


def run(work: Path, method: str, settings: Settings) -> Watch:
    """A whole run, watched."""
    request = JobRequest(
        folder=work / "images", model=str(work / "model"), settings=settings, method=method
    )
    watch = Watch()
    made = create_run(request, RunStore(work / "runs"))
    run_job(request, made, cache_dir=work / "cache", stop=lambda: False, listen=watch.listen)
    return watch


def table(about: dict[str, Any], rows: Sequence[Row]) -> str:
    """The figures as Markdown."""

    def number(value: float | None, digits: int = 0) -> str:
        return "-" if value is None else f"{value:.{digits}f}"

    lines = [
        f"{about['device']}, torch {about['torch']}, {about['architecture']} with random weights, "
        f"{about['images']} images, {about['classes']} classes; {about['seconds']:.0f} s in all",
        "",
        "| what | batch | images/s | ms | bare, ms | bare / studio | goal | waiting | peak, GiB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = (
            row.what, str(row.batch), number(row.images_per_second), number(row.milliseconds, 1),
            number(row.bare, 1), number(row.share, 2), number(row.goal, 2), number(row.waiting, 2),
            number(row.peak, 1),
        )  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
