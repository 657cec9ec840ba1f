"""Which images to ask about: those whose answers say most about all the others [studio].

Images are put into many small groups (k-means of the centred unit features; at most 1,200, so that
100,000 images cost no more than their one pass). The next question is about the group whose answer
lowers most, over all groups and their images, the distance to the nearest answer: greedy facility
location (Nemhauser, Wolsey and Fisher, 1978), by cosine. So the first questions are the centres of
the large groups, each further one goes where no answer reaches, a budget may end anywhere, and what
was answered already, by whomever, counts. Once there are two answers a class, images whose label is
in doubt weigh up to three times as much as others; before, doubt says little, for names may be
wrong (food101_10: 47.9 instead of 54.9 % right after 20 answers when it counted from the start).

Everything is deterministic. None of this knows a true label.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.numbers import plural
from studio.scores.neighbours import unit

SHORTLIST = 5
GROUPS, GROUPS_A_CLASS, MOST_GROUPS = 400, 4, 1200
IMAGES_A_GROUP = 3
SAMPLE = 20_000
"""Images that the groups are found on; the others join the nearest."""
ROWS = 8192
DOUBT_WEIGHT, DOUBT_FROM = 2.0, 2
"""What doubt adds to an image's weight, from so many answers a class on."""
IN_DOUBT = 0.5
"""Share of a group's probability that is not on its likeliest class, from which it is in doubt."""

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Question:
    """An image worth an answer.

    image: its number; shortlist: 3 to 5 classes, the likeliest first (fewer where there are fewer);
    alike: how many images are most like it, itself included; share: how many of those, in [0, 1],
    have the label of the first of the shortlist; doubt: in [0, 1], the probability that is not on
    their likeliest class.
    """

    image: int
    shortlist: tuple[int, ...]
    alike: int
    share: float
    doubt: float

    def why(self, class_names: tuple[str, ...] | list[str]) -> str:
        """In words, why this image is asked about."""
        first, *others = (class_names[c] for c in self.shortlist)
        doubted = self.doubt >= IN_DOUBT and bool(others)
        if self.alike == 1:
            doubt = f"in doubt between {first} and {others[0]}" if doubted else f"labelled {first}"
            return f"looks like no other image; {doubt}"
        group = f"stands for {plural(self.alike, 'image')} that look alike"
        if doubted:
            return f"{group}; they are in doubt between {first} and {others[0]}"
        return f"{group}; {round(100 * self.share)} % of them are labelled {first}"


@dataclass(frozen=True)
class Groups:
    """Images in small groups. units: (N, d); own: (N,) each image's group; centres: (M, d) unit."""

    units: Floats
    own: Indices
    centres: Floats

    @classmethod
    def of(cls, features: Floats, *, classes: int) -> Groups:
        """Groups of N images by their raw features (N, d); takes a second for 10,000 images.

        classes: how many there are, for more classes need more groups.
        """
        units = unit(np.asarray(features, np.float32))
        images = len(units)
        wanted = min(max(GROUPS, GROUPS_A_CLASS * classes), MOST_GROUPS)
        number = max(1, min(wanted, images // IMAGES_A_GROUP))
        from sklearn.cluster import MiniBatchKMeans

        step = max(1, -(-images // SAMPLE))
        means = MiniBatchKMeans(
            number, random_state=0, n_init=1, max_iter=10, batch_size=1024, compute_labels=False
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # fewer distinct images than groups: some stay empty
            means.fit(units[::step])
        found = np.asarray(means.cluster_centers_, np.float32)
        own = np.concatenate([_nearest(units[i : i + ROWS], found) for i in range(0, images, ROWS)])
        there, own = np.unique(own, return_inverse=True)
        centres = found[there]
        lengths = np.linalg.norm(centres, axis=1, keepdims=True)
        return cls(units, own.astype(np.int64), centres / np.maximum(lengths, 1e-12))


def choose(
    groups: Groups | Floats,
    probabilities: Floats,
    answers: Mapping[int, int],
    budget: int,
    *,
    asked: Collection[int] = (),
) -> list[Question]:
    """The images to ask about next, the one whose answer is worth most first.

    Args:
        groups: Of the N images, or their raw features (N, d). Make `Groups` once where this is
            called after each answer.
        probabilities: (N, C) of the labels so far, rows that sum to 1.
        answers: Image -> class, or below 0: none of the names.
        budget: How many are wanted at most.
        asked: Further images that are not to be asked about, such as those that were skipped.

    Returns:
        At most `budget` questions; none twice, none that is answered or asked.
    """
    probabilities = np.asarray(probabilities, np.float32)
    if not isinstance(groups, Groups):
        groups = Groups.of(groups, classes=probabilities.shape[1])
    state = _State(groups, probabilities, answers, asked)
    found: list[Question] = []
    while len(found) < budget:
        image = state.next()
        if image is None:
            break
        found.append(state.question(image))
    return found


class _State:
    """How near each group is to an answer, and who may still be asked about."""

    def __init__(
        self,
        groups: Groups,
        probabilities: Floats,
        answers: Mapping[int, int],
        asked: Collection[int],
    ) -> None:
        self.groups, self.probabilities = groups, probabilities
        number = len(groups.centres)
        self.sizes = np.bincount(groups.own, minlength=number)
        self.mean = np.zeros((number, probabilities.shape[1]), np.float64)
        np.add.at(self.mean, groups.own, probabilities)
        self.mean /= np.maximum(self.sizes, 1)[:, None]
        self.doubt = 1 - self.mean.max(1)
        late = len(answers) >= DOUBT_FROM * probabilities.shape[1]
        self.weights = self.sizes * (1 + DOUBT_WEIGHT * late * self.doubt)
        # Each group's images, nearest to its centre first; the first not yet taken is its candidate
        closeness = np.einsum("nd,nd->n", groups.units, groups.centres[groups.own])
        order = np.lexsort((-closeness, groups.own))
        self.members = np.split(order, np.cumsum(self.sizes)[:-1])
        self.taken = {*answers, *asked}
        self.turns = np.zeros(number, np.int64)
        for group, _ in enumerate(self.members):
            self._skip(group)
        self.reach = np.zeros(number)  # cosine with the nearest answer, at least 0
        for image in sorted(self.taken):
            self._reached(groups.units[image])
        candidates = np.array([
            own[min(int(turn), len(own) - 1)]
            for own, turn in zip(self.members, self.turns, strict=True)
        ])  # fmt: skip
        self.cosines = np.clip(groups.centres @ groups.units[candidates].T, 0, None)

    def next(self) -> int | None:
        """The next image, which counts as answered from now on; None when there is none left."""
        open_ = self.turns < self.sizes
        if not open_.any():
            return None
        closer = np.clip(self.cosines - self.reach[:, None], 0, None)
        gains = np.where(open_, self.weights @ closer, -1.0)
        group = int(gains.argmax())
        if gains[group] <= 0:  # everything is reached: where most images are left to each answer
            left = self.weights * (1 - self.turns / np.maximum(self.sizes, 1))
            group = int(np.where(open_, left, -1.0).argmax())
        image = int(self.members[group][self.turns[group]])
        self.taken.add(image)
        self._skip(group)
        self._reached(self.groups.units[image])
        after = min(int(self.turns[group]), int(self.sizes[group]) - 1)
        vector = self.groups.units[self.members[group][after]]
        self.cosines[:, group] = np.clip(self.groups.centres @ vector, 0, None)
        return image

    def question(self, image: int) -> Question:
        group = int(self.groups.own[image])
        likely = np.argsort(-(self.mean[group] + self.probabilities[image]), kind="stable")
        shortlist = tuple(int(c) for c in likely[:SHORTLIST])
        own = self.probabilities[self.members[group]].argmax(1)
        share = float((own == shortlist[0]).mean())
        return Question(image, shortlist, len(own), share, float(self.doubt[group]))

    def _skip(self, group: int) -> None:
        own = self.members[group]
        while self.turns[group] < len(own) and int(own[self.turns[group]]) in self.taken:
            self.turns[group] += 1

    def _reached(self, vector: Floats) -> None:
        np.maximum(self.reach, self.groups.centres @ vector, out=self.reach)


def _nearest(units: Floats, centres: Floats) -> Indices:
    """(n,) the nearest of the centres, by distance."""
    squares = np.square(centres).sum(1)
    return np.asarray((squares - 2 * units @ centres.T).argmin(1), np.int64)
