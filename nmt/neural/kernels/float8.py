"""Linear maps by 8-bit floating-point numbers, which a GPU that has them multiplies twice as fast.

``y = x W^T + b`` and both of its gradients, ``dx = dy W`` and ``dW = dy^T x``, are products of
matrices that were rounded to eight bits each (Micikevicius et al. 2022, "FP8 Formats for Deep
Learning"): x and W to e4m3, with a significand of 4 bits and numbers up to 448; dy to e5m2, with
one bit less, but numbers from 2^-16 to 57,344. Products add up in float32.

Before it is rounded, a matrix is divided by a scale, so that its largest number becomes the largest
of the format. The scale is *current*: that of the very matrix. *Delayed* scaling takes it from the
maxima of earlier updates, which saves a pass over memory (17 us for 25 k rows of 1,024 bfloat16
numbers at 3.0 TB/s, where a product with a matrix of 1,024 x 4,096 becomes 135 us shorter). But
what grows faster than the margin is clipped, and the history is a state: it would have to be saved
and restored, be agreed on among replicas and ranks, and not be spoilt by rehearsals. So an update
remains a function of weights and batch, nothing is clipped, and the host is asked nothing: the
scale lies on the device, where a CUDA graph renews it.

There is one scale for a matrix, not one for each row. dW is a sum over rows, out of which scales of
rows could not be taken; with one scale the same rounded numbers, transposed, serve both products.
The price: what is rounded depends a little on what else is in the batch.

A number that is not finite makes the scale inf or NaN, and so the whole result not finite.

Shapes: N rows and M the next multiple of 16, D inputs, F outputs, K what a product sums over.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from nmt.neural.kernels import gpu

E4M3: Final = torch.float8_e4m3fn
"""Of activations and weights."""
E5M2: Final = torch.float8_e5m2
"""Of the gradients of activations."""

MULTIPLE: Final = 16
"""Of which every side of a matrix must be a multiple: cuBLAS reads 16 bytes at once."""

SMALLEST_SCALE: Final = torch.finfo(torch.float32).tiny
"""Of matrices of zeros, too: the inverse of a smaller scale would be infinite."""

FIRST_CAPABILITY: Final = (8, 9)
"""Of GPUs with matrix units for float8: Ada (8.9), Hopper (9.0) and later ones."""


class Float8(NamedTuple):
    """A rounded matrix; it stands for ``values * scale``."""

    values_ND: Tensor
    transposed_DM: Tensor
    """The same columns by rows, which are filled up with zeros to a multiple of 16."""
    scale: Tensor
    """float32, one number, on the device."""


def has_float8(device: torch.device) -> bool:
    """Whether a GPU has matrix units for float8."""
    return torch.cuda.get_device_capability(device) >= FIRST_CAPABILITY


def fits_float8(linear: nn.Linear) -> bool:
    """Whether the GPU's products take the shape of a layer."""
    return linear.in_features % MULTIPLE == 0 and linear.out_features % MULTIPLE == 0


def to_float8_reference(x_ND: Tensor, format_: torch.dtype) -> Float8:
    """`to_float8` in plain PyTorch."""
    least, most = x_ND.aminmax() if x_ND.numel() else x_ND.new_zeros(2).unbind()
    peak = torch.maximum(-least, most).float()
    scale = (peak * (1 / torch.finfo(format_).max)).clamp(min=SMALLEST_SCALE)
    values_ND = (x_ND.float() * scale.reciprocal()).to(format_)
    # What moves bytes does not know their format.
    bytes_DN = values_ND.view(torch.uint8).t()
    bytes_DM = F.pad(bytes_DN, (0, -len(x_ND) % MULTIPLE)).contiguous()
    return Float8(values_ND, bytes_DM.view(format_), scale)


def to_float8(x_ND: Tensor, format_: torch.dtype) -> Float8:
    """Divide a matrix by its largest number, and round it to the nearest of a format.

    Args:
        x_ND: of a wider type.
        format_: ``E4M3`` or ``E5M2``.
    """
    if x_ND.is_meta or gpu.takes(x_ND):
        from nmt.neural.kernels import float8_triton

        return Float8(*float8_triton.to_float8(x_ND, format_))
    return to_float8_reference(x_ND, format_)


def widened(x: Tensor) -> Tensor:
    """Float8 as float32, where PyTorch's own conversion of e4m3 takes ten times as long.

    A float16 with the same bits has the same exponent, less 8. (NaN, which comes with a scale that
    is not finite and makes the result so, becomes 480.)
    """
    if x.dtype != E4M3:
        return x.float()
    bits = x.view(torch.int8).to(torch.int16)
    return ((bits << 7) & ~0x4000).view(torch.float16).float() * 256.0


def product_reference(
    left_NK: Tensor,
    right_FK: Tensor,
    scales: tuple[Tensor, Tensor],
    dtype: torch.dtype,
    bias_F: Tensor | None = None,
) -> Tensor:
    """`product` in plain PyTorch: in float32, where a product of two float8 numbers is exact."""
    with torch.autocast(left_NK.device.type, enabled=False):
        sums_NF = widened(left_NK) @ widened(right_FK).t()
    scaled_NF = sums_NF.mul_(scales[0]).mul_(scales[1])
    return (scaled_NF if bias_F is None else scaled_NF.add_(bias_F)).to(dtype)


def product(
    left_NK: Tensor,
    right_FK: Tensor,
    scales: tuple[Tensor, Tensor],
    dtype: torch.dtype,
    bias_F: Tensor | None = None,
    *,
    fast: bool = False,
) -> Tensor:
    """``left @ right.T`` of what two rounded matrices stand for, plus a bias: [N, F].

    Args:
        left_NK: in rows, which is the only layout that Hopper's units read.
        right_FK: in rows, too; one of both may be in e5m2.
        scales: of left and right.
        dtype: of the result; on a GPU bfloat16, where there is a bias.
        bias_F: in this type.
        fast: whether the GPU may keep sums in fewer bits than float32 has between some of its
            steps (about 14): exact enough for activations, not for gradients.
    """
    if left_NK.device.type == "cpu":
        return product_reference(left_NK, right_FK, scales, dtype, bias_F)
    return torch._scaled_mm(
        left_NK, right_FK.t(), *scales, bias=bias_F, out_dtype=dtype, use_fast_accum=fast
    )


class _Linear(torch.autograd.Function):
    """Keeps of its arguments what the backward pass multiplies with: a byte a number."""

    @staticmethod
    def forward(ctx: Any, x_ND: Tensor, weight_FD: Tensor, bias_F: Tensor | None) -> Tensor:
        x, weight = to_float8(x_ND, E4M3), to_float8(weight_FD, E4M3)
        ctx.save_for_backward(x.transposed_DM, x.scale, weight.transposed_DM, weight.scale)
        return product(
            x.values_ND, weight.values_ND, (x.scale, weight.scale), x_ND.dtype, bias_F, fast=True
        )

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_NF: Tensor) -> tuple[Tensor | None, ...]:
        x_DM, x_scale, weight_DF, weight_scale = ctx.saved_tensors
        d = to_float8(d_NF, E5M2)
        needs_x, needs_weight, needs_bias = ctx.needs_input_grad
        d_x = product(d.values_ND, weight_DF, (d.scale, weight_scale), d_NF.dtype)
        d_weight = product(d.transposed_DM, x_DM, (d.scale, x_scale), d_NF.dtype)
        return (
            d_x if needs_x else None,
            d_weight if needs_weight else None,
            d_NF.sum(0) if needs_bias else None,
        )


def float8_linear(x_ND: Tensor, weight_FD: Tensor, bias_F: Tensor | None) -> Tensor:
    """``x W^T + b`` by float8 products, as are those of its gradients: [N, F] in the type of x.

    Args:
        x_ND: rows; on a GPU in bfloat16.
        weight_FD: in their type; F and D are multiples of 16.
        bias_F: in their type.
    """
    y_NF: Tensor = _Linear.apply(x_ND, weight_FD, bias_F)  # type: ignore[no-untyped-call]  # PyTorch gives it no type
    return y_NF


class Float8Linear(nn.Module):
    """Takes the place of a linear layer in training, with the same parameters.

    Under autocast it computes in autocast's type, and gives that.
    """

    def __init__(self, linear: nn.Linear) -> None:
        """Take the parameters over; the layer must `fits_float8`."""
        super().__init__()
        assert fits_float8(linear)
        self.weight = linear.weight
        self.bias = linear.bias

    def forward(self, x: Tensor) -> Tensor:
        """[..., D] to [..., F]."""
        device, dtype = x.device.type, x.dtype
        if torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device):
            dtype = torch.get_autocast_dtype(device)
        bias_F = None if self.bias is None else self.bias.to(dtype)
        y_NF = float8_linear(x.reshape(-1, x.shape[-1]).to(dtype), self.weight.to(dtype), bias_F)
        return y_NF.view(*x.shape[:-1], -1)
