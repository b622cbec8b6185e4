from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from nmt.neural.kernels.dropout import DropoutKeys
from nmt.neural.kernels.packed_attention import (
    packed_attention_reference,
    packed_cross_attention,
    packed_self_attention,
)
from tests.neural.exactness import assert_kernel_as_exact

LENGTHS = [
    ([1], [1]),
    ([1, 1, 1], [1, 1, 1]),
    ([3, 1, 7], [1, 5, 2]),
    ([17, 1, 33, 2], [64, 1, 3, 19]),
]
HEADS_AND_WIDTHS = [(1, 1), (1, 8), (3, 5), (4, 16), (2, 64)]
PADDING = [0, 3]


def offsets_of(lengths: list[int]) -> Tensor:
    return torch.from_numpy(np.concatenate(([0], np.cumsum(lengths))).astype(np.int32))


def self_attention(x: Tensor, offsets: Tensor, *, causal: bool) -> Tensor:
    return packed_self_attention(x, offsets, causal=causal)


def self_attention_reference(x: Tensor, offsets: Tensor, *, causal: bool) -> Tensor:
    q, k, v = x.unbind(1)
    return packed_attention_reference(q, k, v, offsets, offsets, causal=causal)


def cross_attention_reference(
    q: Tensor, kv: Tensor, q_offsets: Tensor, k_offsets: Tensor
) -> Tensor:
    k, v = kv.unbind(1)
    return packed_attention_reference(q, k, v, q_offsets, k_offsets)


def attention_by_sentence(q: Tensor, k: Tensor, v: Tensor, *, causal: bool) -> Tensor:
    """The equation itself, for one sentence: [L, H, E]."""
    scores = torch.einsum("lhe,she->hls", q, k) / math.sqrt(q.shape[-1])
    if causal:
        scores = scores + torch.full(scores.shape[1:], -math.inf, dtype=q.dtype).triu(1)
    return torch.einsum("hls,she->lhe", torch.softmax(scores, dim=-1), v)


@pytest.mark.parametrize("padding", PADDING)
@pytest.mark.parametrize(("heads", "width"), HEADS_AND_WIDTHS)
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("lengths", [q for q, _ in LENGTHS])
def test_self_attention_is_as_exact_as_pytorch(
    lengths: list[int], causal: bool, heads: int, width: int, padding: int
) -> None:
    offsets = offsets_of(lengths)
    rows = sum(lengths) + padding
    x = torch.randn(rows, 3, heads, width, dtype=torch.float64)
    assert_kernel_as_exact(
        lambda x: self_attention(x, offsets, causal=causal),
        lambda x: self_attention_reference(x, offsets, causal=causal),
        [x],
        torch.randn(rows, heads, width, dtype=torch.float64),
    )


@pytest.mark.parametrize("padding", PADDING)
@pytest.mark.parametrize(("heads", "width"), HEADS_AND_WIDTHS)
@pytest.mark.parametrize("lengths", LENGTHS)
def test_cross_attention_is_as_exact_as_pytorch(
    lengths: tuple[list[int], list[int]], heads: int, width: int, padding: int
) -> None:
    q_offsets, k_offsets = offsets_of(lengths[0]), offsets_of(lengths[1])
    q = torch.randn(sum(lengths[0]) + padding, heads, width, dtype=torch.float64)
    kv = torch.randn(sum(lengths[1]) + 2 * padding, 2, heads, width, dtype=torch.float64)
    assert_kernel_as_exact(
        lambda q, kv: packed_cross_attention(q, kv, q_offsets, k_offsets),
        lambda q, kv: cross_attention_reference(q, kv, q_offsets, k_offsets),
        [q, kv],
        torch.randn_like(q),
    )


@pytest.mark.parametrize("causal", [False, True])
def test_kernel_and_reference_are_the_equation(causal: bool) -> None:
    lengths = [4, 1, 9]
    offsets = offsets_of(lengths)
    x = torch.randn(sum(lengths), 3, 2, 6, dtype=torch.float64)
    expected = torch.cat(
        [
            attention_by_sentence(q, k, v, causal=causal)
            for q, k, v in (part.unbind(1) for part in torch.split(x, lengths))
        ]
    )
    for function in (self_attention, self_attention_reference):
        torch.testing.assert_close(
            function(x, offsets, causal=causal), expected, atol=1e-13, rtol=0
        )


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("rate", [0.0, 0.3])
def test_gradients_of_self_attention_by_finite_differences(causal: bool, rate: float) -> None:
    offsets = offsets_of([3, 1, 4])
    x = torch.randn(9, 3, 2, 3, dtype=torch.float64, requires_grad=True)

    def attend(x: Tensor) -> Tensor:
        return packed_self_attention(
            x, offsets, causal=causal, dropout_rate=rate, keys=DropoutKeys(1)
        )

    assert torch.autograd.gradcheck(attend, [x])


@pytest.mark.parametrize("rate", [0.0, 0.3])
def test_gradients_of_cross_attention_by_finite_differences(rate: float) -> None:
    q_offsets, k_offsets = offsets_of([3, 1, 2]), offsets_of([2, 5, 1])
    q = torch.randn(7, 2, 3, dtype=torch.float64, requires_grad=True)
    kv = torch.randn(8, 2, 2, 3, dtype=torch.float64, requires_grad=True)

    def attend(q: Tensor, kv: Tensor) -> Tensor:
        return packed_cross_attention(
            q, kv, q_offsets, k_offsets, dropout_rate=rate, keys=DropoutKeys(1)
        )

    assert torch.autograd.gradcheck(attend, [q, kv])


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_dropout_takes_the_expected_share_of_the_weights(rate: float) -> None:
    """With one-hot values the result shows the weights: 0, or 1/S scaled by 1/(1 - rate)."""
    length = 64
    x = torch.zeros(length * 20, 3, 1, length)
    x[:, 2, 0] = torch.eye(length).repeat(20, 1)
    offsets = offsets_of([length] * 20)
    weights = packed_self_attention(x, offsets, dropout_rate=rate, keys=DropoutKeys(1))
    dropped = weights == 0
    torch.testing.assert_close(
        weights[~dropped], torch.full_like(weights[~dropped], 1 / length / (1 - rate))
    )
    count = weights.numel()
    deviation = math.sqrt(rate * (1 - rate) / count)
    assert abs(float(dropped.double().mean()) - rate) < 5 * deviation
    for axis in (0, 2):
        share = dropped.double().mean(dim=axis)
        drawn = count // share.numel()
        assert float((share - rate).abs().max()) < 5 * math.sqrt(rate * (1 - rate) / drawn)


def test_dropout_is_drawn_anew_for_each_head_and_call_and_repeated_for_the_same_key() -> None:
    x = torch.zeros(32, 3, 2, 32)
    x[:, 2] = torch.eye(32)[:, None]
    offsets = offsets_of([32])
    keys = DropoutKeys(1)
    first, second = (
        packed_self_attention(x, offsets, dropout_rate=0.5, keys=keys) for _ in range(2)
    )
    again = packed_self_attention(x, offsets, dropout_rate=0.5, keys=DropoutKeys(1))
    assert torch.equal(first, again)
    masks = [(out[:, head] > 0).double() - 0.5 for out in (first, second) for head in (0, 1)]
    for i in range(4):
        for j in range(i):
            assert abs(float((masks[i] * masks[j]).mean()) / 0.25) < 5 / 32


def test_rows_of_no_sentence_neither_give_nor_get() -> None:
    offsets = offsets_of([3, 2])
    x = torch.randn(8, 3, 2, 4, requires_grad=True)
    with_noise = x.detach().clone()
    with_noise[5:] = 1e30
    out = packed_self_attention(x, offsets)
    assert torch.equal(out, packed_self_attention(with_noise, offsets))
    assert not out[5:].any()
    (gradient,) = torch.autograd.grad(out.sum() + out.square().sum(), x)
    assert not gradient[5:].any()
    assert gradient[:5].any()


@pytest.mark.parametrize("causal", [False, True])
def test_a_sentence_does_not_feel_its_neighbours(causal: bool) -> None:
    x = torch.randn(12, 3, 2, 4)
    together = packed_self_attention(x, offsets_of([3, 5, 4]), causal=causal)
    for begin, end in ((0, 3), (3, 8), (8, 12)):
        alone = packed_self_attention(x[begin:end], offsets_of([end - begin]), causal=causal)
        assert torch.equal(together[begin:end], alone)


def test_the_future_is_not_seen() -> None:
    x = torch.randn(9, 3, 2, 4)
    offsets = offsets_of([9])
    before = packed_self_attention(x, offsets, causal=True)
    x[5:] = torch.randn(4, 3, 2, 4)
    after = packed_self_attention(x, offsets, causal=True)
    assert torch.equal(before[:5], after[:5])
    assert not torch.equal(before[5:], after[5:])


@pytest.mark.parametrize("scale", [1e4, 1e15])
def test_huge_scores_do_not_overflow(scale: float) -> None:
    x = torch.randn(6, 3, 2, 4) * scale
    x[:, 2] /= scale
    out = packed_self_attention(x, offsets_of([6]))
    expected = self_attention_reference(x.double(), offsets_of([6]), causal=False)
    torch.testing.assert_close(out.double(), expected, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("part", [0, 1, 2])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_number_that_is_none_shows(part: int, bad: float) -> None:
    """Training stops on losses that are not finite; the kernel must not hide their cause."""
    x = torch.randn(5, 3, 1, 4)
    x[3, part, 0, 1] = bad
    out = packed_self_attention(x, offsets_of([2, 3]))
    assert bool(out[:2].isfinite().all())
    assert not bool(out[2:].isfinite().all())


def test_no_sentences_at_all() -> None:
    out = packed_self_attention(torch.randn(4, 3, 2, 4), offsets_of([]))
    assert out.shape == (4, 2, 4)
    assert not out.any()
    empty = packed_cross_attention(
        torch.randn(0, 2, 4), torch.randn(0, 2, 2, 4), offsets_of([]), offsets_of([])
    )
    assert empty.shape == (0, 2, 4)


def test_views_are_taken_as_they_are() -> None:
    wide = torch.randn(7, 2, 3, 2, 4)
    view = wide[:, 1]
    offsets = offsets_of([3, 4])
    assert torch.equal(
        packed_self_attention(view, offsets), packed_self_attention(view.contiguous(), offsets)
    )


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_types(dtype: torch.dtype, causal: bool) -> None:
    offsets = offsets_of([3, 1, 7])
    x = torch.randn(13, 3, 2, 8)
    out = packed_self_attention(x.to(dtype), offsets, causal=causal)
    assert out.dtype == dtype
    expected = packed_self_attention(x.to(dtype).float(), offsets, causal=causal)
    torch.testing.assert_close(out.float(), expected, atol=0.03, rtol=0.03)
    kv = packed_cross_attention(x[:, 0].to(dtype), x[:, 1:].to(dtype), offsets, offsets)
    expected = packed_cross_attention(
        x[:, 0].to(dtype).float(), x[:, 1:].to(dtype).float(), offsets, offsets
    )
    torch.testing.assert_close(kv.float(), expected, atol=0.03, rtol=0.03)


def test_the_reference_drops_weights_too() -> None:
    x = torch.zeros(32, 3, 2, 32)
    x[:, 2] = torch.eye(32)[:, None]
    offsets = offsets_of([32])
    q, k, v = x.unbind(1)
    out = packed_attention_reference(
        q, k, v, offsets, offsets, dropout_rate=0.5, keys=DropoutKeys(1)
    )
    assert abs(float((out == 0).double().mean()) - 0.5) < 5 * 0.5 / math.sqrt(out.numel())
    torch.testing.assert_close(out[out != 0], torch.full_like(out[out != 0], 2 / 32))
