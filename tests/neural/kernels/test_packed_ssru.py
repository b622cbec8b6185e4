from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from nmt.neural.kernels.packed_ssru import packed_ssru, packed_ssru_reference
from tests.neural.exactness import assert_kernel_as_exact

LENGTHS = [[1], [1, 1, 1], [3, 1, 7], [17, 1, 33, 2], [1 + 5 * n % 7 for n in range(40)]]

Layer = Callable[[Tensor, Tensor], Tensor]


def offsets_of(lengths: list[int]) -> Tensor:
    return torch.from_numpy(np.concatenate(([0], np.cumsum(lengths))).astype(np.int32))


def by_the_book(maps: Tensor, offsets: Tensor) -> Tensor:
    """Kim et al. (2019), equation 4, sentence by sentence and step by step."""
    width = maps.shape[1] // 2
    out = [torch.zeros(width, dtype=maps.dtype)] * len(maps)
    for begin, end in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
        c = torch.zeros(width, dtype=maps.dtype)
        for t in range(begin, end):
            f = torch.sigmoid(maps[t, width:])
            c = f * c + (1 - f) * maps[t, :width]
            out[t] = torch.relu(c)
    return torch.stack(out)


@pytest.mark.parametrize("layer", [packed_ssru, packed_ssru_reference])
@pytest.mark.parametrize("lengths", LENGTHS, ids=len)
def test_it_is_as_exact_as_the_plain_loop(lengths: list[int], layer: Layer) -> None:
    offsets, positions = offsets_of(lengths), sum(lengths) + 3
    assert_kernel_as_exact(
        lambda maps: layer(maps, offsets),
        lambda maps: by_the_book(maps, offsets),
        [torch.randn(positions, 10, dtype=torch.float64)],
        torch.randn(positions, 5, dtype=torch.float64),
    )


@pytest.mark.parametrize("layer", [packed_ssru, packed_ssru_reference])
def test_its_gradient_is_that_of_differences(layer: Layer) -> None:
    maps = torch.randn(9, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda maps: layer(maps, offsets_of([3, 1, 4])), [maps])


@pytest.mark.parametrize("layer", [packed_ssru, packed_ssru_reference])
def test_positions_of_no_sentence_are_zeros_and_get_no_gradient(layer: Layer) -> None:
    maps = torch.rand(8, 6).requires_grad_()  # states above zero: no ReLU cuts gradients off
    out = layer(maps, offsets_of([2, 3]))
    (gradient,) = torch.autograd.grad(out.sum(), [maps])
    assert not out[5:].any()
    assert gradient[:5].any(dim=1).all()
    assert not gradient[5:].any()


@pytest.mark.parametrize("layer", [packed_ssru, packed_ssru_reference])
def test_what_is_no_number_shows(layer: Layer) -> None:
    maps = torch.zeros(4, 2)
    maps[1, 0] = torch.nan
    assert layer(maps, offsets_of([4]))[1:].isnan().all()


def test_half_precision_keeps_its_state_in_single() -> None:
    maps = torch.randn(200, 8, dtype=torch.float64)
    maps[:, 4:] = 6.0  # keeps 99.75 % of its state: in bfloat16 it would never change
    offsets = offsets_of([200])
    rounded = maps.bfloat16()
    found = packed_ssru(rounded, offsets)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(
        found.double(), by_the_book(rounded.double(), offsets), rtol=0.01, atol=1e-4
    )


def test_strided_maps() -> None:
    maps = torch.randn(6, 24, dtype=torch.float64)
    offsets = offsets_of([4, 2])
    strided = maps[:, ::3]
    torch.testing.assert_close(packed_ssru(strided, offsets), by_the_book(strided, offsets))
