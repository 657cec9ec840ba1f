"""Which labels of a run stand: those that it ended with, or those of another way of labelling.

Training may do harm, and without an answer nothing tells. So where answers speak clearly for
another way (`studio.ask.accuracy.decide`), its labels are what Explore opens with and what leaves:
labels.csv, exports, notebooks. standing.json in the run's folder says which way that is, why and
since when; a way that the run itself has not recorded has its labels in standing.safetensors. The
run's own events are not touched: without these files all is as before.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.errors import RunError
from studio.files import replace_file, write_json
from studio.runs.run import Run
from studio.untrusted import Unreadable, load_object, load_tensors

ANSWERS, PERSON = "answers", "person"
"""Who decides: the answers, as long as they speak for it, or a person, whom they never override."""

_FILE, _LABELS = "standing.json", "standing.safetensors"


@dataclass(frozen=True)
class Standing:
    """The way of labelling whose labels stand.

    Attributes:
        way: A stage of the run, `question.TOGETHER` or `outcome.ANSWERED`.
        by: ANSWERS or PERSON.
        checks: Checked images that it rests on.
        chance: In [0, 1], how likely it is that this way is right more often than the usual one.
        shares: Of each way, how many of the checked images it labels right.
        labels, confidence: (N,) of a way that the run has not recorded; None of the others.
    """

    way: str
    by: str = ANSWERS
    checks: int = 0
    chance: float = 0.0
    shares: Mapping[str, float] = field(default_factory=dict)
    labels: NDArray[np.int64] | None = None
    confidence: NDArray[np.float32] | None = None


def mark_of(run: Run) -> object:
    """Changes with what `read_standing` reads; None where there is nothing."""
    try:
        found = (run.path / _FILE).stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def read_standing(run: Run) -> Standing | None:
    """What was decided; None where nothing was, and the labels that the run ended with stand.

    Raises:
        RunError: The files are damaged.
    """
    if mark_of(run) is None:
        return None
    try:
        said = load_object(run.path / _FILE)
        way, by, shares = said.get("way"), said.get("by"), said.get("shares")
        if not isinstance(way, str) or by not in (ANSWERS, PERSON) or not isinstance(shares, dict):
            raise Unreadable(f"{_FILE} does not say which labels stand")
        labels = confidence = None
        if said.get("own") is True:
            tensors = load_tensors(run.path / _LABELS)
            if not {"labels", "confidence"} <= set(tensors):
                raise Unreadable(f"{_LABELS} has no labels")
            labels = tensors["labels"].numpy().astype(np.int64).reshape(-1)
            confidence = np.clip(tensors["confidence"].float().numpy().reshape(-1), 0, 1)
            if labels.shape != confidence.shape:
                raise Unreadable(f"{_LABELS} has labels of {len(labels)} images, and "
                                 f"confidences of {len(confidence)}")  # fmt: skip
    except Unreadable as error:
        raise run.damaged(error) from None
    return Standing(
        way, by, int(_number(said.get("checks"))), _number(said.get("chance")),
        {str(name): _number(share) for name, share in shares.items()}, labels, confidence,
    )  # fmt: skip


def write_standing(run: Run, standing: Standing) -> None:
    """Have the labels of this way stand from now on.

    Raises:
        RunError: The run was deleted, or its disk cannot be written.
    """
    own = standing.labels is not None and standing.confidence is not None
    try:
        if own:
            _write_labels(run, standing)
        write_json(run.path / _FILE, {
            "way": standing.way, "by": standing.by, "checks": standing.checks,
            "chance": round(standing.chance, 4), "own": own, "time": round(time.time(), 3),
            "shares": {name: round(share, 4) for name, share in standing.shares.items()},
        })  # fmt: skip
    except OSError as error:
        raise RunError(f"cannot keep which labels stand: {error.strerror or error}") from error


def withdraw(run: Run) -> None:
    """Have the labels stand again that the run ended with, and nothing be decided."""
    for name in (_FILE, _LABELS):
        with contextlib.suppress(OSError):
            (run.path / name).unlink()


def _write_labels(run: Run, standing: Standing) -> None:
    import torch
    from safetensors.torch import save_file

    tensors = {
        "labels": torch.from_numpy(np.ascontiguousarray(standing.labels, np.int64)),
        "confidence": torch.from_numpy(np.ascontiguousarray(standing.confidence, np.float32)),
    }
    replace_file(run.path / _LABELS, lambda partial: save_file(tensors, partial))


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0
