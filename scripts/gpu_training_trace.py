"""Where the time of an update goes on a GPU, by PyTorch's profiler, in words."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch

KINDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("attention", ("attention", "flash", "fmha", "efficient", "softmax_warp")),
    ("loss", ("loss_kernel", "log_softmax", "nll", "cross_entropy")),
    ("optimizer", ("adam", "multi_tensor", "foreach")),
    ("matrix products", ("gemm", "cutlass", "nvjet", "cublas", "s16816", "wgmma", "sm90_xmma")),
    ("rounding to float8", ("peak_kernel", "round_kernel")),
    ("norms", ("norm",)),
    ("embedding", ("embed", "index")),
    ("dropout", ("dropout",)),
    ("copies and clearing", ("memcpy", "memset", "copy", "fill", "cat")),
    ("reductions", ("reduce",)),
    ("elementwise", ("elementwise", "triton_poi", "triton_per", "triton_red", "vectorized")),
)
"""Kinds of kernels by what their names contain; the first that fits counts."""

UPDATES = 5


def where_time_goes(step: Callable[[], Any], device: torch.device) -> dict[str, Any]:
    """Shares of the device's time, the longest kernels, and a sentence about them."""
    activities = [torch.profiler.ProfilerActivity.CPU]
    if device.type == "cuda":
        activities = [torch.profiler.ProfilerActivity.CUDA]
        torch.cuda.synchronize()
    with torch.profiler.profile(activities=activities) as profiler:
        began = time.perf_counter()
        for _ in range(UPDATES):
            step()
        if device.type == "cuda":
            torch.cuda.synchronize()
        wall = time.perf_counter() - began
    kernels: dict[str, tuple[float, int]] = {}
    for event in profiler.key_averages():
        spent = event.self_device_time_total if device.type == "cuda" else event.self_cpu_time_total
        if spent > 0:
            kernels[event.key] = (1e-3 * spent / UPDATES, event.count // UPDATES)
    return summarize(kernels, 1e3 * wall / UPDATES)


def kind_of(name: str) -> str:
    """The kind of a kernel, by its name."""
    lowered = name.lower()
    for kind, words in KINDS:
        if any(word in lowered for word in words):
            return kind
    return "other"


def summarize(kernels: dict[str, tuple[float, int]], wall_ms: float) -> dict[str, Any]:
    """Put kernels (milliseconds and launches of an update) together."""
    by_kind: dict[str, float] = {}
    for name, (spent, _) in kernels.items():
        by_kind[kind_of(name)] = by_kind.get(kind_of(name), 0.0) + spent
    busy = sum(by_kind.values())
    ordered = sorted(by_kind.items(), key=lambda item: -item[1])
    words = ", ".join(f"{spent / wall_ms:.0%} {kind}" for kind, spent in ordered)
    longest = sorted(kernels.items(), key=lambda item: -item[1][0])[:25]
    return {
        "wall_ms": wall_ms,
        "busy_ms": busy,
        "kinds_ms": dict(ordered),
        "kernels": [[name[:160], spent, launches] for name, (spent, launches) in longest],
        "in_words": f"of {wall_ms:.2f} ms an update: {words}; "
        f"{max(0.0, 1 - busy / wall_ms):.0%} nothing; "
        f"{sum(launches for _, launches in kernels.values())} kernels",
    }
