"""What two cores give a translator, beside what the machine has to give.

    python -m scripts.bench_cores MODEL... [--quick]

The same lines go through a translator on one core; through one on two cores, before it has
started worker processes (two threads, which share Python's lock) and after; and, half to each,
through two at the same time that share nothing but the machine, each on its own core. What those
two do together is the ceiling. All take turns, so that a machine whose speed drifts is the same for
all; the medians of the rounds count.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import nmt
from nmt.lines import read_lines
from nmt.neural import searchers
from nmt.neural.system import NeuralTranslator
from scripts.benchmark import LoadMeter, describe, format_table, machine
from scripts.benchmark_command import command_line, model_in_words, run_benchmark

ROUNDS = 5


def main(arguments: list[str] | None = None) -> int:
    """Measure, print a table, write the result; returns the exit status."""
    parser = command_line(__doc__, "bench_cores.json", quick="500 lines once")
    parser.add_argument("models", type=Path, nargs="*", metavar="MODEL", help="model folders")
    parser.add_argument(
        "--source", type=Path, default=Path("../shared/data/multi30k/train.en"), help="lines"
    )
    parser.add_argument("--lines", type=int, default=5_000, metavar="N", help="so many of them")
    return run_benchmark(parser, run, render, arguments)


def run(options: argparse.Namespace) -> dict[str, Any]:
    """All models, one after the other."""
    cores = sorted(os.sched_getaffinity(0))[:2]
    if len(cores) < 2:
        raise SystemExit("two cores wanted, and this process may use one")
    lines = read_lines(options.source)[: 500 if options.quick else options.lines]
    with LoadMeter() as meter:
        rows = [
            {
                "model": model_in_words(model),
                **measure(model, lines, cores, 1 if options.quick else ROUNDS),
            }
            for model in options.models
        ]
    return {"machine": machine(), "load": meter.load().to_json(), "lines": len(lines), "rows": rows}


def measure(model: Path, lines: Sequence[str], cores: Sequence[int], rounds: int) -> dict[str, Any]:
    """Seconds of every round: one core, two threads, two workers, and each of two translators."""
    first, second = cores
    with (
        _translator(model, {first}) as one,
        _translator(model, {second}) as other,
        _translator(model, {first, second}) as threads,
        _translator(model, {first, second}, workers=True) as workers,
    ):
        for translator in (one, other, threads, workers):
            _seconds([(translator, lines[:500])])  # compiled loops are loaded, memory is claimed
        seconds: dict[str, list[Any]] = {"one": [], "threads": [], "workers": [], "apart": []}
        for _ in range(rounds):
            seconds["one"] += _seconds([(one, lines)])
            seconds["threads"] += _seconds([(threads, lines)])
            seconds["workers"] += _seconds([(workers, lines)])
            seconds["apart"].append(_seconds([(one, lines[::2]), (other, lines[1::2])]))
    return seconds


@contextmanager
def _translator(model: Path, cores: set[int], *, workers: bool = False) -> Iterator[Connection]:
    """A process that translates on these cores the lines that it is sent, and answers how long."""
    here, there = multiprocessing.Pipe()
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)  # inherited, as libraries look at it when they are loaded
    process = multiprocessing.get_context("spawn").Process(
        target=_translate, args=(there, model, workers)
    )
    try:
        process.start()
    finally:
        os.sched_setaffinity(0, before)
    there.close()
    try:
        yield here
    finally:
        here.close()
        process.join()


def _translate(asked: Connection, model: Path, workers: bool) -> None:
    searchers.START_SECONDS = math.inf  # none starts in the middle of a measurement
    translator = nmt.load(model, device="cpu", backend="native")
    assert isinstance(translator, NeuralTranslator)
    if workers:
        translator.searchers.start_processes()
        assert translator.searchers.processes is not None
        assert translator.searchers.processes.wait() == translator.workers
    while True:
        try:
            lines = asked.recv()
        except EOFError:
            return
        begin = time.perf_counter()
        translator.translate(lines)
        asked.send(time.perf_counter() - begin)


def _seconds(work: Sequence[tuple[Connection, Sequence[str]]]) -> list[float]:
    """What each took for its lines, all at the same time."""
    for translator, lines in work:
        translator.send(lines)
    return [float(translator.recv()) for translator, _ in work]


@dataclass(frozen=True, slots=True)
class Gains:
    """How many times as fast as one core."""

    threads: float
    workers: float
    apart: float
    """Two that share nothing; these count by their rates, as one may be done before the other."""


def gains(row: dict[str, Any]) -> Gains:
    """What two cores give."""
    one = statistics.median(row["one"])
    apart = [sum(0.5 / seconds for seconds in pair) for pair in row["apart"]]
    return Gains(
        one / statistics.median(row["threads"]),
        one / statistics.median(row["workers"]),
        one * statistics.median(apart),
    )


def render(result: dict[str, Any]) -> str:
    """The result as a table, with what was found of the machine."""
    cells = []
    for row in result["rows"]:
        found = gains(row)
        cells.append(
            [
                row["model"],
                f"{result['lines'] / statistics.median(row['one']):.0f}",
                f"{found.threads:.2f}",
                f"{found.workers:.2f}",
                f"{found.apart:.2f}",
            ]
        )
    header = ["", "sentences/s on one core", "two threads", "two workers", "two apart"]
    return "\n".join(
        [
            format_table(header, cells),
            "",
            "How many times one core. Two apart: two translators, half the lines each.",
            *describe(result),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
