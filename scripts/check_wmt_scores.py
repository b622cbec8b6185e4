"""Recompute published scores of WMT systems with nmt.evaluation and print the differences.

    python scripts/check_wmt_scores.py [--data FOLDER] [--test-set wmt21 ...] [--pair de-en ...]

Takes the systems, references and published scores in ``wmt_systems`` of the data folder: WMT 2021
and 2022 (BLEU and chrF2 against each reference and all together, published to 13 digits) and
newstest2014 de-en (cased BLEU by mteval-v13a on matrix.statmt.org, published to one digit). Writes
scripts/results/check_wmt_scores.json; exits with 1 if any score differs.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from nmt.evaluation.scorer import Scorer
from nmt.files import write_json
from nmt.lines import read_lines

RESULTS = Path(__file__).parent / "results" / "check_wmt_scores.json"

NEWSTEST2014_DE_EN = {
    "eubridge.3569": 29.0,
    "uedin-syntax.3035": 28.2,
    "uedin-wmt14.3025": 28.0,
    "kit.3109": 26.9,
    "RWTH-primary.3266": 27.0,
}


@dataclass(frozen=True)
class Published:
    """A published score: of which output, by which metric, against which references."""

    test_set: str
    pair: str
    system: str
    output: Path
    metric: str
    references: tuple[Path, ...]
    value: float
    tolerance: float


def published_scores(data: Path, test_set: str) -> Iterator[Published]:
    """Yield the published scores whose system output lies in the data folder."""
    folder = data / "wmt_systems" / test_set
    if test_set == "newstest2014":
        reference = data / "wmt_newstest" / "newstest2014-deen.en"
        for system, value in NEWSTEST2014_DE_EN.items():
            output = folder / f"deen.hyp.{system}.en"
            yield Published(
                test_set, "de-en", system, output, "bleu", (reference,), value, tolerance=0.05
            )
        return
    with (folder / "automatic-scores.tsv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            pair, system = row["pair"], row["system"]
            metric, _, which = row["metric"].partition("-")
            target = pair.split("-")[1]
            output = folder / f"{pair}.hyp.{system}.{target}"
            references = sorted(folder.glob(f"{pair}.ref.{'*' if which == 'all' else which}.*"))
            if metric in ("bleu", "chrf") and output.exists() and references:
                yield Published(
                    test_set,
                    pair,
                    system,
                    output,
                    metric,
                    tuple(references),
                    float(row["score"]),
                    tolerance=1e-6,
                )


def recompute(published: list[Published]) -> Iterator[tuple[Published, float]]:
    """Yield each published score with ours, analysing each set of references once."""
    keys = dict.fromkeys((item.references, item.metric) for item in published)
    for references, metric in keys:
        scorer = Scorer([read_lines(path) for path in references], [metric])
        for item in published:
            if (item.references, item.metric) == (references, metric):
                [value] = scorer.scores(read_lines(item.output)).values()
                yield item, value


def main(arguments: list[str] | None = None) -> int:
    """Print a table, write the results, return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--test-set", nargs="+", default=["newstest2014", "wmt21", "wmt22"])
    parser.add_argument("--pair", nargs="+", default=["de-en", "en-de"])
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)

    started = time.perf_counter()
    published = [
        item
        for test_set in options.test_set
        for item in published_scores(options.data, test_set)
        if item.pair in options.pair
    ]
    rows = []
    for item, value in recompute(published):
        references = "+".join(path.name.split(".")[-2] for path in item.references)
        difference = value - item.value
        agrees = abs(difference) <= item.tolerance
        rows.append(
            {
                "test_set": item.test_set,
                "pair": item.pair,
                "system": item.system,
                "metric": item.metric,
                "references": references,
                "published": item.value,
                "recomputed": value,
                "difference": difference,
                "agrees": agrees,
            }
        )
        print(
            f"{item.test_set:12} {item.pair} {item.system:18} {item.metric:4} {references:18} "
            f"{item.value:10.6f} {value:10.6f} {difference:+.1e}{'' if agrees else '  DIFFERS'}"
        )
    disagreeing = sum(not row["agrees"] for row in rows)
    seconds = time.perf_counter() - started
    print(f"{len(rows)} published scores, {disagreeing} differ; {seconds:.1f} s")
    write_json(
        options.output,
        {
            "sacrebleu": version("sacrebleu"),
            "scores": len(rows),
            "disagreeing": disagreeing,
            "seconds": round(seconds, 1),
            "rows": rows,
        },
    )
    return 1 if disagreeing or not rows else 0


if __name__ == "__main__":
    sys.exit(main())
