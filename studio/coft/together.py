"""All images labelled together for CoFT [studio]: classes held or free, and answers beside them.

The rounds are those of `studio.coft.transduction`, or of `studio.coft.likeliest` where a table of
images and classes would be too large. Held or free is chosen for each folder, without labels.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import TypeVar

import torch
from torch import Tensor

from studio.coft.answers import Answers
from studio.coft.events import Progress
from studio.coft.gaussians import temperature_of
from studio.coft.given import REJECTED, UNKNOWN, Evidence
from studio.coft.likeliest import Likeliest, Rounds, mixed_likeliest
from studio.coft.parts import parts
from studio.coft.transduction import (
    ROUNDS,
    Near,
    anchored,
    centred,
    nearest_of,
    starved,
    transduce,
)
from studio.progress import Stop, never, to_the_end

FEW_STARVED, MANY_STARVED = 0.05, 0.5
"""Shares of starved classes up to which all names seem to be in the folder, and from which most
seem to be missing."""
NAMED = 0.5
"""Trust from which an answer shows that its class is in the folder."""
TRACE = 1e-3
"""Of the probabilities, that is mixed into the assignments."""
LARGE_TABLE = 2**28
"""Images times classes, from which a table of them is not held more often than need be: 1 GB."""

Z = TypeVar("Z")
"""Assignments of all images: a table (N, C), or the likeliest."""
Shown = Generator[Progress, None, Z]
"""What some rounds come to, and how far they are after each."""


def labelling_together(
    pictures: Tensor,
    probabilities: Tensor,
    given: Tensor,
    *,
    device: torch.device,
    given_evidence: float = 0.0,
    anchor: float = 0.0,
    evidence: Evidence | None = None,
    candidates: Tensor | None = None,
    overwrite: bool = False,
    overwrite_pictures: bool = False,
    stop: Stop = never,
    part: tuple[int, int] = (0, 1),
) -> Shown[Tensor]:
    """(N, C) tempered assignments, on the CPU; arguments as of `transduce` and `anchored`.

    anchor: 0, or trusted answers of every class, which show that none is absent: free; see
    `held_or_free`. given_evidence: weight of `Answers`; evidence: what they are; None: the given
    labels, in full. device: where it is computed.

    A trace of the probabilities is mixed in, so that images whose assignment is certain (z = 1) are
    ranked by those; in float64, for in float32 all above .9999 would tie. Answers count in this
    rank as far as the first labels were wrong (`Evidence.first_right`): in full, the seeds of a
    class would all lie around its one or two answered images, which teaches less than the surest
    ones do where names are right, and follows a wrong answer. Where N C is above `LARGE_TABLE`,
    only the likeliest classes of each image are counted with (`studio.coft.likeliest`), in float32.

    candidates: (N, k) images among which the nearest are looked for, see
    `studio.scores.graph.closest`. overwrite: the probabilities are not needed any more, and may
    make room for what is returned; overwrite_pictures: nor are the pictures. stop: asked after each
    round, of which a million images and a thousand classes take minutes; those found so far are
    then the outcome. part: which of how many such labellings this is, for its progress.
    """
    yield Progress("labelling together", *_so_far(0.0, len(pictures), part))
    pictures, given = pictures.to(device).float(), given.to(device)
    told = Evidence.of(given) if evidence is None else evidence.to(device)
    pictures, temperature, near = _compared(
        pictures, given, candidates, overwrite=overwrite_pictures
    )
    answers = Answers.of(pictures, told, weight=given_evidence)
    there = probabilities.to(device).float()
    overwrite = overwrite or there.data_ptr() != probabilities.data_ptr()
    probabilities = there
    if answers is not None:
        probabilities, overwrite = answers.added_to(there, overwrite=overwrite), True
    del there
    named = told.by_class(probabilities.shape[1])
    if float(named.min()) >= NAMED:
        anchor = 0.0

    def ties(rows: slice) -> Tensor:
        if answers is None or not told.first_right:
            return probabilities[rows]
        return answers.of_rows(probabilities[rows], rows, share=-told.first_right)

    work = _Ways(
        pictures, probabilities, given, near, temperature, anchor=anchor, told=named, stop=stop,
        part=part,
    )  # fmt: skip
    if probabilities.numel() > LARGE_TABLE:
        found = yield from held_or_free(
            work.held_likeliest, work.free_likeliest, anchor=anchor, stop=stop
        )
        return mixed_likeliest(found, ties, TRACE, probabilities, overwrite=overwrite)
    z = yield from held_or_free(work.held, work.free, anchor=anchor, stop=stop)
    mixed = torch.empty(z.shape, dtype=torch.float64)
    for rows in parts(z):
        torch.lerp(z[rows].cpu().double(), ties(rows).cpu().double(), TRACE, out=mixed[rows])
    return mixed


label_together = to_the_end(labelling_together)
"""The same, for those who only want what it comes to."""


def held_or_free(
    held: Callable[[int], Shown[tuple[Z, float]]],
    free: Callable[[], Shown[Z]],
    *,
    anchor: float,
    stop: Stop = never,
) -> Shown[Z]:
    """The assignments that a folder is labelled by.

    Where classes are held and hardly any starves, all of them seem to be there, and free means say
    more. Where more than half starve, the folder has few of the listed classes, what is repeated
    goes further from the texts than they deserve, and the first held round stands; else the last.

    held: after so many rounds, and the share of classes that starve then; free: after all of them;
    anchor: 0 for free; stop: whether there is no time left to look for more.
    """
    if not anchor:
        return (yield from free())
    found, lacking = yield from held(ROUNDS)
    if lacking > MANY_STARVED:
        del found  # a table of all images and classes, which would be one too many
        return (yield from held(1))[0]
    if lacking > FEW_STARVED or stop():
        return found
    del found
    return (yield from free())


def anchoring_beside_answers(
    pictures: Tensor,
    probabilities: Tensor,
    given: Tensor,
    *,
    device: torch.device,
    anchor: float,
    candidates: Tensor | None = None,
    part: tuple[int, int] = (0, 1),
) -> Shown[float]:
    """The anchor of `label_together` where answers are: 0, free, if classes are without them.

    Answers lift the classes that they name above the others, which seem to starve beside them. So
    whether all names seem to be in the folder is asked without them, and a few answers do not
    change it: with two a class on eurosat 54 % of the labels are right with free classes, and 38 %
    with held ones.

    Args:
        pictures: (N, d) unit image features.
        probabilities: (N, C) that know of no answer.
        given: (N,) see `studio.coft.given`; only what is rejected counts here.
        device: where it is computed.
        anchor: what holds classes where names seem to be missing.
        candidates: see `label_together`.
        part: see `labelling_together`.
    """
    if not anchor:
        return anchor
    yield Progress("labelling together", *_so_far(0.0, len(pictures), part))
    nobody = given.to(device)
    nobody = nobody.where(nobody == REJECTED, UNKNOWN)
    pictures, temperature, near = _compared(pictures.to(device).float(), nobody, candidates)
    probabilities = probabilities.to(device).float()
    work = _Ways(
        pictures, probabilities, nobody, near, temperature, anchor=anchor,
        told=torch.zeros_like(probabilities[0]), part=part, rounds=ROUNDS,
    )  # fmt: skip
    if probabilities.numel() > LARGE_TABLE:
        _, lacking = yield from work.held_likeliest(ROUNDS)
    else:
        _, lacking = yield from work.held(ROUNDS)
    return anchor if lacking > FEW_STARVED else 0.0


anchor_beside_answers = to_the_end(anchoring_beside_answers)
"""The same, for those who only want what it comes to."""


class _Ways:
    """How N images can be labelled; arguments as of `anchored` and `labelling_together`."""

    def __init__(
        self,
        pictures: Tensor,
        probabilities: Tensor,
        given: Tensor,
        near: Near,
        temperature: float,
        *,
        anchor: float,
        told: Tensor,
        stop: Stop = never,
        part: tuple[int, int] = (0, 1),
        rounds: int | None = None,
    ) -> None:
        """rounds: how many there will be at most; None: those of all ways that may be gone."""
        self._of = pictures, probabilities, given
        self._near, self._temperature = near, temperature
        self._anchor, self._told = anchor, told
        self._stop, self._part = stop, part
        self._done, self._rounds = 0, rounds or (2 * ROUNDS if anchor else ROUNDS)

    def held(self, rounds: int) -> Shown[tuple[Tensor, float]]:
        last = yield from self._last(anchored(
            *self._of, temperature=self._temperature, anchor=self._anchor, told=self._told,
            near=self._near,
        ), rounds)  # fmt: skip
        return last.z, float(starved(last.z, self._of[2]).float().mean())

    def free(self) -> Shown[Tensor]:
        rounds = transduce(*self._of, temperature=self._temperature, near=self._near)
        return (yield from self._last(rounds, ROUNDS)).z

    def held_likeliest(self, rounds: int) -> Shown[tuple[Likeliest, float]]:
        work = self._likeliest(self._anchor)
        last = yield from self._last(work.turns(), rounds)
        return last, work.lacking()

    def free_likeliest(self) -> Shown[Likeliest]:
        return (yield from self._last(self._likeliest(None).turns(), ROUNDS))

    def _likeliest(self, anchor: float | None) -> Rounds:
        return Rounds(
            *self._of, near=self._near, temperature=self._temperature, anchor=anchor,
            told=self._told,
        )  # fmt: skip

    def _last(self, rounds: Iterator[Z], count: int) -> Shown[Z]:
        """What comes of so many rounds, or of fewer where it is to stop; none before is kept."""
        last = next(rounds)
        yield self._progress()
        for _ in range(count - 1):
            if self._stop():
                break
            last = next(rounds)
            yield self._progress()
        return last

    def _progress(self) -> Progress:
        self._done += 1
        share = min(1.0, self._done / self._rounds)
        return Progress("labelling together", *_so_far(share, len(self._of[0]), self._part))


def _so_far(share: float, images: int, part: tuple[int, int]) -> tuple[int, int]:
    """Of so many images, as many as are done with this share of this labelling of so many."""
    which, of = part
    return int((which + share) / of * images), images


def _compared(
    pictures: Tensor, given: Tensor, candidates: Tensor | None, *, overwrite: bool = False
) -> tuple[Tensor, float, Near]:
    """Unit vectors (N, d) without what all have in common, their temperature and nearest others."""
    pictures, rejected = centred(pictures, given, overwrite=overwrite), given == REJECTED
    temperature = temperature_of(pictures[~rejected] if rejected.any() else pictures)
    return pictures, temperature, nearest_of(pictures, given, candidates=candidates)
