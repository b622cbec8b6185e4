"""What the stages of a training cost: measured as they run, kept beside their results."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from numba.core import event
from pydantic import BaseModel, ConfigDict

from nmt.files import build_once, write_json
from nmt.memory import peak_memory, restart_peak

_COST: Final = "cost.json"


class Cost(BaseModel):
    """Time that a stage took."""

    model_config = ConfigDict(frozen=True)

    seconds: float
    """By the clock."""
    cpu_seconds: float
    """Of processors, by this process and those it started and waited for, without compilation."""
    compile_seconds: float
    """Of the processor, by Numba: paid once an installation, when a loop is first run."""
    peak_memory_bytes: int | None = None
    """Largest resident memory of the process meanwhile; None where it was not measured."""

    def __str__(self) -> str:
        compiled = f" (and {self.compile_seconds:.1f} s of compilation, once)"
        return (
            f"{self.seconds:.1f} s, {self.cpu_seconds:.1f} processor s"
            f"{compiled if self.compile_seconds >= 0.05 else ''}"
        )


class Meter:
    """Measures a block of code; ``cost`` is there after its end. Blocks must not be nested."""

    cost: Cost

    @contextlib.contextmanager
    def measuring(self) -> Iterator[None]:
        """Measure what happens in this block."""
        compiling = _Compiling()
        restart_peak()
        before, begin = _processor_seconds(), time.perf_counter()
        with event.install_listener("numba:compile", compiling):
            yield
        self.cost = Cost(
            seconds=round(time.perf_counter() - begin, 3),
            cpu_seconds=round(_processor_seconds() - before - compiling.seconds, 3),
            compile_seconds=round(compiling.seconds, 3),
            peak_memory_bytes=peak_memory(),
        )


class _Compiling(event.Listener):
    """Adds up the processor time that Numba takes to compile, in whichever thread."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._of_thread = threading.local()

    def on_start(self, _: Any) -> None:
        """Begin to compile a function, perhaps within the compilation of another."""
        depth = getattr(self._of_thread, "depth", 0)
        if depth == 0:
            self._of_thread.begin = time.thread_time()
        self._of_thread.depth = depth + 1

    def on_end(self, _: Any) -> None:
        """End it."""
        self._of_thread.depth -= 1
        if self._of_thread.depth == 0:
            self.seconds += time.thread_time() - self._of_thread.begin


def largest_memory(costs: Iterable[Cost]) -> int | None:
    """The largest resident memory of several stages; None if that of any is not known."""
    peaks = [cost.peak_memory_bytes for cost in costs]
    known = [peak for peak in peaks if peak is not None]
    return max(known) if known and len(known) == len(peaks) else None


def run_stage(
    cache: Path,
    stage: str,
    inputs: Mapping[str, Any],
    build: Callable[[Path], None],
    report: Callable[[str], None],
) -> tuple[Path, Cost]:
    """`build_once`, saying what is going on; also returns what building cost, now or then."""
    built = False

    def measured(folder: Path) -> None:
        nonlocal built
        built = True
        report(f"{stage} ...")
        meter = Meter()
        with meter.measuring():
            build(folder)
        write_json(folder / _COST, meter.cost.model_dump())

    folder = build_once(cache, stage, inputs, measured)
    cost = Cost.model_validate(json.loads((folder / _COST).read_text(encoding="utf-8")))
    report(f"{stage}: {cost}" if built else f"{stage}: is there already")
    return folder, cost


def _processor_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
