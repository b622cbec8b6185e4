"""Dropout whose mask comes from a counter: nothing is stored, and any thread may compute it.

On the CPU PyTorch's dropout spends 5 ns an element on random numbers, which is a tenth of the time
of a small Transformer. Here element ``i`` is kept if a 32-bit hash of ``i`` and the call's key is
at least ``p * 2**32``; the backward pass hashes again. The mask depends on the key alone, not on
threads or on what ran before, so a resumed run sees the same masks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numba import njit
from torch import Tensor
from torch.autograd.function import once_differentiable

from nmt.neural.kernels.compiled import compiled
from nmt.neural.kernels.counter import DeviceKeys, dropout_reference


class DropoutKeys:
    """A sequence of keys, one for each dropout call of a forward pass; seeded, cheap to restart."""

    __slots__ = ("_generator", "random")

    def __init__(self, *seed: int) -> None:
        self._generator = np.random.Generator(np.random.Philox(np.random.SeedSequence(list(seed))))

    def next(self) -> tuple[int, int]:
        """Two 32-bit words, different at every call."""
        word = int(self._generator.integers(0, 2**64, dtype=np.uint64))
        return word & 0xFFFFFFFF, word >> 32

    def uniform(self) -> float:
        """A number in [0, 1), for decisions on the host such as dropping a layer."""
        return float(self._generator.random())


@njit(inline="always")
def keep_bits(i: int, key: tuple[np.uint32, np.uint32]) -> np.uint32:
    """32 well-mixed bits of ``i``: "lowbias32" (Wellons 2018), keyed before and between rounds.

    Numba widens products of uint32 to 64 bits; each is cut back, so that the loop vectorises.
    """
    h = np.uint32(np.uint32(i) * np.uint32(0x9E3779B1)) ^ key[0]
    h = np.uint32((h ^ (h >> np.uint32(16))) * np.uint32(0x7FEB352D))
    h = np.uint32(h + key[1])
    h = np.uint32((h ^ (h >> np.uint32(15))) * np.uint32(0x846CA68B))
    return np.uint32(h ^ (h >> np.uint32(16)))


@njit(nogil=True, cache=True)
def _dropout_loop(x: Any, out: Any, key: Any, limit: Any, scale: Any) -> None:
    zero = x.dtype.type(0)
    for i in range(x.size):
        out[i] = x[i] * scale if keep_bits(i, key) >= limit else zero


@njit(nogil=True, cache=True)
def _dropout_add_loop(x: Any, residual: Any, out: Any, key: Any, limit: Any, scale: Any) -> None:
    zero = x.dtype.type(0)
    for i in range(x.size):
        out[i] = residual[i] + (x[i] * scale if keep_bits(i, key) >= limit else zero)


def mask_arguments(p: float, key: tuple[int, int], dtype: torch.dtype) -> tuple[Any, Any, Any]:
    """What the loops take: the key as words, the bound of ``keep_bits``, and the scale 1/(1-p)."""
    words = (np.uint32(key[0]), np.uint32(key[1]))
    limit = np.uint32(min(round(p * 2**32), 2**32 - 1))
    scale = np.float32(1 / (1 - p)) if dtype == torch.float32 else np.float64(1 / (1 - p))
    return words, limit, scale


def _masked(x: Tensor, p: float, key: tuple[int, int]) -> Tensor:
    if not compiled(x):
        return _masked(x.float(), p, key).to(x.dtype)
    x = x.contiguous()
    out = torch.empty_like(x)
    _dropout_loop(x.view(-1).numpy(), out.view(-1).numpy(), *mask_arguments(p, key, x.dtype))
    return out


class _CounterDropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, p: float, key: tuple[int, int]) -> Tensor:
        ctx.p, ctx.key = p, key
        return _masked(x.detach(), p, key)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out: Tensor) -> tuple[Tensor, None, None]:
        return _masked(d_out, ctx.p, ctx.key), None, None


class _CounterDropoutAdd(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, residual: Tensor, p: float, key: tuple[int, int]) -> Tensor:
        ctx.p, ctx.key = p, key
        x, residual = x.detach().contiguous(), residual.detach().contiguous()
        out = torch.empty_like(x)
        _dropout_add_loop(
            x.view(-1).numpy(),
            residual.view(-1).numpy(),
            out.view(-1).numpy(),
            *mask_arguments(p, key, x.dtype),
        )
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out: Tensor) -> tuple[Tensor, Tensor, None, None]:
        return _masked(d_out, ctx.p, ctx.key), d_out, None, None


def dropout(x: Tensor, p: float, keys: DropoutKeys | DeviceKeys | None) -> Tensor:
    """Zero each element of ``x`` with probability ``p``, scaling the rest by 1/(1-p).

    ``keys`` of None is evaluation: ``x`` itself. With keys of the host on a GPU, PyTorch's dropout
    draws from PyTorch's generator instead of the keys, and is as fast as its memory.
    """
    if keys is None or p == 0:
        return x
    if isinstance(keys, DeviceKeys):
        return dropout_reference(x, p, keys.next())
    if x.device.type == "cpu":
        out: Tensor = _CounterDropout.apply(x, p, keys.next())  # type: ignore[no-untyped-call]  # PyTorch gives it no type
        return out
    return F.dropout(x, p)


def dropout_add(x: Tensor, residual: Tensor, p: float, keys: DropoutKeys | None) -> Tensor:
    """``residual + dropout(x)``, in one pass over memory where both have one type."""
    if keys is None or p == 0:
        return residual + x
    if compiled(x) and x.dtype == residual.dtype:
        out: Tensor = _CounterDropoutAdd.apply(x, residual, p, keys.next())  # type: ignore[no-untyped-call]  # PyTorch gives it no type
        return out
    return residual + dropout(x, p, keys)
