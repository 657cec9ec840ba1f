"""Where every method starts: zero-shot labels, and the seeds that are taken from them."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from studio.clip.backbone import Backbone
from studio.clip.space import Space
from studio.coft.consensus import Opinion, agreed, consensus
from studio.coft.events import Event, SeedSet, Warned, ZeroShot
from studio.coft.given import UNKNOWN, Evidence, with_given
from studio.coft.parts import parts
from studio.coft.selection import ANY_CLASS, NO_CLASS, seed_set, seeds_by_class, without_prior
from studio.coft.together import anchor_beside_answers, labelling_together
from studio.numbers import classes_of, them
from studio.progress import Stop, never
from studio.settings import Settings


@dataclass(frozen=True)
class ZeroShotStart:
    """What every method starts from.

    space: the joint space; features: (N, d) raw image features; texts: (C, d) unit class vectors
    in the space.
    """

    space: Space
    features: Tensor
    texts: Tensor

    @classmethod
    def of(cls, backbone: Backbone, features: Tensor, class_vectors: Tensor) -> ZeroShotStart:
        """From raw features (N, d) and class vectors (C, d)."""
        space = Space.of(
            image_features=features,
            class_vectors=class_vectors,
            scale=backbone.logit_scale,
            center=backbone.center,
        )
        return cls(space, features, space.texts(class_vectors))

    @property
    def pictures(self) -> Tensor:
        """(N, d) unit image features in the space: made anew each time, as `probabilities` are."""
        found = torch.empty_like(self.features)
        for rows in parts(found):
            found[rows] = self.space.images(self.features[rows])
        return found

    @property
    def probabilities(self) -> Tensor:
        """(N, C), zero-shot: made anew each time, for whoever asks to change or to let go.

        Held through a fit, they would be N C numbers that only its beginning reads.
        """
        return self.space.likely(self.pictures, self.texts)

    def event(self) -> ZeroShot:
        """Labels and confidences of all images."""
        confidence, labels = self.probabilities.max(-1)
        return ZeroShot(labels, confidence)


def first_scores(
    start: ZeroShotStart,
    given: Tensor,
    settings: Settings,
    *,
    device: torch.device,
    evidence: Evidence | None = None,
    others: Sequence[Opinion] = (),
    candidates: Tensor | None = None,
    anchor: float | None = None,
    stop: Stop = never,
) -> Generator[Event, None, Tensor]:
    """(N, C) scores by which the first round ranks images.

    device: where they are computed; evidence: what answers say; None: the given labels, in full;
    others: what further models see; the scores are then those on which all agree; candidates:
    (N, K), in the first model's features, see `label_together`; anchor: see `anchor_of`, by which
    it is worked out where it is None; stop: see `labelling_together`.
    """
    power = settings.prior_correction
    if anchor is None:
        anchor = anchor_of(
            start, given, settings, device=device, evidence=evidence, candidates=candidates
        )
    own_pictures = start.pictures
    freed = without_prior(
        start.space.likely(own_pictures, start.texts), power=power, overwrite=True
    )
    first = Opinion(own_pictures, freed)
    further = [
        own if own.probabilities is None
        else Opinion(own.pictures, without_prior(own.probabilities, power=power))
        for own in others
    ]  # fmt: skip

    def together(
        pictures: Tensor, probabilities: Tensor, part: tuple[int, int]
    ) -> Generator[Event, None, Tensor]:
        return labelling_together(
            pictures,
            probabilities,
            given,
            device=device,
            given_evidence=settings.given_evidence,
            anchor=anchor,
            evidence=evidence,
            candidates=candidates if pictures is own_pictures else None,
            overwrite=True,
            overwrite_pictures=pictures is own_pictures,
            stop=stop,
            part=part,
        )

    if settings.transduction != "off":
        return (yield from consensus(first, further, together))
    return agreed([own.probabilities for own in (first, *further) if own.probabilities is not None])


def anchor_of(
    start: ZeroShotStart,
    given: Tensor,
    settings: Settings,
    *,
    device: torch.device,
    evidence: Evidence | None = None,
    candidates: Tensor | None = None,
) -> float:
    """The anchor of labelling together: as set, but see `anchor_beside_answers`.

    Arguments as of `first_scores`.
    """
    told = Evidence.of(given) if evidence is None else evidence
    if settings.transduction == "off" or not bool((told.labels >= 0).any()):
        return settings.anchor
    scores = without_prior(start.probabilities, power=settings.prior_correction, overwrite=True)
    return anchor_beside_answers(
        start.pictures, scores, given, device=device, anchor=settings.anchor, candidates=candidates
    )


def seeds(
    scores: Tensor,
    given: Tensor,
    settings: Settings,
    *,
    round_number: int = 1,
) -> Generator[Event, None, tuple[Tensor, Tensor]]:
    """`chosen_seeds` of both models, which are shown (`seeds_shown`)."""
    indices, labels = chosen_seeds(scores, given, settings)
    yield from seeds_shown(indices, labels, classes=scores.shape[1], round_number=round_number)
    return indices, labels


def chosen_seeds(
    scores: Tensor, given: Tensor, settings: Settings, *, claims: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Indices (n,) and labels (n,) of the most confident images.

    Args:
        scores: (N, C) of the zero-shot model, or of a model of the round before.
        given: (N,) see `studio.coft.given`.
        settings: see `Settings`.
        claims: (N,) labels that came with the images, of which they alone can be seeds; None: none.
    """
    # Images that a person labelled or rejected take no place among the top K: their class would be
    # short of a seed.
    allowed = torch.full_like(given, ANY_CLASS)
    if claims is not None:
        allowed = torch.where(claims >= 0, claims, allowed)
    allowed = torch.where(given == UNKNOWN, allowed, NO_CLASS)
    mode = settings.seed_selection
    k = seeds_by_class(scores, k=settings.k, cap=settings.k_cap, mode=mode, allowed=allowed)
    return with_given(*seed_set(scores, k=k, mode=mode, allowed=allowed), given)


def seeds_shown(
    indices: Tensor,
    labels: Tensor,
    *,
    classes: int,
    round_number: int = 1,
    model: int | None = None,
) -> Iterator[Event]:
    """The SeedSet event of seeds (n,) with labels (n,), and a warning where classes have none.

    round_number: of Phase I, from 1; model: whose seeds these are, None: both models'.
    """
    per_class = torch.bincount(labels, minlength=classes)
    yield SeedSet(indices, labels, tuple(per_class.tolist()), round_number, model)
    empty = int((per_class == 0).sum())
    if empty and round_number == 1:
        yield Warned(
            f"{classes_of(empty, len(per_class))} no seeds, because hardly any image was first "
            f"labelled so, and little can be learned about {them(empty)}. Check the "
            f"{'name' if empty == 1 else 'names'}, or use the setting seed_selection=leaderboard."
        )
