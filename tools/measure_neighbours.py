"""Compare ways to find the images nearest to each image of a large set, on made-up features.

    python -m pip install faiss-cpu usearch
    OMP_NUM_THREADS=1 python tools/measure_neighbours.py [--images 100000] [--width 512]
        [--groups 1000] [--ways exact nn-descent faiss-ivf faiss-hnsw usearch]

faiss-cpu and usearch are none of the project's packages; a way that is not installed is left out,
and said so. Each way runs in a process of its own, on one thread, and finds the 32 nearest of every
image, which `studio.scores.graph` keeps: seconds of the processor, memory that it added at its
peak, and recall, the share of the true 10 and 32 nearest that it found, of a thousand images. The
exact way compares these thousand with all images; its time for all is computed from that.
"""

from __future__ import annotations

import argparse
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from studio.scores.graph import KEPT, approximate  # noqa: E402 (needs the path above)
from studio.scores.neighbours import Floats, Indices, unit  # noqa: E402

ASKED = 1000
"""Images whose true nearest ones are found, to compare with."""
PROBES = 16
"""Cells of an inverted file that are searched, of 4 sqrt(N)."""
LINKS, WIDE = 32, 64
"""Of an HNSW graph: links of an image, and how many are looked at while it is built and searched;
faiss's own 40 and 16 find fewer."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--groups", type=int, default=1000)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--one", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one:
        print(measured(options.one, options.images, options.width, options.groups))
        return 0
    print("| way | s | MB added | recall of 10 | of 32 |\n|---|---|---|---|---|")
    size = [f"--{name}={getattr(options, name)}" for name in ("images", "width", "groups")]
    for way in options.ways:
        own = [sys.executable, __file__, *size, "--one", way]
        done = subprocess.run(
            own, env=os.environ | ONE_THREAD, capture_output=True, text=True, check=False
        )
        why = (done.stderr.strip().splitlines() or ["it ended early"])[-1]
        print(done.stdout.strip() or f"| {way} | {why} | | | |", flush=True)
    return 0


ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


def measured(way: str, images: int, width: int, groups: int) -> str:
    """A row of the table."""
    import torch

    torch.set_num_threads(1)
    units = made_up(images, width, groups)
    asked = np.random.default_rng(1).permutation(images)[:ASKED]
    began = time.process_time()
    true = exact(units, asked)
    spent = time.process_time() - began
    if way == "exact":
        return f"| exact, all pairs | {spent * images / len(asked):.0f} (computed) | - | 1 | 1 |"
    WAYS[way](units[: min(2000, images)])  # imports, and what is compiled at the first use
    Path("/proc/self/clear_refs").write_text("5")  # what was held at most counts from here on
    before, began = held("VmRSS"), time.process_time()
    found = WAYS[way](units)
    seconds, added = time.process_time() - began, held("VmHWM") - before
    shares = (f"{recall(found[asked, :k], true[:, :k]):.3f}" for k in (10, KEPT))
    return f"| {way} | {seconds:.0f} | {added:.0f} | {' | '.join(shares)} |"


def made_up(images: int, width: int, groups: int) -> Floats:
    """(N, d) unit vectors around their mean, in groups of unequal size and unequal spread."""
    draws = np.random.default_rng(0)
    centres = draws.normal(size=(groups, width)).astype(np.float32)
    spread = draws.uniform(0.6, 1.4, groups).astype(np.float32)
    share = draws.dirichlet(np.full(groups, 2.0))
    group = draws.choice(groups, images, p=share)
    units = np.empty((images, width), np.float32)
    for begin in range(0, images, 10_000):
        own = group[begin : begin + 10_000]
        noise = draws.standard_normal((len(own), width), dtype=np.float32)
        units[begin : begin + 10_000] = centres[own] + spread[own, None] * noise
    return unit(units)


def exact(units: Floats, asked: Indices) -> Indices:
    """(n, 32) the true nearest of some images."""
    import torch

    everyone, rows = torch.from_numpy(units), torch.from_numpy(asked)
    found = []
    for part in rows.split(128):
        block = everyone[part] @ everyone.T
        block[torch.arange(len(part)), part] = -torch.inf
        found.append(block.topk(KEPT, dim=1).indices)
    return np.asarray(torch.cat(found).numpy())


def recall(found: Indices, true: Indices) -> float:
    """The share of the true ones (n, k) that was found."""
    same = [len(set(own) & set(wanted)) for own, wanted in zip(found, true, strict=True)]
    return sum(same) / true.size


def nn_descent(units: Floats) -> Indices:
    """The project's own."""
    return approximate(units).indices


def faiss_ivf(units: Floats) -> Indices:
    """An inverted file: images in cells by k-means, and only the nearest cells are searched."""
    import faiss

    faiss.omp_set_num_threads(1)
    number, width = units.shape
    cells = max(1, min(round(4 * math.sqrt(number)), number // 40))
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(width), width, cells, faiss.METRIC_INNER_PRODUCT)
    some = np.random.default_rng(0).permutation(number)[: 40 * cells]
    index.train(units[np.sort(some)])
    index.add(units)
    index.nprobe = min(PROBES, cells)
    return without_oneself(lambda rows: index.search(rows, KEPT + 1)[1], units)


def faiss_hnsw(units: Floats) -> Indices:
    """A graph in layers, in which each image is looked for."""
    import faiss

    faiss.omp_set_num_threads(1)
    index = faiss.IndexHNSWFlat(units.shape[1], LINKS, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = index.hnsw.efSearch = WIDE
    index.add(units)
    return without_oneself(lambda rows: index.search(rows, KEPT + 1)[1], units)


def usearch_hnsw(units: Floats) -> Indices:
    """The same in half precision."""
    from usearch.index import Index

    index = Index(
        ndim=units.shape[1], metric="ip", dtype="f16", connectivity=LINKS,
        expansion_add=WIDE, expansion_search=WIDE,
    )  # fmt: skip
    index.add(np.arange(len(units)), units, threads=1)
    return without_oneself(
        lambda rows: np.asarray(index.search(rows, KEPT + 1, threads=1).keys, np.int64), units
    )


def without_oneself(search: Callable[[Floats], Any], units: Floats) -> Indices:
    """(N, 32) of what a search for 33 finds, of which one is the image itself, as a rule."""
    found = np.empty((len(units), KEPT), np.int64)
    for begin in range(0, len(units), 4096):
        near = np.asarray(search(units[begin : begin + 4096]))
        oneself = near == np.arange(begin, begin + len(near))[:, None]
        oneself[~oneself.any(1), -1] = True  # else the farthest goes
        found[begin : begin + len(near)] = near[~oneself].reshape(len(near), KEPT)
    return found


def held(which: str) -> float:
    """MB of memory that the process holds ("VmRSS"), or held at most ("VmHWM"); Linux tells."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith(which)]
    return int(line.split()[1]) / 1024


WAYS: dict[str, Callable[[Floats], Indices]] = {
    "exact": lambda units: exact(units, np.arange(len(units))),
    "nn-descent": nn_descent,
    "faiss-ivf": faiss_ivf,
    "faiss-hnsw": faiss_hnsw,
    "usearch": usearch_hnsw,
}

if __name__ == "__main__":
    sys.exit(main())
