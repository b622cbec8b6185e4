"""Translation speed of nmt beside others with the same weights, in one run on one core.

    python -m scripts.bench_translation MODEL [--fast MODEL] [--peers PYTHON] [--quick]
    python -m scripts.bench_translation --show scripts/results/bench_translation.json

Sentences a second from raw text to raw text, on one core: beam 5 and greedy; and the time of a
single sentence. Each contender runs in a fresh process, is warmed up, and may choose its batches:
nmt takes its own default, for the others the quickest of several sizes is found first. The median
of three runs counts. BLEU stands beside the speed, and so does the share of sentences that come out
as from nmt in float32 without a shortlist: a peer that computes something else is not a peer.

MODEL is a folder made by nmt-train; post-norm, ReLU, sinusoidal positions and tied embeddings are
what Marian can take, CTranslate2 takes pre-norm too. With ``search.shortlist`` it is measured with
its shortlist, too. ``--fast`` names a model of the preset fast on the same data; ``--peers`` a
Python that has transformers and ctranslate2. ``--only`` measures some contenders, and puts what it
finds in the place of theirs in the stored result: for machines that are quiet for minutes only.
Timings mean something only on a machine that does nothing else; the result says if it did.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nmt.evaluation.metrics import score
from nmt.lines import read_lines
from nmt.model_folder import open_model_folder
from scripts.benchmark import (
    LoadMeter,
    ProcessFailed,
    describe,
    environment,
    format_table,
    machine,
    pinned,
    run_measurement,
)
from scripts.benchmark_command import command_line_of_model, run_benchmark

BEAM = 5

COMMAND = "nmt-translate, start-up included"

ALONE = 100
"""Lines that are translated one at a time."""


@dataclass(frozen=True)
class Contender:
    """Who translates, and how."""

    engine: str
    tuned: bool = False
    """With what nmt sets for itself at start-up."""
    precision: str = "float32"
    shortlist: bool = False
    fast: bool = False
    """With the model of the preset fast."""

    @property
    def name(self) -> str:
        """All of it in words."""
        notes = [
            "preset fast" if self.fast else "",
            self.precision if self.precision != "float32" else "",
            "shortlist" if self.shortlist else "",
            "tuned" if self.tuned else "",
        ]
        return ", ".join([self.engine, *filter(None, notes)])


CONTENDERS = (
    Contender("nmt"),
    Contender("nmt", shortlist=True),
    Contender("nmt", precision="int8"),
    Contender("nmt", precision="int8", shortlist=True),
    Contender("nmt", fast=True),
    Contender("nmt", fast=True, shortlist=True),
    Contender("nmt", fast=True, precision="int8", shortlist=True),
    Contender("Hugging Face generate"),
    Contender("Hugging Face generate", tuned=True),
    Contender("CTranslate2"),
    Contender("CTranslate2", precision="int8"),
)
"""In the order of the table; the first is what the others are compared with."""


def main(arguments: list[str] | None = None) -> int:
    """Measure, print a table, write the result; returns the exit status."""
    parser = command_line_of_model(
        __doc__, "bench_translation.json", split="test2016", quick="100 lines once"
    )
    parser.add_argument("--fast", type=Path, metavar="MODEL", help="a model of the preset fast")
    parser.add_argument("--only", action="append", metavar="NAME", help="measure this one, again")
    parser.add_argument("--peers", default=sys.executable, help="a Python with the peers")
    return run_benchmark(parser, run, render, arguments)


def run(options: argparse.Namespace) -> dict[str, Any]:
    """All measurements, one after the other."""
    lines, reference = read_lines(options.source), read_lines(options.reference)
    repeats = 3
    if options.quick:
        lines, reference, repeats = lines[:100], reference[:100], 1
    folder = open_model_folder(options.model)
    earlier: dict[str, dict[str, Any]] = {}
    if options.only:
        stored = json.loads(options.output.read_text(encoding="utf-8"))
        earlier = {row["contender"]: row for row in stored["rows"]}
        lines_before = stored["lines"], stored["model"]["updates"]
        if lines_before != (len(lines), folder.training.get("updates")):
            raise SystemExit(f"{options.output} is of other lines or another model")
    first = CONTENDERS[0].name
    rows: list[dict[str, Any]] = []
    with LoadMeter() as meter:
        for contender in CONTENDERS:
            if options.only and contender.name not in (*options.only, first):
                unknown = {"contender": contender.name, "skipped": "not measured"}
                rows.append(earlier.get(contender.name, unknown))
                continue
            rows.append(_measure(contender, options, lines, repeats))
            print(f"{contender.name}: {rows[-1].get('skipped', 'measured')}", file=sys.stderr)
        if not options.only:
            rows.append(_measure_command(options.model, lines, repeats))
        elif COMMAND in earlier:
            rows.append(earlier[COMMAND])
    return {
        "machine": machine(),
        "load": meter.load().to_json(),
        "model": _facts(options.model),
        "fast_model": None if options.fast is None else _facts(options.fast),
        "lines": len(lines),
        "beam": BEAM,
        "rows": _judge(rows, reference),
    }


def _facts(model: Path) -> dict[str, Any]:
    folder = open_model_folder(model)
    return {
        "architecture": folder.settings["architecture"],
        "search": folder.settings["search"],
        "updates": folder.training.get("updates"),
        "shortlist": folder.training.get("shortlist"),
    }


def _measure(
    contender: Contender, options: argparse.Namespace, lines: list[str], repeats: int
) -> dict[str, Any]:
    """One contender, in a process of its own; why not, where it cannot."""
    row: dict[str, Any] = {"contender": contender.name, "fast": contender.fast}
    model = options.fast if contender.fast else options.model
    if model is None:
        return {**row, "skipped": "no model of the preset fast was named"}
    if contender.shortlist and not open_model_folder(model).settings["search"].get("shortlist"):
        return {**row, "skipped": "the model has no shortlist"}
    request = {
        "contender": contender.engine,
        "tuned": contender.tuned,
        "precision": contender.precision,
        "shortlist": contender.shortlist,
        "model": str(model.resolve()),
        "lines": lines,
        "beam": BEAM,
        "repeats": repeats,
        "alone": min(ALONE, len(lines)),
    }
    try:
        return row | run_measurement(
            "scripts.translation_peers",
            request,
            python=sys.executable if contender.engine == "nmt" else options.peers,
            allocator=contender.tuned,
        )
    except ProcessFailed as failure:
        return {**row, "skipped": str(failure)}


def _measure_command(model: Path, lines: list[str], repeats: int) -> dict[str, Any]:
    """nmt-translate from its start to its end: imports, opening the model, reading, writing."""
    with tempfile.TemporaryDirectory() as name:
        source, output = Path(name) / "source", Path(name) / "output"
        source.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        command = [
            sys.executable, "-c", "from nmt.cli.translate import main; main()",
            str(model.resolve()), "--device", "cpu", "--beam", str(BEAM), "--no-shortlist",
            "--backend", "native",
            "--input", str(source), "--output", str(output),
        ]  # fmt: skip
        cpu, wall = [], []
        for _ in range(repeats + 1):
            before, begin = _children_seconds(), time.perf_counter()
            done = subprocess.run(
                command,
                env=environment(),
                preexec_fn=pinned(1),
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                raise SystemExit(f"nmt-translate failed: {done.stderr}")
            wall.append(time.perf_counter() - begin)
            cpu.append(_children_seconds() - before)
        # The first one warmed the disk's cache up.
        return {
            "contender": COMMAND,
            "cpu_seconds": cpu[1:],
            "wall_seconds": wall[1:],
            "texts": read_lines(output),
        }


def _children_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _judge(rows: list[dict[str, Any]], reference: list[str]) -> list[dict[str, Any]]:
    """Put scores and agreement with nmt in the place of the texts."""
    ours = rows[0]
    judged = []
    for row in rows:
        facts = {name: row[name] for name in row if name not in ("texts", "greedy_texts")}
        for texts, prefix in (("texts", ""), ("greedy_texts", "greedy_")):
            if texts in row:
                bleu = score(row[texts], [reference], ["bleu"], confidence=None)["bleu"]
                facts |= {f"{prefix}bleu": bleu.value, "signature": bleu.signature}
                if not row.get("fast"):
                    facts[f"same_{prefix or 'beam'}".rstrip("_")] = _same(row[texts], ours[texts])
        judged.append(facts)
    return judged


def _same(texts: list[str], others: list[str]) -> float:
    return sum(a == b for a, b in zip(texts, others, strict=True)) / len(texts)


def render(result: dict[str, Any]) -> str:
    """The result as a table, with what was found of the machine."""
    rows = [row for row in result["rows"] if "cpu_seconds" in row]
    ours = _speed(result, rows[0])
    cells = [
        [
            row["contender"],
            str(row.get("batch") or "own"),
            f"{_speed(result, row):.1f}",
            f"{result['lines'] / statistics.median(row['wall_seconds']):.1f}",
            f"{_speed(result, row) / ours:.2f}",
            _greedy_speed(result, row),
            _latency(row),
            f"{row['peak_memory_bytes'] / 1e6:,.0f}" if "peak_memory_bytes" in row else "",
            f"{row['bleu']:.2f}",
            _percent(row, "same_greedy"),
            _percent(row, "same_beam"),
        ]
        for row in rows
    ]
    header = [
        "", "batch", "sentences/CPU s", "sentences/s", "of nmt", "greedy", "ms alone", "MB", "BLEU",
        "same greedy", "same beam",
    ]  # fmt: skip
    left_out = [
        f"left out: {row['contender']}: {row['skipped']}"
        for row in result["rows"]
        if "skipped" in row
    ]
    return "\n".join(
        [
            format_table(header, cells),
            "",
            f"{result['lines']} lines, beam {result['beam']}, one core, float32 where nothing else "
            f"is said; median of {len(rows[0]['cpu_seconds'])}. Greedy: sentences/CPU s. Alone: "
            "median time of a sentence by itself, beam and all.",
            rows[0]["signature"],
            *left_out,
            *describe(result),
        ]
    )


def _speed(result: dict[str, Any], row: dict[str, Any]) -> float:
    """Sentences a second of processor time."""
    return float(result["lines"] / statistics.median(row["cpu_seconds"]))


def _greedy_speed(result: dict[str, Any], row: dict[str, Any]) -> str:
    seconds = row.get("greedy_cpu_seconds")
    return f"{result['lines'] / statistics.median(seconds):.1f}" if seconds else ""


def _latency(row: dict[str, Any]) -> str:
    seconds = row.get("alone_wall_seconds")
    return f"{1000 * statistics.median(seconds):.1f}" if seconds else ""


def _percent(row: dict[str, Any], name: str) -> str:
    return f"{100 * row[name]:.1f} %" if name in row else ""


if __name__ == "__main__":
    sys.exit(main())
