"""Which source word meets which target word, and where that is looked up.

A *cell* is a pair of words (source, target) that stand in the same sentence pair somewhere: a place
in a sparse matrix, its rows source words. Both directions' tables are arrays over the same cells,
p(target | source) divided by rows and p(source | target) by columns. A *slot* is the number of a
cell; every pair of tokens of a sentence pair has one, found once where memory allows, so the loops
of training neither hash nor search.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

from nmt.statistical.sentences import Bitext, Sentences

_Number = TypeVar("_Number", bound=np.generic)


def read_only(array: NDArray[_Number]) -> NDArray[_Number]:
    """A view that cannot be written to.

    Arrays that are memory-mapped for reading are of another type to Numba than others. All text is
    handed to compiled loops as read-only, lest they be compiled twice.
    """
    view = array.view()
    view.flags.writeable = False
    return view


def read_only_bitext(bitext: Bitext) -> Bitext:
    """The same sentence pairs in arrays that cannot be written to."""
    source, target = (
        Sentences(read_only(side.words), read_only(side.offsets))
        for side in (bitext.source, bitext.target)
    )
    return Bitext(source, target)


class Cells(NamedTuple):
    """The cells, sorted by source word, then by target word; C of them."""

    offsets: NDArray[np.int64]
    """[source words + 1] The first cell of each source word."""
    targets: NDArray[np.int32]
    """[C] The target word of each cell."""
    num_target_words: int
    """How many ids target words have."""

    def owners(self, *, reverse: bool) -> NDArray[np.int32]:
        """[C] The given word of each cell: its source word, in reverse its target word."""
        if reverse:
            return self.targets
        words = np.arange(self.num_source_words, dtype=np.int32)
        return np.repeat(words, np.diff(self.offsets))

    @property
    def num_source_words(self) -> int:
        """How many ids source words have."""
        return len(self.offsets) - 1

    def num_given(self, *, reverse: bool) -> int:
        """How many ids given words have."""
        return self.num_target_words if reverse else self.num_source_words

    def num_generated(self, *, reverse: bool) -> int:
        """How many ids generated words have."""
        return self.num_given(reverse=not reverse)


def collect_cells(bitext: Bitext, num_source_words: int, num_target_words: int) -> Cells:
    """All cells of a bitext; time and memory grow with the pairs of tokens and with the cells."""
    bitext = read_only_bitext(bitext)
    source, target = bitext.source, bitext.target
    sentence_starts, sentences = _index_words(target.words, target.offsets, num_target_words)
    offsets, targets = _collect(
        sentence_starts, sentences, source.words, source.offsets, num_source_words
    )
    return Cells(offsets, targets, num_target_words)


def find_slots(cells: Cells, bitext: Bitext, first: int, last: int) -> NDArray[np.int32]:
    """The slots of all pairs of tokens of the sentence pairs ``first`` to ``last`` (exclusive).

    Those of a sentence pair come by source position, then by target position. Pairs of words that
    have no cell get slot C, one past the last.
    """
    bitext = read_only_bitext(bitext)
    source, target = bitext.source, bitext.target
    sizes = np.diff(source.offsets[first : last + 1]) * np.diff(target.offsets[first : last + 1])
    slots = np.empty(int(sizes.sum()), np.int32)
    _find(
        cells.offsets, cells.targets, source.words, source.offsets, target.words, target.offsets,
        first, last, slots,
    )  # fmt: skip
    return slots


@njit(cache=True, nogil=True)
def _index_words(words: Any, offsets: Any, num_words: int) -> Any:
    """For each word the sentences that hold it, once each, as (starts, sentences)."""
    last_seen = np.full(num_words, -1, np.int64)
    starts = np.zeros(num_words + 1, np.int64)
    for n in range(len(offsets) - 1):
        for k in range(offsets[n], offsets[n + 1]):
            if last_seen[words[k]] != n:
                last_seen[words[k]] = n
                starts[words[k] + 1] += 1
    for word in range(num_words):
        starts[word + 1] += starts[word]
    place = starts[:-1].copy()
    sentences = np.empty(starts[-1], np.int32)
    last_seen[:] = -1
    for n in range(len(offsets) - 1):
        for k in range(offsets[n], offsets[n + 1]):
            if last_seen[words[k]] != n:
                last_seen[words[k]] = n
                sentences[place[words[k]]] = n
                place[words[k]] += 1
    return starts, sentences


@njit(cache=True, nogil=True)
def _collect(sentence_starts: Any, sentences: Any, words: Any, offsets: Any, num_words: int) -> Any:
    """Cells from the sentences of each target word and the source words of each sentence.

    Target words are taken in order and their cells then dealt out to their source words, which
    leaves each row sorted.
    """
    num_targets = len(sentence_starts) - 1
    last_seen = np.full(num_words, -1, np.int32)
    sources = np.empty(4 * len(sentences) + 1024, np.int32)
    ends = np.empty(num_targets, np.int64)
    size = 0
    row_offsets = np.zeros(num_words + 1, np.int64)
    for target in range(num_targets):
        for entry in range(sentence_starts[target], sentence_starts[target + 1]):
            n = sentences[entry]
            length = offsets[n + 1] - offsets[n]
            if size + length > len(sources):
                larger = np.empty(2 * len(sources) + length, np.int32)
                larger[:size] = sources[:size]
                sources = larger
            for k in range(offsets[n], offsets[n + 1]):
                word = words[k]
                if last_seen[word] != target:
                    last_seen[word] = target
                    sources[size] = word
                    size += 1
                    row_offsets[word + 1] += 1
        ends[target] = size
    for word in range(num_words):
        row_offsets[word + 1] += row_offsets[word]
    place = row_offsets[:-1].copy()
    targets = np.empty(size, np.int32)
    entry = 0
    for target in range(num_targets):
        while entry < ends[target]:
            word = sources[entry]
            targets[place[word]] = target
            place[word] += 1
            entry += 1
    return row_offsets, targets


@njit(cache=True, nogil=True)
def _find(
    cell_offsets: Any,
    cell_targets: Any,
    source_words: Any,
    source_offsets: Any,
    target_words: Any,
    target_offsets: Any,
    first: int,
    last: int,
    slots: Any,
) -> None:
    num_rows = len(cell_offsets) - 1
    size = 0
    for n in range(first, last):
        for i in range(source_offsets[n], source_offsets[n + 1]):
            source = source_words[i]
            begin = cell_offsets[source] if source < num_rows else 0
            end = cell_offsets[source + 1] if source < num_rows else 0
            for j in range(target_offsets[n], target_offsets[n + 1]):
                target = target_words[j]
                low, length = begin, end - begin
                # The last cell of the row whose target word is not greater; without branches.
                while length > 1:
                    half = length >> 1
                    low = low + half if cell_targets[low + half] <= target else low
                    length -= half
                found = length == 1 and cell_targets[low] == target
                slots[size] = low if found else len(cell_targets)
                size += 1
