"""The phrase-based system against the bars that Moses sets: quality, speed, cost.

    python -m scripts.bench_phrase_based [--data FOLDER] [--seeds 1,2,3] [--recipes NAME,NAME]
    python -m scripts.bench_phrase_based --show scripts/results/bench_phrase_based.json

Every recipe's phrase-based system is trained by ``nmt-train`` itself, on one core, once for each
seed of tuning (alignment, phrases and language model are the same for all, and made once). Then one
process on one core translates the test set with the default and the fast search. Speed is that of
the second of two passes in one process, text to text.

Moses' figures in the last table are those of the project's issue, measured on another machine of
this kind; they are for orientation.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from scripts.benchmark import (
    LoadMeter,
    describe,
    environment,
    format_table,
    machine,
    pinned,
    run_measurement,
)
from scripts.benchmark_command import command_line, run_benchmark

ROOT = Path(__file__).resolve().parents[1]
SYSTEM = "phrase-based"
MOSES = {
    "multi30k-en-de": {"bleu": 34.83, "chrf": 63.27, "ter": 49.23, "sentences_per_second": 56},
    "multi30k-de-en": {"bleu": 40.16, "chrf": 60.75, "ter": 41.92, "sentences_per_second": 49},
}
"""Moses, cube pruning with a pop limit of 400, tuned by MIRA; test2016."""


def train(recipe: str, seed: int, runs: Path, data: Path) -> dict[str, Any]:
    """Train one system; returns what its model folder says of costs and scores."""
    output = runs / f"seed-{seed}"
    output.mkdir(parents=True, exist_ok=True)
    cache = runs / "cache"
    cache.mkdir(exist_ok=True)
    if not (output / "cache").exists():
        (output / "cache").symlink_to(cache)
    began = time.perf_counter()
    subprocess.run(
        [
            sys.executable, "-m", "nmt.cli.train", recipe, "--system", SYSTEM,
            "--data", str(data), "--output", str(output), f"systems.{SYSTEM}.tuning.seed={seed}",
            "evaluation.metrics=[bleu, chrf, ter]",
        ],
        cwd=ROOT, env=environment(), preexec_fn=pinned(1), check=True,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    folder = output / recipe / SYSTEM
    model = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    scores = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
    (test,) = scores["test"].values()
    return {
        "recipe": recipe,
        "seed": seed,
        "model": str(folder),
        "command_seconds": time.perf_counter() - began,
        "training": {
            name: model["training"][name]
            for name in ("seconds", "cpu_seconds", "compile_seconds", "stages", "rounds", "valid")
        },
        "megabytes": sum(file["size"] for file in model["files"].values()) / 1e6,
        "scores": {
            metric: {name: score[name] for name in ("value", "interval", "signature")}
            for metric, score in test["scores"].items()
        },
    }


def measure(recipes: list[str], seeds: list[int], data: Path) -> dict[str, Any]:
    """Train and translate everything."""
    with LoadMeter() as meter, tempfile.TemporaryDirectory() as folder:
        rows = []
        for recipe in recipes:
            for seed in seeds:
                row = train(recipe, seed, Path(folder), data)
                rows.append(row)
                value = row["scores"]["bleu"]["value"]
                print(f"{recipe}, seed {seed}: BLEU {value:.2f}", flush=True)
        speeds = []
        for recipe in recipes:
            model = next(row["model"] for row in rows if row["recipe"] == recipe)
            request = {"model": model, "recipe": recipe, "data": str(data)}
            for search in ("default", "fast"):
                result = run_measurement(
                    "scripts.phrase_based_measurement", {**request, "search": search}
                )
                speeds.append({"recipe": recipe, "search": search, **result})
        for row in rows:
            del row["model"]
        return {
            "machine": machine(), "load": meter.load().to_json(), "rows": rows, "speeds": speeds,
            "moses": MOSES,
        }  # fmt: skip


def table(result: dict[str, Any]) -> str:
    """The result as text."""
    parts = [_quality(result), _cost(result), _speed(result), "\n".join(describe(result))]
    return "\n\n".join(parts)


def _rows_of(result: dict[str, Any], recipe: str) -> list[dict[str, Any]]:
    return [row for row in result["rows"] if row["recipe"] == recipe]


def _recipes(result: dict[str, Any]) -> list[str]:
    return list(dict.fromkeys(row["recipe"] for row in result["rows"]))


def _quality(result: dict[str, Any]) -> str:
    lines = []
    for recipe in _recipes(result):
        rows = _rows_of(result, recipe)
        cells = [recipe, str(len(rows))]
        for metric in ("bleu", "chrf", "ter"):
            values = [row["scores"][metric]["value"] for row in rows]
            spread = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
            cells.append(f"{statistics.mean(values):.2f}{spread}")
        lines.append(cells)
        if moses := result["moses"].get(recipe):
            lines.append(["  Moses", "1", *(f"{moses[m]:.2f}" for m in ("bleu", "chrf", "ter"))])
    signatures = sorted({score["signature"] for row in result["rows"]
                         for score in row["scores"].values()})  # fmt: skip
    head = ["test set", "seeds", "BLEU", "chrF2", "TER"]
    return "\n".join([format_table(head, lines), *signatures])


def _cost(result: dict[str, Any]) -> str:
    """Processor seconds of training; of seeds after the first, only tuning was computed anew."""
    lines = []
    for recipe in _recipes(result):
        training = _rows_of(result, recipe)[0]["training"]
        stages = [f"{cost['cpu_seconds']:.1f}" for cost in training["stages"].values()]
        lines.append(
            [
                recipe,
                *stages,
                f"{training['cpu_seconds']:.1f}",
                f"{training['compile_seconds']:.1f}",
            ]
        )
    stages = list(_rows_of(result, _recipes(result)[0])[0]["training"]["stages"])
    return format_table(["processor seconds", *stages, "all", "compilation, once"], lines)


def _speed(result: dict[str, Any]) -> str:
    lines = [
        [
            f"{row['recipe']}, {row['search']}", f"{row['sentences_per_second']:.0f}",
            f"{row['bleu']:.2f}", f"{row['peak_megabytes']:.0f}", f"{row['load_seconds']:.2f}",
        ]
        for row in result["speeds"]
    ]  # fmt: skip
    head = ["search", "sentences / CPU s", "BLEU", "peak MB", "seconds to load"]
    return format_table(head, lines)


def main(arguments: list[str] | None = None) -> int:
    """Measure, print a table, write the result; returns the exit status."""
    parser = command_line(__doc__, "bench_phrase_based.json")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data" / "multi30k")
    parser.add_argument("--seeds", default="1,2,3", help="of tuning")
    parser.add_argument("--recipes", default="multi30k-en-de,multi30k-de-en")
    return run_benchmark(parser, run, table, arguments)


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure what the command line asks for."""
    seeds = [int(seed) for seed in options.seeds.split(",")]
    return measure(options.recipes.split(","), seeds, options.data.resolve())


if __name__ == "__main__":
    sys.exit(main())
