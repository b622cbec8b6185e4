"""Our aligner on one bitext, measured; started by bench_alignment.py in a process of its own.

Every loop is compiled, or loaded from Numba's cache, on a few sentences first, which is told apart.
"""

from __future__ import annotations

import resource
import time
from pathlib import Path
from typing import Any, get_args

import numpy as np

from nmt.lines import read_lines
from nmt.statistical.alignment.error_rate import alignment_error_rate
from nmt.statistical.alignment.pharaoh import GoldAlignment, read_alignments, read_gold
from nmt.statistical.alignment.settings import AlignmentSettings, Symmetrization
from nmt.statistical.alignment.symmetrization import symmetrize
from nmt.statistical.alignment.word_aligner import WordAligner
from nmt.statistical.sentences import Alignments
from nmt.statistical.vocabulary import Vocabulary
from scripts.benchmark import answer_request

Links = list[list[tuple[int, int]]]


def measure(request: dict[str, Any]) -> dict[str, Any]:
    """Train on the request's files (tokenised), or read a peer's links of them, and score."""
    source, target = ([line.split() for line in read_lines(Path(f))] for f in request["files"])
    tests = [
        (test, read_gold(read_lines(Path(test["gold"])), test["gold"], first_position=test["from"]))
        for test in request["tests"]
    ]
    result: dict[str, Any] = {}
    if "links" in request:
        # Every gold set lies within these first lines; stored outputs have no others.
        count = max(test["begin"] + len(golds) for test, golds in tests)
        forward, reverse = (_read_links(file, count) for file in request["links"])
        if request["reverse_is_target_source"]:
            reverse = [[(s, t) for t, s in links] for links in reverse]
        found = _all_methods(forward, reverse, source[:count], target[:count])
    else:
        settings = AlignmentSettings(model=request["model"])
        started = time.process_time()
        WordAligner.train(source[:50], target[:50], settings, workers=1, report=_be_silent)
        result["warm_up_cpu_seconds"] = time.process_time() - started
        started = time.process_time()
        _, aligner = WordAligner.train(source, target, settings, workers=1, report=_be_silent)
        result["cpu_seconds"] = time.process_time() - started
        result["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        if tests:
            count = max(test["begin"] + len(golds) for test, golds in tests)
            bitext = aligner.bitext(source[:count], target[:count])
            directions = [
                aligner.model.align_one_direction(bitext, reverse=reverse)
                for reverse in (False, True)
            ]
            forward, reverse = ([one[n] for n in range(count)] for one in directions)
            found = _all_methods(forward, reverse, source[:count], target[:count])
    result["aer"] = {test["name"]: _error_rates(found, golds, test) for test, golds in tests}
    return result


def _be_silent(_line: str) -> None:
    """Show no progress."""


def _read_links(path: str, count: int) -> Links:
    alignments = read_alignments(read_lines(Path(path))[:count], path)
    return [alignments[n] for n in range(count)]


def _all_methods(
    forward: Links, reverse: Links, source: list[list[str]], target: list[list[str]]
) -> dict[str, Links]:
    """The links of both directions and of every symmetrisation of them."""
    offsets = [Vocabulary([]).encode(side).offsets for side in (source, target)]
    sides = []
    for links, own, here, there in ((forward, offsets[1], 1, 0), (reverse, offsets[0], 0, 1)):
        flat = np.full(int(own[-1]), -1, np.int32)
        for begin, pair in zip(own[:-1].tolist(), links, strict=True):
            for link in pair:
                flat[begin + link[here]] = link[there]
        sides.append(flat)
    found = {"forward": forward, "reverse": reverse}
    methods: tuple[Symmetrization, ...] = get_args(Symmetrization)
    for method in methods:
        both: Alignments = symmetrize(sides[0], sides[1], offsets[0], offsets[1], method)
        found[method] = [both[n] for n in range(len(both))]
    return found


def _error_rates(
    found: dict[str, Links], golds: list[GoldAlignment], test: dict[str, Any]
) -> dict[str, float]:
    """AER of each way, in per cent, over the test's lines."""
    lines = slice(test["begin"], test["begin"] + len(golds))
    return {
        way: round(100 * alignment_error_rate(links[lines], golds).error_rate, 2)
        for way, links in found.items()
    }


if __name__ == "__main__":
    answer_request(measure)
