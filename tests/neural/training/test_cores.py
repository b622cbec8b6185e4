"""Work shared out among threads: everything is done once, and failures come out."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from nmt.neural.training.cores import Cores


@pytest.fixture(params=[1, 2, 3])
def cores(request: pytest.FixtureRequest) -> Iterator[Cores]:
    cores = Cores(request.param)
    yield cores
    cores.close()


@pytest.mark.parametrize("number", [0, 1, 2, 7, 100])
def test_each_item_is_worked_on_once_and_results_keep_their_order(
    cores: Cores, number: int
) -> None:
    seen: list[int] = []

    def square(item: int) -> int:
        seen.append(item)
        return item * item

    assert cores.each(square, range(number)) == [item * item for item in range(number)]
    assert sorted(seen) == list(range(number))


def test_each_core_has_a_thread_of_its_own(cores: Cores) -> None:
    together = threading.Barrier(cores.number)

    def meet(number: int) -> tuple[int, int]:
        together.wait(timeout=10)
        return number, threading.get_ident()

    numbers, threads = zip(*cores.run(meet), strict=True)
    assert list(numbers) == list(range(cores.number))
    assert len(set(threads)) == cores.number


def test_a_failure_comes_out_after_all_have_ended(cores: Cores) -> None:
    ended: list[int] = []

    def work(number: int) -> None:
        ended.append(number)
        if number == 0:
            raise MemoryError("no more")

    with pytest.raises(MemoryError, match="no more"):
        cores.run(work)
    assert sorted(ended) == list(range(cores.number))
