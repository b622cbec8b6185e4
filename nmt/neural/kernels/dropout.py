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


@njit(inline="always")  # type: ignore[untyped-decorator]
def keep_bits(i: int, key: tuple[np.uint32, np.uint32]) -> np.uint32:
    """32 well-mixed bits of ``i``: "lowbias32" (Wellons 2018), keyed before and between rounds.

    Numba widens products of uint32 to 64 bits; each is cut back, so that the loop vectorises.
    """
    h = np.uint32(np.uint32(i) * np.uint32(0x9E3779B1)) ^ key[0]
    h = np.uint32((h ^ (h >> np.uint32(16))) * np.uint32(0x7FEB352D))
    h = np.uint32(h + key[1])
    h = np.uint32((h ^ (h >> np.uint32(15))) * np.uint32(0x846CA68B))
    return np.uint32(h ^ (h >> np.uint32(16)))


@njit(nogil=True, cache=True, fastmath=True)  # type: ignore[untyped-decorator]
def _dropout_loop(
    x: np.ndarray, out: np.ndarray, key: Any, limit: np.uint32, scale: Any
) -> None:
    zero = x.dtype.type(0)
    for i in range(x.size):
        out[i] = x[i] * scale if keep_bits(i, key) >= limit else zero


@njit(nogil=True, cache=True, fastmath=True)  # type: ignore[untyped-decorator]
def _dropout_add_loop(
    x: np.ndarray,
    residual: np.ndarray,
    out: np.ndarray,
    key: Any,
    limit: np.uint32,
    scale: Any,
) -> None:
    zero = x.dtype.type(0)
    for i in range(x.size):
        out[i] = residual[i] + (x[i] * scale if keep_bits(i, key) >= limit else zero)


def _arguments(x: Tensor, p: float, key: tuple[int, int]) -> tuple[Any, ...]:
    scale = x.new_empty(()).numpy().dtype.type(1 / (1 - p))
    words = (np.uint32(key[0]), np.uint32(key[1]))
    return words, np.uint32(round(p * 2**32)), scale


def _masked(x: Tensor, p: float, key: tuple[int, int]) -> Tensor:
    x = x.contiguous()
    out = torch.empty_like(x)
    _dropout_loop(x.view(-1).numpy(), out.view(-1).numpy(), *_arguments(x, p, key))
    return out


class _CounterDropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, p: float, key: tuple[int, int]) -> Tensor:
        ctx.p, ctx.key = p, key
        return _masked(x.detach(), p, key)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:  # type: ignore[override]
        return _masked(grad, ctx.p, ctx.key), None, None


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
            *_arguments(x, p, key),
        )
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, None]:  # type: ignore[override]
        return _masked(grad, ctx.p, ctx.key), grad, None, None


def dropout(x: Tensor, p: float, keys: DropoutKeys | None) -> Tensor:
    """Zero each element of ``x`` with probability ``p``, scaling the rest by 1/(1-p).

    ``keys`` of None is evaluation: ``x`` itself.
    """
    if keys is None or p == 0:
        return x
    if x.device.type == "cpu" and x.dtype in (torch.float32, torch.float64):
        result: Tensor = _CounterDropout.apply(x, p, keys.next())
        return result
    return F.dropout(x, p)


def dropout_add(x: Tensor, residual: Tensor, p: float, keys: DropoutKeys | None) -> Tensor:
    """``residual + dropout(x)`` in one pass over memory; shapes and types must be equal."""
    if keys is None or p == 0:
        return residual + x
    if x.device.type == "cpu" and x.dtype == residual.dtype in (torch.float32, torch.float64):
        result: Tensor = _CounterDropoutAdd.apply(x, residual, p, keys.next())
        return result
    return residual + F.dropout(x, p)
