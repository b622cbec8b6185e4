from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.neural.kernels.striped_top_pieces import striped_top_pieces


@given(
    size=st.integers(1, 700), count=st.integers(1, 12), seed=st.integers(0, 1000),
    values=st.sampled_from([5, 10_000]),
)  # fmt: skip
@settings(deadline=None, max_examples=60)
def test_they_are_those_of_topk(size: int, count: int, seed: int, values: int) -> None:
    """With many equal numbers among them, or none."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randint(-values, values, (3, size), generator=generator).float()
    x[:, ::7] = -math.inf
    found, pieces = striped_top_pieces(x, count)
    kept = min(size, count)
    expected = torch.topk(x, kept).values
    assert torch.equal(found[:, :kept], expected)
    assert bool((found[:, kept:] == -math.inf).all())
    is_none = found == -math.inf
    assert torch.equal(pieces == -1, is_none)
    at = x.gather(1, pieces.clamp(min=0))
    assert torch.equal(at[~is_none], found[~is_none])
    for row in range(3):
        real = pieces[row][~is_none[row]].tolist()
        assert len(set(real)) == len(real)


@pytest.mark.parametrize("size", [40, 8000])
def test_a_row_with_a_nan_shows_it_first(size: int) -> None:
    x = torch.randn(2, size)
    x[1, size // 2] = math.nan
    found, _ = striped_top_pieces(x, 3)
    assert bool(found[1, 0].isnan())
    assert not bool(found[0].isnan().any())
