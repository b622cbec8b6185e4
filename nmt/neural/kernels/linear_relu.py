"""``relu(W x + b)``: on the GPU one matrix product whose last act is bias and ReLU.

The hidden layer of the feed-forward is the widest tensor of a layer: 25 k rows of 4,096 bfloat16
numbers are 210 MB. ReLU as an operation of its own reads and writes it once more, 0.14 ms at
3.0 TB/s in each of twelve layers. Only the result is kept for the backward pass: where it is not
positive there is no gradient.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from nmt.neural.kernels.counter import DeviceKeys


def linear_relu_reference(x_ND: Tensor, weight_FD: Tensor, bias_F: Tensor) -> Tensor:
    """The same in plain PyTorch."""
    return F.relu(F.linear(x_ND, weight_FD, bias_F), inplace=True)


def linear_relu(x_ND: Tensor, weight_FD: Tensor, bias_F: Tensor, keys: DeviceKeys) -> Tensor:
    """``relu(x W^T + b)``: [N, D] to [N, F].

    Args:
        x_ND: rows.
        weight_FD: in their type, as the bias.
        bias_F: one number for each column of the result.
        keys: of the pass; they say whether the kernel computes.
    """
    if not keys.uses("linear_relu"):
        return linear_relu_reference(x_ND, weight_FD, bias_F)
    from nmt.neural.kernels import linear_relu_triton

    return linear_relu_triton.linear_relu(x_ND, weight_FD, bias_F)
