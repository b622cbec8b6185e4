"""Sentences of a test set in which one sees what newer systems do better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from nmt.benchmark.comparison import source_lengths
from nmt.benchmark.results import STATISTICAL_KINDS, Results, Sentence

_EXAMPLES: Final = 3


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
