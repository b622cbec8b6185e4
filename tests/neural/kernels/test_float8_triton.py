"""The kernel that rounds and transposes, against its reference: the same bits.

Triton's interpreter rounds to float8 wrongly (it does not carry into the exponent, and makes a
number of NaN), so that there the kernel writes its numbers divided, but not rounded.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from nmt.neural.kernels.float8 import E4M3, E5M2, MULTIPLE, Float8, to_float8_reference

kernel = pytest.importorskip(
    "nmt.neural.kernels.float8_triton", reason="needs Triton", exc_type=ImportError
)

FORMATS = pytest.mark.parametrize("format_", [E4M3, E5M2], ids=str)
SHAPES = pytest.mark.parametrize("shape", [(0, 16), (1, 16), (7, 80), (129, 33), (300, 64)])


def divided(x: Tensor, format_: torch.dtype) -> Float8:
    """What the kernel rounds."""
    rows, width = x.shape
    parts = (
        x.new_full(shape, torch.nan) for shape in ((rows, width), (width, -(-rows // 16) * 16), ())
    )
    result = Float8(*parts)
    kernel.launch(x.contiguous(), *result, torch.finfo(format_).max)
    return result


def expected(x: Tensor, format_: torch.dtype) -> Float8:
    """The same by the scale of the reference."""
    scale = to_float8_reference(x, format_).scale
    values = x * scale.reciprocal()
    filled = torch.nn.functional.pad(values.t(), (0, -len(x) % MULTIPLE))
    return Float8(values, filled, scale)


def rounded(x: Tensor, format_: torch.dtype) -> Float8:
    return Float8(*kernel.to_float8(x, format_))


def assert_same(ours: Float8, reference: Float8) -> None:
    """Equal; but what rows are filled up with does not matter where all else is NaN."""
    rows = len(ours.values_ND) if bool(reference.scale.isnan()) else None
    for one, other in (
        (ours.values_ND, reference.values_ND),
        (ours.transposed_DM[:, :rows], reference.transposed_DM[:, :rows]),
        (ours.scale, reference.scale),
    ):
        assert one.dtype == other.dtype
        torch.testing.assert_close(one.float(), other.float(), rtol=0, atol=0, equal_nan=True)


Way = tuple[Callable[[Tensor, torch.dtype], Float8], Callable[[Tensor, torch.dtype], Float8]]


@pytest.fixture(params=["divided", "rounded"] if torch.cuda.is_available() else ["divided"])
def way(request: pytest.FixtureRequest) -> Way:
    """The kernel and its reference; on a GPU also with rounding."""
    return (divided, expected) if request.param == "divided" else (rounded, to_float8_reference)


@FORMATS
@SHAPES
def test_it_does_as_its_reference(
    shape: tuple[int, int], format_: torch.dtype, way: Way, device: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """With one program that reads all, and with several; tiles that are full, and that are not."""
    ours, reference = way
    x = torch.randn(shape, device=device) * torch.randn(shape, device=device).mul(4).exp2()
    assert_same(ours(x, format_), reference(x, format_))
    monkeypatch.setattr(kernel, "BLOCK", 1024)
    monkeypatch.setattr(kernel, "PROGRAMS", 4)
    assert_same(ours(x.t(), format_), reference(x.t(), format_))


@FORMATS
@SHAPES
def test_types_shapes_and_scales_are_the_reference_s(
    shape: tuple[int, int], format_: torch.dtype, device: str
) -> None:
    """As they are said before anything is computed, too."""
    x = torch.randn(shape, device=device)
    reference = to_float8_reference(x, format_)
    for ours in (rounded(x, format_), rounded(x.to("meta"), format_)):
        for one, other in zip(ours, reference, strict=True):
            assert one.dtype == other.dtype
            assert one.shape == other.shape
            assert one.is_contiguous()
    assert torch.equal(rounded(x, format_).scale, reference.scale)


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # 0 * inf
@pytest.mark.parametrize("number", [0.0, 1e-45, 1e-30, 3e38, torch.inf, -torch.inf, torch.nan])
def test_scales_of_numbers_at_the_edge(number: float, way: Way, device: str) -> None:
    """Zeros, the smallest and largest of float32, and what is not finite."""
    x = torch.zeros(5, 16, device=device)
    x[3, 7] = number
    ours = way[0](x, E4M3)
    assert_same(ours, way[1](x, E4M3))
    assert bool(ours.scale.isfinite()) == bool(torch.tensor(number).isfinite())
    assert not float(ours.scale) <= 0


def test_the_largest_counts_wherever_it_is(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "BLOCK", 64)
    monkeypatch.setattr(kernel, "PROGRAMS", 2)
    for place in (0, 63, 64, 200, 399):
        x = torch.ones(400, device=device)
        x[place] = -7.0
        assert float(divided(x.view(25, 16), E5M2).scale) == pytest.approx(7 / 57344)
