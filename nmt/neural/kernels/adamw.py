"""AdamW over one flat buffer, with clipping: one pass over memory, and no look from the host.

What changes from step to step (learning rate, corrections, divisor) is read from a tensor on the
device, so that a captured graph can be replayed.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nmt.neural.kernels import gpu


@dataclass(frozen=True, slots=True)
class FlatState:
    """What an optimiser keeps of P parameters, matrices first; each tensor is [P]."""

    values: Tensor
    """The parameters in float32."""
    gradients: Tensor
    """Summed over targets; cleared by the step."""
    first_moment: Tensor
    second_moment: Tensor
    copies: Tensor | None
    """The parameters in a half type, with which the model computes; None if it uses the values."""
    num_matrix_elements: int
    """Weight decay is for these."""


@dataclass(frozen=True, slots=True)
class AdamWSettings:
    """What stays the same at all steps: Loshchilov and Hutter (2019), algorithm 2."""

    beta1: float = 0.9
    beta2: float = 0.98
    eps: float = 1e-9
    weight_decay: float = 0.0
    clip_norm: float | None = None
    """Greatest norm of the gradient."""


def step_scalars(rate: float, step: int, divisor: float, settings: AdamWSettings) -> Tensor:
    """What a step reads: float32 [4], on the host; copy it to the device before the step.

    Args:
        rate: the learning rate.
        step: the step's number, counted from 1.
        divisor: by which the gradients are too large: target pieces times the loss scale.
        settings: for the corrections of the moments' bias.
    """
    corrections = [1 / (1 - beta**step) for beta in (settings.beta1, settings.beta2)]
    return torch.tensor([rate, *corrections, 1 / divisor])


def adamw_step_reference(
    state: FlatState, scalars: Tensor, settings: AdamWSettings, norm: Tensor | None = None
) -> Tensor:
    """The same in plain PyTorch: the norm of the gradient before clipping, on the device."""
    rate, correction1, correction2, inverse = scalars.to(state.values.dtype)
    norm = gradient_norm(state.gradients, scalars) if norm is None else norm
    factor = inverse
    if settings.clip_norm is not None:
        factor = factor * (settings.clip_norm / (norm + 1e-6)).clamp(max=1.0)
    gradients = state.gradients.to(state.values.dtype) * factor
    first = torch.lerp(gradients, state.first_moment, settings.beta1)
    second = torch.lerp(gradients.square(), state.second_moment, settings.beta2)
    update = first * correction1 / ((second * correction2).sqrt() + settings.eps)
    decayed = state.values.clone()
    decayed[: state.num_matrix_elements] *= 1 - rate * settings.weight_decay
    finite = norm.isfinite()
    for old, new in (
        (state.values, decayed - rate * update),
        (state.first_moment, first),
        (state.second_moment, second),
    ):
        old.copy_(torch.where(finite, new, old))
    if state.copies is not None:
        state.copies.copy_(state.values)
    state.gradients.zero_()
    return norm


def gradient_norm(gradients: Tensor, scalars: Tensor) -> Tensor:
    """The norm of the divided gradients, summed in float32 or wider.

    Of a part of the parameters: with several GPUs the squares of such norms are added up.
    """
    wide = torch.promote_types(gradients.dtype, torch.float32)
    norm: Tensor = torch.linalg.vector_norm(gradients, dtype=wide) * scalars[3]
    return norm


def adamw_step(
    state: FlatState,
    scalars: Tensor,
    settings: AdamWSettings,
    norm: Tensor | None = None,
    *,
    by_kernel: bool | None = None,
) -> Tensor:
    """Apply the gradients, unless they are not finite, and clear them.

    Args:
        state: what is updated, in its place.
        scalars: float32 [4] on the same device, see `step_scalars`.
        settings: what stays the same at all steps.
        norm: the norm of the whole gradient where the state holds a part of it only.
        by_kernel: whether the GPU's kernel computes, which else goes by device.

    Returns the gradient's norm before clipping, on the device.
    """
    norm = gradient_norm(state.gradients, scalars) if norm is None else norm
    if not (gpu.takes(state.values) if by_kernel is None else by_kernel):
        return adamw_step_reference(state, scalars, settings, norm)
    from nmt.neural.kernels import adamw_triton

    adamw_triton.step(state, scalars, settings, norm)
    return norm
