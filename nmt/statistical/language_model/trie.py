"""All n-grams of a model as a trie in flat arrays, and the loops that build and link it.

Nodes are numbered by length of the n-gram, then in the order of their words: the unigrams come
first, and the children of a node (the n-grams that continue it by a word) stand side by side. So
``children[n]`` to ``children[n + 1]`` are the children of node n.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from nmt.statistical.language_model.counting import Windows, Workspace
from nmt.statistical.language_model.keys import word_at
from nmt.statistical.vocabulary import END

ROOT: Final = -1
"""The node of no words, whose children are the unigrams."""


@dataclass(frozen=True)
class Trie:
    """N-grams; T nodes, N lengths."""

    offsets: NDArray[np.int64]
    """[N+1] The first node of each length, and, last, T."""
    words: NDArray[np.int32]
    """[T] The last word of each n-gram."""
    children: NDArray[np.int64]
    """[T+1] The first child of each node; that of a node without any is where it would be."""

    @property
    def order(self) -> int:
        """Words of the longest n-grams."""
        return len(self.offsets) - 1

    def of_length(self, length: int) -> slice:
        """The nodes of the n-grams of so many words."""
        return slice(int(self.offsets[length - 1]), int(self.offsets[length]))


def build_trie(windows: Windows, workspace: Workspace) -> tuple[Trie, NDArray[np.int64]]:
    """The trie of all n-grams that begin the keys, and how often each occurs."""
    keys = (windows.high, windows.low, windows.counts, windows.order, windows.bits)
    sizes = _count_nodes(*keys)
    offsets = np.zeros(windows.order + 1, np.int64)
    np.cumsum(sizes, out=offsets[1:])
    size = int(offsets[-1])
    words = workspace.empty(size, np.int32)
    children = workspace.empty(size + 1, np.int64)
    counts = workspace.zeros(size, np.int64)
    _fill_nodes(*keys, offsets, words, children, counts)
    return Trie(offsets, words, children), counts


@njit(inline="always")
def _shared_words(high: Any, low: Any, n: int, order: int, bits: int) -> int:
    """How many words a key has in common with the one before it, from the first on."""
    if n == 0:
        return 0
    for position in range(order):
        if word_at(high[n], low[n], position, order, bits) != word_at(
            high[n - 1], low[n - 1], position, order, bits
        ):
            return position
    return order


@njit(cache=True, nogil=True)
def _count_nodes(high: Any, low: Any, counts: Any, order: int, bits: int) -> Any:
    """The number of n-grams of each length that begin the keys."""
    sizes = np.zeros(order, np.int64)
    for n in range(len(high)):
        for depth in range(_shared_words(high, low, n, order, bits), order):
            sizes[depth] += 1
            if word_at(high[n], low[n], depth, order, bits) == END:
                break
    return sizes


@njit(cache=True, nogil=True)
def _fill_nodes(
    high: Any,
    low: Any,
    key_counts: Any,
    order: int,
    bits: int,
    offsets: Any,
    words: Any,
    children: Any,
    counts: Any,
) -> None:
    following = offsets.copy()
    for n in range(len(high)):
        shared = _shared_words(high, low, n, order, bits)
        for depth in range(order):
            word = word_at(high[n], low[n], depth, order, bits)
            if depth >= shared:
                node = following[depth]
                following[depth] += 1
                words[node] = word
                # The last length has no next, whose place in ``following`` is the end of all.
                children[node] = following[depth + 1]
            counts[following[depth] - 1] += key_counts[n]
            if word == END:
                break
    children[offsets[order]] = offsets[order]


@njit(inline="always")
def find_child(words: Any, children: Any, node: int, word: int) -> Any:
    """The child of a node by a word; -1 if there is none."""
    low, high = children[node], children[node + 1]
    while low < high:
        middle = (low + high) >> 1
        if words[middle] < word:
            low = middle + 1
        else:
            high = middle
    if low < children[node + 1] and words[low] == word:
        return low
    return -1


@njit(cache=True, nogil=True)
def link_suffixes(words: Any, children: Any, num_unigrams: int, suffixes: Any) -> None:
    """Find, for each node, the longest n-gram that ends it and is shorter: ROOT for unigrams."""
    suffixes[:num_unigrams] = ROOT
    unigrams = np.empty(words[num_unigrams - 1] + 1, np.int64)
    for node in range(num_unigrams):
        unigrams[words[node]] = node
    for parent in range(len(words)):
        for child in range(children[parent], children[parent + 1]):
            context = suffixes[parent]
            found = -1
            while found < 0 and context != ROOT:
                found = find_child(words, children, context, words[child])
                context = suffixes[context]
            suffixes[child] = unigrams[words[child]] if found < 0 else found


def prune(trie: Trie, keep: NDArray[np.bool_]) -> Trie:
    """The trie of the nodes to keep; a node may be kept only if its parent is."""
    before = np.zeros(len(keep) + 1, np.int64)
    np.cumsum(keep, out=before[1:])
    children = before[trie.children]
    return Trie(
        before[trie.offsets], trie.words[keep], np.append(children[:-1][keep], children[-1])
    )
