"""How the systems of a ladder compare on a test set: scores, steps, source lengths."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from nmt.benchmark.results import STATISTICAL_KINDS, LengthBin, Step, StepTest
from nmt.corpus.languages import is_unspaced
from nmt.evaluation.metrics import Score
from nmt.evaluation.names import METRIC_NAMES, MetricName
from nmt.evaluation.scorer import Scorer, Statistics
from nmt.evaluation.significance import Comparison, compare_statistics
from nmt.files import build_once, hash_value, write_json
from nmt.recipe import EvaluationSettings

_VERSION: Final = 1
"""Raised when the same texts give other figures than before."""
_COMPARISON: Final = "comparison.json"
_MOST_BINS: Final = 6
_FEWEST_SENTENCES: Final = 50
"""Of a bin of source lengths: with fewer, a BLEU says next to nothing."""


@dataclass(frozen=True, slots=True)
class Outputs:
    """A test set, and what every system made of it."""

    source: Sequence[str]
    reference: Sequence[str]
    systems: Mapping[str, Sequence[str]]
    """System to its translations, in the order of the ladder."""


def benchmark_metrics(evaluation: EvaluationSettings) -> list[MetricName]:
    """BLEU, chrF and TER, and whatever else the recipe asks for."""
    return list(dict.fromkeys([*METRIC_NAMES, *evaluation.metrics]))


@dataclass(frozen=True, slots=True)
class Ladder:
    """The systems' scores with their intervals, and pairs of them tested twice."""

    scores: dict[str, dict[MetricName, Score]]
    steps: list[Step]
    """From each system to the next."""
    jumps: list[Step]
    """From the last statistical system to each neural one that is not the next."""


def compare_ladder(
    outputs: Outputs, kinds: Mapping[str, str], evaluation: EvaluationSettings, *, cache: Path
) -> Ladder:
    """Score the systems, and test the steps of their ladder.

    ``kinds`` are those of the systems. What was computed of the same texts is taken from ``cache``.
    Raises UserError as `nmt.evaluation.significance.compare` does.
    """
    names = list(outputs.systems)
    pairs = _Pairs(outputs, evaluation, cache)
    if len(names) == 1:
        return Ladder(pairs.compare(names)[0], [], [])
    scores, steps = {}, []
    for pair in itertools.pairwise(names):
        found, tests = pairs.compare(pair)
        scores.update(found)
        steps.append(Step(before=pair[0], after=pair[1], tests=tests))
    jumps = []
    for pair in _jumps(names, kinds):
        _, tests = pairs.compare(pair)
        jumps.append(Step(before=pair[0], after=pair[1], tests=tests))
    return Ladder({name: scores[name] for name in names}, steps, jumps)


def _jumps(names: Sequence[str], kinds: Mapping[str, str]) -> list[tuple[str, str]]:
    """The last statistical system with each neural one, but for those next to each other."""
    statistical = [name for name in names if kinds[name] in STATISTICAL_KINDS]
    if not statistical:
        return []
    last = statistical[-1]
    neighbours = {*itertools.pairwise(names), *itertools.pairwise(reversed(names))}
    return [
        (last, name) for name in names
        if kinds[name] not in STATISTICAL_KINDS and (last, name) not in neighbours
    ]  # fmt: skip


_ScoresByName = dict[str, dict[MetricName, Score]]
_STORED: Final = TypeAdapter(tuple[list[dict[MetricName, Score]], list[StepTest]])


class _Pairs:
    """Comparisons of the systems of a test set; each system's text is analysed once, if at all."""

    def __init__(self, outputs: Outputs, evaluation: EvaluationSettings, cache: Path) -> None:
        self._outputs = outputs
        self._evaluation = evaluation
        self._cache = cache
        self._metrics = benchmark_metrics(evaluation)
        self._statistics: dict[str, dict[MetricName, Statistics]] = {}

    def compare(self, names: Sequence[str]) -> tuple[_ScoresByName, list[StepTest]]:
        """Scores of one or two systems, and for two the tests of the second against the first."""
        evaluation, outputs = self._evaluation, self._outputs
        inputs = {
            "version": _VERSION,
            "metrics": self._metrics,
            "tokenizer": evaluation.bleu_tokenizer,
            "lowercase": evaluation.lowercase,
            "texts": hash_value(
                [list(outputs.reference), *(list(outputs.systems[name]) for name in names)]
            ),
        }

        def build(folder: Path) -> None:
            statistics = {name: self._statistics_of(name) for name in names}
            bootstrap, randomization = (
                compare_statistics(self._scorer, statistics, test=test)
                for test in ("bootstrap", "randomization")
            )
            scores = [system.scores for system in bootstrap.systems]
            stored = (scores, _tests(bootstrap, randomization))
            write_json(folder / _COMPARISON, _STORED.dump_python(stored, mode="json"))

        folder = build_once(self._cache, "comparison", inputs, build)
        scores, tests = _STORED.validate_python(
            json.loads((folder / _COMPARISON).read_text(encoding="utf-8"))
        )
        return dict(zip(names, scores, strict=True)), tests

    @cached_property
    def _scorer(self) -> Scorer:
        evaluation = self._evaluation
        return Scorer(
            [self._outputs.reference], self._metrics,
            tokenizer=evaluation.bleu_tokenizer, lowercase=evaluation.lowercase,
        )  # fmt: skip

    def _statistics_of(self, name: str) -> dict[MetricName, Statistics]:
        if name not in self._statistics:
            self._statistics[name] = self._scorer.statistics(self._outputs.systems[name])
        return self._statistics[name]


def _tests(bootstrap: Comparison, randomization: Comparison) -> list[StepTest]:
    if len(bootstrap.systems) == 1:
        return []
    by_bootstrap = bootstrap.systems[1].differences
    by_randomization = randomization.systems[1].differences
    return [
        StepTest(
            metric=metric,
            difference=difference.value,
            interval=difference.interval,
            p_bootstrap=difference.p_value,
            p_randomization=by_randomization[metric].p_value,
        )
        for metric, difference in by_bootstrap.items()
    ]


def source_lengths(source: Sequence[str], language: str) -> NDArray[np.int64]:
    """Words of each line, split at spaces; characters where the language writes no spaces."""
    if is_unspaced(language):
        return np.array([len("".join(line.split())) for line in source], np.int64)
    return np.array([len(line.split()) for line in source], np.int64)


def bleu_by_length(
    outputs: Outputs, language: str, evaluation: EvaluationSettings
) -> list[LengthBin]:
    """BLEU of each system on the sentences of like lengths."""
    scorer = Scorer(
        [outputs.reference], ["bleu"],
        tokenizer=evaluation.bleu_tokenizer, lowercase=evaluation.lowercase,
    )  # fmt: skip
    statistics = {name: scorer.statistics(text)["bleu"] for name, text in outputs.systems.items()}
    lengths = source_lengths(outputs.source, language)
    edges = length_edges(lengths)
    bins = []
    for number, low in enumerate(edges):
        last = number + 1 == len(edges)
        rows = lengths >= low
        if not last:
            rows &= lengths < edges[number + 1]
        bins.append(
            LengthBin(
                low=low,
                high=None if last else edges[number + 1] - 1,
                num_sentences=int(rows.sum()),
                bleu={
                    name: scorer.value("bleu", found[rows].sum(axis=0))
                    for name, found in statistics.items()
                },
            )
        )
    return bins


def length_edges(lengths: NDArray[np.int64]) -> list[int]:
    """The shortest length of each bin: bins of about equally many sentences, and enough of them.

    Lengths differ so much between corpora that fixed bounds would leave most bins empty. At most
    six bins, none with fewer than 50 sentences unless there is but one.
    """
    wanted = max(1, min(_MOST_BINS, len(lengths) // _FEWEST_SENTENCES))
    ordered = np.sort(lengths)
    edges = [int(ordered[0])]
    for number in range(1, wanted):
        edge = int(ordered[number * len(ordered) // wanted])
        here = np.count_nonzero((lengths >= edges[-1]) & (lengths < edge))
        rest = np.count_nonzero(lengths >= edge)
        if min(here, rest) >= _FEWEST_SENTENCES:
            edges.append(edge)
    return edges
