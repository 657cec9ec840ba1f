"""How much of the bare forward pass's throughput encoding reaches, measured batch by batch in turn.

    python tools/measure_speed.py FOLDER [--model embedded] [--rounds 3] [--plain]

For each batch of the folder's images: once what the studio does (canvases from the cache, resize
where needed, normalisation, forward pass), once the forward pass alone on the same pixels. The two
take turns, so that whatever else the machine does meets both. The first reading of the folder
(decoding) is reported apart: it happens once per folder.

With --plain the image tower is compared with the same one in float32, whose convolutions were not
made quick for the CPU (`clip/folding.py`, `clip/precision.py`): processor time of a forward pass,
and of forward and backward at Phase II's image size, in turns, and how far features lie apart.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from torch import Tensor

from studio.clip.backbone import Backbone, build_visual, load_backbone
from studio.clip.encode import Images, preprocess
from studio.clip.precision import autocast
from studio.coft.views import training_size
from studio.memory import keep_freed_memory
from studio.places import default_cache_dir
from studio.runs.inputs import images_for
from studio.settings import Settings


def main() -> None:
    """Print images per second of both, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--plain", action="store_true", help="compare with the plain tower")
    options = parser.parse_args()
    keep_freed_memory()
    backbone = load_backbone(options.model)
    batch = backbone.forward_batch
    began = time.perf_counter()
    _, canvases = images_for(backbone, options.folder, cache_dir=default_cache_dir())
    print(f"reading {len(canvases)} images: {time.perf_counter() - began:.2f} s")
    whole: list[float] = []
    bare: list[float] = []
    images = 0
    with torch.inference_mode(), autocast(backbone.device, backbone.visual):
        for number in range(options.rounds + 1):  # the first round warms up
            for start in range(0, len(canvases) - batch + 1, batch):
                began = time.perf_counter()
                pixels = preprocess(canvases.batch(range(start, start + batch)), backbone)
                backbone.visual(pixels)
                middle = time.perf_counter()
                backbone.visual(pixels)
                end = time.perf_counter()
                if number:
                    whole.append(middle - began)
                    bare.append(end - middle)
                    images += batch
    ratio = statistics.median(b / w for w, b in zip(whole, bare, strict=True))
    print(f"encoding {images / sum(whole):.0f} images/s, bare forward {images / sum(bare):.0f}")
    print(f"ratio {sum(bare) / sum(whole):.3f} over all batches, median {ratio:.3f}")
    if options.plain:
        _against_plain(backbone, canvases, options.rounds)


def _against_plain(backbone: Backbone, images: Images, rounds: int) -> None:
    quick = copy.deepcopy(backbone.visual).requires_grad_(True)
    plain = build_visual(backbone.config).eval()
    plain.load_state_dict(quick.state_dict())
    plain.to(memory_format=backbone.pixel_format)
    towers = {"plain": plain, "quick": quick}
    canvases = images.batch(range(backbone.forward_batch))
    size = training_size(backbone, Settings().phase2_resolution)
    tested, trained = preprocess(canvases, backbone), preprocess(canvases, backbone, size=size)
    features: dict[str, Tensor] = {}

    def seen(name: str, pixels: Tensor) -> Tensor:
        own = autocast(backbone.device, backbone.visual)
        with own if name == "quick" else contextlib.nullcontext():
            found: Tensor = towers[name](pixels)
        return found.float()

    def forward(name: str) -> None:
        with torch.inference_mode():
            features[name] = seen(name, tested)

    def both_ways(name: str) -> None:
        towers[name].zero_grad()
        seen(name, trained).square().sum().backward()

    for work in (forward, both_ways):
        spent = dict.fromkeys(towers, 0.0)
        for number in range(rounds + 1):  # the first round warms up
            for name in towers:
                began = time.process_time()
                work(name)
                spent[name] += (time.process_time() - began) * (number > 0)
        each = {name: 1e3 * of / rounds / len(canvases) for name, of in spent.items()}
        print(
            f"{work.__name__}: plain {each['plain']:.1f} ms an image, quick {each['quick']:.1f}, "
            f"ratio {each['quick'] / each['plain']:.3f}"
        )
    apart = (features["quick"] - features["plain"]).abs().max() / features["plain"].abs().max()
    alike = torch.cosine_similarity(features["quick"], features["plain"]).min()
    print(f"features lie {float(apart):.1e} of the largest apart, cosines from {float(alike):.4f}")


if __name__ == "__main__":
    main()
