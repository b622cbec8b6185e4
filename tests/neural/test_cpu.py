from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from nmt.neural import cpu
from nmt.neural.cpu import choose_matrix_library, give_back_memory, keep_freed_memory


@pytest.fixture(autouse=True)
def unchanged_precision() -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    yield
    torch.set_float32_matmul_precision(before)


def relative_error() -> float:
    left, right = torch.randn(300, 200), torch.randn(200, 400)
    exact = left.double() @ right.double()
    return float((left @ right - exact).norm() / exact.norm())


def test_the_chosen_product_is_a_true_float32_one() -> None:
    choice = choose_matrix_library()
    assert torch.get_float32_matmul_precision() == choice
    assert relative_error() < 1e-6


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ({"highest": 1.0, "high": 1.0, "medium": 0.4}, "medium"),
        ({"highest": 1.0, "high": 0.4, "medium": 0.4}, "high"),
        ({"highest": 1.0, "high": 0.95, "medium": 0.9}, "highest"),
        ({"highest": 1.0, "high": 2.0, "medium": 3.0}, "highest"),
    ],
)
def test_a_way_is_taken_only_if_it_is_clearly_quicker(
    times: dict[str, float], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        cpu, "_seconds", lambda left, right: times[torch.get_float32_matmul_precision()]
    )
    assert choose_matrix_library() == expected
    assert torch.get_float32_matmul_precision() == expected


def test_a_product_that_rounds_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """As of processors whose oneDNN computes in bfloat16 when it is allowed to."""
    exact = torch.Tensor.__matmul__

    def rounding(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        if left.dtype == torch.float32 and torch.get_float32_matmul_precision() == "medium":
            return exact(left.bfloat16().float(), right.bfloat16().float())
        return exact(left, right)

    monkeypatch.setattr(torch.Tensor, "__matmul__", rounding)
    quick = {"highest": 1.0, "high": 1.0, "medium": 0.1}
    monkeypatch.setattr(
        cpu, "_seconds", lambda left, right: quick[torch.get_float32_matmul_precision()]
    )
    assert choose_matrix_library() == "highest"


def test_memory_is_still_given_after_the_allocator_was_told_to_keep_it() -> None:
    keep_freed_memory()
    assert float(torch.ones(1 << 22).sum()) == 1 << 22


def _resident() -> int:
    """Bytes of memory that this process has."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_gaps_between_what_is_used_are_given_back() -> None:
    """Blocks whose neighbours are still used, so that the heap cannot become shorter."""
    keep_freed_memory()
    size, count = 1 << 16, 4000
    blocks = [torch.ones(size // 4) for _ in range(count)]
    full = _resident()
    del blocks[::2]
    assert _resident() > full - size * count // 8
    give_back_memory()
    assert _resident() < full - size * count // 4
    assert all(float(block[0]) == 1 for block in blocks)
