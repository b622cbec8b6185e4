"""Which keys each query sees, as one interval: all that the attention kernels know of sentences.

Causal, bidirectional and cross attention differ in nothing else. Computed once for a batch and used
by all layers, without a look from the host, and with shapes that depend on no length.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class AttentionSpans(NamedTuple):
    """Intervals, int32: first position, and the one after the last; equal where there is none."""

    seen_2N: Tensor
    """The keys that each of N queries sees."""
    seeing_2M: Tensor
    """The queries that see each of M keys."""


def attention_spans(
    q_offsets: Tensor, k_offsets: Tensor, num_queries: int, num_keys: int, *, causal: bool = False
) -> AttentionSpans:
    """The spans of packed sentences.

    Args:
        q_offsets: int32 [B + 1], where each sentence's queries begin, and where the last's end;
            sentences may be empty, so offsets can be padded to a fixed number by repeating the end.
        k_offsets: int32 [B + 1], the same of its keys.
        num_queries: positions of queries, rows of no sentence included.
        num_keys: positions of keys, rows of no sentence included.
        causal: a query sees no key after its own position; both have the same offsets then.
    """
    seen_2N = _intervals(q_offsets, k_offsets, num_queries)
    seeing_2M = _intervals(k_offsets, q_offsets, num_keys)
    if causal:
        position = torch.arange(num_queries, dtype=torch.int32, device=q_offsets.device)
        begin, end = seen_2N
        seen_2N = torch.stack((begin, torch.minimum(end, position + 1)))
        begin, end = seeing_2M
        seeing_2M = torch.stack((torch.where(begin < end, position, begin), end))
    return AttentionSpans(seen_2N, seeing_2M)


def _intervals(of: Tensor, to: Tensor, positions: int) -> Tensor:
    """For each position, the interval in ``to`` of the sentence that holds it in ``of``."""
    device = of.device
    if len(of) < 2:
        return torch.zeros(2, positions, dtype=torch.int32, device=device)
    position = torch.arange(positions, dtype=of.dtype, device=device)
    # Of several offsets at one place the last is that of the sentence which is not empty.
    sentence = torch.searchsorted(of, position, right=True) - 1
    inside = sentence < len(of) - 1
    sentence = sentence.clamp(max=len(of) - 2)
    interval = torch.stack((to[sentence], to[sentence + 1]))
    return (interval * inside).to(torch.int32)
