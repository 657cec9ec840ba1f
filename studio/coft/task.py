"""The one argument of every method, CoFT and its rivals alike: what it may know of a run."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Generator, Iterator, Sequence
from functools import cached_property
from typing import Any, Protocol

import torch
from torch import Tensor

from studio.clip.backbone import Backbone
from studio.clip.encode import Images
from studio.clip.space import Space
from studio.coft.consensus import Opinion
from studio.coft.events import Event, FitState
from studio.coft.given import (
    NO_SEED,
    NONE,
    REJECTED,
    UNKNOWN,
    Evidence,
    FirstLabels,
    checked,
)
from studio.coft.keeping import Due, Keeper
from studio.coft.optim import generator_of
from studio.coft.start import ZeroShotStart, anchor_of, first_scores
from studio.coft.student import Student
from studio.errors import FolderError
from studio.ranks import ALONE, Ranks
from studio.settings import Settings


class Task:
    """N unlabelled images, C class names and the settings of a fit.

    Making one costs nothing: what has to be computed is computed when it is first asked for.

    Attributes:
        given: (N,) int64 labels of a person, see `studio.coft.given`.
        judged: (N,) int64 labels of a vision-language model, see `studio.coft.given`.
        claims: (N,) int64 labels that came with the images, see `studio.coft.given`.
        stop: Whether to end early; all ranks ask at the same places.
        stop_alone: The same, for what one rank does alone: it is cut short where this says so.
        kept: what a later fit would go on from, see `studio.coft.keeping`.
        The others: as `__init__` takes them.
    """

    def __init__(
        self,
        *,
        backbone: Backbone,
        images: Images,
        features: Tensor,
        class_vectors: Tensor,
        class_names: Sequence[str],
        settings: Settings,
        given: Tensor | None = None,
        claims: Tensor | None = None,
        judged: Tensor | None = None,
        trust: Tensor | float = 1.0,
        first_labels: FirstLabels | None = None,
        candidates: Tensor | None = None,
        student: Student | None = None,
        others: Sequence[Opinion] = (),
        stop: Callable[[], bool] = lambda: False,
        state_due: Due | None = None,
        state: FitState | None = None,
        ranks: Ranks = ALONE,
    ) -> None:
        """Everything that a method may know.

        Args:
            backbone: the frozen CLIP model.
            images: N canvases, decoded once.
            features: (N, d) raw image features of the test view under the backbone.
            class_vectors: (C, d) class vectors of the zero-shot labels (`studio.clip.encode`).
            class_names: C names, for the learned prompts.
            settings: see `Settings`.
            given: (N,) labels of a person, -1 = none, -2 = rejected; None: none at all.
            claims: (N,) labels that may be wrong, -1 = none; None: none at all.
            judged: (N,) labels of a vision-language model, -1 = none, -2 = none of the names that
                it was asked about; None: none at all.
            trust: in [0, 1], or (N,) of them: what given and judged labels are worth to images
                alike.
            first_labels: what is known of the labels that no answer has touched.
            candidates: (N, K) images that are most alike by these features around their mean, see
                `studio.scores.graph.closest`; None: they are looked for where they are needed.
            student: what Phase II fine-tunes and the fit ships, on the same images; None: the
                backbone. This and claims are for methods of two phases only.
            others: what further models see in the same images; it counts in CoFT's first labels.
            stop: asked before each batch; when true, the fit ends early with what was learned.
            state_due: asked before each batch and between stages; when true, or where the fit is
                to end early, it yields its state. None: never. For methods that `resumes` names.
            state: what the fit goes on from; None: it begins.
            ranks: the processes that work on the fit, each with a task of its own that says the
                same; the writer's `stop` and `state_due` count. For methods that `shared` names.

        Raises:
            FolderError: fewer than two classes.
            ValueError: given, judged or claims are not N labels of C classes.
        """
        if len(class_names) < 2:
            raise FolderError("At least two classes are needed: give one more class name.")
        self.backbone, self.images, self.features = backbone, images, features
        self.class_vectors, self.class_names = class_vectors, class_names
        self.settings, self.ranks = settings, ranks

        def due(between: bool) -> bool:
            return ranks.same(state_due is not None and ranks.writer and state_due(between))

        def stop_alone() -> bool:
            ended = not self.kept.on_the_way and stop()
            if ended:
                self.kept.cut_short()
            return ended

        self.kept = Keeper(
            due=None if state_due is None else due, state=state, agreed=ranks.same
        )  # fmt: skip
        # Whatever is said on the way to where it goes on was so for the fit that it continues.
        self.stop = lambda: not self.kept.on_the_way and ranks.same(ranks.writer and stop())
        self.stop_alone = stop_alone
        self.given = checked(given, images=len(images), classes=len(class_names))
        self.judged = checked(judged, images=len(images), classes=len(class_names))
        # What was judged to be none of its likeliest names is no seed by its first label.
        doubted = (self.judged == NONE) & (self.given == UNKNOWN)
        self.given = self.given.masked_fill(doubted, NO_SEED)
        self.trust = torch.as_tensor(trust, dtype=torch.float32).expand(len(images))
        self._first_labels = first_labels
        self.claims = checked(claims, images=len(images), classes=len(class_names))
        self.candidates, self._student, self.others = candidates, student, tuple(others)

    def with_settings(self, **changes: Any) -> Task:
        """The same task with some settings changed."""
        other = copy.copy(self)
        other.settings = dataclasses.replace(self.settings, **changes)
        other.__dict__.pop("anchor", None)  # which asks the settings
        return other

    def ends(self, at: str, *, between: bool = False) -> Generator[Event, None, bool]:
        """Whether to end early, asked where a fit can go on later; see `Keeper.ends`."""
        return (yield from self.kept.ends(at, self.stop, between=between))

    @cached_property
    def start(self) -> ZeroShotStart:
        """The zero-shot labels that all methods start from."""
        return ZeroShotStart.of(self.backbone, self.features, self.class_vectors)

    @cached_property
    def space(self) -> Space:
        """The joint space of images and class texts, on the backbone's device."""
        return Student(self.backbone, self.images, self.features, self.class_vectors).space

    @cached_property
    def student(self) -> Student:
        """What Phase II fine-tunes: another model where one was named, else the backbone."""
        return self._student or Student(
            self.backbone, self.images, self.features, self.class_vectors
        )

    @property
    def evidence(self) -> Evidence:
        """What given and judged labels say to images alike."""
        return Evidence.of(self.given, self.judged, self.trust, first=self._first_labels)

    @cached_property
    def anchor(self) -> float:
        """Of labelling together, see `anchor_of`."""
        return anchor_of(
            self.start, self.given, self.settings, device=self.space.image_mean.device,
            evidence=self.evidence, candidates=self.candidates,
        )  # fmt: skip

    def first_scores(self) -> Generator[Event, None, Tensor]:
        """(N, C) scores by which seeds are chosen before anything is learned, see `start`."""
        return (
            yield from first_scores(
                self.start, self.given, self.settings, device=self.space.image_mean.device,
                evidence=self.evidence, others=self.others, candidates=self.candidates,
                anchor=self.anchor, stop=self.stop_alone,
            )
        )  # fmt: skip

    @property
    def pool(self) -> Tensor:
        """(m,) the images that may be learned from: all but those that a person rejected."""
        return (self.given != REJECTED).nonzero()[:, 0]

    @property
    def monitor(self) -> Tensor:
        """(n,) indices of the images that are labelled after each epoch, for the curves."""
        generator = generator_of(self.settings, "monitor", 0)
        order = torch.randperm(len(self.images), generator=generator)
        return order[: self.settings.monitor_images].sort().values

    def labelled(self, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Indices (m,) of the pool and labels (m,): a method's own (N,), but given ones stand."""
        return self.pool, torch.where(self.given >= 0, self.given, labels)[self.pool]

    def probabilities(self, texts: Tensor) -> Tensor:
        """(N, C) of the frozen model's features under the space's class vectors (C, d)."""
        return self.start.space.likely(self.start.pictures, texts.cpu())


class Fit(Protocol):
    """A method: a task in, events out, nothing else."""

    def __call__(self, task: Task) -> Iterator[Event]:
        """Fit to the task's images. The last event is `Finished`, also when `stop` was heeded."""
        ...
