"""Dropout on the GPU whose mask follows from a counter and a key that lies on the device.

A step of training that is captured as a CUDA graph repeats the same launches with the same
arguments, so what must differ from step to step is read from memory: two words that the host
renews. Each dropout of a step has a number, which is mixed into them. The bits are those of the
loops for the CPU (`nmt.neural.kernels.dropout`): nothing is stored, and the same key gives the
same mask whatever the shape of tiles.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import NamedTuple

import torch
from torch import Tensor

from nmt.neural.kernels.gpu import Kernel

_WORD = 0xFFFFFFFF


class CounterKey(NamedTuple):
    """The key of one dropout."""

    words: Tensor
    """int32 [2] on the device; the key of the step."""
    call: int
    """The number of the dropout in the step."""


class DeviceKeys:
    """The keys of a step's dropouts, in order. A new object begins anew: make one for each step.

    A pass that is given them computes with the kernels of the GPU, wherever its tensors are.
    """

    __slots__ = ("_calls", "_references", "_words")

    def __init__(self, words: Tensor, references: Collection[Kernel] = ()) -> None:
        """Begin a step.

        Args:
            words: int32 [2] on the device; the key of the step.
            references: kernels whose place their references in plain PyTorch take, with the same
                masks: to compare the two, or for tensors that a kernel cannot take.
        """
        self._words = words
        self._references = references
        self._calls = 0

    def uses(self, kernel: Kernel) -> bool:
        """Whether this kernel computes, not its reference."""
        return kernel not in self._references

    def next(self) -> CounterKey:
        """The key of the next dropout."""
        self._calls += 1
        return CounterKey(self._words, self._calls)


def key_words(first: int, second: int, device: torch.device | str = "cpu") -> Tensor:
    """Two 32-bit words, such as `DropoutKeys.next` gives, as a tensor that a kernel can read."""
    return torch.tensor([_signed(first), _signed(second)], dtype=torch.int32, device=device)


def drop_limit(rate: float) -> int:
    """The bound below which an element's bits drop it, as the pattern of a signed word."""
    return _signed(min(round(rate * 2**32), _WORD))


def keep_scale(rate: float) -> float:
    """By what the elements that stay are multiplied."""
    return 1 / (1 - rate) if rate < 1 else math.inf


def mixed_bits_reference(index: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """32 bits of each index under two words, in plain PyTorch: int64, from 0 to 2^32 - 1."""
    h = ((index & _WORD) * 0x9E3779B1 & _WORD) ^ first
    h = ((h ^ (h >> 16)) * 0x7FEB352D) & _WORD
    h = (h + second) & _WORD
    h = ((h ^ (h >> 15)) * 0x846CA68B) & _WORD
    return h ^ (h >> 16)


def call_words_reference(key: CounterKey) -> tuple[Tensor, Tensor]:
    """The two words of one dropout, in plain PyTorch: int64."""
    first, second = (word & _WORD for word in key.words.long())
    calls = torch.arange(2 * key.call, 2 * key.call + 2, device=key.words.device)
    one, other = mixed_bits_reference(calls, first, second)
    return one, other


def keep_mask_reference(shape: tuple[int, ...], rate: float, key: CounterKey) -> Tensor:
    """Which elements of a tensor stay, in plain PyTorch: bool, counted row by row."""
    index = torch.arange(math.prod(shape), device=key.words.device).view(shape)
    return mixed_bits_reference(index, *call_words_reference(key)) >= drop_limit(rate) & _WORD


def keep_weights_reference(
    query: Tensor, key_row: Tensor, heads: int, rate: float, key: CounterKey
) -> Tensor:
    """Which weights of attention stay, in plain PyTorch: bool [B, H, L, S].

    Args:
        query: int64 [B, L], the rows of the queries in the packed batch.
        key_row: int64 [B, S], the rows of the keys.
        heads: of the attention.
        rate: share that is dropped.
        key: of this dropout.
    """
    one, other = call_words_reference(key)
    head = torch.arange(heads, device=query.device)[:, None]
    word_BHL = mixed_bits_reference(query[:, None, :] * heads + head, one, other)
    bits = mixed_bits_reference(key_row[:, None, None, :], word_BHL[..., None], other)
    return bits >= drop_limit(rate) & _WORD


def dropout_reference(x: Tensor, rate: float, key: CounterKey | None) -> Tensor:
    """Dropout of all elements by their number, in plain PyTorch; a key of None is evaluation."""
    if key is None or rate == 0:
        return x
    kept = keep_mask_reference(tuple(x.shape), rate, key)
    return torch.where(kept, x * keep_scale(rate), torch.zeros_like(x))


def _signed(word: int) -> int:
    return word - 2**32 if word >= 2**31 else word
