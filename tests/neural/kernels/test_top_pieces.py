from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from torch import Tensor

from nmt.neural.kernels.top_pieces import top_pieces, top_pieces_reference

FUNCTIONS = [top_pieces, top_pieces_reference]
SHAPES = [(1, 1), (1, 63), (2, 64), (3, 65), (5, 127), (4, 128), (7, 1000), (3, 8003)]


def ordered(logits: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """By a stable sort of everything: of equal logits the lower piece comes first."""
    values, pieces = torch.sort(logits, dim=-1, descending=True, stable=True)
    return values[:, :count], pieces[:, :count]


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("count", [1, 2, 6, 33])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_greatest_logits_and_their_pieces(
    shape: tuple[int, int], count: int, dtype: torch.dtype, function: type
) -> None:
    logits = torch.randn(shape, dtype=dtype)
    values, pieces = function(logits, count)
    expected_values, expected_pieces = ordered(logits, count)
    filled = expected_values.shape[1]
    assert values.shape == pieces.shape == (shape[0], count)
    assert values.dtype == dtype
    assert torch.equal(values[:, :filled], expected_values)
    assert torch.equal(pieces[:, :filled], expected_pieces)
    assert bool((values[:, filled:] == -math.inf).all())
    assert bool((pieces[:, filled:] == -1).all())


def test_it_leaves_the_logits_alone() -> None:
    logits = torch.randn(4, 100)
    before = logits.clone()
    top_pieces(logits, 5)
    assert torch.equal(logits, before)


@given(
    npst.arrays(
        "float32",
        st.tuples(st.integers(1, 4), st.integers(1, 200)),
        elements=st.sampled_from([-math.inf, -2.0, -1.0, 0.0, 0.5, 3.0]),
    ),
    st.integers(1, 8),
)
def test_of_equal_logits_the_lower_piece_comes_first(array: object, count: int) -> None:
    logits = torch.as_tensor(array)
    values, pieces = top_pieces(logits, count)
    expected_values, expected_pieces = ordered(logits, count)
    expected_pieces[expected_values == -math.inf] = -1  # ruled out
    filled = expected_values.shape[1]
    assert torch.equal(values[:, :filled], expected_values)
    assert torch.equal(pieces[:, :filled], expected_pieces)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_what_is_ruled_out_is_never_chosen(function: type) -> None:
    logits = torch.full((2, 300), -math.inf)
    logits[0, 70] = -1e30
    logits[0, 299] = 5.0
    values, pieces = function(logits, 3)
    assert pieces.tolist() == [[299, 70, -1], [-1, -1, -1]]
    assert values[1].tolist() == [-math.inf] * 3


def test_rows_of_numbers_that_are_none_do_no_harm_to_others() -> None:
    logits = torch.randn(3, 200)
    logits[1] = torch.nan
    values, pieces = top_pieces(logits, 4)
    expected_values, expected_pieces = ordered(logits, 4)
    for row in (0, 2):
        assert torch.equal(values[row], expected_values[row])
        assert torch.equal(pieces[row], expected_pieces[row])
    assert bool(((pieces[1] >= -1) & (pieces[1] < 200)).all())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_types(dtype: torch.dtype) -> None:
    logits = torch.randperm(200)[None].to(dtype)
    assert torch.equal(top_pieces(logits, 5)[0], ordered(logits, 5)[0])
