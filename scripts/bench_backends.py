"""Speed, memory and quality of all backends with one model, side by side in one run on one core.

    python -m scripts.bench_backends MODEL
    python -m scripts.bench_backends --show scripts/results/bench_backends.json

Sentences a second from raw text to raw text, beam 5 and greedy. Each backend runs in a fresh
process on one core and makes its own batches; it is warmed up, and the best of three runs counts
in processor time. Memory is the largest of the process, PyTorch included where it is needed. BLEU
stands beside the speed, and the share of sentences that come out as from the native backend in
float32: all of them in greedy search up to ties; of beam searches CTranslate2's goes on longer.

``nmt.neural.backends.choice.FASTEST_FIRST`` follows this measurement, which a test holds it to.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from typing import Any

from nmt.evaluation.metrics import score
from nmt.lines import read_lines
from nmt.model_folder import open_model_folder
from scripts.benchmark import (
    LoadMeter,
    ProcessFailed,
    answer_request,
    describe,
    format_table,
    machine,
    run_measurement,
)
from scripts.benchmark_command import command_line_of_model, run_benchmark

BEAMS = (5, 1)

CONTENDERS = (
    ("native", "float32"),
    ("ctranslate2", "float32"),
    ("onnx", "float32"),
    ("native", "int8"),
    ("ctranslate2", "int8"),
    ("onnx", "int8"),
)
"""Backends and precisions; the first is what the others are compared with."""


def main(arguments: list[str] | None = None) -> int:
    """Measure, print a table, write the result; returns the exit status."""
    parser = command_line_of_model(
        __doc__, "bench_backends.json", split="test2016", quick="100 lines once"
    )
    parser.add_argument("--lines", type=int, help="only so many of them")
    return run_benchmark(parser, run, render, arguments)


def run(options: argparse.Namespace) -> dict[str, Any]:
    """All measurements, one after the other."""
    count = 100 if options.quick else options.lines
    lines, reference = (read_lines(path)[:count] for path in (options.source, options.reference))
    folder = open_model_folder(options.model)
    rows: list[dict[str, Any]] = []
    with LoadMeter() as meter:
        for backend, precision in CONTENDERS:
            row: dict[str, Any] = {"backend": backend, "precision": precision}
            request = {
                **row,
                "model": str(options.model.resolve()),
                "lines": lines,
                "repeats": 1 if options.quick else 3,
            }
            try:
                row |= run_measurement("scripts.bench_backends", request)
            except ProcessFailed as failure:
                row["skipped"] = str(failure)
            rows.append(row)
            print(f"{_name(row)}: {row.get('skipped', 'measured')}", file=sys.stderr)
    return {
        "machine": machine(),
        "load": meter.load().to_json(),
        "model": {"architecture": folder.settings["architecture"]},
        "lines": len(lines),
        "rows": [_judged(row, rows[0], reference) for row in rows],
    }


def measure(request: dict[str, Any]) -> dict[str, Any]:
    """Answer one request: time a backend in this process."""
    import nmt

    begin = time.process_time()
    translator = nmt.load(
        request["model"], device="cpu", backend=request["backend"], precision=request["precision"]
    )
    opened = time.process_time() - begin
    lines = request["lines"]
    translator.translate(lines[:32])
    seconds: dict[str, list[float]] = {}
    texts: dict[str, list[str]] = {}
    for beam in BEAMS:
        seconds[str(beam)] = []
        for _ in range(request["repeats"]):
            begin = time.process_time()
            found = translator.translate(lines, beam=beam)
            seconds[str(beam)].append(time.process_time() - begin)
        texts[str(beam)] = [one.text for one in found]
    return {
        "cpu_seconds": seconds,
        "opening_cpu_seconds": opened,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "texts": texts,
    }


def _judged(row: dict[str, Any], native: dict[str, Any], reference: list[str]) -> dict[str, Any]:
    """Scores and agreement with the native backend in the place of the texts."""
    facts = {name: value for name, value in row.items() if name != "texts"}
    if "texts" not in row:
        return facts
    facts["bleu"], facts["same"] = {}, {}
    for beam, texts in row["texts"].items():
        found = score(texts, [reference], ["bleu"], confidence=None)["bleu"]
        facts["bleu"][beam], facts["signature"] = found.value, found.signature
        pairs = zip(texts, native["texts"][beam], strict=True)
        facts["same"][beam] = sum(a == b for a, b in pairs) / len(texts)
    return facts


def speed(result: dict[str, Any], row: dict[str, Any], beam: int) -> float:
    """Sentences a second of processor time, in the best run."""
    return float(result["lines"] / min(row["cpu_seconds"][str(beam)]))


def render(result: dict[str, Any]) -> str:
    """The result as a table, with what was found of the machine."""
    rows = [row for row in result["rows"] if "skipped" not in row]
    cells = [
        [
            _name(row),
            *(
                cell
                for beam in BEAMS
                for cell in (
                    f"{speed(result, row, beam):.0f}",
                    f"{row['bleu'][str(beam)]:.2f}",
                    f"{100 * row['same'][str(beam)]:.1f} %",
                )
            ),
            f"{row['peak_bytes'] / 1e6:.0f}",
        ]
        for row in rows
    ]
    header = ["", "beam 5/s", "BLEU", "same", "greedy/s", "BLEU", "same", "peak MB"]
    left_out = [
        f"left out: {_name(row)}: {row['skipped']}" for row in result["rows"] if "skipped" in row
    ]
    return "\n".join(
        [
            format_table(header, cells),
            "",
            f"{result['lines']} lines, one core, sentences a processor second",
            rows[0]["signature"],
            *left_out,
            *describe(result),
        ]
    )


def _name(row: dict[str, Any]) -> str:
    return f"{row['backend']}, {row['precision']}"


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1].endswith("request.json"):
        answer_request(measure)
    else:
        sys.exit(main())
