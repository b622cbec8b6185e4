"""Packed attention on the GPU as operations that torch.compile and CUDA graphs take whole.

Self-attention has queries, keys and values in one buffer, and so their gradients: neither is cut up
or put together by copying.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from nmt.neural.kernels.attention_spans import AttentionSpans
from nmt.neural.kernels.counter import CounterKey
from nmt.neural.kernels.packed_attention_triton import launch_backward, launch_forward


@torch.library.custom_op("nmt::packed_self_attention", mutates_args=())
def _self(
    qkv_N3HE: Tensor, seen_2N: Tensor, seeing_2N: Tensor, words: Tensor | None, call: int,
    rate: float,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    q_NHE, k_NHE, v_NHE = qkv_N3HE.contiguous().unbind(1)
    return launch_forward(q_NHE, k_NHE, v_NHE, seen_2N, words, call, rate)


@torch.library.custom_op("nmt::packed_self_attention_backward", mutates_args=())
def _self_backward(
    d_out_NHE: Tensor, qkv_N3HE: Tensor, out_NHE: Tensor, lse_HN: Tensor, seen_2N: Tensor,
    seeing_2N: Tensor, words: Tensor | None, call: int, rate: float,
) -> Tensor:  # fmt: skip
    qkv_N3HE = qkv_N3HE.contiguous()
    d_qkv_N3HE = torch.empty_like(qkv_N3HE)
    q_NHE, k_NHE, v_NHE = qkv_N3HE.unbind(1)
    dq_NHE, dk_NHE, dv_NHE = d_qkv_N3HE.unbind(1)
    launch_backward(
        d_out_NHE.contiguous(), q_NHE, k_NHE, v_NHE, out_NHE, lse_HN, dq_NHE, dk_NHE, dv_NHE,
        AttentionSpans(seen_2N, seeing_2N), words, call, rate,
    )  # fmt: skip
    return d_qkv_N3HE


@torch.library.custom_op("nmt::packed_cross_attention", mutates_args=())
def _cross(
    q_NHE: Tensor, kv_M2HE: Tensor, seen_2N: Tensor, seeing_2M: Tensor, words: Tensor | None,
    call: int, rate: float,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    k_MHE, v_MHE = kv_M2HE.contiguous().unbind(1)
    return launch_forward(q_NHE.contiguous(), k_MHE, v_MHE, seen_2N, words, call, rate)


@torch.library.custom_op("nmt::packed_cross_attention_backward", mutates_args=())
def _cross_backward(
    d_out_NHE: Tensor, q_NHE: Tensor, kv_M2HE: Tensor, out_NHE: Tensor, lse_HN: Tensor,
    seen_2N: Tensor, seeing_2M: Tensor, words: Tensor | None, call: int, rate: float,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    q_NHE, kv_M2HE = q_NHE.contiguous(), kv_M2HE.contiguous()
    dq_NHE, d_kv_M2HE = torch.empty_like(q_NHE), torch.empty_like(kv_M2HE)
    k_MHE, v_MHE = kv_M2HE.unbind(1)
    dk_MHE, dv_MHE = d_kv_M2HE.unbind(1)
    launch_backward(
        d_out_NHE.contiguous(), q_NHE, k_MHE, v_MHE, out_NHE, lse_HN, dq_NHE, dk_MHE, dv_MHE,
        AttentionSpans(seen_2N, seeing_2M), words, call, rate,
    )  # fmt: skip
    return dq_NHE, d_kv_M2HE


def _fake_out(q_NHE: Tensor) -> tuple[Tensor, Tensor]:
    rows, heads, _ = q_NHE.shape
    lse_HN = q_NHE.new_empty(heads, rows, dtype=torch.float32)
    return torch.empty_like(q_NHE, memory_format=torch.contiguous_format), lse_HN


@_self.register_fake
def _(qkv_N3HE: Tensor, *_: Any) -> tuple[Tensor, Tensor]:
    return _fake_out(qkv_N3HE[:, 0])


@_cross.register_fake
def _(q_NHE: Tensor, *_: Any) -> tuple[Tensor, Tensor]:
    return _fake_out(q_NHE)


@_self_backward.register_fake
def _(d_out_NHE: Tensor, qkv_N3HE: Tensor, *_: Any) -> Tensor:
    return torch.empty_like(qkv_N3HE, memory_format=torch.contiguous_format)


@_cross_backward.register_fake
def _(d_out_NHE: Tensor, q_NHE: Tensor, kv_M2HE: Tensor, *_: Any) -> tuple[Tensor, Tensor]:
    contiguous = torch.contiguous_format
    return (
        torch.empty_like(q_NHE, memory_format=contiguous),
        torch.empty_like(kv_M2HE, memory_format=contiguous),
    )


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    *tensors, ctx.call, ctx.rate = inputs
    # The inputs in order, with the outputs between queries (and keys) and the spans.
    ctx.save_for_backward(*tensors[:-3], *output, *tensors[-3:])


def _differentiate_self(ctx: Any, d_out_NHE: Tensor, _: Tensor) -> tuple[Any, ...]:
    d_qkv = _self_backward(d_out_NHE, *ctx.saved_tensors, ctx.call, ctx.rate)
    return d_qkv, None, None, None, None, None


def _differentiate_cross(ctx: Any, d_out_NHE: Tensor, _: Tensor) -> tuple[Any, ...]:
    dq, d_kv = _cross_backward(d_out_NHE, *ctx.saved_tensors, ctx.call, ctx.rate)
    return dq, d_kv, None, None, None, None, None


_self.register_autograd(_differentiate_self, setup_context=_keep)
_cross.register_autograd(_differentiate_cross, setup_context=_keep)


def packed_self_attention(
    qkv_N3HE: Tensor, spans: AttentionSpans, rate: float = 0.0, key: CounterKey | None = None
) -> Tensor:
    """See `nmt.neural.kernels.packed_attention.packed_self_attention`: [N, H, E]."""
    words, call = (key.words, key.call) if key is not None and rate else (None, 0)
    out: Tensor = _self(qkv_N3HE, *spans, words, call, rate)[0]
    return out


def packed_cross_attention(
    q_NHE: Tensor, kv_M2HE: Tensor, spans: AttentionSpans, rate: float = 0.0,
    key: CounterKey | None = None,
) -> Tensor:  # fmt: skip
    """See `nmt.neural.kernels.packed_attention.packed_cross_attention`: [N, H, E]."""
    words, call = (key.words, key.call) if key is not None and rate else (None, 0)
    out: Tensor = _cross(q_NHE, kv_M2HE, *spans, words, call, rate)[0]
    return out
