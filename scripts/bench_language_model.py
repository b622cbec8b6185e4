"""What a language model costs, beside KenLM's: time, memory, size and speed as the text grows.

    python -m scripts.bench_language_model [--data FOLDER] [--lmplz COMMAND] [--quick]
    python -m scripts.bench_language_model --show scripts/results/bench_language_model.json

A 5-gram model of each corpus, on one core, in a fresh process; tokenization and compilation are not
counted. Perplexity is that of the validation text, unknown words included. A query is a word, or
the end of a sentence, in running text. The kenlm module (if installed) scores the validation text
with our ARPA file; it is handed strings, so looking up words is in its figure. lmplz, KenLM's
estimator (if its command is given), reads the same words and writes its model as text.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any
from unittest.mock import patch

from scripts.benchmark import (
    LoadMeter,
    describe,
    format_table,
    machine,
    run_measurement,
)
from scripts.benchmark_command import command_line, run_benchmark

CORPORA: list[dict[str, Any]] = [
    {"name": "multi30k", "train": "train.de", "valid": "valid.de", "language": "de",
     "tokenized": False, "sentences": 29_000},
    {"name": "tatoeba_en_de", "train": "train.de", "valid": "valid.de", "language": "de",
     "tokenized": False, "sentences": 164_025},
    {"name": "europarl_it_en", "train": "train.en.gz", "valid": "valid.en", "language": "en",
     "tokenized": True, "sentences": 38_255},
]  # fmt: skip

SETTINGS: list[dict[str, Any]] = [{}, {"memory": 1 << 22}, {"min_count": (1, 1, 2)}, {"order": 3}]
"""The default, and what else is measured on whole corpora."""


def main(arguments: list[str] | None = None) -> int:
    """Measure, print a table, write the result; returns the exit status."""
    parser = command_line(__doc__, "bench_language_model.json", quick="2,000 lines each")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--lmplz", type=Path, metavar="COMMAND", help="KenLM's estimator")
    return run_benchmark(
        parser,
        lambda options: run(options.data.resolve(), options.lmplz, quick=options.quick),
        render,
        arguments,
    )


def run(data: Path, lmplz: Path | None, *, quick: bool) -> dict[str, Any]:
    """All measurements, one after the other."""
    rows = []
    with LoadMeter() as meter:
        for corpus in CORPORA:
            whole = 2000 if quick else corpus["sentences"]
            parts = [(whole // share, SETTINGS[0]) for share in (8, 4, 2)]
            for sentences, settings in [*parts, *((whole, chosen) for chosen in SETTINGS)]:
                with_lmplz = lmplz and sentences == whole and "memory" not in settings
                request = {
                    "train": str(data / corpus["name"] / corpus["train"]),
                    "valid": str(data / corpus["name"] / corpus["valid"]),
                    "language": corpus["language"],
                    "tokenized": corpus["tokenized"],
                    "sentences": sentences,
                    "settings": settings,
                    "peers": sentences == whole and not settings,
                    "lmplz": str(lmplz.resolve()) if lmplz and with_lmplz else None,
                    "compile_only": False,
                }
                measured = run_measurement("scripts.language_model_measurement", request)
                rows.append({"corpus": corpus["name"], "settings": settings, **measured})
                print(f"{corpus['name']}: {sentences:,} lines measured", file=sys.stderr)
        # Where there is no cache of compiled loops, all are compiled, as after an installation.
        with (
            tempfile.TemporaryDirectory() as cache,
            patch.dict(os.environ, {"NUMBA_CACHE_DIR": cache}),
        ):
            compiling = run_measurement(
                "scripts.language_model_measurement", request | {"compile_only": True}
            )
    return {"machine": machine(), "load": meter.load().to_json(), "rows": rows, **compiling}


def render(result: dict[str, Any]) -> str:
    """Growth, settings, and KenLM beside us, as tables."""
    growth, settings, peers = [], [], []
    for row in result["rows"]:
        cpu = row["estimate"]["cpu_seconds"]
        if not row["settings"]:
            growth.append(
                [
                    row["corpus"],
                    f"{row['sentences']:,}",
                    f"{row['words']:,}",
                    f"{row['ngrams']:,}",
                    f"{cpu:.2f}",
                    f"{1e6 * cpu / row['words']:.2f}",
                    f"{(row['extra_memory'] or 0) / 2**20:.0f}",
                    f"{row['bytes'] / row['ngrams']:.1f}",
                    *(f"{speed / 1e6:.1f}" for speed in row["queries_per_second"].values()),
                    f"{row['perplexity']:.2f}",
                ]
            )
        if row["settings"] or "kenlm" in row:
            (kind,) = [f"{key} {value}" for key, value in row["settings"].items()] or ["default"]
            lmplz = row.get("lmplz")
            settings.append(
                [
                    row["corpus"],
                    kind,
                    f"{row['ngrams']:,}",
                    f"{lmplz['ngrams']:,}" if lmplz else "-",
                    f"{row['perplexity']:.4f}",
                    f"{lmplz['perplexity']:.4f}" if lmplz else "-",
                    f"{cpu:.2f} + {row['write_arpa']['cpu_seconds']:.2f}",
                    f"{lmplz['user_seconds'] + lmplz['system_seconds']:.2f}" if lmplz else "-",
                ]
            )
        if peer := row.get("kenlm"):
            peers.append(
                [
                    row["corpus"],
                    f"{row['queries_per_second']['running text'] / 1e6:.1f}",
                    f"{peer['queries_per_second'] / 1e6:.1f}",
                    f"{peer['greatest_difference_log10']:.1e}",
                    f"{1e3 * row['open']['wall_seconds']:.0f} ms",
                    f"{peer['load']['wall_seconds']:.2f} s",
                    f"{row['read_arpa']['wall_seconds']:.2f} s",
                ]
            )
    tables = [
        (["corpus", "sentences", "words", "n-grams", "CPU s", "us a word", "MiB", "bytes an n-gram",
          "10^6 queries/s", "of seen text", "perplexity"], growth),
        (["corpus", "settings", "n-grams", "lmplz", "perplexity", "lmplz",
          "CPU s + to write ARPA", "lmplz"], settings),
    ]  # fmt: skip
    if peers:
        header = ["corpus", "10^6 queries/s", "kenlm module", "difference, log10 of a sentence",
                  "to open", "kenlm, ARPA", "we, ARPA"]  # fmt: skip
        tables.append((header, peers))
    parts = [format_table(header, cells) for header, cells in tables]
    compiling = f"all loops compiled, once an installation: {result['compile_seconds']:.1f} CPU s"
    return "\n\n".join([*parts, "\n".join([compiling, *describe(result)])])


if __name__ == "__main__":
    sys.exit(main())
