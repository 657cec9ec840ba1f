"""Which labels of a run stand: those that it ended with, or those of another way of labelling.

Training may do harm, and without an answer nothing tells. So where answers speak clearly for
another way (`studio.ask.accuracy.decide`), its labels are what Explore opens with and what leaves:
labels.csv, exports, notebooks. standing.json in the run's folder says which way that is, why and
since when; a way that the run itself has not recorded has its labels in standing.safetensors, where
they stay when others stand, so that whoever reads the run compares the same ways. Where answers
went into them, it is kept beside them what they would be without each checked image's own answer:
labels that were told an answer say nothing about it. The run's own events are not touched: without
these files all is as before.
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
from studio.runs.outcome import ANSWERED
from studio.runs.run import Run
from studio.untrusted import Unreadable, load_object, load_tensors

ANSWERS, PERSON = "answers", "person"
"""Who decides: the answers, as long as they speak for it, or a person, whom they never override."""

_FILE, _LABELS = "standing.json", "standing.safetensors"
_CHECKED = ("checked", "checked_labels")
"""Tensors: the images whose own answer is known not to count, and their labels without it."""


@dataclass(frozen=True)
class OwnLabels:
    """Labels (N,) of a way of labelling, with their confidence (N,). checked: image -> label, where
    answers went into these labels, of images whose own answer did not; empty where that is not
    known, None where no answers went into them.
    """

    labels: NDArray[np.int64]
    confidence: NDArray[np.float32]
    checked: Mapping[int, int] | None = None

    @property
    def unmeasured(self) -> bool:
        """Whether these labels may have been told any answer, so that none tells about them."""
        return self.checked is not None and not self.checked

    def fair(self, told: Mapping[int, int]) -> dict[int, int]:
        """The answers, image -> class, that these labels are known without: only they tell how many
        labels are right.
        """
        known = self.checked
        return {i: label for i, label in told.items() if known is None or i in known}

    def without_own_answers(self) -> NDArray[np.int64]:
        """(N,) the labels as they are without each checked image's own answer."""
        labels = self.labels.copy()
        for image, label in (self.checked or {}).items():
            labels[image] = label
        return labels


@dataclass(frozen=True)
class Standing:
    """The way of labelling whose labels stand.

    Attributes:
        way: A stage of the run, `question.TOGETHER` or `outcome.ANSWERED`.
        by: ANSWERS or PERSON.
        checks: Checked images that it rests on.
        chance: In [0, 1], how likely it is that this way is right more often than the usual one.
        shares: Of each way, how many of the checked images it labels right.
        own_way, own: A way that the run has not recorded, whether it is the one that stands or
            not, and its labels; "" and None where there is none.
    """

    way: str
    by: str = ANSWERS
    checks: int = 0
    chance: float = 0.0
    shares: Mapping[str, float] = field(default_factory=dict)
    own_way: str = ""
    own: OwnLabels | None = None


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
        own_way = said.get("own")
        own_way = way if own_way is True else own_way if isinstance(own_way, str) else ""
        own = _read_labels(run, own_way) if own_way else None
    except Unreadable as error:
        raise run.damaged(error) from None
    return Standing(
        way, by, int(_number(said.get("checks"))), _number(said.get("chance")),
        {str(name): _number(share) for name, share in shares.items()}, own_way, own,
    )  # fmt: skip


def write_standing(run: Run, standing: Standing) -> None:
    """Have the labels of this way stand from now on.

    Raises:
        RunError: The run was deleted, or its disk cannot be written.
    """
    own_way = standing.own_way if standing.own is not None else ""
    try:
        if standing.own is not None:
            _write_labels(run, standing.own)
        write_json(run.path / _FILE, {
            "way": standing.way, "by": standing.by, "checks": standing.checks,
            "chance": round(standing.chance, 4), "own": own_way, "time": round(time.time(), 3),
            "shares": {name: round(share, 4) for name, share in standing.shares.items()},
        })  # fmt: skip
    except OSError as error:
        raise RunError(f"cannot keep which labels stand: {error.strerror or error}") from error


def withdraw(run: Run) -> None:
    """Have the labels stand again that the run ended with, and nothing be decided."""
    for name in (_FILE, _LABELS):
        with contextlib.suppress(OSError):
            (run.path / name).unlink()


def _read_labels(run: Run, way: str) -> OwnLabels:
    """Raises Unreadable."""
    tensors = load_tensors(run.path / _LABELS)
    if not {"labels", "confidence"} <= set(tensors):
        raise Unreadable(f"{_LABELS} has no labels")
    labels = tensors["labels"].numpy().astype(np.int64).reshape(-1)
    confidence = np.clip(tensors["confidence"].float().numpy().reshape(-1), 0, 1)
    if labels.shape != confidence.shape:
        raise Unreadable(
            f"{_LABELS} has labels of {len(labels)} images, and confidences of {len(confidence)}"
        )
    if _CHECKED[0] not in tensors:  # the first files had none
        return OwnLabels(labels, confidence, {} if way == ANSWERED else None)
    images, without = (
        tensors[name].numpy().astype(np.int64).reshape(-1) if name in tensors else None
        for name in _CHECKED
    )
    if images is None or without is None or images.shape != without.shape:
        raise Unreadable(f"{_LABELS} does not say what labels are without their own answers")
    if len(images) and not 0 <= images.min() <= images.max() < len(labels):
        raise Unreadable(f"{_LABELS} has labels without own answers of images that are not there")
    return OwnLabels(labels, confidence, dict(zip(images.tolist(), without.tolist(), strict=True)))


def _write_labels(run: Run, own: OwnLabels) -> None:
    import torch
    from safetensors.torch import save_file

    tensors = {
        "labels": torch.from_numpy(np.ascontiguousarray(own.labels, np.int64)),
        "confidence": torch.from_numpy(np.ascontiguousarray(own.confidence, np.float32)),
    }
    if own.checked is not None:
        pairs = np.array(sorted(own.checked.items()), np.int64).reshape(-1, 2)
        for name, column in zip(_CHECKED, pairs.T, strict=True):
            tensors[name] = torch.from_numpy(np.ascontiguousarray(column))
    replace_file(run.path / _LABELS, lambda partial: save_file(tensors, partial))


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0
