"""Heap, order and selection against NumPy."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nmt.statistical.search.heap import (
    heapify,
    kth_greatest,
    sift_down,
    sift_up,
    sort_ranked,
)
from nmt.statistical.search.records import CELL, RANKED

VALUES = st.lists(st.integers(-20, 20).map(float), min_size=1, max_size=300)


@given(VALUES, st.integers(0, 300))
def test_heap_gives_the_greatest_first(values: list[float], at_once: int) -> None:
    heap = np.zeros(len(values), CELL)
    at_once = min(at_once, len(values))
    heap["value"][:at_once] = values[:at_once]
    heap["cube"][:at_once] = range(at_once)
    heapify(heap, at_once)
    for n in range(at_once, len(values)):
        heap[n] = (values[n], n, 0, 0)
        sift_up(heap, n)
    order = []
    for size in range(len(values) - 1, -1, -1):
        order.append(int(heap[0]["cube"]))
        heap[0] = heap[size]
        sift_down(heap, size, 0)
    assert sorted(order) == list(range(len(values)))
    assert [values[n] for n in order] == sorted(values, reverse=True)


@given(VALUES, st.integers(0, 10))
def test_sort_ranked(values: list[float], first: int) -> None:
    ranked = np.zeros(len(values) + first, RANKED)
    ranked["value"][:first] = -np.inf
    ranked["value"][first:] = values
    ranked["index"] = range(len(ranked))
    sort_ranked(ranked, first, len(values))
    assert ranked["value"][first:].tolist() == sorted(values, reverse=True)
    assert [values[n - first] for n in ranked["index"][first:]] == ranked["value"][first:].tolist()
    assert (ranked["value"][:first] == -np.inf).all()


@given(VALUES, st.data())
def test_kth_greatest(values: list[float], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(values)))
    array = np.array([*values, 1e9])
    assert kth_greatest(array, len(values), k) == sorted(values, reverse=True)[k - 1]
    assert sorted(array) == sorted([*values, 1e9])
