"""Triton's kernels run on a GPU or, where there is none, in Triton's interpreter."""

from __future__ import annotations

import os
import sys

import pytest
import torch

if not torch.cuda.is_available():
    # Triton reads it once, when its functions are decorated.
    assert "triton" not in sys.modules, "something has imported Triton before its tests"
    os.environ["TRITON_INTERPRET"] = "1"


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
