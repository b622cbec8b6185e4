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
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import yaml

from nmt.corpus import prepare_corpus, tokenize_pairs
from nmt.recipe import read_recipe
from nmt.tokenization import learn_tokenizers
from scripts.benchmark import ROOT, ProcessFailed, environment, format_table, machine
from scripts.benchmark_command import command_line, run_benchmark

MARKS = 4
"""Validations of a training, and lines of the table; the result holds ten times as many losses."""

ROWS: dict[str, dict[str, Any]] = {
    "float8": {"precision": "float8"},
    "bfloat16": {"precision": "bfloat16"},
    "float32": {"precision": "float32"},
    "float32-seed-2": {"precision": "float32", "seed": 2},
}


def main(arguments: list[str] | None = None) -> int:
    """Train, print a table, write the result; returns the exit status."""
    parser = command_line(__doc__, "bench_float8.json", quick="20 updates")
    parser.add_argument("--data", type=Path, help="folder that holds multi30k; else pocket")
    parser.add_argument("--updates", type=int, default=200)
    parser.add_argument("--batch-tokens", type=int, default=512)
    parser.add_argument("--device", default="cpu")

    def measure(options: argparse.Namespace) -> dict[str, Any]:
        if options.quick:
            options.updates = 20
        with tempfile.TemporaryDirectory(prefix="bench-float8-") as name:
            return run(options, Path(name))

    return run_benchmark(parser, measure, render, arguments)


def run(options: argparse.Namespace, work: Path) -> dict[str, Any]:
    """All trainings, each on a core of its own."""
    recipe = make_recipe(options)
    path = work / "float8.yaml"
    path.write_text(yaml.safe_dump(recipe), encoding="utf-8")
    _prepare(path, options, work / "cache")
    cores: SimpleQueue[int] = SimpleQueue()
    for core in os.sched_getaffinity(0):
        cores.put(core)

    def measure(name: str) -> dict[str, Any]:
        core = cores.get()
        found = _train(path, name, core, options)
        cores.put(core)
        last = found["validations"][-1]
        print(f"{name}: perplexity {last['perplexity']:.3f}", file=sys.stderr, flush=True)
        return {"name": name, **found}

    with ThreadPoolExecutor(cores.qsize()) as pool:
        rows = list(pool.map(measure, ROWS))
    return {"machine": machine(), "device": options.device, "recipe": recipe, "rows": rows}


def make_recipe(options: argparse.Namespace) -> dict[str, Any]:
    """A recipe of this project, with a system for each row."""
    name = "pocket-en-de" if options.data is None else "multi30k-en-de"
    recipe: dict[str, Any] = yaml.safe_load(
        (ROOT / "recipes" / f"{name}.yaml").read_text(encoding="utf-8")
    )
    if options.data is None:
        recipe["corpus"]["train"] = [{"kind": "pocket", "split": "train", "pairs": 12_000}]
    mark = max(1, options.updates // MARKS)
    training = {
        "batch_tokens": options.batch_tokens, "learning_rate": 4e-3, "schedule": "cosine",
        "warmup_updates": options.updates // 5, "max_updates": options.updates,
        "log_every": max(1, mark // 10), "validate_every": mark, "validate_metric": "loss",
        "validate_max_pairs": 250,
    }  # fmt: skip
    recipe["systems"] = {
        row: {
            "kind": "transformer", "preset": "tiny", "dropout": 0.0, "search": {"beam": 1},
            "training": {**training, **of_row},
        }
        for row, of_row in ROWS.items()
    }  # fmt: skip
    return recipe


def _prepare(path: Path, options: argparse.Namespace, cache: Path) -> None:
    """Leave in the cache what all trainings begin with."""
    recipe = read_recipe(str(path), data_root=options.data and options.data.resolve())
    corpus = prepare_corpus(recipe.corpus, cache=cache, report=lambda line: None)
    languages = recipe.corpus.source_language, recipe.corpus.target_language
    tokenizers = learn_tokenizers(
        recipe.tokenizer, corpus.train.source, corpus.train.target, cache=cache,
        source_language=languages[0], target_language=languages[1],
    )  # fmt: skip
    for pairs in (corpus.train, corpus.valid):
        tokenize_pairs(pairs, tokenizers.source, tokenizers.target, cache=cache, workers=1)


def _train(path: Path, name: str, core: int, options: argparse.Namespace) -> dict[str, Any]:
    """Train a system by the command on a core, and read what it wrote."""
    work = path.parent
    data = [] if options.data is None else ["--data", str(options.data.resolve())]
    command = [
        sys.executable, "-m", "nmt.cli.train", str(path), "--system", name,
        "--device", options.device, "--output", str(work), *data,
    ]  # fmt: skip
    done = subprocess.run(
        command, env=environment(), preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        capture_output=True, text=True, errors="replace", check=False,
    )  # fmt: skip
    if done.returncode:
        raise ProcessFailed(" / ".join((done.stdout + done.stderr).strip().splitlines()[-3:]))
    metrics = work / path.stem / name / "training" / "metrics.jsonl"
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
    on, training = result["machine"], result["recipe"]["systems"]["float8"]["training"]
    return "\n".join(
        [
            format_table(["", *(row["name"] for row in rows)], cells),
            f"tiny Transformer, {result['recipe']['corpus']['train'][0]['kind']} corpus, "
            f"{training['batch_tokens']} target pieces an update; on {result['device']}: "
            f"{on['processor']}, torch {on['torch']}, {on['date']}",
        ]
    )


def _mean_loss(curve: list[tuple[int, float]], begin: int, end: int) -> float:
    found = [loss for update, loss in curve if begin < update <= end]
    return sum(found) / len(found)


if __name__ == "__main__":
    sys.exit(main())
