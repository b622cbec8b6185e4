"""Splitting a corpus that has no standard split, so that nothing held out leaks into training."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

_LARGEST_HELD_OUT_GROUP = 10
_MOST_HELD_OUT = 2_000
_SMALLEST_SHARE = 16


@dataclass(frozen=True)
class Split:
    """Indices of pairs: three sets, and the other translations of held-out sentences."""

    train: list[int]
    valid: list[int]
    test: list[int]
    left_out: list[int]


def split_pairs(pairs: Sequence[tuple[str, str]]) -> Split:
    """Split pairs into train, valid and test, by their texts alone.

    Pairs that share a text on either side are linked into groups, and a group never comes apart:
    no text of valid or test occurs in train. Groups of more than 10 pairs stay in train. The others
    are put in the order of the SHA-256 of their smallest first side; test, then valid, take the
    first pair of each until they have 2,000 pairs each (a sixteenth of the corpus, if that is
    less). The rest of such a group is left out. Everything else is train, in its order.
    """
    groups = _groups(pairs)
    small = [group for group in groups if len(group) <= _LARGEST_HELD_OUT_GROUP]
    small.sort(key=lambda group: _text_hash(min(pairs[i][0] for i in group)))
    size = min(_MOST_HELD_OUT, len(pairs) // _SMALLEST_SHARE)
    test, valid = small[:size], small[size : 2 * size]
    held_out = {index for group in (*test, *valid) for index in group}
    first = {group[0] for group in (*test, *valid)}
    return Split(
        train=[index for index in range(len(pairs)) if index not in held_out],
        valid=[group[0] for group in valid],
        test=[group[0] for group in test],
        left_out=sorted(held_out - first),
    )


def _text_hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _groups(pairs: Sequence[tuple[str, str]]) -> list[list[int]]:
    """Indices of the pairs linked by shared texts (union-find), each group in order."""
    parent = list(range(len(pairs)))

    def find(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    for side in (0, 1):
        first_with: dict[str, int] = {}
        for index, pair in enumerate(pairs):
            other = first_with.setdefault(pair[side], index)
            parent[find(index)] = find(other)
    groups = defaultdict(list)
    for index in range(len(pairs)):
        groups[find(index)].append(index)
    return list(groups.values())
