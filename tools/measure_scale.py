"""What the steps that look at all images at once cost as a folder grows, and which breaks first.

    python tools/measure_scale.py [--sizes 2000 10000 50000] [--classes 100] [--against CHECKOUT]
    python tools/measure_scale.py --tiny

Each step runs in a process of its own, on made-up features of 512 numbers in groups: processor
seconds, and the memory that the step adds to what its process held before. From the two largest
sizes comes the exponent by which it grows (1 = with the images, 2 = with their square) and, from
that, how many images it takes until a step needs more than the limits, which is computed and not
measured. With --against the same steps of another checkout run in turns with these.
"""

from __future__ import annotations

import argparse
import inspect
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
HERE, THERE = "here", "there"
STEPS = (
    "nearest images", "labelling together", "neighbour shares", "of none of the classes",
    "estimate", "seeds", "judging", "labels of a round", "outcome", "canvas index",
    "one canvas more",
)  # fmt: skip
FAR = (1_000_000, 10_000_000)


@dataclass(frozen=True)
class Cost:
    """Of a step: seconds of the processor, and bytes that it added at its peak."""

    seconds: float
    bytes: int


Table = dict[tuple[str, str, int], Cost | str]
"""By checkout, step and images; where it failed, why."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", type=int, default=[2_000, 10_000, 50_000])
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=list(STEPS))
    parser.add_argument("--against", type=Path, metavar="CHECKOUT")
    parser.add_argument("--limit-seconds", type=float, default=1800.0)
    parser.add_argument("--limit-gb", type=float, default=16.0)
    parser.add_argument("--tiny", action="store_true", help="toy sizes; the numbers mean nothing")
    parser.add_argument("--one", choices=STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--cache", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one:
        print(json.dumps(measured(options.one, options)))
        return 0
    if options.tiny:
        options.sizes, options.classes, options.width = [150, 300], 5, 16
    roots = {HERE: ROOT, **({THERE: options.against} if options.against else {})}
    found: Table = {}
    with tempfile.TemporaryDirectory(prefix="scale-") as cache:
        for size in sorted(options.sizes):
            for step in options.steps:
                for name, root in roots.items():
                    found[name, step, size] = run(step, size, root, Path(cache) / name, options)
                    print(name, step, size, found[name, step, size], file=sys.stderr, flush=True)
    print(report(found, list(roots), options))
    return 0


def run(step: str, size: int, root: Path, cache: Path, options: argparse.Namespace) -> Cost | str:
    """One step in a process of its own, by this file, with the package of `root`."""
    command = [
        sys.executable, __file__, "--one", step, "--sizes", str(size),
        "--classes", str(options.classes), "--width", str(options.width), "--cache", str(cache),
    ]  # fmt: skip
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": str(root)}, capture_output=True, text=True
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it was killed"])[-1]
        return f"failed: {last}"
    said = json.loads(done.stdout.splitlines()[-1])
    return Cost(**said) if isinstance(said, dict) else str(said)


def measured(step: str, options: argparse.Namespace) -> dict[str, float] | str:
    """In the process of a step: what it costs, or why there is no such step in that checkout."""
    made = Made.of(options.sizes[0], options.classes, options.width)
    work = prepared(step, made, options.cache)
    if work is None:
        return "-"
    held, began = peak(), time.process_time()
    work()
    return {"seconds": time.process_time() - began, "bytes": max(0, peak() - held)}


def peak() -> int:
    """Bytes that this process has held at most."""
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@dataclass(frozen=True)
class Made:
    """Made-up images: raw features (N, d), zero-shot probabilities (N, C), all float32 tensors."""

    features: Any
    probabilities: Any

    @classmethod
    def of(cls, images: int, classes: int, width: int) -> Made:
        import torch

        generator = torch.Generator().manual_seed(0)
        centres = torch.randn(classes, width, generator=generator)
        group = torch.randint(0, classes, (images,), generator=generator)
        features = torch.empty(images, width).normal_(generator=generator).mul_(1.5)
        probabilities = torch.empty(images, classes)
        for part in torch.arange(images).split(8192):
            features[part] += centres[group[part]]
            probabilities[part] = (0.03 * features[part] @ centres.T).softmax(1)
        return cls(features, probabilities)


def prepared(step: str, made: Made, cache: Path) -> Callable[[], object] | None:
    """What a step does, with all that it is given made; None: that checkout has no such step."""
    import torch

    if step in ("canvas index", "one canvas more"):
        return canvas_index(step, len(made.features), cache)
    from studio.coft import selection

    try:
        from studio.coft import together
    except ImportError:  # a checkout from before
        from studio.coft import transduction as together  # type: ignore[no-redef]
    from studio.scores.cleanliness import neighbour_share
    from studio.scores.estimate import Evidence
    from studio.scores.neighbours import unit
    from studio.scores.strangers import with_neighbours

    try:
        from studio.scores.graph_files import GraphFiles
    except ImportError:
        GraphFiles = None  # a checkout from before
    if step in ("judging", "labels of a round", "outcome"):
        return whole_fit(step, made)
    units, labels = unit(made.features.numpy()), made.probabilities.argmax(1).numpy()
    if step == "nearest images":
        return None if GraphFiles is None else lambda: GraphFiles(cache).of(units)
    if step == "estimate":
        return lambda: Evidence.of(made.probabilities.numpy())
    if step == "seeds":
        mode = "argmax_topk"
        return lambda: selection.seed_set(
            made.probabilities,
            k=selection.seeds_by_class(made.probabilities, k=16, cap=True, mode=mode),
            mode=mode,
        )
    near: dict[str, Any] = {}
    tensors: dict[str, Any] = {}
    if GraphFiles is not None:
        near = {"candidates": GraphFiles(cache).of(units).indices}
        tensors = {"candidates": torch.from_numpy(near["candidates"])}
    if step == "neighbour shares":
        return lambda: neighbour_share(units, labels, **near)
    if step == "of none of the classes":
        values = made.probabilities.amax(1).double().numpy()
        return lambda: with_neighbours(units, values, **tensors)
    given = torch.full((len(units),), -1)
    return lambda: together.label_together(
        torch.from_numpy(units), made.probabilities, given,
        device=torch.device("cpu"), anchor=32.0, **tensors,
    )  # fmt: skip


def whole_fit(step: str, made: Made) -> Callable[[], object] | None:
    """What a fit does with what both models say of all images, which comes in batches."""
    import torch
    from torch.nn.functional import normalize

    from studio.coft import dual, outcome, phase1, rounds
    from studio.coft.dual import Judgement
    from studio.settings import Settings

    images = len(made.probabilities)
    batches = torch.arange(images).split(256)

    def batch(rows: Any) -> Judgement:
        own = made.probabilities[rows]
        both = torch.stack([own, own])
        return Judgement(both, both.clone(), torch.zeros(2, len(own), 1))

    if step == "judging":
        if hasattr(phase1, "seen"):
            phase1.seen = lambda _models, rows: torch.zeros(2, len(rows), made.features.shape[1])
        else:  # a checkout from before
            phase1.judge = lambda _models, rows, *_: batch(rows)
        views: Any = type("V", (), {
            "chunks": lambda _: iter(batches), "__len__": lambda _: images,
            "starts": range(len(batches)), "chunk": lambda _, number: batches[number],
        })  # fmt: skip
        return lambda: list(phase1.judge_all((), views(), 1.0))
    every: Any = batch(slice(None))
    held: Any = every.log_odds
    if hasattr(dual, "Judges"):  # else a checkout from before, which holds tables
        units = normalize(made.features, dim=1)
        # Models that contradict the first labels would be given up.
        texts = normalize(made.probabilities.T @ units, dim=1)
        held = dual.HeldOdds(every.log_odds).odds
        every = dual.Judges(torch.stack([units, units]), [(texts, -texts)] * 2, 15.0, 256)
    if step == "labels of a round":
        given = torch.full((images,), -1)
        space = argparse.Namespace(image_mean=made.features[0])
        settings = Settings(transduction="first")
        task = argparse.Namespace(settings=settings, given=given, space=space)
        asked = inspect.signature(rounds._assigned).parameters  # of other checkouts others
        how: Any = {"keep": False, "further": False, "trained": True}
        how = {name: value for name, value in how.items() if name in asked}
        return lambda: list(rounds._assigned(every, made.probabilities, task, **how))
    given, judged = torch.full((images,), -1), made.probabilities.argmax(1).expand(2, -1)
    clean = torch.ones(2, images, dtype=torch.bool)
    last = {"given": given, "single": False, "stage": "phase2", "stopped": False}
    classifier: Any = argparse.Namespace(
        backbone=argparse.Namespace(forward_batch=256), each=lambda rows: batch(rows).probabilities
    )
    pictures: Any = type("P", (), {"batch": lambda _, r: list(r), "__len__": lambda _: images})()
    if hasattr(outcome, "finish_all"):
        found = outcome.finish_all(classifier, pictures, held, clean, judged, **last)
        return lambda: list(found)

    def finish() -> object:
        def said() -> Any:
            probabilities = yield from outcome.label_all(classifier, pictures)
            return outcome.finish(probabilities, held, clean, judged, **last)

        return list(said())

    return finish


def canvas_index(step: str, images: int, cache: Path) -> Callable[[], object]:
    """What is written down about a folder's canvases, which are of one pixel here."""
    import numpy as np

    from studio.images.canvas_cache import ShardStore
    from studio.images.folder import ImageFile

    files = [ImageFile(f"class {i % 100}/picture {i:07d}.jpg", 10**5, i) for i in range(images)]
    late = ImageFile("late.jpg", 10**5, 1)
    pixel = np.zeros((3, 1, 1), np.uint8)

    def keep(new: Sequence[ImageFile], all_of_them: Sequence[ImageFile]) -> None:
        with ShardStore(cache, root=Path(f"/photos {images}"), size=1, max_pixels=1) as store:
            store.no_room_for(len(new))
            for file in new:
                store.keep(file, pixel)
            store.publish(all_of_them)

    if step == "canvas index":
        return lambda: keep(files, files)
    keep(files, files)
    return lambda: keep([late], [*files, late])


def exponent(small: float, large: float, *, sizes: tuple[int, int]) -> float:
    """By which power of the images a cost grows, between two sizes; 0 where it was nothing, from
    which no power tells.
    """
    if small <= 0:
        return 0.0
    return math.log(max(large, 1e-9) / max(small, 1e-9)) / math.log(sizes[1] / sizes[0])


def expected(value: float, power: float, *, at: int, images: int) -> float:
    """A cost at so many images, from one that was measured and its exponent."""
    return value * (images / at) ** max(power, 0.0)


def breaking(value: float, power: float, *, at: int, limit: float) -> float:
    """How many images it takes until a cost reaches a limit."""
    if value >= limit:
        return float(at)
    return math.inf if power <= 0 or value <= 0 else at * (limit / value) ** (1 / power)


def report(found: Table, names: Sequence[str], options: argparse.Namespace) -> str:
    sizes = sorted(options.sizes)
    head = ["step", *(f"{name}, {size:,}" for size in sizes for name in names), "exponents"]
    head += [f"{far:,}, computed" for far in FAR]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    first: tuple[float, str] = (math.inf, "")
    for step in options.steps:
        cells = [_cell(found[name, step, size]) for size in sizes for name in names]
        a, b = (found[HERE, step, size] for size in (sizes[-2:] if sizes[1:] else sizes * 2))
        if not isinstance(a, Cost) or not isinstance(b, Cost) or a is b:
            failed = [s for s in sizes if not isinstance(found[HERE, step, s], Cost)]
            if failed and found[HERE, step, failed[0]] != "-":
                first = min(first, (failed[0], f"{step}: {found[HERE, step, failed[0]]}"))
            lines.append(f"| {' | '.join([step, *cells, '', *('' for _ in FAR)])} |")
            continue
        ends = (sizes[-2], sizes[-1])
        powers = [
            exponent(a.seconds, b.seconds, sizes=ends),
            exponent(a.bytes, b.bytes, sizes=ends),
        ]
        cells.append(f"{powers[0]:.1f}, {powers[1]:.1f}")
        for far in FAR:
            seconds = expected(b.seconds, powers[0], at=ends[1], images=far)
            memory = expected(b.bytes, powers[1], at=ends[1], images=far)
            cells.append(_cell(Cost(seconds, int(memory))))
        for value, power, limit, what in (
            (b.seconds, powers[0], options.limit_seconds, "seconds"),
            (b.bytes, powers[1], options.limit_gb * 2**30, "bytes of memory"),
        ):
            at = breaking(value, power, at=ends[1], limit=limit)
            first = min(first, (at, f"{step}: more than {limit:,.0f} {what}"))
        lines.append(f"| {' | '.join([step, *cells])} |")
    count = f"{first[0]:,.0f}" if math.isfinite(first[0]) else "no number of"
    said = f"What breaks first, at {count} images with {options.classes} classes: {first[1]}."
    return "\n".join([*lines, "", "In each cell: processor seconds, MB added.", said])


def _cell(value: Cost | str) -> str:
    if isinstance(value, str):
        return value
    return f"{value.seconds:,.1f} s, {value.bytes / 2**20:,.0f} MB"


if __name__ == "__main__":
    sys.exit(main())
