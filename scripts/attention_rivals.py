"""Ways to attend within sentences that lie end to end: ours, PyTorch's, and its compiler's."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nmt.neural.kernels import packed_attention_gpu
from nmt.neural.kernels.attention_spans import AttentionSpans

Rival: TypeAlias = Callable[..., Any]


def attention_rivals(
    q_at: Tensor, k_at: Tensor, q_lengths: np.ndarray, k_lengths: np.ndarray,
    spans: AttentionSpans,
    causal: bool,
) -> dict[str, Rival]:  # fmt: skip
    """Ways to attend within sentences that lie end to end."""
    longest_q, longest_k = int(q_lengths.max()), int(k_lengths.max())
    q_grid, q_mask = _grid(q_at, longest_q)
    k_grid, k_mask = _grid(k_at, longest_k)
    visible = k_mask[:, None, None, :]
    if causal:
        past = torch.ones(longest_q, longest_k, dtype=torch.bool, device=q_at.device).tril()
        visible = visible & past
    # Where each row lies in the grid; the other way round than the mask, and of a fixed shape.
    places = q_at.new_zeros(int(q_at[-1]), dtype=torch.int64)
    places[q_grid[q_mask]] = torch.arange(q_mask.numel(), device=q_at.device)[q_mask.view(-1)]

    def split(leaves: tuple[Tensor, ...]) -> tuple[Tensor, Tensor, Tensor]:
        if len(leaves) == 1:
            q, k, v = leaves[0].unbind(1)
            return q, k, v
        k, v = leaves[1].unbind(1)
        return leaves[0], k, v

    def ours(*leaves: Tensor) -> Tensor:
        if len(leaves) == 1:
            return packed_attention_gpu.packed_self_attention(leaves[0], spans)
        return packed_attention_gpu.packed_cross_attention(leaves[0], leaves[1], spans)

    def padded(*leaves: Tensor) -> Tensor:
        q, k, v = split(leaves)
        mixed = F.scaled_dot_product_attention(
            q[q_grid].transpose(1, 2), k[k_grid].transpose(1, 2), v[k_grid].transpose(1, 2),
            attn_mask=visible,
        ).transpose(1, 2)  # fmt: skip
        out: Tensor = mixed.flatten(0, 1)[places]
        return out

    def eager(*leaves: Tensor) -> Tensor:
        """The equation on the padded grid: what torch.compile can fuse as it likes."""
        q, k, v = split(leaves)
        scores = q[q_grid].transpose(1, 2) @ k[k_grid].permute(0, 2, 3, 1) * q.shape[-1] ** -0.5
        weights = scores.float().masked_fill(~visible, -torch.inf).softmax(-1).to(v.dtype)
        mixed = (weights @ v[k_grid].transpose(1, 2)).transpose(1, 2)
        out: Tensor = mixed.flatten(0, 1)[places]
        return out

    def varlen(*leaves: Tensor) -> Tensor:
        from torch.nn.attention.varlen import varlen_attn

        newer = "window_size" in inspect.signature(varlen_attn).parameters
        past: Any = {"window_size": (-1, 0)} if newer else {"is_causal": True}
        q, k, v = split(leaves)
        out: Any = varlen_attn(
            q.contiguous(), k.contiguous(), v.contiguous(), q_at, k_at, longest_q, longest_k,
            **(past if causal else {}),
        )  # fmt: skip
        mixed: Tensor = out
        return mixed

    def nested(*leaves: Tensor) -> Tensor:
        q, k, v = (
            torch.nested.nested_tensor_from_jagged(
                x.contiguous(), at, min_seqlen=1, max_seqlen=longest
            ).transpose(1, 2)
            for x, at, longest in zip(
                split(leaves), (q_at, k_at, k_at), (longest_q, longest_k, longest_k), strict=True
            )
        )
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
        out: Tensor = mixed.transpose(1, 2).values()
        return out

    return {
        "ours": ours, "eager": eager, "padded SDPA": padded, "varlen": varlen, "nested": nested,
        "flex": _flex(q_at, k_at, causal, split),
    }  # fmt: skip


def _grid(offsets: Tensor, longest: int) -> tuple[Tensor, Tensor]:
    column = torch.arange(longest, device=offsets.device)
    mask = column < (offsets[1:] - offsets[:-1])[:, None]
    return (offsets[:-1, None] + column).long() * mask, mask


def _flex(q_at: Tensor, k_at: Tensor, causal: bool, split: Any) -> Rival:
    """FlexAttention with a mask of sentences: PyTorch's own generator of such kernels."""
    made: list[Any] = []

    def flex(*leaves: Tensor) -> Tensor:
        from torch.nn.attention.flex_attention import create_block_mask, flex_attention

        q, k, v = split(leaves)
        if not made:
            sentence = [torch.repeat_interleave(at.diff()).to(torch.int32) for at in (q_at, k_at)]

            def sees(_: Tensor, __: Tensor, i: Tensor, j: Tensor) -> Tensor:
                same = sentence[0][i] == sentence[1][j]
                return same & (i >= j) if causal else same

            mask = create_block_mask(sees, None, None, len(q), len(k), device=q.device.type)
            attend = torch.compile(flex_attention) if q.is_cuda else flex_attention
            made.extend((attend, mask))
        q, k, v = (x.transpose(0, 1)[None] for x in (q, k, v))
        out: Tensor = made[0](q, k, v, block_mask=made[1])
        return out[0].transpose(0, 1)

    return flex
