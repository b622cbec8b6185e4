"""Phrase pairs that agree with a word alignment (Och and Ney 2004; Koehn 2010, section 5.2).

A source span and a target span are a phrase pair if at least one link joins them and no link joins
a word inside one to a word outside the other; unaligned words at the edges may be in or out.

Each occurrence has an orientation relative to what stands before it, and after it, in the target
(Tillmann 2004; Koehn et al. 2005). Before: monotone if another phrase pair ends, on both sides,
where this one begins; swap if it ends there in the target and begins after this one in the source;
otherwise discontinuous. A link at such a corner, with none at the other, counts as a phrase pair
(as in Moses); sentences are linked at their ends. After: the mirror image. Moses looks at the
target *ends* of the phrases after, which leaves out those of several words; here these count.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from nmt.statistical.phrases.arrays import frozen, seeded_hash
from nmt.statistical.sentences import Alignments, Bitext

MONOTONE: Final = 0
SWAP: Final = 1
DISCONTINUOUS: Final = 2

OCCURRENCE: Final = np.dtype(
    [
        ("source_key", np.uint64),  # hashes of the phrases
        ("target_key", np.uint64),
        ("links", np.uint64),  # bit 8 s + t: source word s and target word t are linked
        ("sentence", np.uint32),
        ("source_start", np.uint16),
        ("target_start", np.uint16),
        ("source_length", np.uint8),
        ("target_length", np.uint8),
        ("before", np.uint8),  # orientations
        ("after", np.uint8),
    ]
)
"""A phrase pair at one place of the bitext."""

# What is known of a cell of the alignment matrix, as bits. The corners are those of phrase pairs.
_LINK: Final = 1
_ENDS_ENDS: Final = 2  # the source phrase ends here, and the target phrase
_STARTS_ENDS: Final = 4
_STARTS_STARTS: Final = 8
_ENDS_STARTS: Final = 16


class AlignedText(NamedTuple):
    """A bitext and its links, as the read-only arrays that compiled loops take."""

    source_words: NDArray[np.int32]
    source_offsets: NDArray[np.int64]
    target_words: NDArray[np.int32]
    target_offsets: NDArray[np.int64]
    link_sources: NDArray[np.uint16]
    link_targets: NDArray[np.uint16]
    link_offsets: NDArray[np.int64]

    @classmethod
    def of(cls, bitext: Bitext, alignments: Alignments) -> AlignedText:
        """The arrays of a bitext and its alignments."""
        assert len(bitext) == len(alignments)
        source, target = bitext.source, bitext.target
        parts = (source.words, source.offsets, target.words, target.offsets)
        links = (alignments.source, alignments.target, alignments.offsets)
        return cls(*(frozen(part) for part in (*parts, *links)))


@njit(inline="always")
def _orientation(
    monotone_cell: Any, swap_cell: Any, monotone_corner: int, swap_corner: int, word_based: bool
) -> int:
    monotone_link = monotone_cell & _LINK
    swap_link = swap_cell & _LINK
    if monotone_link > swap_link or (not word_based and monotone_cell & monotone_corner):
        return MONOTONE
    if swap_link > monotone_link or (not word_based and swap_cell & swap_corner):
        return SWAP
    return DISCONTINUOUS


@njit(cache=True, nogil=True)
def _extract(
    text: Any, first: int, last: int, max_words: int, word_based: bool, seed: int, records: Any
) -> Any:
    """Put the phrase pairs of sentences ``first`` to ``last`` - 1 into ``records``.

    Returns the sentence before which the room ended, and the number of records filled.
    """
    filled = 0
    longest = 0
    largest = 0
    for sentence in range(first, last):
        num_source = text.source_offsets[sentence + 1] - text.source_offsets[sentence]
        num_target = text.target_offsets[sentence + 1] - text.target_offsets[sentence]
        longest = max(longest, num_source, num_target)
        largest = max(largest, (num_source + 2) * (num_target + 2))
    # A frame around the matrix stands for the sentences' ends.
    cells = np.empty(largest, np.uint8)
    # The first and the last word of the other side that each word is linked to.
    source_low, source_high = np.empty(longest, np.int64), np.empty(longest, np.int64)
    target_low, target_high = np.empty(longest, np.int64), np.empty(longest, np.int64)
    # The links of a source word as bits from its first target word on.
    row = np.empty(longest, np.uint64)
    for sentence in range(first, last):
        source_begin = text.source_offsets[sentence]
        target_begin = text.target_offsets[sentence]
        num_source = text.source_offsets[sentence + 1] - source_begin
        num_target = text.target_offsets[sentence + 1] - target_begin
        width = num_target + 2
        cells[: (num_source + 2) * width] = 0
        cells[0] = _LINK
        cells[(num_source + 2) * width - 1] = _LINK
        source_low[:num_source] = num_target
        source_high[:num_source] = -1
        target_low[:num_target] = num_source
        target_high[:num_target] = -1
        row[:num_source] = 0
        for link in range(text.link_offsets[sentence], text.link_offsets[sentence + 1]):
            s, t = int(text.link_sources[link]), int(text.link_targets[link])
            cells[(s + 1) * width + t + 1] = _LINK
            source_low[s] = min(source_low[s], t)
            source_high[s] = max(source_high[s], t)
            target_low[t] = min(target_low[t], s)
            target_high[t] = max(target_high[t], s)
            # Links are sorted. A word whose links spread too far is in no phrase pair.
            if t - source_low[s] < 8:
                row[s] |= np.uint64(1) << np.uint64(t - source_low[s])
        begin = filled
        for t1 in range(num_target):
            low, high = num_source, -1
            for t2 in range(t1, min(t1 + max_words, num_target)):
                low = min(low, target_low[t2])
                high = max(high, target_high[t2])
                if high < 0:
                    continue
                if high - low >= max_words:
                    break
                leaves = False
                waits = False
                for s in range(low, high + 1):
                    leaves |= source_low[s] < t1
                    waits |= source_high[s] > t2
                if leaves:
                    break
                if waits:
                    continue
                links = np.uint64(0)
                for s in range(low, high + 1):
                    if source_high[s] >= 0:
                        bit = 8 * (s - low) + source_low[s] - t1
                        links |= row[s] << np.uint64(bit)
                s1 = low
                while True:
                    s2 = high
                    while s2 - s1 < max_words:
                        if filled == len(records):
                            return sentence, begin
                        record = records[filled]
                        filled += 1
                        record.source_key = seeded_hash(
                            text.source_words, source_begin + s1, source_begin + s2 + 1, seed
                        )
                        record.target_key = seeded_hash(
                            text.target_words, target_begin + t1, target_begin + t2 + 1, seed
                        )
                        record.links = links
                        record.sentence = sentence
                        record.source_start = s1
                        record.target_start = t1
                        record.source_length = s2 + 1 - s1
                        record.target_length = t2 + 1 - t1
                        cells[(s2 + 1) * width + t2 + 1] |= _ENDS_ENDS
                        cells[(s1 + 1) * width + t2 + 1] |= _STARTS_ENDS
                        cells[(s1 + 1) * width + t1 + 1] |= _STARTS_STARTS
                        cells[(s2 + 1) * width + t1 + 1] |= _ENDS_STARTS
                        s2 += 1
                        if s2 == num_source or source_high[s2] >= 0:
                            break
                    s1 -= 1
                    if s1 < 0 or source_high[s1] >= 0 or high - s1 >= max_words:
                        break
                    links <<= np.uint64(8)
        for n in range(begin, filled):
            record = records[n]
            above = int(record.source_start) * width
            below = above + (int(record.source_length) + 1) * width
            left = int(record.target_start)
            right = left + int(record.target_length) + 1
            record.before = _orientation(
                cells[above + left], cells[below + left], _ENDS_ENDS, _STARTS_ENDS, word_based
            )
            record.after = _orientation(
                cells[below + right], cells[above + right], _STARTS_STARTS, _ENDS_STARTS, word_based
            )
    return last, filled


def extract(
    text: AlignedText,
    first: int,
    last: int,
    *,
    max_words: int,
    word_based: bool = False,
    seed: int = 0,
    room: int = 1 << 16,
) -> Iterator[NDArray[np.void]]:
    """Yield the phrase pairs of sentences ``first`` to ``last`` - 1 in blocks of OCCURRENCE.

    In order of sentences. ``room`` is the size of a block, more only if a sentence has more.
    """
    while first < last:
        records = np.empty(room, OCCURRENCE)
        reached, filled = _extract(text, first, last, max_words, word_based, seed, records)
        if reached == first:
            room *= 2
        first = reached
        if filled:
            yield records[:filled]
