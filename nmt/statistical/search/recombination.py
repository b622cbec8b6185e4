"""Recombination: of hypotheses with the same future, only the best is continued.

The future depends on what is covered and how the last phrase lies (the group), on the language
models' states, and on how the last phrase scores the one after it: on the values of its reordering
scores, as far as a phrase of that orientation can still come.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from nmt.statistical.search.records import DISCONTINUOUS, MONOTONE, NONE, SWAP


@njit(cache=True, nogil=True)
def mix(value: Any) -> Any:
    """Spread what differs in a few bits over all of them."""
    value ^= value >> 31
    value *= -7046029254386353131
    value ^= value >> 29
    return value


@njit(cache=True, nogil=True)
def _same_after(group: Any, one: Any, other: Any, after: Any) -> Any:
    """Whether two options score the phrases that can follow alike."""
    if one == other:
        return True
    return (
        after[one, DISCONTINUOUS] == after[other, DISCONTINUOUS]
        and (not group.next or after[one, MONOTONE] == after[other, MONOTONE])
        and (group.swap == NONE or after[one, SWAP] == after[other, SWAP])
    )


@njit(cache=True, nogil=True)
def find_twin(
    option: Any,
    states: Any,
    target: Any,
    group: Any,
    complete: Any,
    first: Any,
    mask: Any,
    hypotheses: Any,
    slots: Any,
    after: Any,
    after_bits: Any,
) -> Any:
    """Look for a hypothesis with the same future among those from ``first`` on.

    ``option``, ``states`` and ``target`` (index of ``group``) are those of a new hypothesis. Return
    its slot, which holds such a hypothesis or one before ``first``, as good as none.
    """
    # Arrays come one by one: taken from a tuple in here, their references would be counted.
    key = mix(np.int64(target)) + states
    if not complete:
        key = mix(key) + after_bits[option, DISCONTINUOUS]
        if group.next:
            key = mix(key) + after_bits[option, MONOTONE]
        if group.swap != NONE:
            key = mix(key) + after_bits[option, SWAP]
    slot = mix(key) & mask
    while slots[slot] >= first:
        other = hypotheses[slots[slot]]
        if (
            other.group == target
            and other.states == states
            and (complete or _same_after(group, other.option, option, after))
        ):
            break
        slot = (slot + 1) & mask
    return slot


@njit(cache=True, nogil=True)
def recombine(new: Any, twin: Any, score: Any, keep_arcs: Any, hypotheses: Any) -> Any:
    """Decide which of two equal hypotheses stays: the better, at the place of ``twin``.

    If arcs are kept, the other hangs on to it, at the place ``new``. Return where the new one is to
    be written (NONE: nowhere) and whether the place ``new`` is taken.
    """
    better = score > hypotheses[twin].score
    if not keep_arcs:
        return (twin if better else NONE), 0
    if better:
        hypotheses[new] = hypotheses[twin]
        hypotheses[new].group = NONE
        hypotheses[twin].arc = new
        return twin, 1
    hypotheses[new].group = NONE
    hypotheses[new].arc = hypotheses[twin].arc
    hypotheses[twin].arc = new
    return new, 1
