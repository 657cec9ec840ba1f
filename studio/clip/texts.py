"""The text side of a model: sentences to class vectors, each sentence encoded once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from studio.clip.backbone import Backbone
from studio.clip.encode import encode_texts
from studio.clip.tokens import Tokenizer
from studio.forking import Lock

_REMEMBERED = 20_000  # sentences; 40 MB at 512 numbers each


class TextTower:
    """Class vectors of one model. Safe to use from several threads, one of which works at a time.

    Remembered sentences are why an edited prompt costs one sentence and not all of them.
    """

    def __init__(self, backbone: Backbone) -> None:
        self.backbone = backbone
        self._known: OrderedDict[str, Tensor] = OrderedDict()
        self._lock = Lock()

    def let_go_of_images(self) -> None:
        """Free the image tower, by far the larger part of a model; only texts work from then on."""
        _ = self.backbone.fingerprint  # of all weights, while they are there
        self.backbone.model.visual = nn.Identity()

    def features(self, sentences: Sequence[str]) -> Tensor:
        """(n, d) unit vectors of n sentences, float32 on the CPU."""
        with self._lock:
            new = [text for text in dict.fromkeys(sentences) if text not in self._known]
            if new:
                vectors = normalize(encode_texts(self.backbone, new), dim=-1)
                self._known.update(zip(new, vectors, strict=True))
            found = torch.stack([self._known[text] for text in sentences])
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
            return found

    def class_vectors(self, texts: Sequence[Sequence[Sequence[str]]]) -> Tensor:
        """(C, d) one unit vector per class: the mean of its groups, a group that of its sentences.

        Means are normalised before and after. Groups count the same, however many sentences are in
        them: with one template beside four sentences a mean of all five labels worse [studio;
        docs/lab-notes.md].

        texts: C lists of at least one group of at least one sentence.
        """
        groups = [group for own in texts for group in own]
        features = self.features([text for group in groups for text in group])
        return _means(_means(features, map(len, groups)), map(len, texts))

    def cut_short(self, texts: Sequence[str]) -> list[str]:
        """Sentences that are longer than the model reads; they are cut at a word."""
        tokenizer = self.backbone.tokenizer
        return tokenizer.longer(texts) if isinstance(tokenizer, Tokenizer) else []


def _means(vectors: Tensor, sizes: Iterable[int]) -> Tensor:
    """Unit vectors of the means of so many vectors (n, d) each, in turn."""
    means = [part.mean(0) for part in vectors.split(list(sizes))]
    return normalize(torch.stack(means), dim=-1)
