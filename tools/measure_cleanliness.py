"""Measure p_clean against the scores of tools/rival_scores.py on finished runs.

    python tools/measure_cleanliness.py DATA RUNS [RUNS ...] [--labels KIND] [--cache DIR]

DATA holds sets of the form SET/train/<class>/<image> with SET/classes.txt; RUNS are folders of runs
on them (and on the demo set). Every score ranks the same labels of the same images; what it has to
find are wrong ones. Values are means over a set's runs. Intervals are of a paired bootstrap over
the images of its first run, 1,000 times. True labels are used here, and only here.

"final" are the labels of the trained classifier; "phase1" those of the two models that judge each
other, where p_clean is the peer's, scores are means over both models, and B1 is not known;
"claimed" those that came with the images of runs with `fit --labels`.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from studio.clip.backbone import Backbone, load_backbone  # noqa: E402 (needs the path above)
from studio.clip.encode import class_vectors  # noqa: E402
from studio.clip.space import Space  # noqa: E402
from studio.images.names import canonical  # noqa: E402
from studio.runs.inputs import encode, images_for, zero_shot_probabilities  # noqa: E402
from studio.runs.reader import RunReader  # noqa: E402
from studio.runs.run import Run  # noqa: E402
from studio.scores import cleanliness  # noqa: E402
from tools import rival_scores  # noqa: E402
from tools.ranking import Ranking, paired_bootstrap, ranking  # noqa: E402

BASELINES = {
    "B0": "probability",
    "B1": "margin",
    "B2": "10 neighbours",
    "B3": "5-fold probe",
    "B4": "small loss",
    "B5": "untrained prompts",
}
POSITIVE, NEGATIVE = "a photo of a {}.", "a photo without a {}."


@dataclass(frozen=True)
class Case:
    """Labels of one run with all scores. scores: name -> (N,), higher = cleaner."""

    set: str
    wrong: np.ndarray
    scores: dict[str, np.ndarray]

    def rank(self, name: str) -> Ranking:
        return ranking(self.scores[name], self.wrong)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--labels", choices=("final", "phase1", "claimed"), default="final")
    parser.add_argument("--cache", type=Path, default=Path("build/estimate-cache"))
    options = parser.parse_args()
    cases = list(all_cases(options.data, options.runs, options.cache, options.labels))
    names = list(cases[0].scores)
    for title, field in (
        ("AUROC", "auroc"),
        ("AUPRC of finding wrong labels (chance: the error rate)", "auprc"),
        ("Precision among the 100 most suspicious", "precision_100"),
        ("Recall among the 100 most suspicious", "recall_100"),
        ("Lift among the 100 most suspicious", "lift_100"),
        ("Precision among as many as are wrong", "precision_errors"),
    ):
        print(f"\n{title}:\n\n{table(cases, names, field)}")
    print(f"\nAUROC, differences with 95 % intervals:\n\n{differences(cases)}")


@dataclass(frozen=True)
class Seen:
    """A run's images (N, d) and sentences (C, d) in the joint space of the untrained model, and its
    zero-shot probabilities (N, C).
    """

    features: np.ndarray
    probabilities: np.ndarray
    positive: np.ndarray
    negative: np.ndarray
    scale: float

    @classmethod
    def of(cls, backbone: Backbone, folder: Path, names: Sequence[str], cache: Path) -> Seen:
        found, canvases = images_for(backbone, folder, cache_dir=cache)
        features = encode(backbone, found, canvases, cache)
        positive, negative = (class_vectors(backbone, names, [t]) for t in (POSITIVE, NEGATIVE))
        scale = backbone.logit_scale
        space = Space.of(
            image_features=features, class_vectors=positive, scale=scale, center=backbone.center
        )
        texts = (space.texts(vectors).numpy() for vectors in (positive, negative))
        shown = zero_shot_probabilities(
            backbone,
            features=features,
            class_vectors=class_vectors(backbone, names, [backbone.template]),
            of=features,
        )
        return cls(space.images(features).numpy(), shown.numpy(), *texts, scale)

    def scores(self, labels: np.ndarray) -> dict[str, np.ndarray]:
        """Those that need no trained model."""
        return {
            "B2": cleanliness.neighbour_share(self.features, labels),
            "B3": rival_scores.probe_confidence(self.features, labels),
            "B5": rival_scores.prompt_contrast(
                self.features, labels,
                positive=self.positive, negative=self.negative, scale=self.scale,
            ),
        }  # fmt: skip


def all_cases(data: Path, roots: Sequence[Path], cache: Path, labels: str) -> Iterator[Case]:
    """A case for each finished run, two for each with labels "phase1"."""
    backbone = load_backbone("embedded", device="cpu")
    seen: dict[Path, Seen] = {}
    for path in sorted(p for root in roots for p in root.glob("*/run.json")):
        run = Run(path.parent)
        folder = Path(run.info.folder)
        name = "demo" if folder.name.startswith("demo") else folder.parent.name
        reader = RunReader(run)
        reader.refresh()
        judged, finished = reader.latest("judged"), reader.latest("finished")
        last = reader.final()
        known = None if last is None else last.truth
        there = folder.is_dir() and (name == "demo" or (data / name).is_dir())
        if known is None or not there or judged is None or finished is None:
            continue
        if folder not in seen:
            seen[folder] = Seen.of(backbone, folder, list(run.info.class_names), cache)
        phase1, end = (
            {
                f.name: value.numpy()
                for f in dataclasses.fields(event)
                if hasattr(value := getattr(event, f.name), "numpy")
            }
            for event in (judged, finished)
        )
        if len(seen[folder].features) != len(known):
            continue  # images were added or removed since
        if labels == "claimed":
            if (run.path / "checked.csv").is_file():
                yield claimed_case(name, known, seen[folder], run)
        elif labels == "final":
            yield final_case(name, known, seen[folder], phase1, end, len(run.info.class_names))
        else:
            yield from (phase1_case(name, known, seen[folder], phase1, m) for m in (0, 1))


def final_case(
    name: str,
    known: np.ndarray,
    seen: Seen,
    phase1: dict[str, np.ndarray],
    end: dict[str, np.ndarray],
    classes: int,
) -> Case:
    own = end["labels"]
    p = spread(end["top_labels"], end["top_probabilities"], classes)
    scores = seen.scores(own) | {
        "B0": rival_scores.self_confidence(p, own),
        "B1": rival_scores.margin(p, own),
        "B4": rival_scores.small_loss(p, own),
        "p_clean": end["clean_probability"],
    }
    scores["combined"] = cleanliness.combined(
        confidence=end["confidence"],
        neighbours=scores["B2"],
        phase1_confidence=phase1["confidence"],
    )
    return Case(name, own != known, dict(sorted(scores.items())))


def phase1_case(
    name: str, known: np.ndarray, seen: Seen, phase1: dict[str, np.ndarray], model: int
) -> Case:
    own, sure = phase1["labels"][model], phase1["confidence"][model]
    peer, self_ = phase1["clean_probability"][model], phase1["own_clean_probability"][model]
    p = np.column_stack([sure, 1 - sure])
    scores = seen.scores(own) | {
        "B0": sure,
        "B4": rival_scores.small_loss(p, np.zeros(len(own), dtype=int)),
        "p_clean": peer,
        "p_clean, own": self_,
        "p_clean, both": (peer + self_) / 2,
    }
    scores["combined"] = cleanliness.combined(confidence=sure, neighbours=scores["B2"])
    return Case(name, own != known, dict(sorted(scores.items())))


def claimed_case(name: str, known: np.ndarray, seen: Seen, run: Run) -> Case:
    with (run.path / "checked.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["path"].removeprefix("./"): row for row in csv.DictReader(file)}
    there = np.array([path in rows for path in run.images()["images"]])
    told = [rows[path] for path in run.images()["images"] if path in rows]
    names = [canonical(name) for name in run.info.class_names]
    claimed = np.full(len(known), -1)
    claimed[there] = [names.index(canonical(row["label"])) for row in told]
    labels, p = claimed[there], seen.probabilities[there]
    scores = {
        "B0": rival_scores.self_confidence(p, labels),
        "B1": rival_scores.margin(p, labels),
        "B2": cleanliness.neighbour_share(seen.features[there], labels),
        "B3": rival_scores.probe_confidence(seen.features[there], labels),
        "B4": rival_scores.small_loss(p, labels),
        "p_clean": np.array([float(row["clean_probability"]) for row in told]),
        "combined": np.array([float(row["combined_score"]) for row in told]),
    }
    return Case(name, labels != known[there], dict(sorted(scores.items())))


def spread(top: np.ndarray, shares: np.ndarray, classes: int) -> np.ndarray:
    """(N, C) probabilities of which a run keeps the best five: the rest shares what is left."""
    left = np.clip(1 - shares.sum(axis=1, keepdims=True), 0, 1)
    full = np.repeat(left / max(classes - top.shape[1], 1), classes, axis=1)
    np.put_along_axis(full, top, shares, axis=1)
    return full


def table(cases: Sequence[Case], names: Sequence[str], field: str) -> str:
    heads = [f"{name}, {BASELINES[name]}" if name in BASELINES else name for name in names]
    rows = ["| set | runs | error rate | " + " | ".join(heads) + " |"]
    rows.append("|---|---|---|" + "---|" * len(names))
    columns: dict[str, list[float]] = {name: [] for name in names}
    for name in sorted({case.set for case in cases}):
        own = [case for case in cases if case.set == name]
        cells = []
        for score in names:
            known = [v for case in own if (v := getattr(case.rank(score), field)) is not None]
            columns[score].append(statistics.mean(known))
            cells.append(f"{columns[score][-1]:.3f}")
        error = statistics.mean(float(case.wrong.mean()) for case in own)
        rows.append(f"| {name} | {len(own)} | {error:.3f} | " + " | ".join(cells) + " |")
    means = " | ".join(f"**{statistics.mean(columns[name]):.3f}**" for name in names)
    rows.append(f"| **mean** | {len(cases)} | | {means} |")
    return "\n".join(rows)


def differences(cases: Sequence[Case]) -> str:
    """p_clean and the combination against the baseline that is best on the mean over sets."""
    sets = sorted({case.set for case in cases})

    def mean(score: str) -> float:
        by_set = [[c.rank(score).auroc or 0.5 for c in cases if c.set == s] for s in sets]
        return statistics.mean(statistics.mean(values) for values in by_set)

    best = max((name for name in BASELINES if name in cases[0].scores), key=mean)
    rows = [f"| set | p_clean less {best} | combined less {best} | combined less p_clean |"]
    rows.append("|---|---|---|---|")
    for name in sets:
        case = next(case for case in cases if case.set == name)
        cells = []
        for one, other in (("p_clean", best), ("combined", best), ("combined", "p_clean")):
            d = paired_bootstrap(case.scores[one], case.scores[other], case.wrong)
            cells.append(f"{d.mean:+.3f} ({d.low:+.3f} to {d.high:+.3f})")
        rows.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


if __name__ == "__main__":
    main()
