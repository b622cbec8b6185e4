"""N-grams as numbers, inside compiled loops: a trie in one table of hashed (node, token) edges.

A node stands for an n-gram, and following an edge appends a token. The key of an edge holds all of
both, so no two n-grams are ever taken for one another, and an n-gram is looked for only if the
shorter one before it was found.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import njit

ROOT: Final = 1
"""The node of the empty n-gram. The node below an edge is ``FIRST_NODE`` + the edge's slot."""
FIRST_NODE: Final = 2


@njit(inline="always")
def table_size(num_ngrams: int) -> int:
    """Slots of a table, a power of two, at most half of which ``num_ngrams`` n-grams fill."""
    size = 16
    while size < 2 * num_ngrams:
        size *= 2
    return size


@njit(inline="always")
def edge_key(node: int, token: int) -> Any:
    """The key of the edge from a node by a token (32 bits); never 0, which marks free slots."""
    return (np.uint64(node) << np.uint64(32)) | np.uint64(np.uint32(token))


@njit(inline="always")
def find_slot(keys: Any, size: int, key: Any) -> int:
    """The slot of a key among the first ``size``, or the free slot where it belongs."""
    mask = np.uint64(size - 1)
    # Fibonacci hashing; the upper bits of the product are its best.
    mixed = (key ^ (key >> np.uint64(29))) * np.uint64(0x9E3779B97F4A7C15)
    slot = (mixed >> np.uint64(32)) & mask
    while keys[slot] != 0 and keys[slot] != key:
        slot = (slot + np.uint64(1)) & mask
    return int(slot)
