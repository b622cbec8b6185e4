"""The recurrence of an SSRU over sentences laid end to end.

``f_t = sigmoid(z_t)``, ``c_t = f_t c_{t-1} + (1 - f_t) x_t``, ``h_t = relu(c_t)``, every column by
itself: Kim et al. (2019), "From Research to Production and Back", equation 4. Both maps of the
input, ``x`` and ``z``, are found for all positions beforehand, so that the loop over steps is left
with a few operations an element: one pass over memory each way, where PyTorch would need several a
step.

Shapes: N positions of the packed batch, D model width.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from numba import njit
from torch import Tensor
from torch.autograd.function import once_differentiable

from nmt.neural.kernels.compiled import REORDER, compiled


def packed_ssru_reference(maps_N2D: Tensor, offsets: Tensor) -> Tensor:
    """The same in plain PyTorch, in log2(N) steps and without waiting for the device: [N, D].

    A step of the recurrence is a map ``c -> a c + b``; maps are joined with those before them at
    distances 1, 2, 4, ... (Hillis and Steele 1986). A sentence's first map forgets all (``a = 0``).
    """
    x_ND, z_ND = maps_N2D.chunk(2, dim=1)
    positions = torch.arange(len(maps_N2D), device=offsets.device)
    a_ND = torch.sigmoid(z_ND)
    b_ND = (1 - a_ND) * x_ND
    a_ND = a_ND.masked_fill(torch.isin(positions, offsets)[:, None], 0.0)
    distance = 1
    while distance < len(maps_N2D):
        before_a, before_b = (
            F.pad(a_ND[:-distance], (0, 0, distance, 0), value=1.0),
            F.pad(b_ND[:-distance], (0, 0, distance, 0)),
        )
        a_ND, b_ND = a_ND * before_a, a_ND * before_b + b_ND
        distance *= 2
    return F.relu(b_ND).masked_fill((positions >= offsets[-1])[:, None], 0.0)


@njit(nogil=True, cache=True, fastmath=REORDER, error_model="numpy")
def _onward(maps: Any, f: Any, offsets: Any, c: Any, h: Any) -> None:
    """States and outputs of all positions."""
    width = f.shape[1]
    zero = f.dtype.type(0)
    for sentence in range(len(offsets) - 1):
        for t in range(offsets[sentence], offsets[sentence + 1]):
            x_t, f_t, c_t, h_t = maps[t], f[t], c[t], h[t]
            if t == offsets[sentence]:
                for d in range(width):
                    c_t[d] = x_t[d] - f_t[d] * x_t[d]
            else:
                before = c[t - 1]
                for d in range(width):
                    c_t[d] = x_t[d] + f_t[d] * (before[d] - x_t[d])
            for d in range(width):
                # Written so that NaN stays NaN.
                h_t[d] = zero if c_t[d] < zero else c_t[d]


@njit(nogil=True, cache=True, fastmath=REORDER, error_model="numpy")
def _back(maps: Any, f: Any, c: Any, offsets: Any, d_h: Any, d_maps: Any) -> None:
    """Gradients of both maps of all positions."""
    width = f.shape[1]
    zero, one = f.dtype.type(0), f.dtype.type(1)
    zeros, d_c = f[0] * zero, f[0] * zero
    for sentence in range(len(offsets) - 1):
        d_c[:] = zero
        for t in range(offsets[sentence + 1] - 1, offsets[sentence] - 1, -1):
            x_t, f_t, c_t, d_h_t, d_maps_t = maps[t], f[t], c[t], d_h[t], d_maps[t]
            before = c[t - 1] if t > offsets[sentence] else zeros
            for d in range(width):
                d_state = d_c[d] + (d_h_t[d] if c_t[d] > zero else zero)
                rest = one - f_t[d]
                d_maps_t[d] = d_state * rest
                d_maps_t[width + d] = d_state * (before[d] - x_t[d]) * f_t[d] * rest
                d_c[d] = d_state * f_t[d]


class _PackedSSRU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, maps_N2D: Tensor, offsets: Tensor) -> Tensor:
        maps_N2D = maps_N2D.contiguous()
        f_ND = torch.sigmoid(maps_N2D[:, maps_N2D.shape[1] // 2 :])
        c_ND, h_ND = torch.empty_like(f_ND), torch.empty_like(f_ND)
        _onward(maps_N2D.numpy(), f_ND.numpy(), offsets.numpy(), c_ND.numpy(), h_ND.numpy())
        h_ND[int(offsets[-1]) :] = 0.0
        ctx.save_for_backward(maps_N2D, f_ND, c_ND, offsets)
        return h_ND

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_h_ND: Tensor) -> Any:
        maps_N2D, f_ND, c_ND, offsets = ctx.saved_tensors
        d_maps_N2D = torch.empty_like(maps_N2D)
        _back(
            maps_N2D.numpy(),
            f_ND.numpy(),
            c_ND.numpy(),
            offsets.numpy(),
            d_h_ND.contiguous().numpy(),
            d_maps_N2D.numpy(),
        )
        d_maps_N2D[int(offsets[-1]) :] = 0.0
        return d_maps_N2D, None


def packed_ssru(maps_N2D: Tensor, offsets: Tensor) -> Tensor:
    """Outputs of the recurrence, from a state of zeros before each sentence: [N, D].

    Computed in float32 at least, whatever ``autocast`` says: errors of a state add up.

    Args:
        maps_N2D: the candidates ``x`` and, right of them, the gates ``z`` before their sigmoid.
        offsets: int32, sentence b is at positions ``offsets[b]`` to ``offsets[b + 1]``; positions
            of no sentence give zeros.
    """
    dtype = maps_N2D.dtype
    with torch.autocast(maps_N2D.device.type, enabled=False):
        maps_N2D = maps_N2D.to(torch.promote_types(dtype, torch.float32))
        if not compiled(maps_N2D):
            return packed_ssru_reference(maps_N2D, offsets).to(dtype)
        h_ND: Tensor = _PackedSSRU.apply(maps_N2D, offsets)  # type: ignore[no-untyped-call]  # PyTorch gives it no type
        return h_ND.to(dtype)
