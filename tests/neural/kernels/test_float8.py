"""Rounded matrices, their products and gradients, against the formats, float64 and PyTorch's own.

Bounds follow from the formats (Micikevicius et al. 2022, table 1): half a unit of the last place of
a significand of 4 bits (e4m3) or 3 (e5m2), below the normal numbers half the smallest number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from nmt.neural.kernels import float8
from nmt.neural.kernels.float8 import (
    E4M3,
    E5M2,
    Float8,
    Float8Linear,
    fits_float8,
    float8_linear,
    product,
    to_float8_reference,
    widened,
)


@dataclass(frozen=True, slots=True)
class Format:
    """What the paper says of a format."""

    dtype: torch.dtype
    largest: float
    relative: float
    """Largest error of a normal number, relative to it."""
    absolute: float
    """Largest error of a smaller number."""


FORMATS = [Format(E4M3, 448.0, 2**-4, 2**-10), Format(E5M2, 57344.0, 2**-3, 2**-17)]

WIDE = [torch.float32, torch.bfloat16, torch.float64]

matrices = st.tuples(
    st.integers(0, 40), st.integers(1, 40), st.integers(-60, 60), st.integers(0, 9)
)
"""Rows, columns, the exponent of their size, a seed."""


def drawn(rows: int, columns: int, exponent: int, seed: int) -> Tensor:
    """Numbers of many sizes, none of which is 0."""
    generator = torch.Generator().manual_seed(seed)
    sizes = torch.randn(rows, columns, generator=generator, dtype=torch.float64).exp2().pow(4)
    signs = torch.randint(0, 2, (rows, columns), generator=generator) * 2 - 1
    return sizes * signs * 2.0**exponent


def meant(x: Float8) -> Tensor:
    """What a rounded matrix stands for, in float64."""
    return x.values_ND.double() * x.scale.double()


# --- rounding


@pytest.mark.parametrize("wide", WIDE, ids=str)
@pytest.mark.parametrize("form", FORMATS, ids=lambda form: str(form.dtype))
@given(matrix=matrices)
@settings(deadline=None, max_examples=30)
def test_numbers_are_rounded_to_the_nearest_of_the_scaled(
    form: Format, wide: torch.dtype, matrix: tuple[int, int, int, int]
) -> None:
    x = drawn(*matrix).to(wide)
    rounded = to_float8_reference(x, form.dtype)
    assert rounded.values_ND.dtype == form.dtype
    assert rounded.scale.dtype == torch.float32
    if not x.numel():
        return
    # The largest becomes the largest of the format; float32 rounds the scale.
    assert float(rounded.values_ND.double().abs().max()) == form.largest
    scaled = x.double() / rounded.scale.double()
    bound = (form.relative * scaled.abs()).clamp(min=form.absolute) * (1 + 1e-6)
    assert bool(((rounded.values_ND.double() - scaled).abs() <= bound).all())


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: str(form.dtype))
def test_rounding_is_that_of_another_library(form: Format) -> None:
    """Of the numbers that PyTorch divided, halves to the even one included."""
    other = pytest.importorskip("ml_dtypes", reason="ml_dtypes rounds for comparison")
    name = {E4M3: "float8_e4m3fn", E5M2: "float8_e5m2"}[form.dtype]
    x = torch.linspace(-form.largest, form.largest, 40_001)
    x = torch.cat((x, x * 2**-12, x * 2**-20)).reshape(1, -1)
    rounded = to_float8_reference(x, form.dtype)
    expected = (x * rounded.scale.reciprocal()).numpy().astype(getattr(other, name))
    ours = rounded.values_ND.view(torch.uint8).numpy()
    np.testing.assert_array_equal(ours, expected.view(np.uint8))


@given(matrix=matrices)
@settings(deadline=None, max_examples=30)
def test_the_transposed_is_the_same_with_rows_up_to_a_multiple(
    matrix: tuple[int, int, int, int],
) -> None:
    x = to_float8_reference(drawn(*matrix).float(), E4M3)
    rows, columns = x.values_ND.shape
    assert x.transposed_DM.shape == (columns, -(-rows // 16) * 16)
    assert x.transposed_DM.is_contiguous()
    assert torch.equal(x.transposed_DM.float()[:, :rows], x.values_ND.float().t())
    assert not x.transposed_DM.float()[:, rows:].any()


def test_every_number_of_a_format_is_widened_exactly() -> None:
    codes = torch.arange(256, dtype=torch.int32).to(torch.uint8)
    for form in FORMATS:
        numbers = codes.view(form.dtype)
        finite = numbers.float().isfinite()
        assert int(finite.sum()) == (254 if form.dtype == E4M3 else 248)
        assert torch.equal(widened(numbers)[finite], numbers.float()[finite])


@pytest.mark.parametrize("format_", [E4M3, E5M2], ids=str)
def test_zeros_stay_zeros(format_: torch.dtype) -> None:
    x = to_float8_reference(torch.zeros(3, 16), format_)
    assert not x.values_ND.float().any()
    assert 0 < float(x.scale) < 1e-30
    weight, bias = torch.randn(16, 16), torch.arange(16.0)
    assert torch.equal(float8_linear(torch.zeros(3, 16), weight, bias), bias.expand(3, 16))


@pytest.mark.parametrize("bad", [torch.inf, -torch.inf, torch.nan])
@pytest.mark.parametrize("where", ["x", "weight", "d"])
def test_what_is_not_finite_shows(bad: float, where: str) -> None:
    """Nothing is clipped: neither the result nor the gradient that it has part in is finite."""
    x, weight, d = torch.randn(5, 16), torch.randn(32, 16), torch.randn(5, 32)
    {"x": x, "weight": weight, "d": d}[where][3, 2] = bad
    x.requires_grad_()
    weight.requires_grad_()
    y = float8_linear(x, weight, None)
    d_x, d_weight = torch.autograd.grad(y, (x, weight), d)
    shows = {"x": (y, d_weight), "weight": (y, d_x), "d": (d_x, d_weight)}[where]
    for tensor in shows:
        assert not bool(tensor.detach().isfinite().any())


# --- products


@given(
    rows=st.integers(1, 30), inputs=st.integers(1, 70), outputs=st.integers(1, 30),
    formats=st.sampled_from([(E4M3, E4M3), (E5M2, E4M3), (E4M3, E5M2)]), seed=st.integers(0, 99),
)  # fmt: skip
@settings(deadline=None, max_examples=40)
def test_a_product_is_that_of_what_the_matrices_stand_for(
    rows: int, inputs: int, outputs: int, formats: tuple[torch.dtype, torch.dtype], seed: int
) -> None:
    left = to_float8_reference(drawn(rows, inputs, 3, seed).float(), formats[0])
    right = to_float8_reference(drawn(outputs, inputs, -9, seed + 1).float(), formats[1])
    found = product(left.values_ND, right.values_ND, (left.scale, right.scale), torch.float32)
    exact = meant(left) @ meant(right).t()
    sizes = meant(left).abs() @ meant(right).abs().t()
    # Of each sum of float32 numbers as many roundings as it has terms, and two by the scales.
    bound = (inputs + 3) * 2**-24 * sizes
    assert bool(((found.double() - exact).abs() <= bound).all())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("formats", [(E4M3, E4M3), (E5M2, E4M3)], ids=str)
def test_a_product_is_pytorchs(dtype: torch.dtype, formats: tuple[Any, Any]) -> None:
    """The very function that a GPU gets, where this PyTorch has it for the processor."""
    left = to_float8_reference(drawn(33, 64, 0, 1).float(), formats[0])
    right = to_float8_reference(drawn(48, 64, 5, 2).float(), formats[1])
    bias = torch.randn(48, dtype=dtype) if dtype == torch.bfloat16 else None
    arguments = (left.values_ND, right.values_ND, (left.scale, right.scale), dtype, bias)
    try:
        expected = torch._scaled_mm(
            left.values_ND, right.values_ND.t(), left.scale, right.scale, bias=bias,
            out_dtype=dtype,
        )  # fmt: skip
    except (NotImplementedError, RuntimeError) as error:
        pytest.skip(f"torch._scaled_mm is not for this processor: {error}")
    # 64 terms in another order, and a number of the result's type, rounded.
    largest = float(expected.abs().max())
    unit = torch.finfo(dtype).eps
    torch.testing.assert_close(product(*arguments), expected, rtol=unit, atol=1e-6 * largest)


# --- linear layers


def layer_and_inputs(
    rows: int, inputs: int, outputs: int, dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """x, weight, bias, and the gradient of the result."""
    shapes = ((rows, inputs), (outputs, inputs), (outputs,), (rows, outputs))
    x, weight, bias, d = (torch.randn(shape).to(dtype) for shape in shapes)
    return x, weight, bias, d * 1e-4


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize(
    ("rows", "inputs", "outputs"), [(1, 16, 16), (7, 48, 16), (64, 32, 80), (100, 128, 64)]
)
def test_results_and_gradients_err_as_the_formats_do(
    rows: int, inputs: int, outputs: int, dtype: torch.dtype
) -> None:
    """Each of two factors by its relative error, or by the absolute one of its matrix."""
    x, weight, bias, d = layer_and_inputs(rows, inputs, outputs, dtype)
    leaves = [tensor.clone().requires_grad_() for tensor in (x, weight, bias)]
    y = float8_linear(leaves[0], leaves[1], leaves[2])
    found = [y.detach(), *torch.autograd.grad(y, leaves, d)]
    wide_x, wide_weight, wide_bias, wide_d = (t.double() for t in (x, weight, bias, d))
    pairs = [
        (wide_x, wide_weight.t(), FORMATS[0], wide_bias),
        (wide_d, wide_weight, FORMATS[1], None),
        (wide_d.t(), wide_x, FORMATS[1], None),
    ]
    for ours, (left, right, form, added) in zip(found[:3], pairs, strict=True):
        exact = left @ right + (0 if added is None else added)
        errors = [
            of.abs() * f.relative + of.abs().max() / f.largest * f.absolute
            for of, f in ((left, form), (right, FORMATS[0]))
        ]
        bound = errors[0] @ right.abs() + left.abs() @ errors[1] + errors[0] @ errors[1]
        bound = bound + torch.finfo(dtype).eps * (exact.abs() + bound) + 1e-5 * exact.abs().max()
        assert ours.dtype == dtype
        assert ours.shape == exact.shape
        assert bool(((ours.double() - exact).abs() <= bound).all())
        # It is a rounded product, not the one of the wide type.
        assert float((ours.double() - exact).norm() / exact.norm()) > 0.01
    torch.testing.assert_close(found[3], d.sum(0))


def test_rounding_errors_are_as_large_as_independent_ones_should_be() -> None:
    """About 2.6 % (e4m3) and 5.2 % (e5m2) a factor, whose squares add up; not more by a bug."""
    x, weight, bias, d = layer_and_inputs(512, 256, 128, torch.float32)
    leaves = [tensor.clone().requires_grad_() for tensor in (x, weight)]
    y = float8_linear(leaves[0], leaves[1], bias)
    d_x, d_weight = torch.autograd.grad(y, leaves, d)
    for ours, exact, expected in (
        (y.detach() - bias, x @ weight.t(), 0.037),
        (d_x, d @ weight, 0.059),
        (d_weight, d.t() @ x, 0.059),
    ):
        assert float((ours - exact).norm() / exact.norm()) == pytest.approx(expected, rel=0.05)


def test_a_layer_keeps_its_parameters_and_takes_any_leading_shape() -> None:
    linear = nn.Linear(32, 16)
    layer = Float8Linear(linear)
    assert list(layer.state_dict()) == ["weight", "bias"]
    assert layer.weight is linear.weight
    x = torch.randn(2, 5, 32)
    assert torch.equal(layer(x), layer(x.flatten(0, 1)).view(2, 5, 16))
    unbiased = nn.Linear(32, 16, bias=False)
    assert Float8Linear(unbiased)(x).shape == (2, 5, 16)
    assert not fits_float8(nn.Linear(32, 24))
    assert not fits_float8(nn.Linear(24, 32))


def test_autocast_says_the_type() -> None:
    """Gradients of the parameters are in theirs; without autocast all is in that of x."""
    layer, x = Float8Linear(nn.Linear(32, 16)), torch.randn(5, 32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = layer(x)
        plain = F.linear(x, layer.weight, layer.bias)
    assert y.dtype == plain.dtype == torch.bfloat16
    torch.autograd.backward(y.float().square().sum())
    assert layer.weight.grad is not None
    assert layer.weight.grad.dtype == torch.float32
    assert layer(x).dtype == torch.float32
    narrow = float8_linear(x.bfloat16(), layer.weight.bfloat16(), layer.bias.bfloat16())
    assert torch.equal(y, narrow)


# --- on a GPU


@pytest.mark.parametrize("rows", [16, 37])
def test_a_gpu_would_take_the_products(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is multiplied on another device, both ways, passes PyTorch's own checks for CUDA."""
    pytest.importorskip("triton", reason="the kernel needs Triton")
    calls = []
    scaled_mm: Any = torch._scaled_mm

    def noted(left: Tensor, right: Tensor, *scales: Tensor, **options: Any) -> Tensor:
        calls.append((left, right, scales, options))
        result: Tensor = scaled_mm(left, right, *scales, **options)
        return result

    monkeypatch.setattr(torch, "_scaled_mm", noted)
    x, weight, bias = (
        torch.empty(shape, device="meta", dtype=torch.bfloat16, requires_grad=True)
        for shape in ((rows, 48), (32, 48), (32,))
    )
    y = float8_linear(x, weight, bias)
    gradients = torch.autograd.grad(y, (x, weight, bias), torch.empty_like(y))
    assert (y.shape, y.dtype) == ((rows, 32), torch.bfloat16)
    assert [g.shape for g in gradients] == [(rows, 48), (32, 48), (32,)]
    types = [
        (left.dtype, right.dtype, options["use_fast_accum"]) for left, right, _, options in calls
    ]
    assert types == [(E4M3, E4M3, True), (E5M2, E4M3, False), (E5M2, E4M3, False)]
    with FakeTensorMode():
        for left, right, scales, options in calls:
            if options["bias"] is not None:
                options["bias"] = on_cuda(options["bias"])
            scaled_mm(on_cuda(left), on_cuda(right), *map(on_cuda, scales), **options)
        in_rows = torch.empty(right.shape, dtype=right.dtype, device="cuda")
        with pytest.raises(RuntimeError, match="col_major"):
            scaled_mm(on_cuda(left), in_rows, *map(on_cuda, scales))


def on_cuda(x: Tensor) -> Tensor:
    """A tensor without memory that is laid out so."""
    return torch.empty_strided(x.shape, x.stride(), dtype=x.dtype, device="cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_computes_the_same() -> None:
    if not float8.has_float8(torch.device("cuda")):
        pytest.skip("this GPU has no float8")
    inputs = layer_and_inputs(100, 128, 64, torch.bfloat16)
    results = []
    for device in ("cpu", "cuda"):
        x, weight, bias, d = (tensor.to(device) for tensor in inputs)
        leaves = [tensor.requires_grad_() for tensor in (x, weight, bias)]
        y = float8_linear(*leaves)
        results.append([y, *torch.autograd.grad(y, leaves, d)])
    for on_cpu, on_gpu in zip(*results, strict=True):
        error = (on_gpu.cpu().double() - on_cpu.double()).norm() / on_cpu.double().norm()
        assert float(error) < 0.005  # of bfloat16, and of sums in about 14 bits
