from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import Tensor

from nmt.neural.kernels.dropout import DropoutKeys, dropout, dropout_add

RATES = [0.01, 0.1, 0.3, 0.5, 0.9]


def kept(rows: int, columns: int, rate: float, keys: DropoutKeys) -> np.ndarray:
    """Which elements a dropout of this rate leaves."""
    mask: np.ndarray = dropout(torch.ones(rows, columns), rate, keys).numpy() != 0
    return mask


@pytest.mark.parametrize("rate", RATES)
def test_the_expected_share_is_dropped_and_the_mean_stays(rate: float) -> None:
    count = 1_000_000
    out = dropout(torch.ones(count), rate, DropoutKeys(1))
    deviation = math.sqrt(rate * (1 - rate) / count)
    assert abs(float((out == 0).double().mean()) - rate) < 5 * deviation
    assert abs(float(out.double().mean()) - 1) < 5 * deviation / (1 - rate)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_is_kept_is_scaled_and_nothing_else(dtype: torch.dtype) -> None:
    x = torch.randn(37, 11, dtype=dtype)
    out = dropout(x, 0.3, DropoutKeys(2))
    assert out.dtype == dtype
    torch.testing.assert_close(out[out != 0], (x / 0.7)[out != 0])


@pytest.mark.parametrize("rate", RATES)
def test_columns_and_rows_are_dropped_alike(rate: float) -> None:
    """A hash of poor quality would prefer some columns: chi-square of the counts."""
    mask = kept(2048, 512, rate, DropoutKeys(3))
    for axis, drawn in ((0, 2048), (1, 512)):
        counts = mask.sum(axis=axis)
        variance = drawn * rate * (1 - rate)
        chi_square = float(((counts - drawn * (1 - rate)) ** 2 / variance).sum())
        freedom = len(counts)
        assert abs(chi_square - freedom) < 5 * math.sqrt(2 * freedom)


@pytest.mark.parametrize("lag", [1, 2, 3, 4, 8, 16, 64, 255, 256, 257, 512, 1024, 65536])
def test_neighbours_are_independent(lag: int) -> None:
    mask = kept(1, 1 << 20, 0.5, DropoutKeys(4)).ravel().astype(float) - 0.5
    correlation = float((mask[:-lag] * mask[lag:]).mean() / 0.25)
    assert abs(correlation) < 5 / math.sqrt(len(mask) - lag)


def test_different_keys_give_independent_masks() -> None:
    keys = DropoutKeys(1, 2, 3)
    masks = [kept(1, 1 << 18, 0.5, keys) for _ in range(8)]
    masks += [kept(1, 1 << 18, 0.5, DropoutKeys(*seed)) for seed in ((1, 2, 4), (1, 3, 3), (2, 2))]
    signs = np.stack([mask.ravel() * 2.0 - 1.0 for mask in masks])
    correlations = signs @ signs.T / signs.shape[1]
    np.fill_diagonal(correlations, 0)
    assert np.abs(correlations).max() < 5.5 / math.sqrt(signs.shape[1])


class OneKey(DropoutKeys):
    """The same key again and again."""

    def __init__(self, *words: int) -> None:
        super().__init__(0)
        self.words = (words[0], words[1])

    def next(self) -> tuple[int, int]:
        return self.words


def test_both_words_of_a_key_matter() -> None:
    """Keys that share one give independent masks; the other is random, as keys are."""
    a, b, c, d = (DropoutKeys(seed).next()[0] for seed in range(4))
    words = [(a, b), (a, c), (a, d), (b, a), (c, a), (d, a), (b, c), (d, c)]
    masks = [kept(1, 1 << 18, 0.5, OneKey(*key)).ravel() * 2.0 - 1.0 for key in words]
    correlations = np.stack(masks) @ np.stack(masks).T / masks[0].size
    np.fill_diagonal(correlations, 0)
    assert np.abs(correlations).max() < 5.5 / math.sqrt(masks[0].size)


def test_the_same_key_gives_the_same_mask_in_any_thread() -> None:
    def mask(seed: int) -> Tensor:
        return dropout(torch.ones(1000, 33), 0.4, DropoutKeys(7, seed))

    alone = [mask(seed) for seed in range(16)]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(mask, range(16)))
    assert all(torch.equal(a, b) for a, b in zip(alone, together, strict=True))


def test_the_same_key_drops_the_same_elements_whatever_the_type() -> None:
    of_float32, of_float64, of_bfloat16 = (
        dropout(torch.ones(999, dtype=dtype), 0.4, DropoutKeys(7)) != 0
        for dtype in (torch.float32, torch.float64, torch.bfloat16)
    )
    assert torch.equal(of_float32, of_float64)
    assert torch.equal(of_float32, of_bfloat16)


def test_a_sequence_of_keys_begins_anew_from_its_seed() -> None:
    first, again = DropoutKeys(5, 6), DropoutKeys(5, 6)
    drawn = [first.next() for _ in range(100)]
    assert drawn == [again.next() for _ in range(100)]
    assert len(set(drawn)) == 100
    assert all(0 <= word < 2**32 for key in drawn for word in key)
    assert 0 <= first.uniform() < 1


@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 0, 2), (5, 1), (2, 3, 5), (129, 7)])
def test_odd_shapes(shape: tuple[int, ...]) -> None:
    x, residual = torch.randn(shape), torch.randn(shape)
    out = dropout(x, 0.5, DropoutKeys(1))
    assert out.shape == shape
    assert torch.equal(dropout_add(x, residual, 0.5, DropoutKeys(1)), residual + out)


def test_transposed_input_and_gradient() -> None:
    x = torch.randn(5, 9).T.requires_grad_()
    out = dropout(x, 0.4, DropoutKeys(8))
    assert torch.equal(out, dropout(x.contiguous(), 0.4, DropoutKeys(8)))
    d_out = torch.randn(5, 9).T
    (gradient,) = torch.autograd.grad(out, x, d_out)
    assert torch.equal(gradient, dropout(d_out, 0.4, DropoutKeys(8)))


def one(x: Tensor) -> Tensor:
    return dropout(x, 0.4, DropoutKeys(9))


def sum_of_two(x: Tensor, residual: Tensor) -> Tensor:
    return dropout_add(x, residual, 0.4, DropoutKeys(9))


@pytest.mark.parametrize(("function", "inputs"), [(one, 1), (sum_of_two, 2)])
def test_the_gradient_uses_the_mask_of_the_forward_pass(
    function: Callable[..., Tensor], inputs: int
) -> None:
    leaves = [torch.randn(7, 5, dtype=torch.float64, requires_grad=True) for _ in range(inputs)]
    assert torch.autograd.gradcheck(function, leaves)


def test_the_gradient_in_bfloat16_uses_the_mask_of_the_forward_pass() -> None:
    x = torch.ones(1000, dtype=torch.bfloat16, requires_grad=True)
    out = dropout(x, 0.5, DropoutKeys(3))
    (gradient,) = torch.autograd.grad(out.sum(), x)
    assert torch.equal(gradient, out)


def test_the_sum_is_that_of_its_parts() -> None:
    x, residual = torch.randn(100, 17), torch.randn(100, 17)
    expected = residual + dropout(x, 0.2, DropoutKeys(1, 1))
    assert torch.equal(dropout_add(x, residual, 0.2, DropoutKeys(1, 1)), expected)
    # Under autocast the residual stream is wider than what is added to it.
    mixed = dropout_add(x.bfloat16(), residual, 0.2, DropoutKeys(1, 1))
    assert mixed.dtype == torch.float32
    torch.testing.assert_close(mixed, expected, atol=0.05, rtol=0.02)


def test_without_keys_or_rate_nothing_is_dropped() -> None:
    x, residual = torch.randn(3, 4), torch.randn(3, 4)
    assert dropout(x, 0.5, None) is x
    keys = DropoutKeys(1)
    assert dropout(x, 0.0, keys) is x
    assert torch.equal(dropout_add(x, residual, 0.5, None), x + residual)
    assert torch.equal(dropout_add(x, residual, 0.0, keys), x + residual)
    assert keys.next() == DropoutKeys(1).next()


def test_a_rate_just_below_one_drops_nearly_all() -> None:
    out = dropout(torch.ones(10_000), math.nextafter(1.0, 0.0), DropoutKeys(1))
    assert int((out != 0).sum()) <= 1


def test_nothing_is_drawn_from_the_generator_of_pytorch() -> None:
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    dropout(torch.ones(100), 0.5, DropoutKeys(1))
    dropout(torch.ones(100, dtype=torch.bfloat16), 0.5, DropoutKeys(1))
    assert torch.equal(torch.rand(1), expected)
