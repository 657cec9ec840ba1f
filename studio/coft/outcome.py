"""The outcome of a fit: the final label of each image, its probability, and whether it is clean."""

from __future__ import annotations

from collections.abc import Callable, Generator

import torch
from torch import Tensor

from studio.clip.encode import Images
from studio.coft.classifier import Classifier
from studio.coft.events import Event, Finished, Progress
from studio.coft.given import REJECTED
from studio.coft.judge import own_clean_probability, peer_clean_probability
from studio.ranks import ALONE, Ranks, Results

TOP = 5
"""Classes per image that `Finished` reports."""


def finish(
    probabilities: Tensor,
    log_odds: Tensor,
    clean: Tensor,
    judged: Tensor,
    *,
    given: Tensor,
    single: bool,
    stage: str,
    stopped: bool,
) -> Finished:
    """The outcome for all images.

    Args:
        probabilities: (2, N, C) of the final classifiers.
        log_odds: (2, N, C) clean log-odds of both judges for all classes.
        clean: (2, N) bool, S_clean of both models.
        judged: (2, N) the labels that were judged.
        given: (N,) see `studio.coft.given`; a given label is final and clean, that of a rejected
            image is noisy.
        single: the first classifier decides alone, instead of the mean.
        stage: how far the fit came.
        stopped: whether the user stopped it.
    """
    mean = probabilities[0] if single else probabilities.mean(0)
    labels = torch.where(given >= 0, given, mean.argmax(-1))
    top = mean.topk(min(TOP, mean.shape[1]), dim=-1)
    own = probabilities.argmax(-1)
    of_final = own_clean_probability(log_odds, labels.expand(2, -1)).mean(0)
    # Clean: the final label is one that a model gave and its peer judges clean.
    of_a_model = (clean & (judged == labels)).any(0)
    return Finished(
        labels=labels,
        confidence=mean.gather(1, labels[:, None])[:, 0],
        clean_probability=of_final,
        model_labels=own,
        model_clean_probability=peer_clean_probability(log_odds, own),
        clean=(of_a_model | (given >= 0)) & (given != REJECTED),
        top_labels=top.indices,
        top_probabilities=top.values,
        stage=stage,
        stopped=stopped,
    )


def clean_alone(confidence: Tensor, given: Tensor) -> Tensor:
    """(N,) bool: clean labels of one model that has no peer; those above one half.

    confidence: (N,) probabilities of the labels; given: (N,) see `studio.coft.given`.
    """
    return ((confidence > 0.5) | (given >= 0)) & (given != REJECTED)


def finish_alone(probabilities: Tensor, *, given: Tensor, stage: str, stopped: bool) -> Finished:
    """The outcome of a method that trains one model, which has no peer.

    Both models' labels are the same, and the clean probability is the class probability itself,
    see `clean_alone`. Arguments as in `finish`, but for probabilities: (N, C).
    """
    labels = torch.where(given >= 0, given, probabilities.argmax(-1))
    confidence = probabilities.gather(1, labels[:, None])[:, 0]
    top = probabilities.topk(min(TOP, probabilities.shape[1]), dim=-1)
    return Finished(
        labels=labels,
        confidence=confidence,
        clean_probability=confidence,
        model_labels=labels.expand(2, -1).clone(),
        model_clean_probability=confidence.expand(2, -1).clone(),
        clean=clean_alone(confidence, given),
        top_labels=top.indices,
        top_probabilities=top.values,
        stage=stage,
        stopped=stopped,
    )


Judge = Callable[[slice, Tensor], tuple[Tensor, Tensor, Tensor]]
"""Of some images and their probabilities (2, n, C): what `finish` calls log_odds, clean, judged."""


def finish_all(
    classifier: Classifier,
    images: Images,
    odds: Callable[[slice], Tensor],
    clean: Tensor,
    judged: Tensor,
    *,
    given: Tensor,
    single: bool,
    stage: str,
    stopped: bool,
    ranks: Ranks = ALONE,
) -> Generator[Event, None, Finished | None]:
    """`finish` of a classifier's towers on all images, whose probabilities are not held: what is
    said of an image depends on no other. Arguments as there; odds: the log-odds (2, n, C) of some
    images. None where this is not the writer.
    """

    def judge(rows: slice, _: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return odds(rows), clean[:, rows], judged[:, rows]

    return finish_judged(
        classifier, images, judge, given=given, single=single, stage=stage, stopped=stopped,
        ranks=ranks,
    )  # fmt: skip


def finish_judged(
    classifier: Classifier,
    images: Images,
    judge: Judge,
    *,
    given: Tensor,
    single: bool,
    stage: str,
    stopped: bool,
    ranks: Ranks = ALONE,
) -> Generator[Event, None, Finished | None]:
    """`finish_all` where what is judged may come from the probabilities themselves."""
    batch, found, done = classifier.backbone.forward_batch, list[Finished](), 0

    def labelled(begin: int) -> Results:
        return (classifier.each(images.batch(range(begin, min(begin + batch, len(images))))),)

    for (part,) in ranks.spread(range(0, len(images), batch), labelled):
        rows = slice(done, done + part.shape[1])
        found.append(
            finish(
                part, *judge(rows, part),
                given=given[rows], single=single, stage=stage, stopped=stopped,
            )
        )  # fmt: skip
        done = rows.stop
        yield Progress("labelling", done, len(images))
    if not found:
        return None
    tensors = {
        # The last axis of what is of both models, else the first, counts the images.
        name: torch.cat([getattr(part, name) for part in found], 1 if "model" in name else 0)
        for name in vars(found[0])
        if name not in ("stage", "stopped")
    }
    return Finished(**tensors, stage=stage, stopped=stopped)


def label_all(
    classifier: Classifier, images: Images, *, ranks: Ranks = ALONE
) -> Generator[Event, None, Tensor]:
    """(models, N, C) probabilities of the towers on all images, on the writer."""
    batch, parts, done = classifier.backbone.forward_batch, list[Tensor](), 0

    def labelled(begin: int) -> Results:
        return (classifier.each(images.batch(range(begin, min(begin + batch, len(images))))),)

    for (part,) in ranks.spread(range(0, len(images), batch), labelled):
        parts.append(part)
        done += part.shape[1]
        yield Progress("labelling", done, len(images))
    return torch.cat(parts, dim=1) if parts else torch.empty(0)
