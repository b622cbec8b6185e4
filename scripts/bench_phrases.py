"""What a phrase table costs: processor time, memory and size, as the corpus grows.

    python -m scripts.bench_phrases [--data FOLDER] [--quick]
    python -m scripts.bench_phrases --show scripts/results/bench_phrases.json

Extraction, counting, scores, reordering and writing, on one core, each corpus in a fresh process;
tokenization, alignment (fast-align, grow-diag-final-and) and compilation are not counted. Moses'
extract and score took 54 processor seconds on Multi30k. The last table says what 10 million
sentence pairs would take if all grew linearly with the phrase pairs extracted: a phrase pair comes
again more often in a larger corpus, so that entries and bytes are upper bounds.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from nmt.statistical.phrases.counting import ENTRY, TARGET, TARGET_REFERENCE
from nmt.statistical.phrases.extraction import OCCURRENCE
from scripts.benchmark import (
    LoadMeter,
    describe,
    format_table,
    machine,
    run_measurement,
)
from scripts.benchmark_command import command_line, run_benchmark

MEMORY = 1 << 28
"""Bytes that counting may take: little enough that the larger corpora go through files."""

DEFAULT: dict[str, Any] = {}
ALL: list[dict[str, Any]] = [
    {"max_entries": 10**6},
    DEFAULT,
    {"max_entries": 20},
    {"min_count": 2},
    {"significance": "alpha-epsilon"},
    {"significance": "alpha+epsilon"},
    {"smoothing": "kneser-ney"},
]

CORPORA: list[dict[str, Any]] = [
    {"name": "multi30k", "files": ("train.en", "train.de"), "tokenized": False, "pairs": 29_000},
    {"name": "tatoeba_en_de", "files": ("train.en", "train.de"), "tokenized": False,
     "pairs": 164_025},
    {"name": "europarl_it_en", "files": ("train.it.gz", "train.en.gz"), "tokenized": True,
     "pairs": 38_255},
]  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Measure, print a table, write the result; returns the exit status."""
    parser = command_line(__doc__, "bench_phrases.json", quick="2,000 pairs each")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    return run_benchmark(
        parser,
        lambda options: run(options.data.resolve(), quick=options.quick),
        render,
        arguments,
    )


def run(data: Path, *, quick: bool) -> dict[str, Any]:
    """All measurements, one after the other."""
    rows = []
    with LoadMeter() as meter:
        for corpus in CORPORA:
            whole = 2000 if quick else corpus["pairs"]
            for share in (8, 4, 2, 1):
                request = {
                    "files": [str(data / corpus["name"] / name) for name in corpus["files"]],
                    "languages": [name.split(".")[1] for name in corpus["files"]],
                    "tokenized": corpus["tokenized"],
                    "pairs": whole // share,
                    "memory": MEMORY,
                    "settings": ALL if share == 1 else [DEFAULT],
                }
                measured = run_measurement("scripts.phrases_measurement", request)
                rows.append({"corpus": corpus["name"], **measured})
                print(f"{corpus['name']}: {measured['pairs']:,} pairs measured", file=sys.stderr)
    return {"machine": machine(), "load": meter.load().to_json(), "memory": MEMORY, "rows": rows}


def render(result: dict[str, Any]) -> str:
    """Growth, the effect of pruning, and 10 million pairs, as tables."""
    growth, pruning, plan = [], [], []
    for row in result["rows"]:
        name, occurrences = row["corpus"], row["occurrences"]
        default = next(table for table in row["tables"] if table["settings"] == DEFAULT)
        growth.append(
            [
                name,
                f"{row['pairs']:,}",
                f"{occurrences:,}",
                f"{default['entries']:,}",
                f"{default['cpu_seconds']:.2f}",
                f"{1e6 * default['cpu_seconds'] / occurrences:.2f}",
                f"{(default['extra_memory'] or 0) / 2**20:.0f}",
                f"{_size(default) / default['entries']:.0f}",
            ]
        )
        if len(row["tables"]) == 1:
            continue
        for table in row["tables"]:
            (kind,) = [f"{key} {value}" for key, value in table["settings"].items()] or ["default"]
            pruning.append(
                [
                    name,
                    kind,
                    f"{table['entries']:,}",
                    f"{table['sources']:,}",
                    f"{_size(table) / 1e6:.1f}",
                    f"{table['cpu_seconds']:.2f}",
                ]
            )
        factor = 1e7 / row["pairs"]
        plan.append(
            [
                name,
                f"{occurrences * factor / 1e9:.2f}",
                f"{default['cpu_seconds'] * factor / 3600:.2f}",
                f"{_scratch(occurrences, default['entries']) * factor / 1e9:.0f}",
                f"{default['entries'] * factor / 1e9:.2f}",
                f"{_size(default) * factor / 1e9:.0f}",
            ]
        )
    tables = (
        (["corpus", "pairs", "extracted", "entries", "CPU s", "us a pair extracted", "MiB",
          "bytes an entry"], growth),
        (["corpus", "settings", "entries", "source phrases", "MB", "CPU s"], pruning),
        (["10 million pairs like", "extracted, 10^9", "CPU hours", "scratch GB, at most",
          "entries, 10^9, at most", "GB, at most"], plan),
    )  # fmt: skip
    parts = [format_table(header, cells) for header, cells in tables]
    return "\n\n".join([*parts, "\n".join(describe(result))])


def _size(table: dict[str, Any]) -> int:
    return sum(table["bytes"].values())


def _scratch(occurrences: int, entries: int) -> int:
    """Bytes on disk when most are there; occurrences go as entries come."""
    counted = ENTRY.itemsize + max(TARGET_REFERENCE.itemsize, TARGET.itemsize) + 4
    return max(occurrences * OCCURRENCE.itemsize, entries * counted)


if __name__ == "__main__":
    sys.exit(main())
