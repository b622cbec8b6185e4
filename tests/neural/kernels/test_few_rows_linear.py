from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nmt.neural.kernels.few_rows_linear import FEW_ROWS, FewRowsLinear

SHAPES = [(8, 1), (64, 33), (256, 128), (256, 130), (1024, 256), (128, 1000)]


@pytest.fixture(autouse=True)
def _fused_sums() -> Iterator[None]:
    """Products by oneDNN, whose order of summing is known on most processors."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    yield
    torch.set_float32_matmul_precision(before)


def prepared(inputs: int, outputs: int, *, bias: bool = True) -> tuple[nn.Linear, FewRowsLinear]:
    """A linear layer and what takes its place."""
    linear = nn.Linear(inputs, outputs, bias=bias).requires_grad_(False)
    return linear, FewRowsLinear(linear.weight, linear.bias)


def of_many_rows(linear: nn.Linear, x: Tensor) -> Tensor:
    """The library's numbers for these rows among many."""
    many = torch.cat((x, torch.randn(320 - len(x), x.shape[1])))
    return F.linear(many, linear.weight, linear.bias)[: len(x)]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("inputs", "outputs"), SHAPES)
def test_few_rows_are_as_among_many_to_the_last_bit(inputs: int, outputs: int, bias: bool) -> None:
    linear, layer = prepared(inputs, outputs, bias=bias)
    if not layer.equals_library:
        pytest.skip("here the library adds up in another order")
    for rows in range(1, FEW_ROWS + 1):
        x = torch.randn(rows, inputs) * torch.logspace(-3, 3, rows)[:, None]
        assert torch.equal(layer(x), of_many_rows(linear, x))


@pytest.mark.parametrize("inputs_at_once", [16, 64, 10_000])
@pytest.mark.parametrize(("inputs", "outputs"), SHAPES)
def test_the_loop_is_a_product(
    inputs: int, outputs: int, inputs_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many inputs it adds up at once, where the library does not say."""
    monkeypatch.setattr(FewRowsLinear, "_find_summed_at_once", lambda _: inputs_at_once)
    linear, layer = prepared(inputs, outputs)
    x = torch.randn(5, inputs)
    exact = F.linear(x.double(), linear.weight.double(), linear.bias.double())
    torch.testing.assert_close(layer(x).double(), exact, rtol=1e-5, atol=1e-5)


def test_where_the_loop_gives_other_numbers_the_library_computes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(FewRowsLinear, "of_rows", lambda self, x: x @ x.T)
    linear, layer = prepared(64, 32)
    assert not layer.equals_library
    x = torch.randn(3, 64)
    assert torch.equal(layer(x), linear(x))


@pytest.mark.parametrize(
    ("inputs", "dtype"), [(30, torch.float32), (32, torch.float64)], ids=["odd", "float64"]
)
def test_what_the_loop_does_not_take(inputs: int, dtype: torch.dtype) -> None:
    linear = nn.Linear(inputs, 5, dtype=dtype).requires_grad_(False)
    layer = FewRowsLinear(linear.weight, linear.bias)
    assert not layer.equals_library
    x = torch.randn(3, inputs, dtype=dtype)
    assert torch.equal(layer(x), linear(x))


def test_what_is_no_number_shows() -> None:
    _, layer = prepared(64, 32)
    x = torch.zeros(2, 64)
    x[1, 3] = torch.nan
    y = layer(x)
    assert bool(y[0].isfinite().all())
    assert bool(y[1].isnan().all())


def test_parameters_stay_those_of_the_layer_and_keep_their_names() -> None:
    linear, layer = prepared(16, 8)
    assert dict(layer.named_parameters()) == dict(linear.named_parameters())
    assert layer.weight is linear.weight


def test_many_rows_and_more_dimensions_are_the_librarys() -> None:
    linear, layer = prepared(64, 32)
    for shape in ((FEW_ROWS + 1, 64), (2, 3, 64), (64,)):
        x = torch.randn(shape)
        assert torch.equal(layer(x), linear(x))
