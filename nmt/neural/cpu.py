"""Making PyTorch use the processor well: decided by measuring at start-up, not by its name."""

from __future__ import annotations

import contextlib
import ctypes
import time
from typing import Literal, TypeAlias

import torch

MatrixPrecision: TypeAlias = Literal["highest", "high", "medium"]
"""PyTorch's names for the ways in which it may compute float32 matrix products."""

# A way must be this much quicker than the one before to be taken: near ties would be decided by
# chance, and with them the last digits of all results.
_WORTHWHILE = 0.8

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
_LARGEST_MMAP_THRESHOLD = 32 << 20  # glibc's HEAP_MAX_SIZE / 2 on 64-bit machines


def keep_freed_memory() -> None:
    """Tell the C allocator to keep what is freed for the next step instead of giving it back.

    A training step frees and takes the same large blocks again; giving them back to the kernel
    costs a page fault for every 4 KiB at the next step. One arena keeps threads from hoarding.
    Does nothing where the C library is not glibc.
    """
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_ARENA_MAX, 1)
        mallopt(_M_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def give_back_memory() -> None:
    """Give what was kept back to the kernel, once in a while.

    Blocks of ever other sizes leave gaps that nothing fits into: a recurrent network that was
    trained on long lines had 2.3 GB after 600 updates, and 0.8 to 1 GB of it in use; after 6,000 it
    had 5 GB. Does nothing where the C library is not glibc.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _seconds(left: torch.Tensor, right: torch.Tensor) -> float:
    best = float("inf")
    left @ right
    for _ in range(4):
        begin = time.perf_counter()
        left @ right
        best = min(best, time.perf_counter() - begin)
    return best


def choose_matrix_library() -> MatrixPrecision:
    """Pick the quickest float32 matrix product that is a true float32 one; takes about 20 ms.

    PyTorch sends float32 products to its BLAS (MKL), which on many processors does not use the
    widest vectors; a lower "float32 matmul precision" sends them to oneDNN, which does (seen: 2.2
    times as fast on an AMD Zen 5). On processors where oneDNN would then round to bfloat16, the
    error shows it and the setting is not taken.
    """
    generator = torch.Generator().manual_seed(0)
    left = torch.randn(512, 512, generator=generator)
    right = torch.randn(512, 1024, generator=generator)
    exact = left.double() @ right.double()
    torch.set_float32_matmul_precision("highest")
    choice: MatrixPrecision = "highest"
    quickest = _seconds(left, right)
    others: tuple[MatrixPrecision, ...] = ("high", "medium")
    for candidate in others:
        torch.set_float32_matmul_precision(candidate)
        error = float((left @ right - exact).norm() / exact.norm())
        seconds = _seconds(left, right)
        if error < 1e-6 and seconds < _WORTHWHILE * quickest:
            choice, quickest = candidate, seconds
    torch.set_float32_matmul_precision(choice)
    return choice
