"""Other aligners on one bitext, measured; started by bench_alignment.py with a Python of theirs.

Needs none of our packages: a virtual environment with ``pip install eflomal sil-thot`` will do.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from typing import Any


def cpu_seconds() -> float:
    """Processor time of this process and of the programs that it ran."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def run_eflomal(files: list[str], links: list[str]) -> None:
    """eflomal with its defaults: three samplers."""
    from eflomal import Aligner

    with Path(files[0]).open() as source, Path(files[1]).open() as target:
        Aligner().align(source, target, links_filename_fwd=links[0], links_filename_rev=links[1])


def run_fast_align(files: list[str], links: list[str]) -> None:
    """fast_align as Thot has it, five rounds; links of the lines that are asked for."""
    from thot.alignment import FastAlignModel

    for reverse in (False, True):
        given, generated = reversed(files) if reverse else files
        pairs = [
            (one.split(), other.split())
            for one, other in zip(
                Path(given).read_text().split("\n")[:-1],
                Path(generated).read_text().split("\n")[:-1],
                strict=True,
            )
        ]
        model = FastAlignModel()
        for one, other in pairs:
            model.add_sentence_pair(one, other)
        model.start_training()
        for _ in range(5):
            model.train()
        model.end_training()
        with Path(links[reverse]).open("w") as file:
            for one, other in pairs:
                _, matrix = model.get_best_alignment(one, other)
                found = zip(*(axis.tolist() for axis in matrix.to_numpy().nonzero()), strict=True)
                text = (f"{t}-{s}" if reverse else f"{s}-{t}" for s, t in found)
                file.write(" ".join(text) + "\n")


def measure(request: dict[str, Any]) -> dict[str, float]:
    """Align with the peer that the request names."""
    before = cpu_seconds()
    run = {"eflomal": run_eflomal, "fast_align (Thot)": run_fast_align}[request["peer"]]
    run(request["files"], request["links"])
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return {
        "cpu_seconds": cpu_seconds() - before,
        "peak_mb": max(usage.ru_maxrss for usage in usages) / 1024,
    }


if __name__ == "__main__":
    asked, answered = map(Path, sys.argv[1:3])
    answered.write_text(json.dumps(measure(json.loads(asked.read_text()))))
