"""The events of a fit: a stream of frozen dataclasses.

`coft.fit` and every baseline are generators of these events; nothing else carries progress. Tensors
are on the CPU. N is the number of images, C the number of classes, n a number of images picked for
the occasion. Models are numbered 0 and 1 here, 1 and 2 in the paper.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:  # whoever reads events of a run need not wait for torch
    from torch import Tensor


@dataclass(frozen=True)
class Progress:
    """Work within a stage that takes a while: `done` of `total` units ("images", "steps")."""

    stage: str
    done: int
    total: int


@dataclass(frozen=True)
class Warned:
    """Something the user should know, in one line: a class without a seed, an empty clean set."""

    message: str


@dataclass(frozen=True)
class ZeroShot:
    """Zero-shot labels of all images (paper, Eq. 1).

    labels: (N,) int64; confidence: (N,) float32 in [0, 1], the largest class probability.
    """

    labels: Tensor
    confidence: Tensor


@dataclass(frozen=True)
class SeedSet:
    """The confident images that Phase I trains on (paper, Section 3.1).

    indices: (n,) int64 into the images; labels: (n,) int64; per_class: C counts; round_number: of
    Phase I, from 1; model: whose seeds these are, None = both models'.
    """

    indices: Tensor
    labels: Tensor
    per_class: tuple[int, ...]
    round_number: int = 1
    model: int | None = None


@dataclass(frozen=True)
class Step:
    """One optimiser step of one model. `parts` are the terms of the loss by name (l1, l2, ce)."""

    phase: int
    model: int
    step: int
    steps: int
    epoch: int
    epochs: int
    loss: float
    learning_rate: float
    parts: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Monitor:
    """Both models on a fixed random subset of the images, after an epoch.

    indices: (n,) int64; labels: (2, n) int64; agreement: share of the subset that both models label
    alike; clean_fraction: share of its images that have a clean label, one that a model gave and
    its peer judges clean (in Phase II, where nobody judges any more: the share of all images when
    it began, constant). A method with one model has no peer: there a label is clean when its
    probability is above one half.
    """

    phase: int
    epoch: int
    epochs: int
    indices: Tensor
    labels: Tensor
    agreement: float
    clean_fraction: float


@dataclass(frozen=True)
class Judged:
    """After each round of Phase I: both models label all images, the peer judges (Section 3.2.1).

    labels: (2, N) int64; clean_probability: (2, N) float32 in [0, 1], 1 = clean, of model i's label
    under the OTHER model; own_clean_probability: (2, N), under model i itself; clean: (2, N) bool,
    the clean sets, in the last round those of Phase II; confidence: (2, N) float32, the label's
    class probability; round_number: from 1.

    An image has a clean label where `clean.any(0)`: the label of the model whose peer judges it
    cleaner. The share of these images is the share of clean labels at this stage.
    """

    labels: Tensor
    clean_probability: Tensor
    own_clean_probability: Tensor
    clean: Tensor
    confidence: Tensor
    round_number: int = 1


@dataclass(frozen=True)
class Checkpoint:
    """Weights worth keeping. tensors: by name, CPU; meta: JSON-able facts needed to load them.

    name is "phase1" (prompts and adapters of both models) or "classifier" (what is shipped).
    """

    name: str
    tensors: dict[str, Tensor]
    meta: dict[str, object]


@dataclass(frozen=True)
class Finished:
    """The outcome for all images.

    labels: (N,) int64, final labels; confidence: (N,) float32, probability of the final label;
    clean_probability: (N,) float32 in [0, 1], 1 = clean, of the final label, mean of both models'
    judgement; model_labels: (2, N) int64 and model_clean_probability: (2, N) float32, each model's
    final label and the other model's judgement of it; clean: (N,) bool, whether the final label is
    one that a model gave and its peer judged clean; its mean is the share of clean labels at the
    end; top_labels, top_probabilities: (N, 5 or C if fewer), the final classifier's best classes.
    stopped: the user stopped the fit early; `stage` says how far it came
    ("zero-shot", "phase1", "phase2"; "trained": by a baseline with stages of its own).
    """

    labels: Tensor
    confidence: Tensor
    clean_probability: Tensor
    model_labels: Tensor
    model_clean_probability: Tensor
    clean: Tensor
    top_labels: Tensor
    top_probabilities: Tensor
    stage: str
    stopped: bool


@dataclass(frozen=True)
class FitPart:
    """A part of a fit's state. tensors: by name, CPU; values: JSON-able, with the tensors' names in
    their places, see `studio.coft.keeping`.
    """

    tensors: dict[str, Tensor]
    values: dict[str, Any]


@dataclass(frozen=True)
class FitState:
    """All that a fit needs to go on from here, yielded where `Task.state_due` asks for it.

    at: the part that was at work; parts: by name. A part that has not changed since the state
    before is the same object.
    """

    at: str
    parts: dict[str, FitPart]


Event: TypeAlias = (
    Progress | Warned | ZeroShot | SeedSet | Step | Monitor | Judged | Checkpoint | Finished
    | FitState
)  # fmt: skip
