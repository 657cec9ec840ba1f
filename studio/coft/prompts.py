"""Learnable prompts, [SOS] V_1 ... V_M name . [EOS], for text towers of open_clip (Eq. 2-3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from studio.clip.backbone import Backbone
from studio.errors import ModelError

PLACEHOLDERS = (("x", "y"), ("a", "b"), ("cat", "dog"))
"""Pairs of words of one token each; one's embeddings are replaced by the context vectors."""


def learnable_text(class_name: str, n_ctx: int, word: str = "x") -> str:
    """A class name behind n_ctx placeholders, as it is tokenised."""
    # Underscores become spaces and a full stop follows the name [DeFT].
    return " ".join([word] * n_ctx + [f"{class_name.replace('_', ' ')}."])


class PromptTemplate:
    """The class names tokenised behind M placeholders, and where these stand.

    tokens: (C, L) int64; places: (C, M) int64, the placeholders' positions, found by tokenising two
    of them: whatever a tokenizer puts before, between or behind, the positions that differ are
    theirs.
    """

    def __init__(self, backbone: Backbone, class_names: Sequence[str], *, n_ctx: int) -> None:
        for words in PLACEHOLDERS:
            self.tokens, others = (
                backbone.tokenizer([learnable_text(name, n_ctx, word) for name in class_names])
                for word in words
            )
            differs = self.tokens != others
            if bool((differs.sum(1) == n_ctx).all()):
                break
        else:
            raise ModelError(
                f"{n_ctx} context vectors do not fit the model's text length of "
                f"{self.tokens.shape[1]} tokens; lower n_ctx."
            )
        if _lost(self.tokens, backbone.tokenizer(list(class_names))):
            raise ModelError(
                f"{n_ctx} context vectors leave no room for the class names in the model's text "
                f"length of {self.tokens.shape[1]} tokens; lower n_ctx."
            )
        self.places = differs.nonzero()[:, 1].view(len(class_names), n_ctx).to(backbone.device)
        self.tokens = self.tokens.to(backbone.device)
        self.n_ctx = n_ctx
        self._texts, self._cut = _Texts(backbone.model), _cut_behind(backbone.model, self.tokens)
        length = min([*map(len, self._cut.values()), self.tokens.shape[1]])
        self._read = self.tokens[:, :length]
        self._embedding = _token_embedding(backbone.model)

    @property
    def width(self) -> int:
        """Length of one context vector."""
        return int(self._embedding.embedding_dim)

    def encode(self, context: Tensor) -> Tensor:
        """Raw text features (C, d) of all classes under a context of (M, w) or (C, M, w)."""
        classes = len(self.tokens)
        vectors = context.expand(classes, -1, -1) if context.dim() == 2 else context

        def put_in(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
            places = self.places.unsqueeze(-1).expand_as(vectors)
            return output.scatter(1, places, vectors.to(output.dtype))

        handle = self._embedding.register_forward_hook(put_in)
        try:
            features: Tensor = functional_call(
                self._texts, self._cut, (self._read,), tie_weights=False
            )
        finally:
            handle.remove()
        return features.float()


def _lost(prompts: Tensor, names: Tensor) -> bool:
    """Whether all prompts (C, L) are the same and the names' own tokens (C, L) are not."""
    return bool((prompts == prompts[:1]).all()) and not bool((names == names[:1]).all())


def _token_embedding(model: nn.Module) -> nn.Embedding:
    for owner in (model, getattr(model, "text", None)):
        embedding = getattr(owner, "token_embedding", None)
        if isinstance(embedding, nn.Embedding):
            return embedding
    raise ModelError(
        "This model's text tower has no open_clip token embedding, so prompts cannot be learned "
        "on it; choose another model."
    )


class _Texts(nn.Module):
    """A model's text side as a module of its own."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: Tensor) -> Tensor:
        """(C, L) int64 to raw features (C, d)."""
        features: Tensor = self.model.encode_text(tokens)
        return features


def _cut_behind(model: Any, tokens: Tensor) -> dict[str, Tensor]:
    """What `_Texts` needs instead of its own, to read no further than the longest text ends.

    Under a causal mask nothing that stands behind the end of a text reaches its features. A text
    tower of 48 tokens reads prompts of 22 in half of the time. Empty where the tower looks at all.
    """
    name, owner = ("text", model.text) if hasattr(model, "text") else ("", model)
    mask, positions = (getattr(owner, own, None) for own in ("attn_mask", "positional_embedding"))
    if mask is None or positions is None or getattr(owner, "cls_emb", None) is not None:
        return {}
    rows, columns = torch.triu_indices(len(mask), len(mask), 1).unbind()
    if mask.dim() != 2 or not bool(torch.isneginf(mask[rows, columns]).all()):
        return {}
    pool = getattr(owner, "pool_type", getattr(owner, "text_pool_type", ""))
    if pool == "argmax":
        ends = tokens.argmax(-1)
    elif pool == "eos":
        end = getattr(owner, "eos_id", getattr(owner, "text_eos_id", -1))
        ends = (tokens == end).int().argmax(-1)
    else:
        return {}
    length = int(ends.max()) + 1
    prefix = ".".join(part for part in ("model", name) if part)
    return {
        f"{prefix}.attn_mask": mask[:length, :length],
        f"{prefix}.positional_embedding": positions[:length],
    }
