"""Windows of a stream: order, promptness, bounded memory, errors in their place."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.streaming import PATIENCE_SECONDS, PAUSE_SECONDS, Windows, chunks


def size(item: int) -> int:
    """Items are their own sizes."""
    return item


ITEMS = st.lists(st.integers(1, 20), max_size=60)


@given(items=ITEMS, full=st.integers(1, 50))
def test_chunks_are_full_but_for_the_last(items: list[int], full: int) -> None:
    found = list(chunks(items, size=size, full=full))
    assert list(itertools.chain(*found)) == items
    assert all(sum(chunk) >= full for chunk in found[:-1])
    assert all(chunk and sum(chunk[:-1]) < full for chunk in found)


@given(items=ITEMS, full=st.integers(1, 50))
def test_windows_lose_nothing_and_keep_the_order(items: list[int], full: int) -> None:
    found = list(Windows(items, size=size, full=full))
    assert list(itertools.chain(*found)) == items
    assert all(window and sum(window[:-1]) < full for window in found)


def test_a_fast_stream_fills_its_windows() -> None:
    found = list(Windows([1] * 10_000, size=size, full=100))
    assert {len(window) for window in found} == {100}


def test_a_pause_ends_a_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nmt.streaming.PATIENCE_SECONDS", 10.0)
    go_on = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        yield 2
        go_on.wait()
        yield 3

    stream = Windows(items(), size=size, full=100)
    started = time.monotonic()
    assert next(stream) == [1, 2]
    assert time.monotonic() - started < 5
    go_on.set()
    assert next(stream) == [3]
    assert list(stream) == []


def test_a_trickle_does_not_hold_a_window_open() -> None:
    stop = threading.Event()

    def items() -> Iterator[int]:
        ends = time.monotonic() + 10
        while not stop.wait(PAUSE_SECONDS / 4) and time.monotonic() < ends:
            yield 1

    stream = Windows(items(), size=size, full=10**6)
    started = time.monotonic()
    assert next(stream)
    assert time.monotonic() - started < 5 + PATIENCE_SECONDS
    stop.set()


def test_reads_a_bounded_number_of_items_ahead() -> None:
    read = 0

    def items() -> Iterator[int]:
        nonlocal read
        while True:
            read += 1
            yield 1

    stream = Windows(items(), size=size, full=10)
    for taken in range(1, 4):
        assert len(next(stream)) == 10
        time.sleep(0.05)
        assert read <= 10 * taken + 2 * 10 + 1
    stream.close()
    time.sleep(0.05)
    assert "nmt-reader" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.parametrize("error", [ValueError("bad"), OSError("gone"), KeyError("key")])
def test_errors_of_the_input_come_after_what_came_before(error: Exception) -> None:
    def items() -> Iterator[int]:
        yield from [1, 1, 1]
        raise error

    stream = Windows(items(), size=size, full=3)
    assert next(stream) == [1, 1, 1]
    with pytest.raises(type(error)) as caught:
        next(stream)
    assert caught.value is error
