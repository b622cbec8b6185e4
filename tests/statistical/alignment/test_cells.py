"""Cells hold every pair of words that meet, and slots find them."""

from __future__ import annotations

import numpy as np
from hypothesis import given

from nmt.statistical.alignment.cells import collect_cells, find_slots
from tests.statistical.alignment.plain_models import NUM_WORDS, Pair, bitext, some_pairs


@given(pairs=some_pairs(6))
def test_cells_are_the_pairs_of_words_that_meet(pairs: list[Pair]) -> None:
    cells = collect_cells(bitext(pairs), NUM_WORDS, NUM_WORDS + 2)
    sources = cells.owners(reverse=False).tolist()
    met = {(s, t) for source, target in pairs for s in source for t in target}
    assert list(zip(sources, cells.targets.tolist(), strict=True)) == sorted(met)
    assert len(cells.offsets) == NUM_WORDS + 1
    assert cells.num_generated(reverse=False) == NUM_WORDS + 2


@given(known=some_pairs(6), new=some_pairs(6))
def test_slots_of_known_and_of_new_pairs(known: list[Pair], new: list[Pair]) -> None:
    cells = collect_cells(bitext(known), NUM_WORDS, NUM_WORDS)
    words = zip(cells.owners(reverse=False).tolist(), cells.targets.tolist(), strict=True)
    slot_of_pair = {pair: slot for slot, pair in enumerate(words)}
    # Words with ids that the table has no row for must be as unknown as those that never met.
    strange = [([*source, NUM_WORDS + 5], [*target, NUM_WORDS + 9]) for source, target in new]
    wanted = [
        slot_of_pair.get((s, t), len(cells.targets))
        for source, target in strange
        for s in source
        for t in target
    ]
    assert find_slots(cells, bitext(strange), 0, len(strange)).tolist() == wanted


def test_more_cells_than_were_reserved() -> None:
    random = np.random.default_rng(1)
    pairs = [(random.permutation(500).tolist(), random.permutation(500).tolist())]
    cells = collect_cells(bitext(pairs), 500, 500)
    assert len(cells.targets) == 500 * 500
