"""Count translations that change with what else is in the batch; there must be none.

    python -m scripts.check_batch_independence MODEL [--source FILE] [--lines N]

Translates the same real sentences one at a time, in batches of exactly 7 and 64 in the file's order
and in random ones, and through `Translator.translate` with its own batches by length; compares each
text and score with that of the sentence alone. Exits with 1 if any text differs.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from nmt import load
from nmt.files import write_json
from nmt.lines import read_lines
from nmt.model_folder import open_model_folder
from nmt.search_options import SearchOptions
from nmt.translator import Translator
from scripts.benchmark import RESULTS, format_table, machine

Output = list[tuple[str, float]]
"""Text and score of each line's best translation, in order."""


def search_in_batches(
    translator: Translator, lines: Sequence[str], size: int, *, beam: int, seed: int | None
) -> Output:
    """Search batches of exactly ``size`` lines, in the file's order or a random one."""
    order = list(range(len(lines)))
    if seed is not None:
        random.Random(seed).shuffle(order)
    found: dict[int, tuple[str, float]] = {}
    for start in range(0, len(order), size):
        members = order[start : start + size]
        lengths = translator.count_pieces([lines[i] for i in members])
        # The search takes the longest first.
        members = [i for _, i in sorted(zip(lengths, members, strict=True), reverse=True)]
        best = translator.search([lines[i] for i in members], SearchOptions(beam=beam))
        for i, hypotheses in zip(members, best, strict=True):
            found[i] = (hypotheses[0].text, hypotheses[0].score)
    return [found[i] for i in range(len(lines))]


def translate(
    translator: Translator, lines: Sequence[str], *, beam: int, batch_tokens: int | None
) -> Output:
    """Translate as users do."""
    found = translator.translate(lines, beam=beam, batch_tokens=batch_tokens)
    return [(one.text, one.score) for one in found]


def compare(alone: Output, together: Output) -> dict[str, Any]:
    """How many texts differ, and the largest difference of scores."""
    pairs = list(zip(alone, together, strict=True))
    return {
        "texts_that_differ": sum(a[0] != b[0] for a, b in pairs),
        "scores_that_differ": sum(a[1] != b[1] for a, b in pairs),
        "largest_score_difference": max((abs(a[1] - b[1]) for a, b in pairs), default=0.0),
    }


def main(arguments: list[str] | None = None) -> int:
    """Compare, print a table, write the result; returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("model", type=Path, metavar="MODEL", help="a model folder")
    parser.add_argument("--source", type=Path, default=Path("../shared/data/multi30k/test2016.en"))
    parser.add_argument("--lines", type=int, default=1000)
    parser.add_argument("--beam", type=int, default=5)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="cpu")
    parser.add_argument("--output", type=Path, default=RESULTS / "check_batch_independence.json")
    options = parser.parse_args(arguments)
    # On several cores a batch would be shared out among them, and be smaller than it says.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
    result = check(
        load(options.model, device=options.device),
        [line for line in read_lines(options.source) if line.strip()][: options.lines],
        beam=options.beam,
    )
    folder = open_model_folder(options.model)
    result |= {
        "machine": machine(),
        "device": options.device,
        "architecture": folder.settings["architecture"],
        "updates": folder.training.get("updates"),
    }
    print(render(result))
    write_json(options.output, result)
    return 1 if any(row["texts_that_differ"] for row in result["rows"]) else 0


def check(translator: Translator, lines: list[str], *, beam: int) -> dict[str, Any]:
    """Translate in all ways and compare each with one sentence at a time."""
    alone = search_in_batches(translator, lines, 1, beam=beam, seed=None)
    ways: dict[str, Callable[[], Output]] = {}
    for size in (7, 64):
        for seed in (None, 1, 2):
            order = "in the file's order" if seed is None else f"shuffled by seed {seed}"
            ways[f"batches of {size}, {order}"] = partial(
                search_in_batches, translator, lines, size, beam=beam, seed=seed
            )
    mean = sum(translator.count_pieces(lines)) / max(1, len(lines))
    for size in (1, 7, 64):
        ways[f"translate, about {size} a batch"] = partial(
            translate, translator, lines, beam=beam, batch_tokens=max(1, round(size * mean))
        )
    ways["translate, its own batches"] = partial(
        translate, translator, lines, beam=beam, batch_tokens=None
    )
    rows = []
    for name, way in ways.items():
        begin = time.perf_counter()
        rows.append({"way": name, **compare(alone, way())})
        print(f"{name}: {time.perf_counter() - begin:.1f} s", file=sys.stderr)
    return {"lines": len(lines), "beam": beam, "rows": rows}


def render(result: dict[str, Any]) -> str:
    """The result as a table."""
    cells = [
        [
            row["way"],
            str(row["texts_that_differ"]),
            str(row["scores_that_differ"]),
            f"{row['largest_score_difference']:.1e}",
        ]
        for row in result["rows"]
    ]
    header = ["against one sentence at a time", "texts differ", "scores differ", "by at most"]
    return (
        f"{format_table(header, cells)}\n\n{result['lines']} lines, beam {result['beam']}, float32"
    )


if __name__ == "__main__":
    sys.exit(main())
