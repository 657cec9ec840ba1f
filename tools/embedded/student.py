"""The text tower: a one-layer CLIP text transformer that learns the teacher's vectors.

One layer has a consequence that makes training on two CPU cores possible: only the output at the
end-of-text token is used, so the layer needs one query per text, and that query can be carried to
the tokens instead of projecting every token to a key and a value. `end_features` computes exactly
what open_clip's own forward does, at a fraction of the work (a test compares them).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from open_clip.tokenizer import SimpleTokenizer
from open_clip.transformer import TextTransformer

SOS, EOS = 49406, 49407
PART = 512
TOKEN_STD = 0.03
# The plain photo stands twice: it is the one that people use.
TEMPLATES = (
    "{}", "{}.", "a {}", "a {}.", "the {}.",
    "a photo of {}.", "a photo of a {}.", "a photo of a {}.", "a photo of the {}.",
    "a picture of a {}.", "an image of a {}.", "a bad photo of a {}.", "a blurry photo of a {}.",
    "a close-up photo of a {}.", "a photo of one {}.", "a photo of many {}.",
    "a drawing of a {}.", "a painting of a {}.", "a photo of a {}, a kind of thing.",
    "this is a {}.",
)  # fmt: skip


@dataclass(frozen=True)
class Tokens:
    """Token ids of texts without SOS and EOS. ids: [N, L] zero-padded, lengths: [N]."""

    ids: torch.Tensor
    lengths: torch.Tensor

    def pick(self, index: torch.Tensor) -> Tokens:
        """The texts with these numbers."""
        return Tokens(self.ids[index], self.lengths[index])


def tokenize(texts: Sequence[str], longest: int) -> Tokens:
    """CLIP's byte-pair ids of texts, cut to `longest` tokens."""
    tokenizer = SimpleTokenizer()
    rows = [tokenizer.encode(text)[:longest] for text in texts]
    ids = torch.zeros(len(rows), max(1, *map(len, rows)), dtype=torch.long)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(row)
    return Tokens(ids, torch.tensor([len(row) for row in rows]))


def token_table(
    encode: Callable[[Sequence[str]], torch.Tensor], width: int, std: float
) -> torch.Tensor:
    """Initial token embeddings [49408, width]: principal components of tokens' sentence vectors."""
    tokenizer = SimpleTokenizer()
    texts = []
    for i in range(len(tokenizer.encoder)):
        text = re.sub(r"</w>", "", tokenizer.decoder[i]).strip()
        texts.append(text or ".")
    vectors = encode(texts)
    vectors = vectors - vectors.mean(0)
    _, directions = torch.linalg.eigh(vectors.T @ vectors)
    table = vectors @ directions[:, -width:].flip(1)
    # Signs of eigenvectors are arbitrary; fixed, every machine starts from the same table.
    table = table * torch.sign(table[table.abs().argmax(0), torch.arange(width)])
    return table * (std / table.std())


def new_tower(
    config: dict[str, Any], embed_dim: int, encode: Callable[[Sequence[str]], torch.Tensor]
) -> TextTransformer:
    """open_clip's text tower with its table set from the tokens' sentence vectors."""
    config = {key: value for key, value in config.items() if key != "vocab_size"}
    tower = TextTransformer(output_dim=embed_dim, **config)
    with torch.no_grad():
        tower.token_embedding.weight.copy_(token_table(encode, tower.width, TOKEN_STD))
    return tower


def end_features(
    tower: TextTransformer,
    tokens: torch.Tensor,
    ends: torch.Tensor,
    projection: torch.Tensor | None = None,
) -> torch.Tensor:
    """Text features from token embeddings, [B, L, D] -> [B, E], equal to open_clip's own forward.

    tokens: token embeddings without the positional ones; ends: [B] index of EOS; projection: [D, E]
    in place of the tower's own.
    """
    block = tower.transformer.resblocks[0]
    attn, width = block.attn, tower.width
    heads, size = attn.num_heads, width // attn.num_heads
    batch, length = tokens.shape[:2]
    x = block.ln_1(tokens + tower.positional_embedding[:length])
    row = torch.arange(batch)
    end = tokens[row, ends] + tower.positional_embedding[ends]
    w_q, w_k, w_v = attn.in_proj_weight.chunk(3)
    b_q, _, b_v = attn.in_proj_bias.chunk(3)
    q = (block.ln_1(end) @ w_q.T + b_q).view(batch, heads, size) / math.sqrt(size)
    # q.(W_k x + b_k): the part with b_k is the same for all tokens and drops out of the softmax.
    carried = torch.einsum("bhs,hsd->bhd", q, w_k.view(heads, size, width))
    scores = carried @ x.transpose(1, 2)
    after_end = torch.arange(length) > ends[:, None]
    scores = scores.masked_fill(after_end[:, None], float("-inf"))
    mixed = scores.softmax(-1) @ x
    values = torch.einsum("bhd,hsd->bhs", mixed, w_v.view(heads, size, width)).reshape(batch, width)
    out = end + attn.out_proj(values + b_v)
    out = out + block.mlp(block.ln_2(out))
    return tower.ln_final(out) @ (tower.text_projection if projection is None else projection)


class Composer:
    """Draws texts in many forms: bare, in a template, or after random context vectors."""

    def __init__(
        self,
        names: Tokens,
        n_ctx: int,
        generator: torch.Generator,
        templates: Sequence[str] = TEMPLATES,
    ) -> None:
        self.names, self.n_ctx, self.generator = names, n_ctx, generator
        halves = [t.split("{}") for t in templates]
        self.before = tokenize([h[0] for h in halves], 16)
        self.after = tokenize([h[1] for h in halves], 16)
        self.dot = tokenize(["."], 1).ids[0, 0]

    def __call__(
        self, index: torch.Tensor, context: bool, longest: int
    ) -> tuple[torch.Tensor, ...]:
        """Ids [B, L] (-1 marks a place for a context vector) and the index of EOS [B]."""
        batch, g = len(index), self.generator
        name, n_name = self.names.ids[index], self.names.lengths[index]
        if context:
            # One number for the whole part, so that no place is wasted; often the full number.
            count = int(torch.randint(1, 2 * self.n_ctx, (), generator=g).clamp(max=self.n_ctx))
            before, n_before = torch.full((batch, count), -1), torch.full((batch,), count)
            after = torch.full((batch, 1), int(self.dot))
            n_after = torch.ones(batch, dtype=torch.long)
        else:
            kind = torch.randint(0, len(self.before.ids), (batch,), generator=g)
            kind[torch.rand(batch, generator=g) < 0.4] = 0
            before, n_before = self.before.ids[kind], self.before.lengths[kind]
            after, n_after = self.after.ids[kind], self.after.lengths[kind]
        n_name = n_name.clamp(max=longest - 2 - int(n_before.max()) - int(n_after.max()))
        ends = 1 + n_before + n_name + n_after
        place = torch.arange(int(ends.max()) + 1).expand(batch, -1)
        ids = torch.zeros_like(place)
        ids[:, 0] = SOS
        for part, count, start in (
            (before, n_before, torch.ones_like(n_before)),
            (name, n_name, 1 + n_before),
            (after, n_after, 1 + n_before + n_name),
        ):
            at = place - start[:, None]
            inside = (at >= 0) & (at < count[:, None])
            values = part.gather(1, at.clamp(0, part.shape[1] - 1))
            ids = torch.where(inside, values, ids)
        ids[torch.arange(batch), ends] = EOS
        return ids, ends
