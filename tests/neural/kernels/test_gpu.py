from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from nmt.neural.kernels import gpu
from nmt.neural.kernels.adamw import AdamWSettings, FlatState, adamw_step, step_scalars
from nmt.neural.kernels.add_norm import add_norm
from nmt.neural.kernels.cross_entropy import smoothed_cross_entropy
from nmt.neural.kernels.embedding import embed
from nmt.neural.kernels.packed_attention import packed_cross_attention, packed_self_attention


def attention(device: str) -> tuple[Tensor, ...]:
    x = torch.linspace(-1, 1, 7 * 3 * 2 * 32).sin().view(7, 3, 2, 32).to(device)
    offsets = torch.tensor([0, 3, 6], dtype=torch.int32, device=device)
    own = packed_self_attention(x, offsets, causal=True)
    return own, packed_cross_attention(own, x[:, 1:], offsets, offsets)


def loss(device: str) -> tuple[Tensor, ...]:
    hidden = torch.linspace(-1, 1, 5 * 8).cos().view(5, 8).to(device)
    weight = torch.linspace(-1, 1, 11 * 8).sin().view(11, 8).to(device)
    return smoothed_cross_entropy(hidden, weight, torch.arange(5, device=device), 0.1)


def norm(device: str) -> tuple[Tensor, ...]:
    y, residual = torch.linspace(-1, 1, 2 * 5 * 32).exp().view(2, 5, 32).to(device)
    return add_norm(y, residual, nn.LayerNorm(32, device=device), 0.1, None)


def embedding(device: str) -> tuple[Tensor, ...]:
    pieces = torch.tensor([1, 2, 1], device=device)
    table = torch.linspace(-1, 1, 3 * 32).view(3, 32).to(device)
    return (embed(pieces, pieces, table, table, 3.0, 0.1, None),)


def adamw(device: str) -> tuple[Tensor, ...]:
    values, gradients, first, second = torch.linspace(0, 1, 400).view(4, 100).to(device)
    settings = AdamWSettings(weight_decay=0.1, clip_norm=1.0)
    state = FlatState(values, gradients.clone(), first.clone(), second.clone(), None, 60)
    length = adamw_step(state, step_scalars(0.01, 2, 3.0, settings).to(device), settings)
    return values, state.gradients, state.first_moment, state.second_moment, length


def test_a_tensor_of_the_cpu_is_for_the_loops() -> None:
    assert not gpu.takes(torch.zeros(1))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("function", [attention, loss, norm, embedding, adamw])
def test_the_same_on_both_devices(function: Callable[[str], tuple[Tensor, ...]]) -> None:
    with torch.no_grad():
        for on_cpu, on_gpu in zip(function("cpu"), function("cuda"), strict=True):
            torch.testing.assert_close(on_gpu.cpu(), on_cpu, rtol=1e-5, atol=1e-5)
