"""A binary heap of CELL records, the greatest value on top, and orders of RANKED records."""

from __future__ import annotations

from typing import Any

from numba import njit


@njit(cache=True, nogil=True)
def write_cell(heap: Any, place: Any, value: Any, cube: Any, row: Any, column: Any) -> None:
    """Write a cell's fields."""
    heap[place].value = value
    heap[place].cube = cube
    heap[place].row = row
    heap[place].column = column


@njit(cache=True, nogil=True)
def sift_down(heap: Any, size: Any, place: Any) -> None:
    """Move the cell at ``place`` down until none below it is greater."""
    value, cube = heap[place].value, heap[place].cube
    row, column = heap[place].row, heap[place].column
    while True:
        child = 2 * place + 1
        if child >= size:
            break
        if child + 1 < size and heap[child + 1].value > heap[child].value:
            child += 1
        if heap[child].value <= value:
            break
        heap[place] = heap[child]
        place = child
    write_cell(heap, place, value, cube, row, column)


@njit(cache=True, nogil=True)
def sift_up(heap: Any, place: Any) -> None:
    """Move the cell at ``place`` up until none above it is smaller."""
    value, cube = heap[place].value, heap[place].cube
    row, column = heap[place].row, heap[place].column
    while place > 0:
        parent = (place - 1) >> 1
        if heap[parent].value >= value:
            break
        heap[place] = heap[parent]
        place = parent
    write_cell(heap, place, value, cube, row, column)


@njit(cache=True, nogil=True)
def heapify(heap: Any, size: Any) -> None:
    """Turn the first ``size`` cells into a heap."""
    for place in range(size // 2 - 1, -1, -1):
        sift_down(heap, size, place)


@njit(cache=True, nogil=True)
def sort_ranked(ranked: Any, first: Any, count: Any) -> None:
    """Sort records in place, greatest value first (Shell 1959, with the gaps of Ciura 2001)."""
    for gap in (701, 301, 132, 57, 23, 10, 4, 1):
        if gap >= count:
            continue
        for n in range(first + gap, first + count):
            value, index = ranked[n].value, ranked[n].index
            place = n
            while place >= first + gap and ranked[place - gap].value < value:
                ranked[place].value = ranked[place - gap].value
                ranked[place].index = ranked[place - gap].index
                place -= gap
            ranked[place].value = value
            ranked[place].index = index


@njit(cache=True, nogil=True)
def kth_greatest(values: Any, size: Any, k: Any) -> Any:
    """The k-th greatest of the first ``size`` values (k from 1), which are put in another order."""
    low, high, wanted = 0, size - 1, k - 1
    while low < high:
        pivot = values[(low + high) >> 1]
        left, right = low, high
        while left <= right:
            while values[left] > pivot:
                left += 1
            while values[right] < pivot:
                right -= 1
            if left <= right:
                values[left], values[right] = values[right], values[left]
                left += 1
                right -= 1
        if wanted <= right:
            high = right
        elif wanted >= left:
            low = left
        else:
            break
    return values[wanted]
