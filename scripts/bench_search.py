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
import json
import statistics
import sys
from pathlib import Path
from typing import Any, Final

from nmt.evaluation.metrics import score
from nmt.files import write_json
from nmt.lines import read_lines
from nmt.statistical.search.settings import PhraseSearchSettings, fast_settings
from scripts.benchmark import (
    RESULTS,
    LoadMeter,
    describe,
    format_table,
    machine,
    run_measurement,
)

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
    parser.add_argument("--source", type=Path, default=multi30k / "valid.en")
    parser.add_argument("--reference", type=Path, default=multi30k / "valid.de")
    parser.add_argument("--quick", action="store_true", help="100 lines once; writes no result")
    parser.add_argument("--show", type=Path, metavar="JSON", help="print an earlier result")
    parser.add_argument("--output", type=Path, default=RESULTS / "bench_search.json")
    options = parser.parse_args(arguments)
    if options.show is None and options.model is None:
        parser.error("which MODEL is to translate?")
    return options


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
