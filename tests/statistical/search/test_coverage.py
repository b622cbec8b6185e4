"""Coverage as a gap and a window against a set of positions."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from nmt.statistical.search.coverage import cover, is_covered


@given(st.integers(1, 200), st.randoms(use_true_random=False), st.integers(1, 64))
def test_equals_a_set(size: int, random: Random, limit: int) -> None:
    covered: set[int] = set()
    gap, window = 0, 0
    while len(covered) < size:
        first = min(set(range(size)) - covered)
        begins = [n for n in range(first, min(size, first + limit)) if n not in covered]
        begin = random.choice(begins)
        end = begin + 1
        # Only at the first gap may a phrase end further away.
        while (
            end < size
            and end not in covered
            and end - begin < 7
            and (begin == first or end - first < limit)
            and random.random() < 0.5
        ):
            end += 1
        covered.update(range(begin, end))
        gap, window = cover.py_func(gap, window, begin, end)
        assert gap == min(set(range(size + 1)) - covered)
        assert 0 <= window < 2**63
        for position in range(size):
            assert bool(is_covered.py_func(gap, window, position)) == (position in covered)
