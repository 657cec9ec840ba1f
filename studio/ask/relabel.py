"""Labels that follow answers at once: all images labelled together again, without training.

What does not depend on the answers is worked out once (`Relabeller`): neighbours, and the first
labels that the answers are compared with. Each answer then costs one pass of labelling together. An
answer may name a class that nobody listed: its number is C or more, and the images alike follow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from studio.ask.confidence import Following
from studio.ask.trust import JUDGE, PERSON, Trust, nearest_answers, trust_of
from studio.coft.events import Progress
from studio.coft.given import NONE, REJECTED, UNKNOWN, Evidence, FirstLabels
from studio.coft.parts import parts
from studio.coft.selection import without_prior
from studio.coft.start import ZeroShotStart
from studio.coft.together import anchoring_beside_answers, labelling_together
from studio.coft.transduction import NEIGHBOURS, centred
from studio.progress import listened
from studio.scores.graph import closest
from studio.settings import Settings

NEW_CLASS = 0.01
"""What a class that nobody listed has of an image's probability before any answer spreads."""
Listen = Callable[[Progress], object]
MOST_WITNESSES = 5000
"""Answers up to which each one's nearest other is looked for; beyond, first labels bear witness."""


@dataclass(frozen=True)
class Worth:
    """vector: (N,) in [0, 1], what the answer of each image is worth, 1 where there is none; first:
    (N,) labels that no answer has touched; typical: (C,) see `typical_images`.
    """

    vector: Tensor
    person: Trust
    judge: Trust
    first: Tensor
    typical: Tensor

    @property
    def first_right(self) -> float:
        """The share in [0, 1] of the first labels that all answers together speak for; 0 where
        there are none.
        """
        sources = (self.person, self.judge)
        answers = sum(len(trust.values) for trust in sources)
        return sum(len(trust.values) * trust.right[0] for trust in sources) / max(answers, 1)

    @property
    def first_labels(self) -> FirstLabels:
        """What a fit is told of them."""
        return FirstLabels(self.first, self.first_right, self.typical)


@dataclass(frozen=True)
class Relabelled:
    """probabilities: (N, C'), C' >= C where answers name further classes; labels: (N,), what a
    person said stands; worth: what their answers are.
    """

    probabilities: Tensor
    labels: Tensor
    worth: Worth

    @property
    def person(self) -> Trust:
        """What a person's answers are worth, in the order of the images' numbers."""
        return self.worth.person

    @property
    def judge(self) -> Trust:
        """The same of a judge's."""
        return self.worth.judge


class Relabeller:
    """N images that are labelled again after each answer."""

    def __init__(
        self,
        pictures: Tensor,
        probabilities: Tensor,
        *,
        settings: Settings | None = None,
        device: torch.device | None = None,
        listen: Listen = lambda _progress: None,
    ) -> None:
        """From a zero-shot start (`ZeroShotStart`).

        Args:
            pictures: (N, d) unit image features.
            probabilities: (N, C) zero-shot.
            settings: of labelling together.
            device: where it is computed; None: the CPU.
            listen: told how far it is, for very many images and classes take hours. The labels
                after answers, which it is called for later, are the last third.
        """
        self.settings = settings or Settings()
        self.device = device or torch.device("cpu")
        self.pictures = pictures.to(self.device).float()
        self.scores = without_prior(probabilities, power=self.settings.prior_correction)
        nobody = torch.full((len(pictures),), UNKNOWN)
        self.units = centred(self.pictures, nobody.to(self.device))
        # More than are used: some may be rejected by an answer.
        self._candidates = closest(self.units, count=2 * NEIGHBOURS)[0]
        self._listen = listen
        finding = anchoring_beside_answers(
            self.pictures,
            self.scores,
            nobody,
            device=self.device,
            anchor=self.settings.anchor,
            candidates=self._candidates,
            part=(0, 3),
        )
        self._anchor = listened(finding, listen)
        self.first = self._together(self.scores, nobody, Evidence.of(nobody), part=(1, 3))

    @classmethod
    def of(
        cls,
        start: ZeroShotStart,
        *,
        settings: Settings | None = None,
        listen: Listen = lambda _progress: None,
    ) -> Relabeller:
        """From what a run starts from."""
        return cls(start.pictures, start.probabilities, settings=settings, listen=listen)

    def __call__(
        self,
        answers: Mapping[int, int],
        *,
        judged: Mapping[int, int] | None = None,
        again: tuple[int, int] = (0, 0),
    ) -> Relabelled:
        """The labels after these answers.

        Args:
            answers: a person's, image -> class; below 0: none of the names, the image is left out.
            judged: a judge's; below 0: none of the names that it was asked about.
            again: of the judge's, see `trust_of`.
        """
        given, told = (torch.full((len(self.scores),), UNKNOWN) for _ in range(2))
        for image, label in answers.items():
            given[image] = REJECTED if label < 0 else label
        for image, label in (judged or {}).items():
            if label >= 0:
                told[image] = label
        return self.follow(given, told, again=again)

    def follow(self, given: Tensor, told: Tensor, *, again: tuple[int, int] = (0, 0)) -> Relabelled:
        """The same of answers (N,): a person's, see `studio.coft.given`, and a judge's."""
        classes = self.scores.shape[1]
        classes = max(classes, int(given.max()) + 1, int(told.max()) + 1)
        scores = widened(self.scores, classes)
        first = self.first.argmax(1)
        worth = trusted(self.units, first, given, told, classes=classes, again=again)
        if bool((given == UNKNOWN).all() and (told < 0).all()):
            found = self.first  # nobody has said anything
        else:
            evidence = Evidence.of(given, told, worth.vector, first=worth.first_labels)
            found = self._together(scores, given, evidence)
        labels = torch.where(given >= 0, given, found.argmax(1))
        return Relabelled(found, labels, worth)

    def following(self, given: Tensor, told: Tensor) -> tuple[Relabelled, Following]:
        """As `follow`, and how likely each of these labels is right."""
        found = self.follow(given, told)
        following = Following.of(
            found.probabilities.float().numpy(),
            first=self.first.argmax(1).numpy(),
            answers=torch.where(given == UNKNOWN, told, given).numpy(),
            given=(given >= 0).numpy(),
        )
        return found, following

    def _together(
        self, scores: Tensor, given: Tensor, evidence: Evidence, *, part: tuple[int, int] = (2, 3)
    ) -> Tensor:
        settings = self.settings
        work = labelling_together(
            self.pictures,
            scores,
            given,
            device=self.device,
            given_evidence=settings.given_evidence,
            anchor=self._anchor,
            evidence=evidence,
            candidates=self._candidates,
            part=part,
        )
        return listened(work, self._listen)


def relabel(
    start: ZeroShotStart, answers: Mapping[int, int], *, judged: Mapping[int, int] | None = None
) -> Relabelled:
    """`Relabeller` for once: what a start's images are labelled after these answers."""
    return Relabeller.of(start)(answers, judged=judged)


def widened(probabilities: Tensor, classes: int) -> Tensor:
    """(N, C') probabilities with room for classes that nobody listed."""
    more = classes - probabilities.shape[1]
    if more <= 0:
        return probabilities
    each = min(NEW_CLASS, 0.5 / more)
    room = probabilities.new_full((len(probabilities), more), each)
    return torch.cat([probabilities * (1 - each * more), room], dim=1)


def trusted(
    units: Tensor,
    first: Tensor,
    given: Tensor,
    judged: Tensor,
    *,
    classes: int,
    again: tuple[int, int] = (0, 0),
) -> Worth:
    """What a person's and a judge's answers are worth to images alike.

    Args:
        units: (N, d) centred unit features.
        first: (N,) labels that no answer has touched.
        given: (N,) of a person, see `studio.coft.given`.
        judged: (N,) of a judge. A person who spoke of the same image is a witness of the judge.
        classes: C.
        again: of the judge's, see `trust_of`.
    """
    vector = torch.ones(len(given))
    both = torch.where(given >= 0, given, judged)
    at = (both >= 0).nonzero()[:, 0]
    beside = torch.full_like(given, -1)
    if len(at) <= MOST_WITNESSES:
        beside[at] = nearest_answers(units[at.to(units.device)].cpu(), both[at])
    found = []
    for answers, other, prior, repeated in (
        (judged, given, JUDGE, again), (given, torch.full_like(given, -1), PERSON, (0, 0)),
    ):  # fmt: skip
        rows = (answers >= 0).nonzero()[:, 0]
        trust = trust_of(
            answers[rows], [first[rows], beside[rows]], classes=classes, prior=prior,
            again=repeated, known=other[rows],
        )  # fmt: skip
        vector[rows] = trust.values
        found.append(trust)
    silent = (given != REJECTED) & (judged != NONE)
    typical = typical_images(units, first.where(silent, UNKNOWN), classes=classes)
    return Worth(vector, found[1], found[0], first, typical)


def typical_images(units: Tensor, labels: Tensor, *, classes: int) -> Tensor:
    """(C,) the image of each class that is most like the mean of its class; -1: it has none.

    units: (N, d) centred unit features; labels: (N,), below 0 = of no class.
    """
    sums = units.new_zeros(classes + 1, units.shape[1])  # the last: of no class
    own = labels.where(labels >= 0, classes).to(units.device)
    cosines = units.new_empty(len(units))
    for rows in parts(units):
        sums.index_add_(0, own[rows], units[rows])
    for rows in parts(units):
        cosines[rows] = (units[rows] * sums[own[rows]]).sum(1)
    best = units.new_full((classes + 1,), -torch.inf).scatter_reduce(0, own, cosines, "amax")
    images = (cosines == best[own]).nonzero()[:, 0]
    # Of several that are as typical, copies mostly, the last one.
    found = images.new_full((classes + 1,), UNKNOWN)
    return found.scatter_reduce(0, own[images], images, "amax")[:classes].cpu()


def answers_in(
    start: ZeroShotStart, given: Tensor, judged: Tensor, *, settings: Settings, listen: Listen
) -> tuple[Worth | None, Following | None]:
    """What answers are worth to a run, and the labels that follow; None where there are none.

    given, judged: (N,) as of `trusted`; listen: told how far it is.
    """
    answered = bool((given >= 0).any() or (judged >= 0).any())
    if not answered or settings.transduction == "off":
        return None, None
    relabeller = Relabeller.of(start, settings=settings, listen=listen)
    found, following = relabeller.following(given, judged)
    return found.worth, following
