"""What a shortlist changes: translations, BLEU and speed, with it and without.

    python -m scripts.measure_shortlist --on MODEL SOURCE REFERENCE [--on ...]

Each model, which must have a shortlist, translates the lines of SOURCE on one core, with and
without it in turns; the smallest of three processor times counts. REFERENCE says how much of what
people wrote the lists hold, and gives the BLEU of both.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any, Final

import numpy as np

import nmt
from nmt.evaluation.metrics import score
from nmt.lines import read_lines
from nmt.neural.system import NeuralTranslator
from scripts.benchmark import LoadMeter, describe, format_table, machine
from scripts.benchmark_command import command_line, model_in_words, run_benchmark

_ROUNDS: Final = 3


def main(arguments: list[str] | None = None) -> int:
    """Measure, print a table, write the result; returns the exit status."""
    parser = command_line(__doc__, "measure_shortlist.json", quick="100 lines once")
    parser.add_argument(
        "--on", nargs=3, type=Path, action="append", default=[],
        metavar=("MODEL", "SOURCE", "REFERENCE"), help="a model, and what to translate with it",
    )  # fmt: skip
    return run_benchmark(parser, run, render, arguments)


def run(options: argparse.Namespace) -> dict[str, Any]:
    """All models, one after the other."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    most = 100 if options.quick else None
    rounds = 1 if options.quick else _ROUNDS
    with LoadMeter() as meter:
        rows = [
            measure(model, read_lines(source)[:most], read_lines(reference)[:most], rounds)
            | {"model": model_in_words(model), "lines": source.stem}
            for model, source, reference in options.on
        ]
    return {"machine": machine(), "load": meter.load().to_json(), "rows": rows}


def measure(model: Path, lines: list[str], reference: list[str], rounds: int) -> dict[str, Any]:
    """Quality and processor seconds of both ways to search, and how long the lists are."""
    translator = nmt.load(model, device="cpu", backend="native")
    assert isinstance(translator, NeuralTranslator)
    if translator.shortlist is None:
        raise SystemExit(f"{model} has no shortlist")
    texts: dict[bool, list[str]] = {}
    seconds: dict[bool, list[float]] = {False: [], True: []}
    translator.translate(lines[:50], shortlist=True)
    for _ in range(rounds):
        for listed in (False, True):
            began = time.process_time()
            found = translator.translate(lines, shortlist=listed)
            seconds[listed].append(time.process_time() - began)
            texts[listed] = [one.text for one in found]
    tokenizers = translator.tokenizers
    pairs = [
        (np.asarray(source, dtype=np.int64), np.asarray(target, dtype=np.int64))
        for source, target in zip(
            tokenizers.source.encode(lines), tokenizers.target.encode(reference), strict=True
        )
        if source and target
    ]
    lists = translator.shortlist.candidates([source for source, _ in pairs])
    sentences = np.repeat(np.arange(len(pairs)), [len(target) for _, target in pairs])
    listed_pieces = (
        lists.columns_of(sentences, np.concatenate([target for _, target in pairs])) >= 0
    )
    scores = {
        listed: score(texts[listed], [reference], ["bleu"], confidence=None)["bleu"]
        for listed in (False, True)
    }
    return {
        "num_lines": len(lines),
        "candidates": float(np.diff(lists.bounds).mean()),
        "recall": float(listed_pieces.mean()),
        "bleu": scores[False].value,
        "bleu_listed": scores[True].value,
        "signature": scores[True].signature,
        "same": float(np.mean([a == b for a, b in zip(texts[False], texts[True], strict=True)])),
        "cpu_seconds": seconds[False],
        "cpu_seconds_listed": seconds[True],
    }


def render(result: dict[str, Any]) -> str:
    """The result as a table, with what was found of the machine."""
    header = [
        "",
        "pieces a list",
        "of the references",
        "BLEU",
        "with it",
        "same lines",
        "faster by",
    ]
    cells = [
        [
            f"{row['model']}, {row['lines']}",
            f"{row['candidates']:.0f}",
            f"{100 * row['recall']:.1f} %",
            f"{row['bleu']:.2f}",
            f"{row['bleu_listed'] - row['bleu']:+.2f}",
            f"{100 * row['same']:.1f} %",
            f"{min(row['cpu_seconds']) / min(row['cpu_seconds_listed']):.2f} x",
        ]
        for row in result["rows"]
    ]
    changes = [row["bleu_listed"] - row["bleu"] for row in result["rows"]]
    return "\n".join(
        [
            format_table(header, cells),
            "",
            f"BLEU changes by {np.mean(changes):+.2f} on average of the {len(changes)}.",
            result["rows"][0]["signature"],
            *describe(result),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
