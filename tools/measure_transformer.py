"""Measure how both phases should train an image tower, one stage at a time.

    python tools/measure_transformer.py MODEL SET [SET ...] [--seeds 0 1] [--cache DIR]
        [--zero-shot] [--phase1 "name=value ..."] ... [--phase2 "name=value ..."] ...

SET is a folder with {train,test}/<class>/<image> and classes.txt. For each --phase1 (settings, ""
are the defaults) Phase I is run once, and Phase II from what it left for each --phase2. Per cent of
images with the right label, on `train`, which a choice may be made by, and on `test`: zero-shot,
labelled together, after Phase I (labelled together again; on `test` each image by itself), and
after Phase II. True labels are used here, and only here.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from studio.clip.backbone import Backbone, load_backbone  # noqa: E402 (needs the path above)
from studio.clip.encode import Images  # noqa: E402
from studio.clip.texts import TextTower  # noqa: E402
from studio.coft.classifier import Classifier, cosine_tower  # noqa: E402
from studio.coft.finetune import fine_tune  # noqa: E402
from studio.coft.judge import training_sets  # noqa: E402
from studio.coft.rounds import phase_one_rounds  # noqa: E402
from studio.coft.start import first_scores  # noqa: E402
from studio.coft.task import Task  # noqa: E402
from studio.errors import StudioError  # noqa: E402
from studio.progress import to_the_end  # noqa: E402
from studio.runs.inputs import encode, images_for, prompts_of  # noqa: E402
from studio.settings import Settings  # noqa: E402
from tools.labelled_sets import names_of, true_labels  # noqa: E402 (needs the path above)

HEAD = "| set | Phase I | Phase II | train | test | s |\n|---|---|---|---|---|---|"


@dataclass(frozen=True)
class Part:
    """Images of a set and their true labels (n,)."""

    images: Images
    right: Tensor

    def share(self, labels: Tensor) -> float:
        """Per cent of labels (n,) that are right."""
        return 100 * float((labels == self.right).float().mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("sets", type=Path, nargs="+")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0])
    parser.add_argument("--zero-shot", action="store_true", help="train nothing")
    parser.add_argument("--phase1", action="append", metavar="SETTINGS")
    parser.add_argument("--phase2", action="append", metavar="SETTINGS")
    parser.add_argument("--cache", type=Path, default=Path("build/transformer-cache"))
    options = parser.parse_args()
    try:
        backbone = load_backbone(options.model, device="cpu")
        print(HEAD)
        for root in options.sets:
            rows: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
            for seed in options.seeds:
                for first, second, *found in measure(
                    backbone, root, cache=options.cache, seed=seed,
                    phase1=[] if options.zero_shot else options.phase1 or [""],
                    phase2=options.phase2 or [""],
                ):  # fmt: skip
                    rows.setdefault((first, second), []).append((found[0], found[1], found[2]))
                    if seed == options.seeds[-1]:
                        own = rows[first, second]
                        numbers = [statistics.mean(column) for column in zip(*own, strict=True)]
                        shown = " | ".join(f"{number:.1f}" for number in numbers)
                        print(f"| {root.name} | {first} | {second} | {shown} |", flush=True)
    except StudioError as error:
        sys.exit(str(error))


def measure(
    backbone: Backbone,
    root: Path,
    *,
    cache: Path,
    seed: int,
    phase1: Sequence[str],
    phase2: Sequence[str],
) -> Iterator[tuple[Any, ...]]:
    """Rows of a set: settings of both phases, per cent right on train and test, seconds."""
    task, train, test = open_set(backbone, root, cache=cache)
    space = task.start.space

    def stage(first: str, second: str, classifier: Classifier, labels: Tensor | None) -> Any:
        own = label(classifier, train.images) if labels is None else labels
        right = (train.share(own), test.share(label(classifier, test.images)))
        return first, second, *right, time.process_time() - began

    began = time.process_time()
    texts = space.texts(task.class_vectors)
    zero_shot = Classifier([cosine_tower(backbone, space, texts)], backbone)
    yield stage("zero-shot", "", zero_shot, task.start.probabilities.argmax(1))
    for one in phase1:
        own = task.with_settings(**vars(settings_of(one, seed=seed)))
        began = time.process_time()
        scores = to_the_end(first_scores)(
            own.start, own.given, own.settings, device=backbone.device
        )
        yield "labelled together", one, train.share(scores.argmax(1)), float("nan"), 0.0
        learned = to_the_end(phase_one_rounds)(own)
        towers = [
            cosine_tower(backbone, own.space, model.texts()[0].detach(), adapter=model.adapter)
            for model in learned.models
        ]
        right = statistics.mean(train.share(labels) for labels in learned.labels)
        first = one or "defaults"
        alone = test.share(label(Classifier(towers, backbone), test.images))
        yield first, "-", right, alone, time.process_time() - began
        for two in phase2:
            tuned = task.with_settings(**vars(settings_of(f"{one} {two}", seed=seed)))
            began = time.process_time()
            data = training_sets(learned.labels, learned.weights, data=tuned.settings.phase2_data)
            adapters = [model.adapter for model in learned.models]
            trained, _ = to_the_end(fine_tune)(
                tuned, data=data, adapters=adapters, clean_fraction=1.0
            )
            yield stage(first, two or "defaults", Classifier(trained, backbone), None)


def settings_of(pairs: str, *, seed: int) -> Settings:
    """Settings from "name=value name=value"; nothing is monitored."""
    given = dict(pair.split("=", 1) for pair in pairs.split())
    return Settings.from_overrides({"seed": str(seed), "monitor_images": "0"} | given)


def open_set(backbone: Backbone, root: Path, *, cache: Path) -> tuple[Task, Part, Part]:
    """The task of a set, with the images to learn from, and those to be tested on."""
    names = names_of(root)
    parts = []
    for which in ("train", "test"):
        folder, images = images_for(backbone, root / which, cache_dir=cache)
        parts.append(Part(images, torch.from_numpy(true_labels(folder, root))))
        if which == "train":
            features = encode(backbone, folder, images, cache)
    prompts = prompts_of(Settings(), backbone, None, names)
    task = Task(
        backbone=backbone,
        images=parts[0].images,
        features=features,
        class_vectors=TextTower(backbone).class_vectors(prompts.texts(names)),
        class_names=names,
        settings=Settings(),
    )
    return task, parts[0], parts[1]


def label(classifier: Classifier, images: Images) -> Tensor:
    """(n,) labels of all images."""
    parts = torch.arange(len(images)).split(32)
    return torch.cat(
        [classifier.probabilities(images.batch(part.tolist())).argmax(1) for part in parts]
    )


if __name__ == "__main__":
    main()
