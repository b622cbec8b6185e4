from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from nmt.neural.kernels.attention_spans import AttentionSpans, attention_spans
from nmt.neural.kernels.embedding import group_rows
from nmt.neural.kernels.plan import plan_sides

PIECES = 23

pairs = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=12)


def assert_same_spans(planned: AttentionSpans | None, found: AttentionSpans) -> None:
    """The same intervals; where there is none, any empty one."""
    assert planned is not None
    for one, other in zip(planned, found, strict=True):
        assert one.dtype == other.dtype
        some = other[0] < other[1]
        assert torch.equal(one[0] < one[1], some)
        assert torch.equal(one[:, some], other[:, some])


@given(pairs, st.integers(0, 5), st.integers(0, 5), st.integers(0, 99))
def test_the_host_finds_what_the_device_would(
    lengths: list[tuple[int, int]], source_padding: int, target_padding: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    sides = []
    for side, padding in ((0, source_padding), (1, target_padding)):
        offsets = np.cumsum([0, *(pair[side] for pair in lengths)]).astype(np.int32)
        sides.append((rng.integers(0, PIECES, int(offsets[-1]) + padding), offsets))
    source, target = plan_sides(*sides[0], *sides[1], (PIECES, PIECES))
    (s_pieces, s_at), (t_pieces, t_at) = (
        (torch.from_numpy(pieces), torch.from_numpy(offsets)) for pieces, offsets in sides
    )
    positions = len(s_pieces), len(t_pieces)
    assert_same_spans(source.own, attention_spans(s_at, s_at, positions[0], positions[0]))
    assert_same_spans(
        target.own, attention_spans(t_at, t_at, positions[1], positions[1], causal=True)
    )
    assert_same_spans(target.memory, attention_spans(t_at, s_at, positions[1], positions[0]))
    assert source.memory is None
    for plan, pieces in ((source, s_pieces), (target, t_pieces)):
        for planned, found in zip(plan.groups, group_rows(pieces, PIECES), strict=True):
            assert torch.equal(planned, found)
            assert planned.dtype == found.dtype


def test_a_plan_can_be_put_together_from_its_tensors() -> None:
    offsets = np.array([0, 2, 3], np.int32)
    pieces = np.array([4, 5, 4, 0])
    for plan in plan_sides(pieces, offsets, pieces, offsets, (6, 6)):
        again = plan.with_tensors(
            [tensor.clone() for tensor in plan.to(torch.device("cpu")).tensors()]
        )
        assert len(again.tensors()) == len(plan.tensors())
        assert all(map(torch.equal, again.tensors(), plan.tensors()))
