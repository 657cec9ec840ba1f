"""A finished run of very many images, made up in minutes, to see how the page does with it.

    python tools/make_large_run.py OUT [--images 1000000] [--classes 100] [--runs 2]

OUT gets three folders: `images`, a few drawn pictures under very many names (links, so that the
disk holds them once); `runs`, finished runs of them; and `cache`, all that the page would compute
first: canvases (each name shares one of the few), features in groups, the map and the graph of
nearest images. Labels, probabilities and scores are made up as well; nothing in them means
anything. Then: STUDIO_RUNS=OUT/runs STUDIO_CACHE=OUT/cache python app.py
"""

from __future__ import annotations

import argparse
import math
import os
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

if TYPE_CHECKING:
    from studio.clip.backbone import Backbone
    from studio.images.folder import Folder

PICTURES = 44
"""Drawn, four of each of the demo's classes: 1,000,000 names are 22,727 links to each."""
_A_FOLDER, _NEAREST = 10_000, 32
Arrays = dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    if options.out.exists() and any(options.out.iterdir()):
        parser.error(f"{options.out} is not empty")
    make(options.out, Made.of(options.images, options.classes, options.seed), runs=options.runs)
    return 0


@dataclass(frozen=True)
class Made:
    """What is made up. names: of C classes; group: (N,) the class that each image is of; random:
    where all else comes from.
    """

    names: list[str]
    group: np.ndarray
    random: np.random.Generator

    @classmethod
    def of(cls, images: int, classes: int, seed: int) -> Made:
        from studio.scores.knowledge import nouns

        words = list(dict.fromkeys(nouns([])))
        names = words[:classes] + [f"thing {i}" for i in range(len(words), classes)]
        random = np.random.default_rng(seed)
        return cls(names, np.sort(random.integers(0, classes, images)), random)

    def __len__(self) -> int:
        return len(self.group)


def make(out: Path, made: Made, *, runs: int) -> None:
    """All of it, with a line about each step and what it took."""
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:7.1f} s  {text}", flush=True)

    link_images(out, made)
    say(f"{len(made):,} names of {PICTURES} pictures")
    folder = keep_canvases(out)
    say("canvases")
    keep_features(out, made, folder)
    say("features, map and nearest images")
    for number in range(runs):
        write_run(out / "runs", made, folder, number)
    say(f"{runs} runs")
    size = sum(file.stat().st_size for file in (out / "cache").rglob("*") if file.is_file())
    say(f"the cache holds {size / 2**30:.2f} GB")


def link_images(out: Path, made: Made) -> None:
    """Every image is a link to one of a few drawn pictures, in a sub-folder of its class."""
    from studio.demo import draw

    drawn = sorted(draw(out / "drawn", per_class=4).rglob("*.jpg"))[:PICTURES]
    for number in range(0, len(made), _A_FOLDER):  # a folder of a million names is slow to read
        for name in {made.names[g] for g in made.group[number : number + _A_FOLDER].tolist()}:
            (out / "images" / name / f"part {number // _A_FOLDER}").mkdir(parents=True)
    for i, group in enumerate(made.group.tolist()):
        place = out / "images" / made.names[group] / f"part {i // _A_FOLDER}" / f"{i:07d}.jpg"
        os.link(drawn[i % len(drawn)], place)
    shutil.rmtree(out / "drawn")


def keep_canvases(out: Path) -> Folder:
    """One canvas of each picture; every image's index entry names one of them."""
    from studio.images.canvas_cache import ShardStore
    from studio.images.canvas_index import FolderIndex, Known
    from studio.images.canvases import CANVAS_SIZE
    from studio.images.decoding import MAX_PIXELS
    from studio.images.folder import scan
    from studio.images.resize import CROP, square

    folder, cache = scan(out / "images"), out / "cache"
    with ShardStore(
        cache, root=folder.root, size=CANVAS_SIZE, max_pixels=MAX_PIXELS, kind=str(CROP)
    ) as store:
        if problem := store.no_room_for(PICTURES):
            sys.exit(problem)
        inodes: dict[int, int] = {}
        numbers = []  # of each image, which of the few pictures it is
        for file in folder.images:
            path = folder.root / file.path
            inode = path.stat().st_ino
            if inode not in inodes:
                inodes[inode] = len(inodes)
                pixels = square(path, size=CANVAS_SIZE, resize=CROP, max_pixels=MAX_PIXELS)
                store.keep(file, pixels)
            numbers.append(inodes[inode])
        store.publish(first_of_each(folder.images, numbers))
        index = FolderIndex(store.path, root=folder.root, size=CANVAS_SIZE)
    shard = next(iter(index.shards))
    for i, (file, row) in enumerate(zip(folder.images, numbers, strict=True)):
        index.put(file, Known(content=content(i), shard=shard, row=row))
    index.publish(folder.images)
    return folder


def first_of_each(images: Sequence[Any], numbers: Sequence[int]) -> Sequence[Any]:
    """The first image of each picture."""
    first: dict[int, Any] = {}
    for file, number in zip(images, numbers, strict=True):
        first.setdefault(number, file)
    return list(first.values())


def content(i: int) -> str:
    """A made-up hash of what an image shows, so that each has features of its own."""
    return f"{i:016x}"


def keep_features(out: Path, made: Made, folder: Folder) -> None:
    """Features in groups, as the model would leave them; the map and the graph from them."""
    import torch

    from studio.clip.backbone import load_backbone
    from studio.clip.store import SHARD_ROWS, Shards, hashed, kept_under
    from studio.images.preparing import prepare
    from studio.scores import graph_files
    from studio.scores.layout_files import LayoutFiles, key_of
    from studio.scores.projection import framed
    from studio.session.similar import find_vectors

    backbone, cache, images = load_backbone("embedded"), out / "cache", len(folder.images)
    group = groups_of(made, folder)
    width = backbone.embed_dim
    centres = centres_of(made, backbone)
    shards = Shards(cache / "features" / kept_under(backbone), width)
    for begin in range(0, images, SHARD_ROWS):
        part = range(begin, min(begin + SHARD_ROWS, images))
        noise = made.random.standard_normal((len(part), width), dtype=np.float32)
        features = torch.from_numpy(centres[group[part.start : part.stop]] + 1.5 * noise)
        shards.add(np.array([hashed(content(i)) for i in part], np.int64), features)
    found, canvases = prepare(folder.root, cache_dir=cache)
    vectors = find_vectors(
        [image.path for image in folder.images], folder=found, canvases=canvases, model="embedded",
        cache_dir=cache, begin=lambda _text: lambda _done, _total: None,
    )  # fmt: skip
    units = vectors.units
    key = graph_files.key_of(units) if vectors.kept is None else vectors.kept.graph
    graph_files.GraphFiles(cache).keep(key, made_up_nearest(units, group))
    places = made.random.uniform(-1, 1, (len(made.names), 2))[group]
    places += made.random.normal(0, 0.03, (images, 2))
    LayoutFiles(cache / "maps").keep(key_of(units), framed(places))


def centres_of(made: Made, backbone: Backbone) -> np.ndarray:
    """(C, d) what the images of each class have in common: half of it is what the model expects of
    the name, so that it knows most of the images by their names.
    """
    from studio.clip.texts import TextTower

    sentences = [[[backbone.template.format(name)]] for name in made.names]
    texts = TextTower(backbone).class_vectors(sentences).numpy()
    expected = texts - texts.mean(0)
    expected *= math.sqrt(texts.shape[1]) / np.linalg.norm(expected, axis=1, keepdims=True)
    return expected + made.random.standard_normal(texts.shape, dtype=np.float32)


def groups_of(made: Made, folder: Folder) -> np.ndarray:
    """(N,) the class of each image in the folder's order."""
    number = {name: i for i, name in enumerate(made.names)}
    return np.array([number[image.path.split("/")[0]] for image in folder.images])


def made_up_nearest(units: np.ndarray, group: np.ndarray) -> Any:
    """Of each image some others of its group, the most alike first: not the nearest, but as many.

    units: (N, d); group: (N,).
    """
    from studio.scores.neighbours import Neighbours

    order = np.argsort(group, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    count = min(_NEAREST, len(units) - 1)
    indices = np.empty((len(units), count), np.int64)
    cosines = np.empty((len(units), count), np.float32)
    for begin in range(0, len(units), 2048):
        rows = np.arange(begin, min(begin + 2048, len(units)))
        some = order[(place[rows][:, None] + np.arange(1, count + 1)) % len(units)]
        near = np.einsum(
            "nkd,nd->nk", units[some].astype(np.float32), units[rows].astype(np.float32)
        )
        best = np.argsort(-near, axis=1)
        indices[rows] = np.take_along_axis(some, best, 1)
        cosines[rows] = np.take_along_axis(near, best, 1)
    return Neighbours(indices, np.clip(cosines, -1, 1))


def write_run(runs: Path, made: Made, folder: Folder, number: int) -> None:
    """A finished run, with the events and files of one that was worked on."""
    from studio.files import write_json
    from studio.runs.measured import Combined, Strangers
    from studio.runs.records import Recorder
    from studio.runs.result import RunResult
    from studio.runs.store import RunStore
    from studio.settings import Settings

    store = RunStore(runs)
    run = store.create(
        name=f"made up {number + 1}", method="coft", model="embedded", folder=str(folder.root),
        class_names=made.names, seed=number, settings=Settings(seed=number).to_dict(),
        id=f"made-up-{number + 1}",
    )  # fmt: skip
    run.set_status(state="running", stage="labelling")
    run.update_info(truth_known=True)
    paths = [image.path for image in folder.images]
    write_json(run.path / "images.json", {"root": str(folder.root), "images": paths, "refused": []})
    write_json(run.path / "prompts.json", {"templates": ["a photo of a {}."]})
    recorder, group = Recorder(run), groups_of(made, folder)
    zero, judged, finished, scores = made_up_events(made, group)
    for event in (zero, judged, finished):
        recorder.record(event)
    recorder.record(Combined(scores[0]))  # type: ignore[arg-type]
    recorder.record(Strangers(scores[1]))  # type: ignore[arg-type]
    accuracy = float((finished.labels.numpy() == group).mean())
    result = RunResult(
        images=len(paths), classes=len(made.names), accuracy=accuracy, stage="final",
        clean_fraction=float(finished.clean.float().mean()), stopped=False, seconds=1.0,
    )  # fmt: skip
    write_json(run.path / "result.json", result.to_dict())
    run.set_status(state="finished", stage=None)


def made_up_events(made: Made, group: np.ndarray) -> tuple[Any, Any, Any, list[Any]]:
    """Labels before training, after Phase I and at the end, more and more of them right; and two
    scores of each image.
    """
    import torch

    from studio.coft.events import Finished, Judged, ZeroShot

    random, images, classes = made.random, len(group), len(made.names)

    def labels(right: float) -> Any:
        other = random.integers(0, classes, images)
        return torch.from_numpy(np.where(random.random(images) < right, group, other))

    def shares(*shape: int) -> Any:
        return torch.from_numpy(random.beta(3, 1, shape).astype(np.float32))

    two = torch.stack([labels(0.75), labels(0.75)])
    clean = shares(2, images)
    judged = Judged(two, clean, shares(2, images), clean > 0.5, shares(2, images))
    final, count = labels(0.85), min(5, classes)
    model = torch.stack([torch.where(shares(images) > 0.4, final, labels(0.5)) for _ in "12"])
    top = torch.stack([final, *(labels(0.1) for _ in range(count - 1))], 1)
    likely = shares(images, count).sort(1, descending=True).values / count
    sure = shares(images)
    finished = Finished(
        labels=final, confidence=shares(images), clean_probability=sure, model_labels=model,
        model_clean_probability=shares(2, images), clean=sure > 0.5, top_labels=top,
        top_probabilities=likely, stage="final", stopped=False,
    )  # fmt: skip
    zero = ZeroShot(labels(0.6), shares(images))
    return zero, judged, finished, [shares(images), shares(images)]


if __name__ == "__main__":
    sys.exit(main())
