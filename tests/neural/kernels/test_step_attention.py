from __future__ import annotations

import pytest
import torch

from nmt.neural.kernels.packed_attention import packed_cross_attention, packed_self_attention
from nmt.neural.kernels.step_attention import (
    step_cross_attention,
    step_cross_attention_reference,
    step_self_attention,
    step_self_attention_reference,
)
from tests.neural.exactness import assert_as_exact

HEADS_AND_WIDTHS = [(1, 1), (3, 5), (4, 16), (2, 64)]


@pytest.mark.parametrize(("heads", "width"), HEADS_AND_WIDTHS)
@pytest.mark.parametrize(("rows", "steps"), [(1, 1), (5, 1), (1, 7), (6, 33)])
def test_self_attention_is_as_exact_as_pytorch(
    rows: int, steps: int, heads: int, width: int
) -> None:
    q = torch.randn(rows, heads, width)
    kv = torch.randn(50, 2, heads, width)
    places, counts = torch.randint(0, 50, (rows, steps)), torch.randint(1, steps + 1, (rows,))
    assert_as_exact(
        step_self_attention(q, kv, places, counts),
        step_self_attention_reference(q, kv, places, counts),
        step_self_attention_reference(q.double(), kv.double(), places, counts),
    )


@pytest.mark.parametrize(("heads", "width"), HEADS_AND_WIDTHS)
@pytest.mark.parametrize("lengths", [[1], [3, 1, 7], [64, 2]])
def test_cross_attention_is_as_exact_as_pytorch(lengths: list[int], heads: int, width: int) -> None:
    ends = torch.tensor(lengths).cumsum(0)
    sentences = torch.randint(0, len(lengths), (11,))
    begin, end = (ends - torch.tensor(lengths))[sentences], ends[sentences]
    q = torch.randn(11, heads, width)
    kv = torch.randn(sum(lengths) + 2, 2, heads, width)
    ours, weights = step_cross_attention(q, kv, begin, end, weights=True)
    pytorch, pytorch_weights = step_cross_attention_reference(q, kv, begin, end)
    exact, exact_weights = step_cross_attention_reference(q.double(), kv.double(), begin, end)
    assert_as_exact(ours, pytorch, exact)
    assert weights is not None
    assert_as_exact(weights, pytorch_weights, exact_weights)
    without, none = step_cross_attention(q, kv, begin, end)
    assert none is None
    assert torch.equal(without, ours)


@pytest.mark.parametrize("function", [step_self_attention, step_self_attention_reference])
def test_step_by_step_is_causal_attention(function: type) -> None:
    """Every step of two sentences, whose histories stand in places here and there."""
    lengths, heads, width = [6, 6], 2, 5
    qkv = torch.randn(12, 3, heads, width, dtype=torch.float64)
    offsets = torch.tensor([0, 6, 12], dtype=torch.int32)
    expected = packed_self_attention(qkv, offsets, causal=True)
    kv = torch.full((20, 2, heads, width), torch.nan, dtype=torch.float64)
    places = torch.randperm(20)[:12].view(2, 6)
    for step in range(6):
        for sentence in range(len(lengths)):
            kv[places[sentence, step]] = qkv[6 * sentence + step, 1:]
        counts = torch.tensor([step + 1, step + 1])
        out = function(qkv[[step, 6 + step], 0], kv, places, counts)
        torch.testing.assert_close(out, expected[[step, 6 + step]], rtol=0, atol=1e-13)


def test_cross_attention_is_packed_cross_attention() -> None:
    lengths = [4, 1, 6]
    offsets = torch.tensor([0, 4, 5, 11])
    q = torch.randn(3, 2, 5, dtype=torch.float64)
    kv = torch.randn(11, 2, 2, 5, dtype=torch.float64)
    expected = packed_cross_attention(
        q, kv, torch.tensor([0, 1, 2, 3], dtype=torch.int32), offsets.int()
    )
    out, weights = step_cross_attention(q, kv, offsets[:-1], offsets[1:], weights=True)
    torch.testing.assert_close(out, expected, rtol=0, atol=1e-13)
    assert weights is not None
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(3, dtype=torch.float64))
    for row, length in enumerate(lengths):
        assert bool((weights[row, :length] > 0).all())
        assert not weights[row, length:].any()


def test_weights_are_the_mean_over_heads() -> None:
    heads, width = 3, 4
    q, kv = torch.randn(2, heads, width), torch.randn(5, 2, heads, width)
    begin, end = torch.tensor([0, 0]), torch.tensor([5, 5])
    _, weights = step_cross_attention(q, kv, begin, end, weights=True)
    scores = torch.einsum("rhe,she->hrs", q, kv[:, 0]) / width**0.5
    torch.testing.assert_close(weights, torch.softmax(scores, dim=-1).mean(dim=0))


def test_a_row_does_not_feel_the_others() -> None:
    q, kv = torch.randn(64, 2, 8), torch.randn(99, 2, 2, 8)
    places = torch.randint(0, 99, (64, 9))
    counts = torch.randint(1, 10, (64,))
    together = step_self_attention(q, kv, places, counts)
    for row in (0, 17, 63):
        alone = step_self_attention(q[[row]], kv, places[[row], : counts[row]], counts[[row]])
        assert torch.equal(alone[0], together[row])


def test_views_are_taken_as_they_are() -> None:
    """Queries are a part of the queries, keys and values that one product gives."""
    qkv = torch.randn(4, 3, 2, 8)
    places, counts = torch.randint(0, 4, (4, 3)), torch.full((4,), 3)
    kv = qkv[:, 1:].contiguous()
    assert torch.equal(
        step_self_attention(qkv[:, 0], kv, places, counts),
        step_self_attention(qkv[:, 0].contiguous(), kv, places, counts),
    )


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_types(dtype: torch.dtype) -> None:
    q, kv = torch.randn(6, 2, 8).to(dtype), torch.randn(9, 2, 2, 8).to(dtype)
    places, counts = torch.randint(0, 9, (6, 5)), torch.tensor([5, 1, 2, 5, 3, 4])
    out = step_self_attention(q, kv, places, counts)
    assert out.dtype == dtype
    exact = step_self_attention_reference(q.double(), kv.double(), places, counts)
    torch.testing.assert_close(out.double(), exact, rtol=0.03, atol=0.03)
    begin, end = torch.zeros(6, dtype=torch.int64), torch.full((6,), 4)
    out, weights = step_cross_attention(q, kv, begin, end, weights=True)
    exact, exact_weights = step_cross_attention_reference(q.double(), kv.double(), begin, end)
    torch.testing.assert_close(out.double(), exact, rtol=0.03, atol=0.03)
    assert weights is not None
    torch.testing.assert_close(weights.double(), exact_weights, rtol=0.03, atol=0.03)


def test_numbers_that_are_none_show() -> None:
    q, kv = torch.randn(3, 1, 4), torch.randn(6, 2, 1, 4)
    kv[5, 0, 0, 0] = torch.nan
    places = torch.tensor([[0, 3], [1, 5], [5, 4]])
    out = step_self_attention(q, kv, places, torch.tensor([2, 2, 2]))
    assert out.isfinite().all(dim=-1)[:, 0].tolist() == [True, False, False]
