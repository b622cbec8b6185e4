"""The end of a sublayer and the begin of the next: ``norm(residual + dropout(y))`` in one pass.

Eager PyTorch goes four times through memory for it: dropout, sum, norm, and the mask.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nmt.neural.kernels import gpu
from nmt.neural.kernels.counter import CounterKey, DeviceKeys, dropout_reference
from nmt.neural.kernels.dropout import DropoutKeys, dropout_add


def add_norm_reference(
    y_ND: Tensor,
    residual_ND: Tensor,
    norm: nn.LayerNorm | nn.RMSNorm,
    rate: float,
    key: CounterKey | None = None,
) -> tuple[Tensor, Tensor]:
    """The same in plain PyTorch: the sum, in the residual's type, and the normed, in y's."""
    sum_ND = residual_ND + dropout_reference(y_ND, rate, key).to(residual_ND.dtype)
    shape, weight = norm.normalized_shape, norm.weight.to(residual_ND.dtype)
    if isinstance(norm, nn.RMSNorm):
        normed_ND = F.rms_norm(sum_ND, shape, weight, norm.eps)
    else:
        bias = None if norm.bias is None else norm.bias.to(residual_ND.dtype)
        normed_ND = F.layer_norm(sum_ND, shape, weight, bias, norm.eps)
    return sum_ND, normed_ND.to(y_ND.dtype)


def add_norm(
    y_ND: Tensor,
    residual_ND: Tensor,
    norm: nn.LayerNorm | nn.RMSNorm,
    rate: float,
    keys: DropoutKeys | DeviceKeys | None,
) -> tuple[Tensor, Tensor]:
    """``s = residual + dropout(y)`` and ``norm(s)``: with norms first both go on, else the latter.

    Args:
        y_ND: what a sublayer gave.
        residual_ND: the stream that went around it; may be of a wider type than y.
        norm: LayerNorm (Ba et al. 2016) or RMSNorm (Zhang and Sennrich 2019) over D.
        rate: share of y that dropout takes.
        keys: where dropout's randomness comes from; None is evaluation.
    """
    if isinstance(keys, DropoutKeys) or (keys is None and not gpu.takes(y_ND)):
        sum_ND = dropout_add(y_ND, residual_ND, rate, keys)
        normed_ND: Tensor = norm(sum_ND)
        return sum_ND, normed_ND
    key = keys.next() if keys is not None and rate else None
    if keys is not None and not keys.uses("add_norm"):
        return add_norm_reference(y_ND, residual_ND, norm, rate, key)
    from nmt.neural.kernels import add_norm_triton

    return add_norm_triton.add_norm(
        y_ND,
        residual_ND,
        norm.weight,
        norm.bias if isinstance(norm, nn.LayerNorm) else None,
        epsilon(norm, residual_ND.dtype),
        rate,
        key,
        centred=isinstance(norm, nn.LayerNorm),
    )


def epsilon(norm: nn.LayerNorm | nn.RMSNorm, dtype: torch.dtype) -> float:
    """What a norm adds to the variance; RMSNorm may leave it to the type."""
    return torch.finfo(dtype).eps if norm.eps is None else norm.eps
