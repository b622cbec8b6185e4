"""The GPU here and its two ceilings: a large copy, and a large bfloat16 matrix product."""

from __future__ import annotations

import platform
import time
from typing import Any

import torch

from scripts.benchmark import answer_request

SIZE = 8192


def measure(request: dict[str, Any]) -> dict[str, Any]:
    """Name, libraries, bytes and operations a second."""
    import triton
    from triton.testing import do_bench

    source = torch.randn(1 << 29, device="cuda")
    target = torch.empty_like(source)
    copied = do_bench(lambda: target.copy_(source), return_mode="median")
    left, right = torch.randn(2, SIZE, SIZE, device="cuda", dtype=torch.bfloat16)
    multiplied = do_bench(lambda: left @ right, return_mode="median")
    return {
        "device": torch.cuda.get_device_name(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "triton": triton.__version__,
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "copy_bytes_per_second": 2 * source.nbytes / copied * 1e3,
        "bfloat16_flops_per_second": 2 * SIZE**3 / multiplied * 1e3,
    }


if __name__ == "__main__":
    answer_request(measure)
