"""How exact a kernel must be: at most twice as far from float64 as plain PyTorch is."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def assert_as_exact(ours: Tensor, pytorch: Tensor, exact: Tensor) -> None:
    """``ours`` errs at most twice as much as ``pytorch``: by its root mean square, and at worst.

    One last digit of the greatest value (for the worst, two) comes on top: in small tensors the
    errors of PyTorch may be nothing by chance.
    """
    assert ours.shape == exact.shape
    assert ours.dtype == pytorch.dtype
    if not exact.numel():
        return
    last_digit = torch.finfo(pytorch.dtype).eps * float(exact.abs().max())
    of_ours, of_pytorch = ours.double() - exact, pytorch.double() - exact
    root_mean_square = float(of_ours.square().mean().sqrt())
    assert root_mean_square <= 2 * float(of_pytorch.square().mean().sqrt()) + last_digit
    assert float(of_ours.abs().max()) <= 2 * float(of_pytorch.abs().max()) + 2 * last_digit


def with_gradients(
    function: Callable[..., Tensor], inputs: Sequence[Tensor], d_out: Tensor, dtype: torch.dtype
) -> list[Tensor]:
    """The result of ``function`` at ``inputs`` as ``dtype``, and the gradient of every input."""
    leaves = [x.detach().to(dtype).requires_grad_() for x in inputs]
    out = function(*leaves)
    return [out.detach(), *torch.autograd.grad(out, leaves, d_out.to(out.dtype))]


def assert_kernel_as_exact(
    kernel: Callable[..., Tensor],
    reference: Callable[..., Tensor],
    inputs: Sequence[Tensor],
    d_out: Tensor,
    dtype: torch.dtype = torch.float32,
) -> None:
    """Forward and every gradient of ``kernel`` are as exact as those of its PyTorch reference.

    Args:
        kernel: takes ``inputs`` as ``dtype``.
        reference: takes them as ``dtype`` and as float64.
        inputs: leaves, all of which get a gradient.
        d_out: gradient of the result.
        dtype: the type in which the two compete.
    """
    rounded = [x.to(dtype) for x in inputs]
    ours = with_gradients(kernel, rounded, d_out, dtype)
    pytorch = with_gradients(reference, rounded, d_out, dtype)
    exact = with_gradients(reference, rounded, d_out.to(dtype), torch.float64)
    for of_ours, of_pytorch, of_exact in zip(ours, pytorch, exact, strict=True):
        assert_as_exact(of_ours, of_pytorch, of_exact)
