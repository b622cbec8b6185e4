"""Memory of ``nmt-translate`` while a million lines stream through it, and how soon it answers.

    python -m scripts.bench_streaming MODEL [--lines 1000000] [--beam 1]

The lines are those of the pocket corpus, written to the command's standard input by a thread while
this process reads its standard output: nothing is held but the lines that the command has not
answered yet. The memory of the command, its worker processes included, is looked at as the answers
come: once a twentieth of the lines is done against the end, it says whether it grows. The answer to
a line that is sent alone is timed, and that to the first line of the stream.
"""

from __future__ import annotations

import argparse
import itertools
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from nmt.corpus.pocket import training_pairs
from nmt.files import write_json
from scripts.benchmark import (
    RESULTS,
    LoadMeter,
    describe,
    environment,
    format_table,
    machine,
    pinned,
)

DISTINCT = 50_000
"""Sentences that are generated; a longer stream has them again, each time numbered otherwise."""

LOOKS = 20
"""How often memory is looked at, in equal parts of the stream."""


def main(arguments: list[str] | None = None) -> int:
    """Measure, print a table, write the result; returns the exit status."""
    options = parse(arguments)
    with LoadMeter() as meter:
        measured = measure(options.model, options.lines, options.beam, options.cores)
        load = meter.load()
    result = {"machine": machine(), "load": load.to_json(), **measured}
    print(show(result))
    write_json(options.output, result)
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m scripts.bench_streaming")
    parser.add_argument("model", type=Path, help="model folder, English to something")
    parser.add_argument("--lines", type=int, default=1_000_000, help="lines to stream")
    parser.add_argument("--beam", type=int, default=1, help="beam of the search")
    parser.add_argument("--cores", type=int, default=1, help="cores that it may use")
    parser.add_argument(
        "--output", type=Path, default=RESULTS / "bench_streaming.json", help="where to write"
    )
    return parser.parse_args(arguments)


def source_lines(count: int) -> Iterator[str]:
    """So many generated sentences; no two are equal, so that none is translated only once."""
    distinct = [pair.english for pair in training_pairs(1, min(count, DISTINCT))]
    rounds = (
        sentence if turn == 0 else f"{turn} {sentence}"
        for turn in itertools.count()
        for sentence in distinct
    )
    return itertools.islice(rounds, count)


def measure(model: Path, lines: int, beam: int, cores: int) -> dict[str, Any]:
    """Stream the lines through the command; memory in MB, times in seconds."""
    sources = source_lines(lines)
    started = time.perf_counter()
    command = subprocess.Popen(
        [sys.executable, "-m", "nmt.cli.translate", str(model), "--beam", str(beam)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(),
        preexec_fn=pinned(cores),
    )
    assert command.stdin is not None
    assert command.stdout is not None
    answers = command.stdout
    _send(command.stdin, itertools.islice(sources, 1))
    answers.readline()
    since_start = time.perf_counter() - started
    sent = time.perf_counter()
    _send(command.stdin, itertools.islice(sources, 1))
    answers.readline()
    since_line = time.perf_counter() - sent
    writer = threading.Thread(target=_send_all, args=(command.stdin, sources))
    memory = [{"lines": 2, "megabytes": megabytes(command.pid)}]
    began = time.perf_counter()
    writer.start()
    first = 0.0
    number = 2
    for number, _ in enumerate(answers, 3):
        first = first or time.perf_counter() - began
        if number % max(1, lines // LOOKS) == 0 and number < lines:  # at the end it is given back
            memory.append({"lines": number, "megabytes": megabytes(command.pid)})
    seconds = time.perf_counter() - began
    writer.join()
    if command.wait() or number != lines:
        raise SystemExit(f"not as many lines came out as went in, or exit {command.returncode}")
    early, last = memory[1]["megabytes"], memory[-1]["megabytes"]
    return {
        "model": model.name,
        "beam": beam,
        "cores": cores,
        "lines": lines,
        "lines_per_second": lines / seconds,
        "seconds_to_first_answer_from_start": since_start,
        "seconds_to_answer_when_started": since_line,
        "seconds_to_first_answer_of_stream": first,
        "memory": memory,
        "growth": last / early - 1,
    }


def _send(stream: IO[bytes], sources: Iterator[str]) -> None:
    for source in sources:
        stream.write(f"{source}\n".encode())
    stream.flush()


def _send_all(stream: IO[bytes], sources: Iterator[str]) -> None:
    _send(stream, sources)
    stream.close()


def megabytes(pid: int) -> float:
    """Memory of a process and all that it started, in MB, without the files that they map.

    What several of them share counts once: each is given its part (Linux' ``Pss_Anon``).
    """
    own = 0.0
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8")
        (line,) = (line for line in rollup.splitlines() if line.startswith("Pss_Anon:"))
        own = int(line.split()[1]) * 1024 / 1e6
        children = [
            int(child)
            for task in Path(f"/proc/{pid}/task").iterdir()
            for child in (task / "children").read_text(encoding="utf-8").split()
        ]
    except (OSError, ValueError):  # it has ended
        return own
    return own + sum(megabytes(child) for child in children)


def show(result: dict[str, Any]) -> str:
    """The result as a table."""
    rows = [[f"{look['lines']:,}", f"{look['megabytes']:.0f}"] for look in result["memory"]]
    return "\n".join(
        [
            format_table(["lines answered", "memory, MB"], rows),
            f"growth from the second look to the last: {100 * result['growth']:+.1f} %; "
            f"{result['lines_per_second']:,.0f} lines a second",
            f"first answer {result['seconds_to_first_answer_from_start']:.1f} s after the start; "
            f"{1000 * result['seconds_to_answer_when_started']:.0f} ms after a line alone; "
            f"{1000 * result['seconds_to_first_answer_of_stream']:.0f} ms after a stream begins",
            *describe(result),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
