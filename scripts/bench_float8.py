"""What float8 does to the loss: the same training in float32, bfloat16 and float8, side by side.

    python -m scripts.bench_float8 [--data FOLDER] [--updates N] [--quick]
    python -m scripts.bench_float8 --show scripts/results/bench_float8.json

Each row is ``nmt-train`` itself on one core (rows go side by side where there are more), a tiny
Transformer with the same seed: on the pocket corpus or, with ``--data``, on Multi30k. A last row,
float32 with another seed, says how much the figures move by chance. Without a GPU that has it,
float8 is emulated: rounded as there, multiplied in float32. Its loss is a GPU's but for the order
and the width of sums; its time says nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from scripts.benchmark import ProcessFailed, environment, format_table, machine
from scripts.benchmark_command import command_line, run_benchmark

LINES = 4
"""Of the table, about; the result holds ten times as many."""


@dataclass(frozen=True, slots=True)
class Row:
    """One training."""

    precision: str
    seed: int

    @property
    def name(self) -> str:
        """What the table calls it."""
        return self.precision + (f", seed {self.seed}" if self.seed != 1 else "")


ROWS = (Row("float32", 1), Row("bfloat16", 1), Row("float8", 1), Row("float32", 2))


def main(arguments: list[str] | None = None) -> int:
    """Train, print a table, write the result; returns the exit status."""
    parser = command_line(__doc__, "bench_float8.json", quick="20 updates")
    parser.add_argument("--data", type=Path, help="folder that holds multi30k; else pocket")
    parser.add_argument("--updates", type=int, default=800)
    parser.add_argument("--batch-tokens", type=int, default=1024)
    parser.add_argument("--device", default="cpu")

    def measure(options: argparse.Namespace) -> dict[str, Any]:
        if options.quick:
            options.updates = 20
        with tempfile.TemporaryDirectory(prefix="bench-float8-") as name:
            return run(options, Path(name))

    return run_benchmark(parser, measure, render, arguments)


def run(options: argparse.Namespace, work: Path) -> dict[str, Any]:
    """All trainings, each on a core of its own."""
    recipe = "pocket-en-de" if options.data is None else "multi30k-en-de"
    settings = overrides(options.updates, options.batch_tokens)
    cores: SimpleQueue[int] = SimpleQueue()
    for core in os.sched_getaffinity(0):
        cores.put(core)

    def measure(row: Row) -> dict[str, Any]:
        core = cores.get()
        found = _train(recipe, settings, row, options, work / row.name, core)
        cores.put(core)
        last = found["validations"][-1]
        print(f"{row.name}: perplexity {last['perplexity']:.3f}", file=sys.stderr, flush=True)
        return {"name": row.name} | found

    with ThreadPoolExecutor(cores.qsize()) as pool:
        rows = list(pool.map(measure, ROWS))
    return {
        "machine": machine(), "recipe": recipe, "device": options.device, "overrides": settings,
        "rows": rows,
    }  # fmt: skip


def overrides(updates: int, batch_tokens: int) -> list[str]:
    """Settings of all rows, in the notation of nmt-train."""
    every = max(1, updates // LINES)
    training = {
        "batch_tokens": batch_tokens, "learning_rate": 3e-3, "schedule": "cosine",
        "warmup_updates": updates // 5, "max_updates": updates, "max_minutes": "null",
        "log_every": max(1, every // 10), "validate_every": every, "validate_metric": "loss",
        "average_checkpoints": 1, "keep_best": 1, "ema_decay": "null", "r_drop": 0,
        "patience": "null", "validate_max_pairs": 250,
    }  # fmt: skip
    return [
        "systems.transformer.preset=tiny",
        "systems.transformer.search.beam=1",
        *(f"systems.transformer.training.{name}={value}" for name, value in training.items()),
    ]


def _train(
    recipe: str,
    settings: list[str],
    row: Row,
    options: argparse.Namespace,
    work: Path,
    core: int,
) -> dict[str, Any]:
    """Train by the command on a core, and read what it wrote."""
    metrics = work / recipe / "transformer" / "training" / "metrics.jsonl"
    data = [] if options.data is None else ["--data", str(options.data.resolve())]
    command = [
        sys.executable, "-m", "nmt.cli.train", recipe, *settings,
        f"systems.transformer.training.precision={row.precision}",
        f"systems.transformer.training.seed={row.seed}",
        "--system", "transformer", "--fresh", "--device", options.device, "--output", str(work),
        *data,
    ]  # fmt: skip
    done = subprocess.run(
        command, env=environment(), preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        capture_output=True, text=True, errors="replace", check=False,
    )  # fmt: skip
    if done.returncode:
        raise ProcessFailed(" / ".join((done.stdout + done.stderr).strip().splitlines()[-3:]))
    records = [json.loads(line) for line in metrics.read_text(encoding="utf-8").splitlines()]
    of_training = [record for record in records if record["kind"] == "training"]
    return {
        "curve": [(record["update"], round(record["loss"], 4)) for record in of_training],
        "gradient_norms": [round(record["gradient_norm"], 4) for record in of_training],
        "validations": [
            {name: record[name] for name in ("update", "loss", "perplexity")}
            for record in records
            if record["kind"] == "validation"
        ],
        "cpu_seconds": round(records[-1]["cpu_seconds"], 1),
    }


def render(result: dict[str, Any]) -> str:
    """The result as a table: a column for each training."""
    rows = result["rows"]
    marks = [one["update"] for one in rows[0]["validations"]]
    cells = []
    begin = 0
    for mark in marks:
        losses = [_mean_loss(row["curve"], begin, mark) for row in rows]
        cells.append([f"loss, updates {begin + 1} to {mark}", *(f"{one:.3f}" for one in losses)])
        begin = mark
    for mark, *found in zip(marks, *(row["validations"] for row in rows), strict=True):
        perplexities = (f"{one['perplexity']:.3f}" for one in found)
        cells.append([f"valid. perplexity at {mark}", *perplexities])
    cells.append(["processor seconds", *(f"{row['cpu_seconds']:.0f}" for row in rows)])
    on = result["machine"]
    return "\n".join(
        [
            format_table(["", *(row["name"] for row in rows)], cells),
            f"{result['recipe']}, tiny Transformer, {marks[-1]} updates; on {result['device']}: "
            f"{on['processor']}, torch {on['torch']}, {on['date']}",
        ]
    )


def _mean_loss(curve: list[tuple[int, float]], begin: int, end: int) -> float:
    found = [loss for update, loss in curve if begin < update <= end]
    return sum(found) / len(found)


if __name__ == "__main__":
    sys.exit(main())
