from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from nmt.neural.kernels.int8_linear import Int8Linear, int8_pays, round_rows


@given(rows=st.integers(1, 40), width=st.integers(1, 70), seed=st.integers(0, 99))
@settings(deadline=None, max_examples=40)
def test_rows_are_rounded_to_the_nearest(rows: int, width: int, seed: int) -> None:
    x = torch.randn(rows, width, generator=torch.Generator().manual_seed(seed))
    q, scale = round_rows(x)
    peak = x.abs().amax(dim=1)
    torch.testing.assert_close(scale, peak / 127)
    assert int(q.abs().max()) == 127
    # Half a unit, and what float32 makes of it.
    assert bool(((q * scale[:, None] - x).abs() <= 0.50001 * scale[:, None]).all())


def test_rows_of_zeros_and_of_what_is_no_number() -> None:
    x = torch.zeros(3, 5)
    x[1, 2], x[2, 3] = torch.nan, torch.inf
    layer = Int8Linear(torch.randn(4, 5), torch.arange(4.0))
    y = layer(x)
    assert torch.equal(y[0], torch.arange(4.0))
    assert bool(y[1].isnan().all())
    assert not bool(y[2].isfinite().any())


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("inputs", "outputs"), [(1, 1), (7, 5), (64, 33), (256, 256)])
def test_it_is_the_product_of_the_rounded_numbers(inputs: int, outputs: int, bias: bool) -> None:
    linear = nn.Linear(inputs, outputs, bias=bias)
    x = torch.randn(2, 9, inputs)
    layer = Int8Linear(linear.weight, linear.bias if bias else None)
    q, scale = round_rows(x.flatten(0, 1))
    w, w_scale = round_rows(linear.weight.detach())
    expected = (q.double() * scale[:, None]) @ (w.double() * w_scale[:, None]).T
    expected += linear.bias.detach() if bias else 0.0
    torch.testing.assert_close(
        layer(x).double(), expected.view(2, 9, outputs), rtol=1e-5, atol=1e-5
    )


def test_it_is_near_the_layer_whose_place_it_takes() -> None:
    linear = nn.Linear(256, 512)
    x = torch.randn(100, 256)
    with torch.no_grad():
        exact = linear(x)
    error = (Int8Linear(linear.weight, linear.bias)(x) - exact).norm() / exact.norm()
    assert error < 0.012  # two numbers, each rounded to one of 255 steps up to about 3 deviations


def test_a_row_does_not_depend_on_the_others() -> None:
    layer = Int8Linear(torch.randn(48, 40), torch.randn(48))
    x = torch.randn(65, 40) * torch.logspace(-3, 3, 65)[:, None]
    together = layer(x)
    for count in (1, 2, 31, 32, 64):
        assert torch.equal(layer(x[:count]), together[:count])


def test_whether_it_pays_is_an_answer() -> None:
    assert int8_pays() in (True, False)
