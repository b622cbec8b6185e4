"""Training throughput of nmt-train beside a ceiling and beside others, in one run on one machine.

    python -m scripts.bench_training [--data FOLDER] [--peers PYTHON] [--onmt PYTHON] [--quick]
    python -m scripts.bench_training --show scripts/results/bench_training.json

The model: Multi30k en-de, joint BPE of 8,000, 3+3 layers, width 256, 4 heads, feed-forward 1,024,
float32, about 4,096 target tokens an update, dropout 0.1, label smoothing 0.1. What is counted are
target pieces, ends of sentences included and padding not, a second of processor time of the whole
process.

- *nmt-train* is the command itself on a recipe: batches, prefetch, checks, log and all. Its own
  checkpoint says how many pieces it saw. On one core, and on two.
- *matrix products* is the ceiling: this model's products and nothing else, turned into pieces by
  what a target piece costs.
- The others train the same model on the same pieces, each in a fresh process on one core; "tuned"
  means with what nmt sets for itself at start-up (see scripts/training_peers.py).

Peers are other people's packages: ``--peers`` names a Python that has transformers, ``--onmt`` one
that has OpenNMT-py, both with this Python's torch. Without them those rows are left out, with the
reason. Timings mean something only on a machine that does nothing else; the result says if it did.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from nmt.corpus import TokenizedBitext, prepare_corpus, tokenize_pairs
from nmt.neural.model.architecture import Architecture, design
from nmt.neural.training.checkpoint import Checkpoints
from nmt.recipe import Recipe, TransformerSettings, read_recipe
from nmt.tokenization import learn_tokenizers
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
from scripts.benchmark_command import command_line, run_benchmark
from scripts.training_flops import flop_per_target_piece

RECIPE = "multi30k-en-de"

OVERRIDES = (
    "tokenizer.kind=sentencepiece", "tokenizer.algorithm=bpe", "tokenizer.vocabulary_size=8000",
    "tokenizer.sampling=0",
    "systems.transformer.preset=small", "systems.transformer.encoder_layers=3",
    "systems.transformer.decoder_layers=3", "systems.transformer.width=256",
    "systems.transformer.heads=4", "systems.transformer.feed_forward_width=1024",
    "systems.transformer.dropout=0.1", "systems.transformer.training.batch_tokens=4096",
    "systems.transformer.training.label_smoothing=0.1", "systems.transformer.training.r_drop=0",
    "systems.transformer.training.ema_decay=null",
    "systems.transformer.training.validate_every=1000000",
    "systems.transformer.training.max_minutes=60", "systems.transformer.training.log_every=1",
)  # fmt: skip
"""The measured model, said in full, so that the recipe's own choices do not move the figures."""

MICRO_BATCH_TOKENS = 2048
"""Target positions that nmt-train computes at once on a core."""

CEILING = "matrix products"


def main(arguments: list[str] | None = None) -> int:
    """Measure, print a table, write the result; returns the exit status."""
    parser = command_line(__doc__, "bench_training.json", quick="6 s a row")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--peers", default=sys.executable, help="a Python that has transformers")
    parser.add_argument("--onmt", default=sys.executable, help="a Python that has OpenNMT-py")
    parser.add_argument("--seconds", type=float, default=40.0, help="processor time of each row")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="contenders beside nmt-train")

    def measure(options: argparse.Namespace) -> dict[str, Any]:
        if options.quick:
            options.seconds = 6.0
        with tempfile.TemporaryDirectory(prefix="bench-training-") as name:
            return run(options, Path(name))

    return run_benchmark(parser, measure, render, arguments)


def run(options: argparse.Namespace, work: Path) -> dict[str, Any]:
    """All measurements, one after the other."""
    recipe = read_recipe(RECIPE, OVERRIDES, data_root=options.data.resolve())
    bitext, architecture = _prepare(recipe, work / "cache")
    lengths = [side.lengths.astype(np.int64) + 1 for side in (bitext.source, bitext.target)]
    flop = flop_per_target_piece(architecture, *lengths)
    rows: list[dict[str, Any]] = []
    with LoadMeter() as meter:
        for cores in (1, 2):
            rows.append(
                {"contender": "nmt-train", "cores": cores} | _measure_ours(options, work, cores)
            )
            _progress(rows[-1])
        for row in _measure_others(options, work, bitext, architecture, lengths):
            rows.append(row)
            _progress(row)
    return {
        "machine": machine(),
        "load": meter.load().to_json(),
        "mflop_per_target_piece": flop / 1e6,
        "overrides": OVERRIDES,
        "seconds": options.seconds,
        "rows": rows,
    }


def _prepare(recipe: Recipe, cache: Path) -> tuple[TokenizedBitext, Architecture]:
    """The training data and the model, made by the stages that nmt-train itself goes through."""
    system = recipe.systems["transformer"]
    assert isinstance(system, TransformerSettings)
    corpus = prepare_corpus(recipe.corpus, cache=cache, data_root=None)
    tokenizers = learn_tokenizers(
        recipe.tokenizer, corpus.train.source, corpus.train.target, cache=cache, seed=1
    )
    bitext = tokenize_pairs(
        corpus.train, tokenizers.source, tokenizers.target, cache=cache, workers=1
    )
    size = tokenizers.source.vocabulary_size
    return bitext, design(system, size, size)


def _measure_ours(options: argparse.Namespace, work: Path, cores: int) -> dict[str, Any]:
    """Run nmt-train for a while, stop it as a user would, and read its checkpoint."""
    folder = work / RECIPE / "transformer" / "training"
    metrics = folder / "metrics.jsonl"
    command = [
        sys.executable, "-m", "nmt.cli.train", RECIPE, *OVERRIDES, "--system", "transformer",
        "--fresh", "--device", "cpu",
        "--data", str(options.data.resolve()), "--output", str(work),
    ]  # fmt: skip
    metrics.unlink(missing_ok=True)
    begin = time.perf_counter()
    first = None
    with subprocess.Popen(
        command,
        env=environment(),
        preexec_fn=pinned(cores),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        for line in process.stdout or ():
            if not line.startswith("update "):
                continue
            first = first or time.perf_counter() - begin
            record = json.loads(metrics.read_text(encoding="utf-8").splitlines()[-1])
            if record["seconds"] >= options.seconds:
                process.send_signal(signal.SIGTERM)
                break
        rest = process.stdout.read() if process.stdout else ""
    saved = Checkpoints(folder).load()
    if saved is None or first is None:
        raise SystemExit(f"nmt-train ended without a checkpoint:\n{rest}")
    counters = saved[0]
    records = [json.loads(line) for line in metrics.read_text(encoding="utf-8").splitlines()]
    rates = [record["target_pieces_per_cpu_second"] for record in records]
    return {
        "target_pieces_per_cpu_second": counters.target_pieces / counters.cpu_seconds,
        "target_pieces_per_second": counters.target_pieces / counters.seconds,
        "updates": counters.update,
        "target_pieces": counters.target_pieces,
        "cpu_seconds": counters.cpu_seconds,
        "quartiles": np.percentile(rates, [25, 50, 75]).tolist(),
        "padding": float(np.mean([record["padding"] for record in records])),
        "seconds_to_first_update": first,
    }


def _measure_others(
    options: argparse.Namespace,
    work: Path,
    bitext: TokenizedBitext,
    architecture: Architecture,
    lengths: list[np.ndarray],
) -> Iterator[dict[str, Any]]:
    rows = work / "rows.npz"
    np.savez(
        rows,
        source_flat=bitext.source.flat, source_offsets=bitext.source.offsets,
        target_flat=bitext.target.flat, target_offsets=bitext.target.offsets,
    )  # fmt: skip
    source_share = lengths[0].sum() / lengths[1].sum()
    job = {
        "seconds": options.seconds,
        "warmup": min(10.0, options.seconds / 2),
        "rows": str(rows),
        "batch_tokens": 4096,
        "micro_batch_tokens": MICRO_BATCH_TOKENS,
        "width": architecture.width,
        "feed_forward_width": architecture.feed_forward_width,
        "heads": architecture.heads,
        "layers": architecture.encoder_layers,
        "vocabulary": architecture.target_vocabulary_size,
        "dropout": architecture.dropout,
        "label_smoothing": 0.1,
        "source_positions": round(MICRO_BATCH_TOKENS * source_share / 16) * 16,
    }
    pythons = {
        CEILING: sys.executable,
        "OpenNMT-py": options.onmt,
        "Hugging Face Marian": options.peers,
        "torch.nn.Transformer": sys.executable,
    }
    for contender, python in pythons.items():
        if options.only and contender not in options.only:
            continue
        for tuned in (False, True):
            row: dict[str, Any] = {"contender": contender, "cores": 1, "tuned": tuned}
            request = {**job, "contender": contender, "tuned": tuned}
            try:
                row |= run_measurement(
                    "scripts.training_peers", request, python=python, allocator=tuned
                )
            except ProcessFailed as failure:
                row["skipped"] = str(failure)
            yield row


def render(result: dict[str, Any]) -> str:
    """The result as a table, with what was found of the machine and the bars of the project."""
    flop = result["mflop_per_target_piece"] * 1e6
    rows = [row for row in result["rows"] if "skipped" not in row]
    ours = next(row for row in rows if row["contender"] == "nmt-train" and row["cores"] == 1)
    ceilings = [row for row in rows if row["contender"] == CEILING]
    ceiling = max((_rate(row, flop) for row in ceilings), default=None)
    cells = []
    for row in rows:
        rate = _rate(row, flop)
        cells.append(
            [
                _name(row),
                str(row["cores"]),
                f"{rate:,.0f}",
                f"{row['target_pieces_per_second']:,.0f}"
                if "target_pieces_per_second" in row
                else "",
                f"{100 * rate / ceiling:.0f} %" if ceiling else "",
                f"{ours['target_pieces_per_cpu_second'] / rate:.2f}",
            ]
        )
    header = [
        "", "cores", "pieces/CPU s", "pieces/s", "of the ceiling", "nmt-train is x times that"
    ]  # fmt: skip
    lines = [format_table(header, cells), ""]
    two = [row for row in rows if row["contender"] == "nmt-train" and row["cores"] == 2]
    if two:
        ratio = two[0]["target_pieces_per_second"] / ours["target_pieces_per_second"]
        lines.append(f"nmt-train on two cores: {ratio:.2f} times one core, by the clock")
    lines.append(
        f"nmt-train: first update {ours['seconds_to_first_update']:.1f} s after the command, "
        f"padding {100 * ours['padding']:.1f} % of positions"
    )
    lines.append(f"a target piece costs {flop / 1e6:.1f} MFLOP")
    lines += [
        f"left out: {_name(row)}: {row['skipped']}" for row in result["rows"] if "skipped" in row
    ]
    return "\n".join([*lines, *describe(result)])


def _name(row: dict[str, Any]) -> str:
    name: str = row["contender"]
    return name + (", tuned" if row.get("tuned") else "")


def _rate(row: dict[str, Any], flop: float) -> float:
    rate: float = (
        row["flop_per_cpu_second"] / flop
        if "flop_per_cpu_second" in row
        else row["target_pieces_per_cpu_second"]
    )
    return rate


def _progress(row: dict[str, Any]) -> None:
    what = row.get("skipped") or ", ".join(
        f"{name} {row[name]:.4g}"
        for name in ("target_pieces_per_cpu_second", "flop_per_cpu_second")
        if name in row
    )
    print(f"{_name(row)}: {what}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
