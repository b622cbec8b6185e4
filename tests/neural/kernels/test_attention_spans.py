from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from nmt.neural.kernels.attention_spans import attention_spans

lengths = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=6)


def offsets_of(lengths: list[int]) -> Tensor:
    return torch.from_numpy(np.concatenate(([0], np.cumsum(lengths))).astype(np.int32))


def visible(lengths: list[tuple[int, int]], shape: tuple[int, int], causal: bool) -> Tensor:
    """Which query sees which key, sentence by sentence."""
    mask = torch.zeros(shape, dtype=torch.bool)
    q, k = 0, 0
    for queries, keys in lengths:
        block = torch.ones(queries, keys, dtype=torch.bool)
        mask[q : q + queries, k : k + keys] = block.tril() if causal else block
        q, k = q + queries, k + keys
    return mask


def inside(spans_2N: Tensor, other: int) -> Tensor:
    begin, end = spans_2N[:, :, None]
    at = torch.arange(other)
    within: Tensor = (at >= begin) & (at < end)
    return within


@given(lengths, st.integers(0, 2), st.integers(0, 2))
def test_spans_are_the_mask_seen_from_both_sides(
    lengths: list[tuple[int, int]], q_padding: int, k_padding: int
) -> None:
    queries, keys = [q for q, _ in lengths], [k for _, k in lengths]
    rows, columns = sum(queries) + q_padding, sum(keys) + k_padding
    spans = attention_spans(offsets_of(queries), offsets_of(keys), rows, columns)
    expected = visible(lengths, (rows, columns), causal=False)
    assert torch.equal(inside(spans.seen_2N, columns), expected)
    assert torch.equal(inside(spans.seeing_2M, rows), expected.T)


@given(lengths, st.integers(0, 2))
def test_causal_spans_end_at_the_query(lengths: list[tuple[int, int]], padding: int) -> None:
    own = [(q, q) for q, _ in lengths]
    rows = sum(q for q, _ in own) + padding
    offsets = offsets_of([q for q, _ in own])
    spans = attention_spans(offsets, offsets, rows, rows, causal=True)
    expected = visible(own, (rows, rows), causal=True)
    assert torch.equal(inside(spans.seen_2N, rows), expected)
    assert torch.equal(inside(spans.seeing_2M, rows), expected.T)


@pytest.mark.parametrize("causal", [False, True])
def test_more_sentences_than_there_are_change_nothing(causal: bool) -> None:
    offsets = offsets_of([3, 2, 4])
    padded = torch.cat((offsets, offsets[-1:].expand(5)))
    few = attention_spans(offsets, offsets, 12, 12, causal=causal)
    many = attention_spans(padded, padded, 12, 12, causal=causal)
    for one, other in zip(few, many, strict=True):
        assert one.dtype == torch.int32
        assert torch.equal(one, other)
