"""What a benchmark shows, in sentences: steps, ties, where the statistical system wins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from nmt.benchmark.comparison import source_lengths
from nmt.benchmark.results import STATISTICAL_KINDS, Results, Sentence, Step, StepTest, TestSet

_LEVEL: Final = 0.05
_EXAMPLES: Final = 3


def findings(results: Results) -> list[str]:
    """Each step and jump in a sentence, by BLEU; and where a statistical system beats a neural one.

    A step is called significant at 5 % by approximate randomisation, the stricter of the tests.
    """
    return [sentence for test in results.tests for sentence in _of_test(results, test)]


def _of_test(results: Results, test: TestSet) -> list[str]:
    pairs = [*test.steps, *test.jumps]
    sentences = [f"{test.name}: {_describe(step)}" for step in pairs]
    tested = {(step.before, step.after): _bleu(step) for step in pairs}
    statistical = [one.name for one in results.systems if one.kind in STATISTICAL_KINDS]
    neural = [one.name for one in results.systems if one.kind not in STATISTICAL_KINDS]
    bleu = {name: scores["bleu"].value for name, scores in test.scores.items()}
    for old in statistical:
        for new in neural:
            if bleu[old] <= bleu[new]:
                continue
            found = tested.get((old, new)) or tested.get((new, old))
            wins = "STATISTICAL WINS"
            if found and found.p_randomization >= _LEVEL:
                wins = "statistical is ahead, though not significantly"
            certain = f"p = {found.p_randomization:.4f}" if found else "this pair was not tested"
            sentences.append(
                f"{test.name}: {wins}: {old}, a statistical system, scores {bleu[old]:.2f} BLEU, "
                f"and {new}, a neural one, {bleu[new]:.2f} ({certain})"
            )
    return sentences


def _bleu(step: Step) -> StepTest:
    return next(one for one in step.tests if one.metric == "bleu")


def _describe(step: Step) -> str:
    one = _bleu(step)
    p = f"p = {one.p_randomization:.4f}"
    if one.p_randomization >= _LEVEL:
        return (
            f"NOT SIGNIFICANT: {step.after} and {step.before} differ by {one.difference:+.2f} "
            f"BLEU, which may be chance ({p})"
        )
    verb = "beats" if one.difference > 0 else "falls behind"
    return f"{step.after} {verb} {step.before} by {abs(one.difference):.2f} BLEU ({p})"


@dataclass(frozen=True, slots=True)
class Examples:
    """Sentences that show the jump, and between which systems."""

    before: str
    after: str
    sentences: tuple[Sentence, ...]

    @property
    def rule(self) -> str:
        """How they were chosen, to be printed with them."""
        return (
            f"examples, chosen for contrast, not at random: of the sentences of ordinary length "
            f"(the middle half), those whose chrF2 rises most from {self.before} to {self.after}"
        )


def choose_examples(results: Results) -> Examples | None:
    """Three sentences where one sees the jump, of the first test set; None for a single system.

    The jump is from the last statistical system (the first system where there is none, or none
    before the last) to the last one of the ladder.
    """
    if len(results.systems) < 2:
        return None
    *earlier, last = results.systems
    statistical = [one for one in earlier if one.kind in STATISTICAL_KINDS]
    before, after = (statistical or earlier[:1])[-1].name, last.name
    ordinary = _of_ordinary_length(results.tests[0].sentences, results.source_language)
    ranked = sorted(ordinary, key=lambda one: one.chrf[before] - one.chrf[after])
    rising = [one for one in ranked if one.chrf[after] > one.chrf[before]]
    return Examples(before, after, tuple(rising[:_EXAMPLES]))


def _of_ordinary_length(sentences: Sequence[Sentence], language: str) -> list[Sentence]:
    """Those between the first and the third quartile of source lengths, repeated ones once."""
    lengths = source_lengths([one.source for one in sentences], language)
    low, high = np.percentile(lengths, [25, 75])
    different = {
        one.source: one
        for one, length in zip(sentences, lengths.tolist(), strict=True)
        if low <= length <= high
    }
    return list(different.values())


def example_lines(examples: Examples) -> list[str]:
    """The examples as lines of text, every system's output with its chrF2."""
    lines = []
    for one in examples.sentences:
        width = max(map(len, ["reference", *one.outputs]))
        lines += ["", f"{'source':<{width}}         {one.source}"]
        lines.append(f"{'reference':<{width}}         {one.reference}")
        for name, output in one.outputs.items():
            lines.append(f"{name:<{width}}  {one.chrf[name]:5.1f}  {output}")
    return lines
