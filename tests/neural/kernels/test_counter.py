from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nmt.neural.kernels.counter import (
    CounterKey,
    DeviceKeys,
    drop_limit,
    dropout_reference,
    keep_mask_reference,
    key_words,
    mixed_bits_reference,
)
from nmt.neural.kernels.dropout import keep_bits, mask_arguments

words = st.integers(0, 2**32 - 1)


@given(words, words, words)
def test_the_bits_are_those_of_the_loops_for_the_cpu(index: int, first: int, second: int) -> None:
    ours = mixed_bits_reference(torch.tensor([index]), torch.tensor(first), torch.tensor(second))
    assert int(ours) == int(keep_bits(index, (np.uint32(first), np.uint32(second))))


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_the_limit_is_that_of_the_loops_for_the_cpu(rate: float) -> None:
    _, limit, _ = mask_arguments(min(rate, 0.999999), (0, 0), torch.float32)
    if rate < 1:
        assert drop_limit(rate) % 2**32 == int(limit)
    assert -(2**31) <= drop_limit(rate) < 2**31


def test_words_come_back_as_they_were_whatever_their_sign() -> None:
    first, second = 0x9E3779B1, 5
    assert (key_words(first, second).long() & 0xFFFFFFFF).tolist() == [first, second]


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_dropout_takes_its_share_and_keeps_the_mean(rate: float) -> None:
    out = dropout_reference(torch.ones(300, 400), rate, CounterKey(key_words(3, 4), 1))
    deviation = math.sqrt(rate * (1 - rate))
    assert abs(float((out == 0).double().mean()) - rate) < 5 * deviation / math.sqrt(out.numel())
    torch.testing.assert_close(out[out != 0], torch.full_like(out[out != 0], 1 / (1 - rate)))


def test_calls_of_a_step_and_steps_have_masks_of_their_own() -> None:
    masks = []
    for seed in (1, 2):
        keys = DeviceKeys(key_words(seed, 7))
        masks += [keep_mask_reference((128, 128), 0.5, keys.next()) for _ in range(2)]
    for i in range(4):
        for j in range(i):
            agreement = float((masks[i] == masks[j]).double().mean())
            assert abs(agreement - 0.5) < 5 * 0.5 / 128
    again = keep_mask_reference((128, 128), 0.5, DeviceKeys(key_words(1, 7)).next())
    assert torch.equal(again, masks[0])
