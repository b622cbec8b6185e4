"""Signals: noted where a job looks for them, interruptions everywhere else."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from nmt.stopping import StopOnSignal, StopRequest


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Give the tests' own handlers back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_nobody_asks_by_default() -> None:
    """For use as a library, where signals are the program's own."""
    before = signal.getsignal(signal.SIGINT)
    stop = StopRequest()
    with stop.deferring():
        assert stop.reason is None
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_outside_a_signal_interrupts(number: signal.Signals) -> None:
    """At once, and which one it was can be asked."""
    stop = StopOnSignal()
    assert stop.reason is None
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), number)
    assert stop.received is number


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_inside_the_first_is_noted_and_the_second_interrupts(
    number: signal.Signals, second: signal.Signals, capfd: pytest.CaptureFixture[str]
) -> None:
    """The user is told about the first one."""
    stop = StopOnSignal()
    with stop.deferring():
        os.kill(os.getpid(), number)
        assert stop.reason == f"{number.name} received"
        assert "stopping" in capfd.readouterr().err
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), second)


def test_after_the_block_signals_interrupt_again() -> None:
    """Also if it was left by an error."""
    stop = StopOnSignal()
    with pytest.raises(KeyError), stop.deferring():
        raise KeyError
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGTERM)
