"""How much of the bare forward pass's throughput encoding reaches, measured batch by batch in turn.

    python tools/measure_speed.py FOLDER [--model embedded] [--rounds 3]

For each batch of the folder's images: once what the studio does (canvases from the cache, resize
where needed, normalisation, forward pass), once the forward pass alone on the same pixels. The two
take turns, so that whatever else the machine does meets both. The first reading of the folder
(decoding) is reported apart: it happens once per folder.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch

from studio.clip.backbone import load_backbone
from studio.clip.encode import preprocess
from studio.clip.precision import autocast
from studio.memory import keep_freed_memory
from studio.places import default_cache_dir
from studio.runs.inputs import images_for


def main() -> None:
    """Print images per second of both, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--rounds", type=int, default=3)
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


if __name__ == "__main__":
    main()
