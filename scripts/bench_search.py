"""Speed, memory and search errors of phrase-based search under several limits, on one core.

    python -m scripts.bench_search MODEL [--source FILE] [--reference FILE] [--quick]
    python -m scripts.bench_search --show scripts/results/bench_search.json

Each setting runs in a fresh process with one core. "Search" is from word ids to derivations, "text"
from raw text to raw text; both in sentences a second of processor time, the median of three passes
after a first, in which no option is prepared yet. The mean model score tells of search errors: a
derivation that is better by the model exists where a wider search scores higher. BLEU need not
follow.

MODEL is a folder made by nmt-train from a recipe of the kind phrase-based.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from typing import Any, Final

from nmt.evaluation.metrics import score
from nmt.lines import read_lines
from nmt.statistical.search.settings import PhraseSearchSettings, fast_settings
from scripts.benchmark import (
    LoadMeter,
    describe,
    format_table,
    machine,
    run_measurement,
)
from scripts.benchmark_command import command_line_of_model, run_benchmark

_FIRST: Final = PhraseSearchSettings()
SEARCHES: Final[dict[str, dict[str, Any]]] = {
    "the model's own settings": {},
    "fast": fast_settings(_FIRST).model_dump(exclude_defaults=True),
    "pop limit 4,000, no threshold": {
        "stack_size": 2000, "pop_limit": 4000, "beam_threshold": None,
    },
    "pop limit 400, no threshold": {"pop_limit": 400, "beam_threshold": None},
    "pop limit 100": {"pop_limit": 100},
    "pop limit 50": {"pop_limit": 50},
    "no estimate of jumps": {"future_distortion": False},
}  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Measure, print a table, write the result; returns the exit status."""
    parser = command_line_of_model(
        __doc__, "bench_search.json", split="valid", quick="100 lines once"
    )
    return run_benchmark(parser, run, render, arguments)


def run(options: argparse.Namespace) -> dict[str, Any]:
    """All settings, one after the other."""
    lines, reference = read_lines(options.source), read_lines(options.reference)
    repeats = 3
    if options.quick:
        lines, reference, repeats = lines[:100], reference[:100], 1
    rows = []
    with LoadMeter() as meter:
        for name, settings in SEARCHES.items():
            request = {
                "model": str(options.model.resolve()),
                "lines": lines,
                "settings": settings,
                "repeats": repeats,
            }
            row = {"name": name, **run_measurement("scripts.search_measurement", request)}
            bleu = score(row.pop("texts"), [reference], ["bleu"], confidence=None)["bleu"]
            rows.append({**row, "bleu": bleu.value, "signature": bleu.signature})
            print(f"{name}: measured", file=sys.stderr)
    return {
        "machine": machine(),
        "load": meter.load().to_json(),
        "source": options.source.name,
        "lines": len(lines),
        "rows": rows,
    }


def render(result: dict[str, Any]) -> str:
    """The result as a table, with what was found of the machine."""
    lines = result["lines"]
    cells = [
        [
            row["name"],
            f"{lines / statistics.median(row['search_seconds']):,.0f}",
            f"{lines / row['first_seconds']:,.0f}",
            f"{lines / statistics.median(row['text_seconds']):,.0f}",
            f"{lines / row['nbest_seconds']:,.0f}",
            f"{row['peak_memory'] / 1e6:,.0f}",
            f"{row['score']:.3f}",
            f"{row['bleu']:.2f}",
        ]
        for row in result["rows"]
    ]
    header = [
        "sentences/s", "search", "first pass", "text", "100-best", "peak MB", "score", "BLEU",
    ]  # fmt: skip
    words = result["rows"][0]["source_words"] / lines
    return "\n".join(
        [
            format_table(header, cells),
            "",
            f"{result['source']}, {lines} lines of {words:.1f} words; one core",
            result["rows"][0]["signature"],
            *describe(result),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
