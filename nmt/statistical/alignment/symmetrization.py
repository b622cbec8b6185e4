"""Links of both directions put together: intersection, union, and growing from one to the other.

As Moses' ``symal`` does it (Koehn, Och and Marcu 2003; Och and Ney 2003). Growing starts from the
intersection and adds neighbours of links that are in the union, as long as one of the words has no
link yet; ``final`` then adds what is left of the directions for words without link, ``final-and``
only where both are.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, get_args

import numpy as np
from numba import njit
from numpy.typing import NDArray

from nmt.statistical.alignment.cells import read_only
from nmt.statistical.alignment.settings import Symmetrization
from nmt.statistical.sentences import Alignments

_UNION: Final = 1
_GROW: Final = 2
_FINAL: Final = 3
_FINAL_AND: Final = 4
_METHODS: Final = dict(zip(get_args(Symmetrization), range(5), strict=True))

# Neighbours in the order in which symal looks at them, as steps of (target, source).
_STEPS: Final = ((-1, 0), (0, -1), (1, 0), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1))

LONGEST_SENTENCE: Final = np.iinfo(np.uint16).max + 1
"""In words; positions are stored in 16 bits."""


def symmetrize(
    forward: NDArray[np.int32],
    backward: NDArray[np.int32],
    source_offsets: NDArray[np.int64],
    target_offsets: NDArray[np.int64],
    method: Symmetrization,
    workers: int = 1,
) -> Alignments:
    """Put the links of two directions together.

    Args:
        forward: for each target word of all sentence pairs the source position, from 0, that it is
            linked to, -1 for none.
        backward: for each source word the target position.
        source_offsets: where each source sentence begins, and, last, the number of source words.
        target_offsets: likewise.
        method: how.
        workers: threads.
    """
    source_offsets, target_offsets = read_only(source_offsets), read_only(target_offsets)
    num_pairs = len(source_offsets) - 1
    starts = source_offsets + target_offsets
    # A pair has no more links than words: each is the only one of its word in one direction.
    links = np.empty((2, int(starts[-1] - starts[0])), np.uint16)
    counts = np.zeros(num_pairs, np.int64)
    borders = np.linspace(0, num_pairs, max(1, workers) + 1).astype(int).tolist()

    def work(first: int, last: int) -> None:
        _symmetrize(
            forward, backward, source_offsets, target_offsets, first, last, _METHODS[method],
            links[0], links[1], counts,
        )  # fmt: skip

    with ThreadPoolExecutor(max(1, workers)) as threads:
        list(threads.map(work, borders[:-1], borders[1:]))
    offsets = np.zeros(num_pairs + 1, np.int64)
    np.cumsum(counts, out=offsets[1:])
    places = np.arange(offsets[-1]) + np.repeat(starts[:-1] - starts[0] - offsets[:-1], counts)
    return Alignments(links[0][places], links[1][places], offsets)


def one_direction(
    links: NDArray[np.int32],
    source_offsets: NDArray[np.int64],
    target_offsets: NDArray[np.int64],
    *,
    reverse: bool,
) -> Alignments:
    """The links of one direction alone, as `symmetrize` takes them."""
    none = np.full(int(target_offsets[-1] if reverse else source_offsets[-1]), -1, np.int32)
    forward, backward = (none, links) if reverse else (links, none)
    return symmetrize(forward, backward, source_offsets, target_offsets, "union")


@njit(cache=True, nogil=True)
def _symmetrize(
    all_forward: Any,
    all_backward: Any,
    source_offsets: Any,
    target_offsets: Any,
    first: int,
    last: int,
    method: int,
    sources: Any,
    targets: Any,
    counts: Any,
) -> None:
    """Write the links of the pairs ``first`` to ``last`` and count them."""
    longest_source = longest_target = 1
    for n in range(first, last):
        longest_source = max(longest_source, source_offsets[n + 1] - source_offsets[n])
        longest_target = max(longest_target, target_offsets[n + 1] - target_offsets[n])
    linked_all = np.empty((longest_target, longest_source), np.bool_)
    source_covered = np.empty(longest_source, np.bool_)
    target_covered = np.empty(longest_target, np.bool_)
    for n in range(first, last):
        num_sources = source_offsets[n + 1] - source_offsets[n]
        num_targets = target_offsets[n + 1] - target_offsets[n]
        forward = all_forward[target_offsets[n] : target_offsets[n + 1]]
        backward = all_backward[source_offsets[n] : source_offsets[n + 1]]
        linked = linked_all[:num_targets, :num_sources]
        linked[:] = False
        source_covered[:] = False
        target_covered[:] = False
        for t in range(num_targets):
            s = forward[t]
            if s >= 0 and (method == _UNION or backward[s] == t):
                linked[t, s] = source_covered[s] = target_covered[t] = True
        if method == _UNION:
            for s in range(num_sources):
                if backward[s] >= 0:
                    linked[backward[s], s] = True
        if method >= _GROW:
            _grow(forward, backward, linked, source_covered, target_covered)
        if method >= _FINAL:
            only_both = method == _FINAL_AND
            _add_uncovered(forward, backward, linked, source_covered, target_covered, only_both)
        place = source_offsets[n] + target_offsets[n] - source_offsets[0] - target_offsets[0]
        begin = place
        for s in range(num_sources):
            for t in range(num_targets):
                if linked[t, s]:
                    sources[place] = s
                    targets[place] = t
                    place += 1
        counts[n] = place - begin


@njit(cache=True, nogil=True)
def _grow(
    forward: Any, backward: Any, linked: Any, source_covered: Any, target_covered: Any
) -> None:
    """Add neighbours of links from the union while they cover a word that is not covered."""
    num_targets, num_sources = linked.shape
    grown = True
    while grown:
        grown = False
        # Links are visited in this order, with those added on the way where they come later.
        for target in range(num_targets):
            for source in range(num_sources):
                if not linked[target, source]:
                    continue
                for target_step, source_step in _STEPS:
                    t, s = target + target_step, source + source_step
                    if (
                        0 <= t < num_targets
                        and 0 <= s < num_sources
                        and not (target_covered[t] and source_covered[s])
                        and (forward[t] == s or backward[s] == t)
                    ):
                        linked[t, s] = source_covered[s] = target_covered[t] = grown = True


@njit(cache=True, nogil=True)
def _add_uncovered(
    forward: Any,
    backward: Any,
    linked: Any,
    source_covered: Any,
    target_covered: Any,
    only_both: bool,
) -> None:
    """Add links, first the forward ones, then the others, of words that are not covered."""
    num_targets, num_sources = linked.shape
    for t in range(num_targets):
        s = forward[t]
        if s < 0 or (target_covered[t] and (only_both or source_covered[s])):
            continue
        if not (only_both and source_covered[s]):
            linked[t, s] = source_covered[s] = target_covered[t] = True
    for t in range(num_targets):
        for s in range(num_sources):
            if backward[s] != t or (source_covered[s] and (only_both or target_covered[t])):
                continue
            if not (only_both and target_covered[t]):
                linked[t, s] = source_covered[s] = target_covered[t] = True
