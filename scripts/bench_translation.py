"""Translation speed of nmt beside others with the same weights, in one run on one core.

    python -m scripts.bench_translation MODEL [--peers PYTHON] [--quick]
    python -m scripts.bench_translation --show scripts/results/bench_translation.json

Sentences a second from raw text to raw text: beam 5, float32, one core. Each contender runs in a
fresh process, is warmed up, and may choose its batches: nmt takes its own default, for the others
the quickest of several sizes is found first. The median of three runs counts. BLEU stands beside
the speed, and so does the share of sentences that come out as from nmt in greedy search, where all
should agree up to rounding: a peer that computes something else is not a peer.

MODEL is a folder made by nmt-train; post-norm, ReLU, sinusoidal positions and tied embeddings are
what Marian can take, CTranslate2 takes pre-norm too. ``--peers`` names a Python that has
transformers and ctranslate2. Timings mean something only on a machine that does nothing else; the
result says if it did.
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
from pathlib import Path
from typing import Any

from nmt.evaluation.metrics import score
from nmt.files import write_json
from nmt.lines import read_lines
from nmt.model_folder import open_model_folder
from scripts.benchmark import (
    RESULTS,
    LoadMeter,
    ProcessFailed,
    describe,
    environment,
    format_table,
    machine,
    pinned,
    run_measurement,
)

BEAM = 5

CONTENDERS = (
    ("nmt", False),
    ("Hugging Face generate", False),
    ("Hugging Face generate", True),
    ("CTranslate2", False),
)
"""Who translates, and whether with what nmt sets for itself at start-up ("tuned")."""


def main(arguments: list[str] | None = None) -> int:
    """Measure, print a table, write the result; returns the exit status."""
    options = parse(arguments)
    if options.show is not None:
        print(render(json.loads(options.show.read_text(encoding="utf-8"))))
        return 0
    result = run(options)
    print(render(result))
    if not options.quick:
        write_json(options.output, result)
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    multi30k = Path("../shared/data/multi30k")
    parser.add_argument("model", type=Path, nargs="?", metavar="MODEL", help="a model folder")
    parser.add_argument("--source", type=Path, default=multi30k / "test2016.en")
    parser.add_argument("--reference", type=Path, default=multi30k / "test2016.de")
    parser.add_argument("--peers", default=sys.executable, help="a Python with the peers")
    parser.add_argument("--quick", action="store_true", help="100 lines once; writes no result")
    parser.add_argument("--show", type=Path, metavar="JSON", help="print an earlier result")
    parser.add_argument("--output", type=Path, default=RESULTS / "bench_translation.json")
    options = parser.parse_args(arguments)
    if options.show is None and options.model is None:
        parser.error("which MODEL is to translate?")
    return options


def run(options: argparse.Namespace) -> dict[str, Any]:
    """All measurements, one after the other."""
    lines, reference = read_lines(options.source), read_lines(options.reference)
    repeats = 3
    if options.quick:
        lines, reference, repeats = lines[:100], reference[:100], 1
    folder = open_model_folder(options.model)
    rows: list[dict[str, Any]] = []
    with LoadMeter() as meter:
        for contender, tuned in CONTENDERS:
            row: dict[str, Any] = {"contender": contender, "tuned": tuned}
            request = {
                **row,
                "model": str(options.model.resolve()),
                "lines": lines,
                "beam": BEAM,
                "repeats": repeats,
            }
            python = sys.executable if contender == "nmt" else options.peers
            try:
                row |= run_measurement(
                    "scripts.translation_peers", request, python=python, allocator=tuned
                )
            except ProcessFailed as failure:
                row["skipped"] = str(failure)
            rows.append(row)
            print(f"{_name(row)}: {row.get('skipped', 'measured')}", file=sys.stderr)
        command = _measure_command(options.model, lines, repeats)
    return {
        "machine": machine(),
        "load": meter.load().to_json(),
        "model": {
            "architecture": folder.settings["architecture"],
            "search": folder.settings["search"],
            "updates": folder.training.get("updates"),
        },
        "lines": len(lines),
        "beam": BEAM,
        "rows": _judge([*rows, command], reference),
    }


def _measure_command(model: Path, lines: list[str], repeats: int) -> dict[str, Any]:
    """nmt-translate from its start to its end: imports, opening the model, reading, writing."""
    with tempfile.TemporaryDirectory() as name:
        source, output = Path(name) / "source", Path(name) / "output"
        source.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        command = [
            sys.executable, "-c", "from nmt.cli.translate import main; main()",
            str(model.resolve()), "--device", "cpu", "--beam", str(BEAM),
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
            "contender": "nmt-translate, start-up included",
            "tuned": False,
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
        if "texts" in row:
            bleu = score(row["texts"], [reference], ["bleu"], confidence=None)["bleu"]
            facts |= {"bleu": bleu.value, "signature": bleu.signature}
            facts["same_beam"] = _same(row["texts"], ours["texts"])
        if "greedy_texts" in row:
            facts["same_greedy"] = _same(row["greedy_texts"], ours["greedy_texts"])
        judged.append(facts)
    return judged


def _same(texts: list[str], others: list[str]) -> float:
    return sum(a == b for a, b in zip(texts, others, strict=True)) / len(texts)


def render(result: dict[str, Any]) -> str:
    """The result as a table, with what was found of the machine."""
    rows = [row for row in result["rows"] if "skipped" not in row]
    ours = _speed(result, rows[0])
    cells = [
        [
            _name(row),
            str(row.get("batch") or "own"),
            f"{_speed(result, row):.1f}",
            f"{result['lines'] / statistics.median(row['wall_seconds']):.1f}",
            f"{ours / _speed(result, row):.2f}",
            f"{row['bleu']:.2f}",
            f"{100 * row['same_greedy']:.1f} %" if "same_greedy" in row else "",
            f"{100 * row['same_beam']:.1f} %",
        ]
        for row in rows
    ]
    header = [
        "", "batch", "sentences/CPU s", "sentences/s", "nmt is x times that", "BLEU",
        "same greedy", "same beam",
    ]  # fmt: skip
    left_out = [
        f"left out: {_name(row)}: {row['skipped']}" for row in result["rows"] if "skipped" in row
    ]
    return "\n".join(
        [
            format_table(header, cells),
            "",
            f"{result['lines']} lines, beam {result['beam']}, float32, one core; median of "
            f"{len(rows[0]['cpu_seconds'])}",
            rows[0]["signature"],
            *left_out,
            *describe(result),
        ]
    )


def _speed(result: dict[str, Any], row: dict[str, Any]) -> float:
    """Sentences a second of processor time."""
    return float(result["lines"] / statistics.median(row["cpu_seconds"]))


def _name(row: dict[str, Any]) -> str:
    name: str = row["contender"]
    return name + (", tuned" if row["tuned"] else "")


if __name__ == "__main__":
    sys.exit(main())
