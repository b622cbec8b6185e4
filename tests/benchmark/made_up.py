"""Results of a benchmark that never was, for what is made of results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nmt.benchmark.results import (
    Machine,
    Results,
    Sentence,
    Step,
    StepTest,
    SystemCost,
    SystemResult,
    TestSet,
)
from nmt.evaluation.metrics import Score
from nmt.evaluation.names import METRIC_NAMES

COST = SystemCost(
    training_seconds=4.0, training_cpu_seconds=250.4, training_memory_bytes=None,
    training_device="2 CPU cores", model_bytes=1_234_567, parameters=4_300_000,
    sentences_per_second=35.25, translation_memory_bytes=432_100_000,
)  # fmt: skip


def step(before: str, after: str, difference: float, p: float) -> Step:
    """A step that is the same in every metric."""
    return Step(
        before=before,
        after=after,
        tests=[
            StepTest(
                metric=metric, difference=difference, interval=(difference - 1, difference + 1),
                p_bootstrap=p, p_randomization=p,
            )
            for metric in METRIC_NAMES
        ],
    )  # fmt: skip


def results(
    bleu: Mapping[str, float],
    kinds: Mapping[str, str],
    *,
    steps: Sequence[Step] = (),
    jumps: Sequence[Step] = (),
    sentences: Sequence[Sentence] = (),
) -> Results:
    """A benchmark of one test set; every metric has the values of ``bleu``."""
    scores = {
        name: {
            metric: Score(metric, value, f"sig-{metric}", (value - 1, value + 1), 0.95)
            for metric in METRIC_NAMES
        }
        for name, value in bleu.items()
    }
    test = TestSet(
        name="test", scores=scores, steps=list(steps), jumps=list(jumps), lengths=[],
        sentences=list(sentences),
    )  # fmt: skip
    return Results(
        recipe="made-up", description="", generated=False, source_language="en",
        target_language="de", num_training_pairs=1000,
        machine=Machine(device="2 CPU cores", processor="a processor", versions={}),
        date="2026-01-01",
        systems=[SystemResult(name=name, kind=kinds[name], cost=COST) for name in bleu],
        tests=[test],
    )  # fmt: skip
