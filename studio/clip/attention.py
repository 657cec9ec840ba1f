"""The attention of open_clip's transformers, on a path without detours.

torch's own `nn.MultiheadAttention` turns its input around first, and what is turned around lies
scattered in memory. In half precision, with weights that are not trained, torch 2.14 then copies
the weights once for each position instead of multiplying once: on the CPU a forward pass of
ViT-B/16 in bfloat16 takes nine times as long as it needs.

The modules stay where they are, with their names and parameters: only their class changes, to a
subclass.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn.functional import linear, scaled_dot_product_attention


def straighten_attention(model: nn.Module) -> int:
    """Make each plain self-attention of a model take the short path; how many there are."""
    count = 0
    for module in model.modules():
        if type(module) is nn.MultiheadAttention and _is_plain(module):
            module.__class__ = StraightAttention
            count += 1
    return count


def _is_plain(module: nn.MultiheadAttention) -> bool:
    """Images or texts first, all of one width, and nothing is added to keys or dropped."""
    same_width = module.in_proj_weight is not None
    adds_nothing = module.bias_k is None and not module.add_zero_attn
    return module.batch_first and same_width and adds_nothing and not module.dropout


class StraightAttention(nn.MultiheadAttention):
    """Self-attention that multiplies what lies in order."""

    def forward(  # type: ignore[override]
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        **more: Any,
    ) -> tuple[Tensor, Tensor | None]:
        """(B, L, d) to (B, L, d); attn_mask (L, L) is added to the scores."""
        alone = query is key is value and query.dim() == 3 and not need_weights
        added = attn_mask is None or (attn_mask.dim() == 2 and attn_mask.is_floating_point())
        if not (alone and added) or key_padding_mask is not None or more:
            return super().forward(
                query, key, value, key_padding_mask, need_weights, attn_mask, **more
            )
        together = linear(query, self.in_proj_weight, self.in_proj_bias)
        heads = together.unflatten(-1, (3, self.num_heads, self.head_dim)).permute(2, 0, 3, 1, 4)
        mask = None if attn_mask is None else attn_mask.to(heads.dtype)
        found = scaled_dot_product_attention(heads[0], heads[1], heads[2], attn_mask=mask)
        return self.out_proj(found.transpose(1, 2).flatten(2)), None
