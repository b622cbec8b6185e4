"""Fixtures of the tests of the neural wing.

Triton's kernels run on a GPU or, where there is none, in Triton's interpreter.
"""

from __future__ import annotations

import os
import sys

import pytest
import torch

if not torch.cuda.is_available():
    # Triton reads it once, when its functions are decorated.
    assert "triton" not in sys.modules, "something has imported Triton before its tests"
    os.environ["TRITON_INTERPRET"] = "1"


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Every test begins with the same random numbers, alone or after others."""
    torch.manual_seed(1)
