"""The check finds a translator whose output depends on the batch, and clears one whose does not."""

from __future__ import annotations

from collections.abc import Sequence

from nmt.search_options import SearchOptions
from nmt.translator import Hypothesis
from scripts.check_batch_independence import check, render
from tests.upper_case import UpperCase

LINES = [f"line {number}{'x' * (number % 7)}" for number in range(70)]


class Drifting(UpperCase):
    """Writes one line in its batch wrongly, if the batch is large."""

    def search(
        self, segments: Sequence[str], options: SearchOptions, draws: Sequence[int] = ()
    ) -> list[list[Hypothesis]]:
        found = super().search(segments, options, draws)
        if len(segments) > 50:
            found[7] = [Hypothesis("?", -1.0)]
        return found


def test_an_independent_translator_is_cleared() -> None:
    translator = UpperCase()
    result = check(translator, LINES, beam=5)
    assert all(row["texts_that_differ"] == 0 for row in result["rows"])
    sizes = {len(batch) for batch in translator.batches}
    assert {1, 7, 64} <= sizes
    assert render(result).count("\n") == len(result["rows"]) + 3


def test_a_dependent_translator_is_found() -> None:
    result = check(Drifting(), LINES, beam=5)
    differing = {row["way"]: row["texts_that_differ"] for row in result["rows"]}
    assert differing["batches of 64, in the file's order"] == 1
    assert differing["batches of 64, shuffled by seed 1"] == 1
    assert differing["batches of 7, shuffled by seed 1"] == 0
