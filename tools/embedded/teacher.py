"""The teacher: a function from any text to a unit vector in the image tower's embedding space.

No image is used. ImageNet's classifier holds one weight vector per class; a text is placed among
these vectors in two ways, which are mixed:
- anchors: WordNet synsets, each with a vector made from the classes below it or most like it; a
  text takes the anchors whose lemmas its sentence vector resembles;
- kernel ridge regression from sentence vectors to weight vectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from .imagenet import all_synsets, class_synsets
from .sentences import SentenceEncoder
from .wordnet import WordNet

RIDGE = 0.3
KERNEL_POWER = 3
LEMMAS_PER_SYNSET = 6
SENSE_PENALTY = 0.02  # per sense rank: "crane" is a bird only in its second sense
NEAREST_ANCHORS = 64
ANCHOR_SCALE = 20.0
CLASS_BONUS = 2.0  # for anchors with ImageNet-1k classes below them, which are known best
ANCHOR_SHARE = 0.6
MEAN_SHARE = 0.5  # of the mean target taken off every target


class KernelRidge:
    """Kernel ridge regression with the kernel max(0, cosine of centred vectors) ** 3.

    x: [M, 384] sentence vectors of the training texts, y: [M, D] their targets.
    """

    def __init__(self, x: torch.Tensor, y: torch.Tensor) -> None:
        self.mean = x.mean(0)
        self.x = F.normalize(x - self.mean, dim=1)
        gram = self._kernel(self.x)
        self.alpha = torch.linalg.solve(gram + RIDGE * torch.eye(len(x)), y)

    def _kernel(self, centred: torch.Tensor) -> torch.Tensor:
        return (centred @ self.x.T).clamp(min=0) ** KERNEL_POWER

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """[N, 384] -> [N, D], rows of length 1."""
        return F.normalize(self._kernel(F.normalize(x - self.mean, dim=1)) @ self.alpha, dim=1)


@dataclass
class ImageSpace:
    """The linear map from pooled image features (1280) to the embedding, and the text side of it.

    image: [E, 1280] rows onto which image features are projected (orthonormal).
    metric: [E] the weight of each direction, put on the text side.
    """

    image: torch.Tensor
    metric: torch.Tensor

    def text(self, weights: torch.Tensor) -> torch.Tensor:
        """Vectors in the space of classifier weights, [N, 1280] -> [N, E]."""
        return (weights @ self.image.T) * self.metric


def image_space(centred_weights: torch.Tensor, embed_dim: int) -> ImageSpace:
    """Principal directions of the classifier's weights, weighted by their singular values."""
    _, s, vt = torch.linalg.svd(centred_weights, full_matrices=False)
    return ImageSpace(vt[:embed_dim].contiguous(), (s / s.mean())[:embed_dim])


def class_membership(wordnet: WordNet, synsets: Sequence[str]) -> torch.Tensor:
    """[S, 1000] 1 where the class is the synset or below it."""
    row = {s: i for i, s in enumerate(synsets)}
    member = torch.zeros(len(synsets), 1000)
    for c, cls in enumerate(class_synsets()):
        for above in wordnet.ancestors(cls):
            if above in row:
                member[row[above], c] = 1
    return member


def lin_similarity(wordnet: WordNet, synsets: Sequence[str]) -> torch.Tensor:
    """Lin's similarity 2 IC(common ancestor) / (IC(a) + IC(b)) to the 1,000 classes, [S, 1000]."""
    ic = wordnet.information_content
    classes = class_synsets()
    under_s: dict[str, list[int]] = {}
    under_c: dict[str, list[int]] = {}
    for c, cls in enumerate(classes):
        for above in wordnet.ancestors(cls):
            under_c.setdefault(above, []).append(c)
    for i, synset in enumerate(synsets):
        for above in wordnet.ancestors(synset):
            under_s.setdefault(above, []).append(i)
    common = np.zeros((len(synsets), len(classes)), dtype=np.float32)
    # From general to special, so that the most special common ancestor is written last.
    for above in sorted(under_c, key=lambda s: (ic[s], s)):
        common[np.ix_(under_s.get(above, []), under_c[above])] = ic[above]
    ic_s = np.array([ic[s] for s in synsets], dtype=np.float32)
    ic_c = np.array([ic[c] for c in classes], dtype=np.float32)
    return torch.from_numpy(2 * common / np.maximum(ic_s[:, None] + ic_c[None], 1e-6))


class Teacher:
    """Call with texts to get their targets; `space` tells how image features are projected."""

    def __init__(
        self,
        classifier_weight: torch.Tensor,
        wordnet: WordNet,
        encode: SentenceEncoder,
        embed_dim: int,
    ) -> None:
        self.encode = encode
        self.wordnet = wordnet
        centred = classifier_weight - classifier_weight.mean(0)
        self.space = image_space(centred, embed_dim)
        self.weights = F.normalize(centred, dim=1)
        # One of the 1,000 classes, the teddy bear, is not in the list of 21,841.
        named = {s for s in (*all_synsets(), *class_synsets()) if s in wordnet.nouns}
        self.synsets = sorted({a for s in named for a in wordnet.ancestors(s)})
        self._build_anchors()
        self._build_lemma_table()
        names = [", ".join(wordnet.nouns[c].lemmas[:LEMMAS_PER_SYNSET]) for c in class_synsets()]
        raw = self.raw(encode(names))
        self.offset = MEAN_SHARE * raw.mean(0)

    def _build_anchors(self) -> None:
        """anchors: [S, 1280] unit vectors; known: [S] whether a class lies below."""
        nouns = self.wordnet.nouns
        row = {s: i for i, s in enumerate(self.synsets)}
        lemmas = self.encode([", ".join(nouns[s].lemmas) for s in self.synsets])
        glosses = self.encode([nouns[s].definition for s in self.synsets])
        own = F.normalize(lemmas + glosses, dim=1)
        parents = torch.zeros_like(own)
        for i, s in enumerate(self.synsets):
            above = [row[p] for p in nouns[s].hypernyms if p in row]
            if above:
                parents[i] = own[above].mean(0)
        text = F.normalize(own + 0.5 * parents, dim=1)
        of_class = text[[row[c] for c in class_synsets()]]
        regression = KernelRidge(of_class, self.weights)(text)
        self.class_names = lemmas[[row[c] for c in class_synsets()]]
        self.regression = KernelRidge(self.class_names, self.weights)

        mean = of_class.mean(0)
        cosine = F.normalize(text - mean, dim=1) @ F.normalize(of_class - mean, dim=1).T
        lin = lin_similarity(self.wordnet, self.synsets)
        near = (0.05 + lin) ** 2 * cosine.clamp(min=0) ** 2
        similar = F.normalize(near @ self.weights, dim=1)
        member = class_membership(self.wordnet, self.synsets)
        self.known = member.sum(1) > 0
        below = F.normalize(member @ self.weights, dim=1)
        unknown = F.normalize(similar + regression, dim=1)
        self.anchors = torch.where(self.known[:, None], below, unknown)

    def _build_lemma_table(self) -> None:
        """For the k-th lemma of every synset that has one: rows of synsets, vectors, penalties."""
        nouns, ranks = self.wordnet.nouns, self.wordnet.sense_rank
        kept = (nouns[s].lemmas[:LEMMAS_PER_SYNSET] for s in self.synsets)
        unique = sorted({lemma for lemmas in kept for lemma in lemmas})
        vectors = self.encode(unique)
        number = {lemma: i for i, lemma in enumerate(unique)}
        self.lemma_slots = []
        for k in range(LEMMAS_PER_SYNSET):
            rows = [i for i, s in enumerate(self.synsets) if len(nouns[s].lemmas) > k]
            texts = [nouns[self.synsets[i]].lemmas[k] for i in rows]
            senses = [(t.lower(), self.synsets[i]) for t, i in zip(texts, rows, strict=True)]
            rank = [ranks.get(sense, 0) for sense in senses]
            penalty = SENSE_PENALTY * torch.tensor(rank, dtype=torch.float32)
            index = torch.tensor([number[t] for t in texts])
            self.lemma_slots.append((torch.tensor(rows), vectors[index], penalty))

    def raw(self, sentences: torch.Tensor, chunk: int = 1024) -> torch.Tensor:
        """Sentence vectors [N, 384] -> unit vectors [N, E] before the mean is taken off."""
        out = []
        bonus = CLASS_BONUS * self.known.float()
        for part in sentences.split(chunk):
            scores = torch.full((len(part), len(self.synsets)), -9.0)
            for rows, vectors, penalty in self.lemma_slots:
                here = part @ vectors.T - penalty
                scores[:, rows] = torch.maximum(scores[:, rows], here)
            top, index = scores.topk(NEAREST_ANCHORS, dim=1)
            share = (ANCHOR_SCALE * top + bonus[index]).softmax(1)
            anchors = torch.stack([s @ self.anchors[i] for s, i in zip(share, index, strict=True)])
            mixed = ANCHOR_SHARE * F.normalize(anchors, dim=1)
            mixed = mixed + (1 - ANCHOR_SHARE) * self.regression(part)
            out.append(F.normalize(self.space.text(mixed), dim=1))
        return torch.cat(out)

    def class_targets(self) -> torch.Tensor:
        """The 1,000 classes' own targets, [1000, E]: what the relational loss compares with."""
        return F.normalize(self.raw(self.class_names) - self.offset, dim=1)

    def __call__(self, texts: Sequence[str]) -> torch.Tensor:
        """Targets of texts, [N] -> [N, E], rows of length 1."""
        return F.normalize(self.raw(self.encode(texts)) - self.offset, dim=1)
