"""Keep what ``nmt-bench`` found beside its recipe: all its figures, none of its corpus' text.

    python -m scripts.record_benchmark runs/RECIPE/benchmark/results.json

writes ``recipes/results/RECIPE.json``, of which the README's tables are made; results of
``nmt-bench --sizes`` go to ``recipes/results/sizes``, as those of the whole recipe are others.
Sentences stay behind: most corpora may not be passed on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nmt.benchmark.results import Results, read_results
from nmt.files import write_json

RESULTS = Path(__file__).resolve().parents[1] / "recipes" / "results"


def without_text(results: Results) -> Results:
    """The same figures, without a sentence of any corpus."""
    tests = [test.model_copy(update={"sentences": []}) for test in results.tests]
    return results.model_copy(update={"tests": tests})


def main(
    results: Annotated[list[Path], typer.Argument(help="Results of nmt-bench.")],
) -> None:
    """Write the figures of benchmarks beside their recipes."""
    for path in results:
        kept = without_text(read_results(path))
        output = (RESULTS / "sizes" if kept.sizes else RESULTS) / f"{kept.recipe}.json"
        output.parent.mkdir(exist_ok=True)
        write_json(output, kept.model_dump(mode="json"))
        print(f"wrote {output.relative_to(RESULTS.parents[1])}")


if __name__ == "__main__":
    typer.run(main)
