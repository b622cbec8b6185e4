from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from nmt.neural.kernels.linear_relu import linear_relu
from tests.neural.exactness import assert_kernel_as_exact


@pytest.mark.parametrize("rows", [0, 1, 33])
def test_it_is_as_exact_as_pytorch(rows: int, device: str, dtype: torch.dtype) -> None:
    shapes = [(rows, 17), (29, 17), (29,)]
    inputs = [torch.randn(shape, dtype=torch.float64, device=device) for shape in shapes]
    assert_kernel_as_exact(
        linear_relu,
        lambda x, weight, bias: F.relu(F.linear(x, weight, bias)),
        inputs,
        torch.randn(rows, 29, dtype=torch.float64, device=device),
        dtype,
    )
