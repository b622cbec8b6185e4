"""Items made ahead: the same ones, errors handed over, and no thread left behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from nmt.prefetch import prefetch


def numbered(count: int | None = None, *, made: list[int] | None = None) -> Iterator[int]:
    """Numbers from 0; endless unless counted."""
    number = 0
    while count is None or number < count:
        if made is not None:
            made.append(number)
        yield number
        number += 1


def threads() -> list[threading.Thread]:
    """Threads of prefetching."""
    return [thread for thread in threading.enumerate() if thread.name == "ahead"]


@pytest.mark.parametrize("depth", [1, 4])
def test_same_items_in_order(depth: int) -> None:
    """All of them, and then an end."""
    assert list(prefetch(numbered(50), depth, name="ahead")) == list(range(50))
    assert threads() == []


@pytest.mark.parametrize("taken", [0, 1, 7])
def test_closing_ends_the_thread(taken: int) -> None:
    """Also while it waits for room, and before anything was taken."""
    items = prefetch(numbered(), name="ahead")
    for _ in range(taken):
        next(items)
    items.close()
    assert threads() == []


def test_it_stays_a_bounded_number_ahead() -> None:
    """Batches of a large corpus must not pile up."""
    made: list[int] = []
    items = prefetch(numbered(made=made), depth=3, name="ahead")
    next(items)
    time.sleep(0.3)
    assert len(made) <= 3 + 2
    items.close()


def test_errors_reach_the_consumer_after_what_came_before() -> None:
    """As they were raised, traceback and all."""

    def failing() -> Iterator[int]:
        yield from numbered(2)
        raise ValueError("the third")

    items = prefetch(failing(), name="ahead")
    assert [next(items) for _ in range(2)] == [0, 1]
    with pytest.raises(ValueError, match="the third"):
        next(items)
    assert threads() == []


def test_it_does_not_wait_for_what_never_comes() -> None:
    """As when somebody presses Ctrl-C who has not typed anything."""
    ended = threading.Event()

    def waiting() -> Iterator[int]:
        yield 0
        ended.wait(30)

    items = prefetch(waiting(), name="ahead", interrupt=ended.set)
    next(items)
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        items.throw(KeyboardInterrupt())
    assert time.monotonic() - began < 10
    assert threads() == []


def test_making_overlaps_with_using() -> None:
    """Ten of 30 ms on each side take less than one after the other."""

    def slow() -> Iterator[int]:
        for number in numbered(10):
            time.sleep(0.03)
            yield number

    began = time.perf_counter()
    for _ in prefetch(slow(), name="ahead"):
        time.sleep(0.03)
    assert time.perf_counter() - began < 0.55
