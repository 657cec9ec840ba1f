"""Learnable prompts, [SOS] V_1 ... V_M name . [EOS], for text towers of open_clip (Eq. 2-3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from studio.clip.backbone import Backbone
from studio.clip.tokens import Tokenizer
from studio.errors import ModelError

PLACEHOLDERS = (("x", "y"), ("a", "b"), ("cat", "dog"))
"""Pairs of words of one token each; one's embeddings are replaced by the context vectors."""

LEAST_CONTEXT = 4
"""Context vectors that a long name does not take away: CoOp's short context."""
_NAMED = 5


def learnable_text(class_name: str, n_ctx: int, word: str = "x") -> str:
    """A class name behind n_ctx placeholders, as it is tokenised."""
    # Underscores become spaces and a full stop follows the name [DeFT].
    return " ".join([word] * n_ctx + [f"{class_name.replace('_', ' ')}."])


class PromptTemplate:
    """The class names tokenised behind M placeholders, and where these stand.

    tokens: (C, L) int64; places: (C, M) int64, the placeholders' positions, found by tokenising two
    of them: whatever a tokenizer puts before, between or behind, the positions that differ are
    theirs; n_ctx: M, see `fitting_context`; warning: what became of M and of long names, "" where
    all is as it was asked for.
    """

    def __init__(self, backbone: Backbone, class_names: Sequence[str], *, n_ctx: int) -> None:
        """n_ctx: context vectors, at most.

        Raises:
            ModelError: they do not fit, or classes would have the same prompt.
        """
        asked, n_ctx = n_ctx, fitting_context(backbone.tokenizer, class_names, n_ctx)
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
        if same := _same(backbone.tokenizer, class_names, self.tokens):
            raise ModelError(
                f"The class names {same[0]!r} and {same[1]!r} are the same where they are cut to "
                f"the model's text length of {self.tokens.shape[1]} tokens, {n_ctx} of which are "
                "context vectors (n_ctx); shorten the names, or lower n_ctx."
            )
        self.warning = _warning(backbone.tokenizer, class_names, asked, n_ctx)
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


def fitting_context(tokenizer: object, class_names: Sequence[str], n_ctx: int) -> int:
    """So many context vectors that class names are whole behind them: n_ctx, or fewer where the
    model reads short texts (SigLIP's SO400M 16 tokens, PE-Core and CLIPA 32).

    Names that are too long for LEAST_CONTEXT of them are cut anyway, and take none away [studio].
    """
    if not isinstance(tokenizer, Tokenizer):
        return n_ctx

    def cut(names: Sequence[str], count: int) -> set[str]:
        return set(_cut(tokenizer, names, count))

    fits, too_many = min(n_ctx, LEAST_CONTEXT), n_ctx + 1
    endless = cut(class_names, fits)
    names = [name for name in class_names if name not in endless]
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        if cut(names, middle):
            too_many = middle
        else:
            fits = middle
    return fits if names else min(n_ctx, LEAST_CONTEXT)


def _cut(tokenizer: Tokenizer, names: Sequence[str], n_ctx: int) -> list[str]:
    """Names that are not whole behind so many context vectors."""
    texts = {learnable_text(name, n_ctx): name for name in names}
    return [texts[text] for text in tokenizer.longer(list(texts))]


def _same(tokenizer: object, class_names: Sequence[str], prompts: Tensor) -> tuple[str, str] | None:
    """Two names that are the same prompt because they are cut; not those that are alike anyway."""
    first: dict[tuple[int, ...], str] = {}
    if isinstance(tokenizer, Tokenizer):
        for name, row in zip(class_names, prompts.tolist(), strict=True):
            other = first.setdefault(tuple(row), name)
            ends = {learnable_text(one, 0) for one in (other, name)}
            if len(ends) > 1 and len({tokenizer.whole(end) for end in ends}) > 1:
                return other, name
    return None


def _warning(tokenizer: object, class_names: Sequence[str], asked: int, n_ctx: int) -> str:
    """What is to be said of so many context vectors in place of those asked for, and of names that
    are cut.
    """
    said = []
    if n_ctx < asked:
        said.append(
            f"Prompts are learned with {n_ctx} context vectors instead of n_ctx={asked}, so that "
            "the class names have room in the texts that this model reads."
        )
    cut = _cut(tokenizer, class_names, n_ctx) if isinstance(tokenizer, Tokenizer) else []
    if cut:
        one = len(cut) == 1
        shown = ", ".join(name if len(name) <= 80 else f"{name[:80]} …" for name in cut[:_NAMED])
        said.append(
            f"{'1 class name is' if one else f'{len(cut)} class names are'} too long for learned "
            f"prompts on this model and will be cut: {shown}{' …' if len(cut) > _NAMED else ''}."
        )
    return " ".join(said)


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
