"""What ends a hypothesis that would not end by itself: length, repetition."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from nmt.recipe.systems import SearchSettings

LONGEST_PERIOD = 16
"""Longest run of pieces that is noticed when it is said over and over."""
MIN_COPIES = 4
"""Times in a row from which saying the same is called endless."""
MIN_REPEATED_PIECES = 12
"""Shortest stretch that is called endless; "no, no, no, no" is not."""


def max_length(source_pieces: int, settings: SearchSettings, max_positions: int) -> int:
    """Most pieces of output, the end included, for a source of so many pieces."""
    wanted = int(settings.max_length_ratio * source_pieces) + settings.max_length_extra
    return max(2, min(wanted, max_positions))


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def repeats_endlessly(pieces: Any, length: int) -> bool:
    """Whether the first ``length`` pieces end in at least four copies of the same short run."""
    for period in range(1, LONGEST_PERIOD + 1):
        stretch = max(MIN_COPIES * period, MIN_REPEATED_PIECES)
        if stretch > length:
            continue
        same = True
        for i in range(length - stretch, length - period):
            if pieces[i] != pieces[i + period]:
                same = False
                break
        if same:
            return True
    return False


def repeated_ngram_pieces(pieces: np.ndarray, order: int) -> list[int]:
    """Pieces that would make an n-gram of this order occur a second time."""
    if len(pieces) < order:
        return []
    tail = tuple(pieces[len(pieces) - order + 1 :])
    return [
        int(pieces[start + order - 1])
        for start in range(len(pieces) - order + 1)
        if tuple(pieces[start : start + order - 1]) == tail
    ]
