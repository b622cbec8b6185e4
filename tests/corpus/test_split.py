"""No text of a held-out set is ever in training, and a split is the same every time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nmt.corpus.split import split_pairs

texts = st.integers(0, 60).map(str)


@given(st.lists(st.tuples(texts, texts), unique=True, max_size=200))
def test_splits_cover_everything_and_do_not_leak(pairs: list[tuple[str, str]]) -> None:
    split = split_pairs(pairs)
    parts = [split.train, split.valid, split.test, split.left_out]
    assert sorted(index for part in parts for index in part) == list(range(len(pairs)))
    assert split.train == sorted(split.train)
    sets = [split.train, split.valid, split.test]
    for side in (0, 1):
        of = [{pairs[index][side] for index in part} for part in sets]
        assert of[0].isdisjoint(of[1] | of[2])
        assert of[1].isdisjoint(of[2])
        assert len(of[1]) == len(split.valid)
        assert len(of[2]) == len(split.test)


def test_sizes_and_stability() -> None:
    pairs = [(f"source {number}", f"target {number}") for number in range(1_600)]
    split = split_pairs(pairs)
    assert (len(split.train), len(split.valid), len(split.test)) == (1_400, 100, 100)
    again = split_pairs(pairs[::-1])
    assert {pairs[i] for i in split.test} == {pairs[::-1][i] for i in again.test}
    swapped_second = split_pairs([(source, target.upper()) for source, target in pairs])
    assert swapped_second.test == split.test
