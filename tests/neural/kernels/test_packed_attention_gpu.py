from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from nmt.neural.kernels.attention_spans import attention_spans
from nmt.neural.kernels.counter import (
    CounterKey,
    call_words_reference,
    drop_limit,
    key_words,
    mixed_bits_reference,
)
from tests.neural.exactness import assert_kernel_as_exact

gpu = pytest.importorskip(
    "nmt.neural.kernels.packed_attention_gpu", reason="needs Triton", exc_type=ImportError
)

SELF = [[5], [1, 6, 1], [3, 0, 1, 7], [33, 2, 34]]
"""Lengths; those of the last go over the bounds of tiles."""

CROSS = [([3, 1, 0, 7], [1, 0, 4, 2]), ([2, 37, 1], [40, 3, 30])]

RATES = [0.0, 0.4]


def offsets_of(lengths: list[int], device: str) -> Tensor:
    return torch.tensor(np.concatenate(([0], np.cumsum(lengths))), dtype=torch.int32).to(device)


def kept_weights(queries: int, keys: int, heads: int, rate: float, key: CounterKey) -> Tensor:
    """The factor of each weight, [H, N, M]: 0, or 1/(1 - rate)."""
    device = key.words.device
    one, other = call_words_reference(key)
    row = torch.arange(queries, device=device) * heads
    row_HN = row + torch.arange(heads, device=device)[:, None]
    word_HN1 = mixed_bits_reference(row_HN, one, other)[:, :, None]
    bits_HNM = mixed_bits_reference(torch.arange(keys, device=device), word_HN1, other)
    return (bits_HNM >= drop_limit(rate) % 2**32) / (1 - rate)


def by_sentence(
    qkv: Sequence[Tensor], q_lengths: list[int], k_lengths: list[int], *,
    causal: bool = False, factors: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The equation, one sentence after the other: [N, H, E]."""
    q, k, v = qkv
    parts = []
    i = j = 0
    for queries, keys in zip(q_lengths, k_lengths, strict=True):
        q_b, k_b, v_b = q[i : i + queries], k[j : j + keys], v[j : j + keys]
        scores = torch.einsum("lhe,she->hls", q_b, k_b) / math.sqrt(q.shape[-1])
        if causal:
            scores = scores + torch.full_like(scores, -math.inf).triu(1)
        weights = torch.softmax(scores, dim=-1)
        if factors is not None:
            weights = weights * factors[:, i : i + queries, j : j + keys].to(weights.dtype)
        parts.append(torch.einsum("hls,she->lhe", weights, v_b))  # zeros where there is no key
        i, j = i + queries, j + keys
    parts.append(torch.zeros_like(q[i:]))
    return torch.cat(parts)


def assert_self_exact(
    lengths: list[int], heads: int, width: int, padding: int, rate: float, causal: bool,
    device: str, dtype: torch.dtype,
) -> None:  # fmt: skip
    rows = sum(lengths) + padding
    offsets = offsets_of(lengths, device)
    spans = attention_spans(offsets, offsets, rows, rows, causal=causal)
    key = CounterKey(key_words(1, 2, device), 3)
    factors = kept_weights(rows, rows, heads, rate, key) if rate else None
    assert_kernel_as_exact(
        lambda x: gpu.packed_self_attention(x, spans, rate, key),
        lambda x: by_sentence(x.unbind(1), lengths, lengths, causal=causal, factors=factors),
        [torch.randn(rows, 3, heads, width, dtype=torch.float64, device=device)],
        torch.randn(rows, heads, width, dtype=torch.float64, device=device),
        dtype,
    )


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("lengths", SELF)
def test_self_attention_is_as_exact_as_pytorch(
    lengths: list[int], causal: bool, rate: float, device: str, dtype: torch.dtype
) -> None:
    assert_self_exact(lengths, 2, 32, 2, rate, causal, device, dtype)


@pytest.mark.parametrize("width", [64, 128])
def test_wider_heads(width: int, device: str, dtype: torch.dtype) -> None:
    assert_self_exact([3, 5], 3, width, 0, 0.3, True, device, dtype)


def test_a_sentence_of_one_piece_gives_its_value(device: str, dtype: torch.dtype) -> None:
    x = torch.randn(3, 3, 2, 32, device=device, dtype=dtype, requires_grad=True)
    offsets = offsets_of([1, 1, 1], device)
    out = gpu.packed_self_attention(x, attention_spans(offsets, offsets, 3, 3))
    assert torch.equal(out, x[:, 2])
    d_out = torch.randn_like(out)
    (gradient,) = torch.autograd.grad(out, x, d_out)
    assert torch.equal(gradient[:, 2], d_out)
    # The weight is 1 whatever the score; nothing is left but rounding.
    assert float(gradient[:, :2].abs().max()) < 100 * torch.finfo(torch.float32).eps


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("lengths", CROSS)
def test_cross_attention_is_as_exact_as_pytorch(
    lengths: tuple[list[int], list[int]], rate: float, device: str, dtype: torch.dtype
) -> None:
    queries, keys = sum(lengths[0]) + 1, sum(lengths[1]) + 3
    spans = attention_spans(
        offsets_of(lengths[0], device), offsets_of(lengths[1], device), queries, keys
    )
    key = CounterKey(key_words(5, 6, device), 1)
    factors = kept_weights(queries, keys, 2, rate, key) if rate else None
    assert_kernel_as_exact(
        lambda q, kv: gpu.packed_cross_attention(q, kv, spans, rate, key),
        lambda q, kv: by_sentence((q, *kv.unbind(1)), *lengths, factors=factors),
        [
            torch.randn(queries, 2, 32, dtype=torch.float64, device=device),
            torch.randn(keys, 2, 2, 32, dtype=torch.float64, device=device),
        ],
        torch.randn(queries, 2, 32, dtype=torch.float64, device=device),
        dtype,
    )


def test_a_sentence_does_not_feel_its_neighbours(device: str) -> None:
    x = torch.randn(12, 3, 1, 32, device=device)
    offsets = offsets_of([3, 5, 4], device)
    spans = attention_spans(offsets, offsets, 12, 12)
    before = gpu.packed_self_attention(x, spans)
    x[3:8] *= 100
    after = gpu.packed_self_attention(x, spans)
    assert torch.equal(before[:3], after[:3])
    assert torch.equal(before[8:], after[8:])
    assert not torch.equal(before[3:8], after[3:8])


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # of infinite scores
def test_rows_of_no_sentence_neither_give_nor_get(device: str) -> None:
    offsets = offsets_of([3, 2], device)
    spans = attention_spans(offsets, offsets, 8, 8, causal=True)
    x = torch.randn(8, 3, 1, 32, device=device)
    x[5:] = torch.inf
    x.requires_grad_()
    out = gpu.packed_self_attention(x, spans)
    assert bool(out.isfinite().all())
    assert not out[5:].any()
    (gradient,) = torch.autograd.grad(out.square().sum(), x)
    assert bool(gradient.isfinite().all())
    assert not gradient[5:].any()
    assert gradient[:5].any()


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_number_that_is_none_shows(part: int, device: str) -> None:
    x = torch.randn(5, 3, 1, 32, device=device)
    x[3, part, 0, 1] = torch.nan
    offsets = offsets_of([2, 3], device)
    out = gpu.packed_self_attention(x, attention_spans(offsets, offsets, 5, 5))
    assert not bool(out[2:].isfinite().all())


def test_no_positions_at_all(device: str) -> None:
    none = offsets_of([], device)
    x = torch.randn(0, 3, 2, 32, device=device, requires_grad=True)
    out = gpu.packed_self_attention(x, attention_spans(none, none, 0, 0))
    assert out.shape == (0, 2, 32)
    out.sum().backward()
    q = torch.randn(3, 1, 32, device=device, requires_grad=True)
    kv = torch.randn(0, 2, 1, 32, device=device, requires_grad=True)
    nothing_to_see = attention_spans(offsets_of([3], device), offsets_of([0], device), 3, 0)
    out = gpu.packed_cross_attention(q, kv, nothing_to_see)
    assert not out.any()
    out.sum().backward()
    assert q.grad is not None
    assert not q.grad.any()


def test_torch_compile_takes_it_whole(device: str) -> None:
    def attend(x: Tensor, kv: Tensor, offsets: Tensor, words: Tensor) -> Tensor:
        spans = attention_spans(offsets, offsets, 6, 6, causal=True)
        own: Tensor = gpu.packed_self_attention(x, spans, 0.3, CounterKey(words, 1))
        cross: Tensor = gpu.packed_cross_attention(own, kv, spans, 0.3, CounterKey(words, 2))
        return cross

    arguments = [
        torch.randn(6, 3, 1, 32, device=device, requires_grad=True),
        torch.randn(6, 2, 1, 32, device=device, requires_grad=True),
        offsets_of([4, 2], device),
        key_words(1, 2, device),
    ]
    compiled = torch.compile(attend, fullgraph=True, backend="aot_eager")
    results = []
    for function in (attend, compiled):
        out = function(*arguments)
        gradients = torch.autograd.grad(out.square().sum(), arguments[:2])
        results.append((out.detach(), *gradients))
    torch.testing.assert_close(*results, rtol=0, atol=0)
