"""Whole runs as the estimate is fitted to them: kept in tools/estimate_runs.jsonl, one a line, for
they take minutes each. Nothing in it is about the machine that they were made on.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from estimate_units import After, Set, Unit, read

from studio.clip.backbone import Backbone, load_backbone
from studio.coft.start import ZeroShotStart
from studio.runs.given_table import GIVEN_FILE
from studio.runs.outcome import Outcome
from studio.runs.reader import RunReader
from studio.runs.run import Run
from studio.scores.estimate import Estimate, Evidence
from studio.settings import Settings

KEPT = Path(__file__).with_suffix(".jsonl")
HOW = "run"
METHODS = ("coft", "coft+")


@dataclass(frozen=True)
class WholeRun:
    """cut: the set or what was left of it, as `bench` calls it; lift: how much higher the combined
    scores of the clean labels are than those of all, in logits; clean_right: how many of them are
    right.
    """

    cut: str
    method: str
    seed: int
    unit: Unit
    lift: float
    clean_right: float

    @property
    def key(self) -> tuple[str, str, int]:
        """What tells it from all others."""
        return self.cut, self.method, self.seed

    @property
    def after(self) -> After:
        """Its final labels."""
        return self.unit.after[HOW]

    def clean(self, after: Estimate) -> Estimate:
        """As `scores.estimate.estimate_clean`, of an estimate of all labels."""
        ends = (after.accuracy, after.low, after.high)
        return Estimate(*(1 / (1 + math.exp(-_logit(end) - self.lift)) for end in ends))


def whole_runs(roots: Sequence[Path], data: Path, cache: Path) -> list[WholeRun]:
    """Those that are kept, and those of folders of runs, which are kept from now on."""
    found = {run.key: run for run in _kept()}
    if roots:
        found.update({run.key: run for run in _measured(roots, data, cache)})
        rows = [json.dumps(_rounded(asdict(found[key]))) for key in sorted(found)]
        KEPT.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
    return [found[key] for key in sorted(found)]


def _kept() -> Iterator[WholeRun]:
    if KEPT.is_file():
        for line in KEPT.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            yield WholeRun(**{**row, "unit": Unit.from_dict(row["unit"])})


def _measured(roots: Sequence[Path], data: Path, cache: Path) -> Iterator[WholeRun]:
    """Runs that trained on all or some images of a set's train part, with the embedded model, its
    template and today's defaults, and that were told nothing.
    """
    backbone, sets = load_backbone("embedded", device="cpu"), dict[str, Set]()
    for path in sorted(p.parent for root in roots for p in root.rglob("run.json")):
        run, reader = Run(path), RunReader(Run(path))
        cut = Path(run.info.folder).parent.name
        name = next((s for s in (cut, cut.split("-")[0]) if (data / s).is_dir()), "")
        reader.refresh()
        outcome = reader.final()
        if not name or run.info.method not in METHODS or outcome is None:
            continue
        if reader.prompts.sentences or outcome.combined is None or (path / GIVEN_FILE).is_file():
            continue
        if run.info.settings != Settings(seed=run.info.seed).to_dict():
            continue
        sets.setdefault(name, read(backbone, data, name, cache))
        yield _of_run(backbone, cut, name, reader, outcome, sets[name])


def _of_run(
    backbone: Backbone, cut: str, name: str, reader: RunReader, outcome: Outcome, whole: Set
) -> WholeRun:
    assert outcome.combined is not None
    assert reader.knowledge is not None
    rows = [whole.place[path] for path in outcome.paths]
    right = whole.labels[rows]
    start = ZeroShotStart.of(backbone, whole.features[rows], whole.vectors)
    p, pictures = start.probabilities.numpy(), start.pictures.numpy()
    unit = Unit(
        name, "run", Evidence.of(p, **reader.knowledge.indicators),
        float((p.argmax(1) == right).mean()),
        {HOW: After.of(pictures, p, np.asarray(outcome.labels), right)}, {},
    )  # fmt: skip
    scores, clean = outcome.combined, outcome.clean
    lift = _logit(float(scores[clean].mean())) - _logit(float(scores.mean()))
    clean_right = float((outcome.labels == right)[clean].mean())
    return WholeRun(cut, reader.info.method, reader.info.seed, unit, lift, clean_right)


def _rounded(value: object) -> object:
    if isinstance(value, dict):
        return {key: _rounded(own) for key, own in value.items()}
    return round(value, 6) if isinstance(value, float) else value


def _logit(share: float) -> float:
    share = min(max(share, 1e-4), 1 - 1e-4)
    return math.log(share / (1 - share))
