"""Where the tests of the kernels compute, and in which types."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture
def device() -> str:
    """Where the kernels compute."""
    return "cuda" if torch.cuda.is_available() else "cpu"


@pytest.fixture(
    params=[torch.float32, torch.bfloat16, torch.float16]
    if torch.cuda.is_available()
    else [torch.float32],
    ids=str,
)
def dtype(request: pytest.FixtureRequest) -> torch.dtype:
    """Types to test; the interpreter's products of half types are wrong, so float32 only there."""
    chosen: torch.dtype = request.param
    return chosen
