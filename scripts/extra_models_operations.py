"""N-grams of translation operations, for `try_extra_models.py`."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from nmt.statistical.sentences import Bitext, Sentences
from nmt.statistical.vocabulary import FIRST_WORD, UNKNOWN
from scripts.extra_models_measurement import Links, estimate_ngrams

_BLOCK: Final = 50_000
"""Hypotheses that are turned into operations at once."""
_GAP: Final = 1
"""Operation: leave the next source word, to come back to it."""
_FORWARD: Final = 2
"""Operation: go on behind the last source word that was translated."""
_BACK: Final = 3
"""Operation: go back to the last gap; the next number, to the one before, and so on."""
_MAX_BACK: Final = 6
_NOTHING: Final = (1 << 31) - 1
"""Between the source and the target words of a unit."""
_UNIT: Final = np.uint64(1 << 63)
"""Set in the keys of units, and not in those of the other operations."""


class OperationNgrams:
    """ln p of the operations that make source and hypothesis (Durrani, Schmid and Fraser 2011).

    A unit is a connected component of the word alignment. The units are made in the order of the
    hypothesis; where the source words of the next do not follow those of the last, gaps and jumps
    come between them. A source word without a link is made right after the word before it.
    """

    def __init__(self, bitext: Bitext, links: Links, order: int, *, jumps: bool = True) -> None:
        """Learn from aligned pairs; without ``jumps``, units alone (Marino et al. 2006)."""
        self._jumps = jumps
        sentences = np.arange(len(bitext))
        parts = list(self._operations(bitext.source, sentences, bitext.target, links))
        self._keys = np.unique(np.concatenate([keys for keys, _ in parts]))
        text = Sentences.of_lengths(
            np.concatenate([self._ids(keys) for keys, _ in parts]),
            np.concatenate([lengths for _, lengths in parts]),
        )
        self.num_ids = len(self._keys) + FIRST_WORD
        self._model = estimate_ngrams(text, self.num_ids, order)

    def score(
        self, source: Sentences, sentence: NDArray[np.int64], hypotheses: Sentences, links: Links
    ) -> NDArray[np.float64]:
        """[H] ``sentence`` [H] says of which source sentence each is a translation."""
        parts = self._operations(source, sentence, hypotheses, links)
        return np.concatenate(
            [
                self._model.score(Sentences.of_lengths(self._ids(keys), lengths))
                for keys, lengths in parts
            ]
        )

    def _operations(
        self, source: Sentences, sentence: NDArray[np.int64], target: Sentences, links: Links
    ) -> Any:
        """Keys of operations and their number in each hypothesis, block by block."""
        source_words, source_offsets = np.array(source.words), np.array(source.offsets)
        words, offsets = np.array(target.words), np.array(target.offsets)
        for first in range(0, len(target), _BLOCK):
            last = min(first + _BLOCK, len(target))
            yield make_operations(
                source_words, source_offsets, sentence, words, offsets,
                links.source, links.target, links.offsets, first, last, self._jumps,
            )  # fmt: skip

    def _ids(self, keys: NDArray[np.uint64]) -> NDArray[np.int32]:
        places = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        known = self._keys[places] == keys
        return np.where(known, places + FIRST_WORD, UNKNOWN).astype(np.int32)


@njit(inline="always")
def _mixed(key: Any, value: Any) -> Any:
    key = (key ^ np.uint64(value)) * np.uint64(0x9E3779B97F4A7C15)
    return key ^ (key >> np.uint64(32))


@njit(inline="always")
def _root(parents: Any, node: int) -> int:
    while parents[node] != node:
        node = parents[node]
    return node


@njit(nogil=True)
def make_operations(
    source_words: Any,
    source_offsets: Any,
    sentence: Any,
    words: Any,
    offsets: Any,
    link_source: Any,
    link_target: Any,
    link_offsets: Any,
    first: int,
    last: int,
    jumps: bool,
) -> Any:
    """Keys of the operations of hypotheses ``first`` to ``last``, end to end, and their numbers."""
    bound = 0
    for h in range(first, last):
        s = sentence[h]
        bound += 4 * (offsets[h + 1] - offsets[h] + source_offsets[s + 1] - source_offsets[s] + 1)
    keys, lengths = np.empty(bound, np.uint64), np.empty(last - first, np.int64)
    count = 0
    for h in range(first, last):
        begin = count
        source = source_words[source_offsets[sentence[h]] : source_offsets[sentence[h] + 1]]
        target = words[offsets[h] : offsets[h + 1]]
        num_source, num_target = len(source), len(target)
        parents = np.arange(num_source + num_target)
        linked = np.zeros(num_source + num_target, np.bool_)
        for k in range(link_offsets[h], link_offsets[h + 1]):
            a, b = link_source[k], num_source + link_target[k]
            linked[a] = linked[b] = True
            a, b = _root(parents, a), _root(parents, b)
            parents[max(a, b)] = min(a, b)  # so a root is the first source word of its unit
        covered = np.zeros(num_source + 1, np.bool_)
        here, front = 0, 0
        for step in range(num_target + 1):
            # The words without a link that follow the source word made last.
            while here < num_source and not covered[here] and not linked[here]:
                keys[count] = _mixed(_mixed(np.uint64(1), source[here]), _NOTHING) | _UNIT
                count += 1
                covered[here] = True
                here += 1
                front = max(front, here)
            if step == num_target:
                break
            node = num_source + step
            if not linked[node]:
                keys[count] = _mixed(_mixed(np.uint64(1), _NOTHING), target[step]) | _UNIT
                count += 1
                continue
            root = _root(parents, node)
            if covered[root]:
                continue
            if jumps:
                count = _jump(keys, count, covered, here, root, front)
            key = np.uint64(1)
            end = root
            for i in range(root, num_source):
                if _root(parents, i) == root:
                    key = _mixed(key, source[i])
                    covered[i] = True
                    front = max(front, i + 1)
                    end = i + 1 if end == i else end
            here = end
            key = _mixed(key, _NOTHING)
            for j in range(step, num_target):
                if _root(parents, num_source + j) == root:
                    key = _mixed(key, target[j])
            keys[count] = key | _UNIT
            count += 1
        for i in range(num_source):
            if not covered[i]:
                keys[count] = _mixed(_mixed(np.uint64(1), source[i]), _NOTHING) | _UNIT
                count += 1
        lengths[h - first] = count - begin
    return keys[:count].copy(), lengths


@njit(nogil=True)
def _jump(keys: Any, count: int, covered: Any, here: int, there: int, front: int) -> int:
    """Write the operations that lead from one source word to another; return how many there are."""
    if here == there:
        return count
    if there >= front:
        if here != front:
            if not covered[here]:
                keys[count] = _GAP
                count += 1
            keys[count] = _FORWARD
            count += 1
        if there > front:
            keys[count] = _GAP
            count += 1
        return count
    start = there
    while start > 0 and not covered[start - 1]:
        start -= 1
    if here != start:
        if here < front and not covered[here]:
            keys[count] = _GAP
            count += 1
        later_gaps = 0
        for i in range(there + 1, front):
            if not covered[i] and covered[i - 1]:
                later_gaps += 1
        keys[count] = _BACK + min(later_gaps, _MAX_BACK)
        count += 1
    if there > start:
        keys[count] = _GAP
        count += 1
    return count
