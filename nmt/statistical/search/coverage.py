"""Which source words are covered: the first gap, and a window of bits behind it.

Bit n of ``window`` says whether word gap + 1 + n is covered; all words before the gap are. With
63 bits this is exact for any sentence if no phrase ends more than 64 words behind the first gap,
which a distortion limit of at most 64 sees to, and for sentences of up to 64 words without one.
"""

from __future__ import annotations

from typing import Any

from numba import njit


@njit(cache=True, nogil=True)
def is_covered(gap: Any, window: Any, position: Any) -> Any:
    """Whether a word is covered."""
    if position <= gap:
        return position < gap
    # Further behind, where the shift would overflow, nothing is.
    return position - gap < 64 and (window >> (position - gap - 1)) & 1 == 1


@njit(cache=True, nogil=True)
def cover(gap: Any, window: Any, begin: Any, end: Any) -> Any:
    """The first gap and the window once the free words from ``begin`` to ``end`` are covered."""
    if begin > gap:
        return gap, window | (((1 << (end - begin)) - 1) << (begin - gap - 1))
    window >>= end - gap - 1
    while window & 1:
        window >>= 1
        end += 1
    return end, window >> 1
