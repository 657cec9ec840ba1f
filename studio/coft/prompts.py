"""Learnable prompts, [SOS] V_1 ... V_M name . [EOS], for text towers of open_clip (Eq. 2-3)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from studio.clip.backbone import Backbone
from studio.errors import ModelError

PLACEHOLDER = "x"
"""A word of one token; its embeddings are replaced by the context vectors."""


class PromptTemplate:
    """The class names tokenised behind M placeholders, and where these stand.

    tokens: (C, L) int64; start: the first placeholder's position (behind SOS where there is one).
    """

    def __init__(self, backbone: Backbone, class_names: Sequence[str], *, n_ctx: int) -> None:
        # Underscores become spaces and a full stop follows the name [DeFT].
        texts = [" ".join([PLACEHOLDER] * n_ctx + [f"{n.replace('_', ' ')}."]) for n in class_names]
        self.tokens = backbone.tokenizer(texts).to(backbone.device)
        self.n_ctx = n_ctx
        self.start = _run_of_equal_tokens(self.tokens[0].tolist(), n_ctx)
        self._model = backbone.model
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
            before, after = output[:, : self.start], output[:, self.start + self.n_ctx :]
            return torch.cat([before, vectors.to(output.dtype), after], dim=1)

        handle = self._embedding.register_forward_hook(put_in)
        try:
            features: Tensor = self._model.encode_text(self.tokens)  # type: ignore[operator]
        finally:
            handle.remove()
        return features.float()


def _token_embedding(model: nn.Module) -> nn.Embedding:
    for owner in (model, getattr(model, "text", None)):
        embedding = getattr(owner, "token_embedding", None)
        if isinstance(embedding, nn.Embedding):
            return embedding
    raise ModelError(
        "This model's text tower has no open_clip token embedding, so prompts cannot be learned "
        "on it; choose another model."
    )


def _run_of_equal_tokens(tokens: Sequence[int], length: int) -> int:
    """Position of the first run of `length` equal tokens."""
    for start in range(len(tokens) - length + 1):
        if len(set(tokens[start : start + length])) == 1:
            return start
    raise ModelError(
        f"{length} context vectors do not fit the model's text length of {len(tokens)} tokens; "
        "lower n_ctx."
    )
