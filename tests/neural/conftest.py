"""Fixtures of the tests of the neural wing."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Every test begins with the same random numbers, alone or after others."""
    torch.manual_seed(1)
