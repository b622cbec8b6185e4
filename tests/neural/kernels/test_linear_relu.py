from __future__ import annotations

import pytest
import torch

from nmt.neural.kernels.counter import DeviceKeys, key_words
from nmt.neural.kernels.gpu import Kernel
from nmt.neural.kernels.linear_relu import linear_relu, linear_relu_reference
from tests.neural.exactness import assert_kernel_as_exact

kernel = pytest.importorskip(
    "nmt.neural.kernels.linear_relu_triton", reason="needs Triton", exc_type=ImportError
)


@pytest.mark.parametrize("width", [1, 29, 130])
@pytest.mark.parametrize("rows", [0, 1, 33, 100])
def test_it_is_as_exact_as_pytorch(
    rows: int, width: int, device: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Programs go over several tiles of rows."""
    monkeypatch.setattr(kernel, "PROGRAMS", 2)
    shapes = [(rows, 17), (width, 17), (width,)]
    inputs = [torch.randn(shape, dtype=torch.float64, device=device) for shape in shapes]
    d_out = torch.randn(rows, width, dtype=torch.float64, device=device)
    assert_kernel_as_exact(kernel.linear_relu, linear_relu_reference, inputs, d_out, dtype)


def test_a_number_that_is_none_shows(device: str) -> None:
    x = torch.randn(3, 4, device=device, requires_grad=True)
    weight, bias = torch.randn(5, 4, device=device), torch.zeros(5, device=device)
    d_out = torch.ones(3, 5, device=device)
    d_out[1] = torch.nan
    out = linear_relu(x, weight, bias + 100, DeviceKeys(key_words(1, 2, device)))
    (gradient,) = torch.autograd.grad(out, x, d_out)
    assert gradient[1].isnan().all()
    assert gradient[[0, 2]].isfinite().all()


def test_the_reference_can_take_its_place(device: str) -> None:
    x, weight, bias = (torch.randn(s, device=device) for s in ((3, 4), (5, 4), (5,)))
    references: tuple[Kernel, ...] = ("linear_relu",)
    keys = DeviceKeys(key_words(1, 2, device), references)
    assert torch.equal(linear_relu(x, weight, bias, keys), linear_relu_reference(x, weight, bias))
