"""Translating on a GPU: nmt's search with and without CUDA graphs, CTranslate2, Hugging Face.

    python3 -m scripts.bench_gpu_translation --output OUT.json            # random base models
    python3 -m scripts.bench_gpu_translation --folder MODEL --source FILE # a trained model
    python3 -m scripts.bench_gpu_translation --show scripts/results/bench_gpu_translation.json
    python3 -m scripts.bench_gpu_translation --smoke                      # tiny, without a GPU

Random models are new `base` models of 8,000 and of 32,000 pieces, made never to end: every
translation of a batch is as long as its longest source, in pieces with the end. Sources are as long
as sentences of Tatoeba and of news tests, their pieces drawn at random.

Each line is measured in a process of its own: everything is translated once to warm up (what is
captured is captured then), and timed when it is translated again. Batches hold sentences of like
length. What is counted are the pieces of the best translations, their ends included.

- *graphs*: steps of fixed shape, replayed as CUDA graphs. *eager*: operation by operation, as it is
  on the processor.
- *same*: share of translations that are the first line's of the same case, eager float32.
- Hugging Face's random model has norms last, as its class knows no other; its work is the same.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from scripts.bench_gpu_training import ProcessEnded, run_process
from scripts.benchmark import format_table
from scripts.benchmark_command import command_line, run_benchmark
from scripts.gpu_translation_contenders import Job, as_request

WAYS: tuple[tuple[str, str, str, bool], ...] = (
    ("eager float32", "nmt", "float32", False),
    ("bfloat16 with graphs", "nmt", "bfloat16", True),
    ("eager bfloat16", "nmt", "bfloat16", False),
    ("float16 with graphs", "nmt", "float16", True),
    ("float32 with graphs", "nmt", "float32", True),
    ("CTranslate2 float16", "ctranslate2", "float16", False),
    ("Hugging Face bfloat16", "huggingface", "bfloat16", False),
)
"""Name, contender, precision and whether there are graphs; the first is what others must equal."""

NEEDS = {"ctranslate2": "ctranslate2", "huggingface": "transformers"}


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, store; returns the exit status."""
    parser = command_line(__doc__, "bench_gpu_translation.json")
    parser.add_argument(
        "--smoke", dest="quick", action="store_true", help="tiny, on whatever is here; no result"
    )
    parser.add_argument("--folder", type=Path, help="a model folder; random models unless given")
    parser.add_argument("--source", type=Path, help="what it translates, a sentence a line")
    parser.add_argument("--only", default="", help="lines whose name contains this")
    parser.add_argument("--minutes", type=float, default=8.5, help="begin nothing after this time")
    return run_benchmark(parser, run, render, arguments)


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure every line for which there is time."""
    deadline = time.monotonic() + 60 * options.minutes
    result: dict[str, Any] = {"rows": [], "not measured": []}
    if torch.cuda.is_available():
        result["device"] = run_process("scripts.gpu_peak", {}, 60.0)
    for name, job in lines(options):
        if options.only not in name:
            continue
        module = NEEDS.get(job.contender)
        left = deadline - time.monotonic()
        if module is not None and importlib.util.find_spec(module) is None:
            result["not measured"].append(f"{name}: {module} is not installed")
            continue
        if left < 20:
            result["not measured"].append(f"{name}: no time left")
            continue
        row: dict[str, Any] = {"name": name, "job": {**as_request(job), "lines": len(job.lines)}}
        try:
            row |= run_process(
                "scripts.gpu_translation_contenders", as_request(job), min(left, 120.0)
            )
        except ProcessEnded as ended:
            row["failed"] = str(ended)
        result["rows"].append(row)
        print(_in_one_line(row), flush=True)
    compare_outputs(result["rows"])
    return result


def lines(options: argparse.Namespace) -> Iterator[tuple[str, Job]]:
    """What is measured, the most telling first."""
    if options.quick:
        tiny = Job("nmt", "smoke", 60, "tatoeba", 6, 4, 2, "float32", graphs=False, seconds=0.0)
        for way, contender, precision, graphs in WAYS:
            if contender == "nmt" and precision != "float16":
                yield f"smoke: {way}", replace(tiny, precision=precision, graphs=graphs)
        return
    if options.folder is not None:
        source = options.source or Path("../shared/data/multi30k/test2016.en")
        text = source.read_text(encoding="utf-8").splitlines()
        folder = str(options.folder.resolve())
        plain = Job(
            "nmt", "", 0, "", 0, 400, 5, "float32", False, 4.0, folder=folder, lines=tuple(text)
        )
        cases = {"beam 5": plain, "greedy": replace(plain, beam=1)}
    else:
        plain = Job("nmt", "base", 8_000, "tatoeba", 2_000, 400, 5, "float32", False, 4.0)
        cases = {
            "base 8k tatoeba, beam 5": plain,
            "base 32k newstest, beam 5": replace(
                plain, vocabulary=32_000, lengths="newstest", sentences=1_000, at_once=256
            ),
            "base 8k tatoeba, beam 5, 64 at once": replace(plain, at_once=64),
            "base 8k tatoeba, greedy": replace(plain, beam=1),
            "base 32k newstest, greedy": replace(
                plain, vocabulary=32_000, lengths="newstest", sentences=1_000, at_once=256, beam=1
            ),
            "base 8k tatoeba, beam 5, one at a time": replace(plain, sentences=100, at_once=1),
        }
    for case, job in cases.items():
        for way, contender, precision, graphs in WAYS:
            chosen: Any = contender
            yield f"{case}: {way}", replace(
                job, contender=chosen, precision=precision, graphs=graphs,
                trace=precision == "bfloat16" and contender == "nmt",
            )  # fmt: skip


def compare_outputs(rows: list[dict[str, Any]]) -> None:
    """In place of the outputs, the share that is as the first line of the same case has them."""
    first: dict[str, list[int]] = {}
    for row in rows:
        outputs, job = row.pop("outputs", None), row["job"]
        is_another_model = job["contender"] == "huggingface" and not job["folder"]
        if outputs is None or is_another_model:
            continue
        wanted = first.setdefault(row["name"].partition(":")[0], outputs)
        row["same"] = sum(a == b for a, b in zip(outputs, wanted, strict=True)) / len(outputs)


def render(result: dict[str, Any]) -> str:
    """The result as a table, and where the time goes."""
    rows = [row for row in result["rows"] if "failed" not in row]
    cells = [
        [
            row["name"],
            f"{row['target_pieces_per_second']:,.0f}",
            f"{row['sentences_per_second']:,.0f}",
            f"{row['ms_per_step']:.2f}" if "ms_per_step" in row else "",
            f"{row['seconds_of_first_pass']:.1f}",
            f"{row['peak_bytes'] / 2**30:.1f}" if row["peak_bytes"] else "",
            f"{100 * row['same']:.0f} %" if "same" in row else "",
        ]
        for row in rows
    ]
    header = ["", "target pieces/s", "sentences/s", "ms/step", "s first pass", "GiB", "same"]
    told = [format_table(header, cells), ""]
    told += [f"{row['name']}: {row['trace']['in_words']}" for row in rows if "trace" in row]
    told += [f"failed: {r['name']}: {r['failed']}" for r in result["rows"] if "failed" in r]
    told += [f"not measured: {name}" for name in result["not measured"]]
    if "device" in result:
        told.append(str(result["device"]))
    return "\n".join(told)


def _in_one_line(row: dict[str, Any]) -> str:
    if "failed" in row:
        return f"{row['name']}: {row['failed']}"
    return f"{row['name']}: {row['target_pieces_per_second']:,.0f} target pieces/s"


if __name__ == "__main__":
    sys.exit(main())
