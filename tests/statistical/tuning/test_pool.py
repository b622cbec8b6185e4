"""The pool of all rounds' hypotheses, and n-best lists."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nmt.statistical.tuning.bleu import bleu_statistics
from nmt.statistical.tuning.nbest import encode_all_words
from nmt.statistical.tuning.pool import HypothesisPool
from nmt.statistical.vocabulary import Vocabulary
from tests.statistical.tuning.planted import make_nbest, make_sentences

HYPOTHESES = st.tuples(
    st.lists(st.integers(-1, 1), max_size=3), st.lists(st.integers(0, 1), min_size=2, max_size=2)
)
LISTS = st.lists(st.lists(HYPOTHESES, min_size=1, max_size=6), min_size=2, max_size=2)
REFERENCES = [make_sentences([[1, 0, 1], [0]])]
Lists = list[list[tuple[list[int], list[float]]]]


def unique(hypotheses: list[tuple[list[int], list[float]]]) -> list[tuple[list[int], list[float]]]:
    """Without those that an earlier one equals."""
    return [pair for n, pair in enumerate(hypotheses) if pair not in hypotheses[:n]]


@given(rounds=st.lists(LISTS, min_size=1, max_size=4))
def test_all_hypotheses_once_in_the_order_of_their_coming(rounds: list[Lists]) -> None:
    pools = [HypothesisPool.of(make_nbest(lists), REFERENCES) for lists in rounds]
    merged = pools[0]
    for pool in pools[1:]:
        merged = merged.merged(pool)
    expected = make_nbest([unique(first + second) for first, second in _joined(rounds)])
    assert merged.sentence_offsets.tolist() == expected.sentence_offsets.tolist()
    assert merged.features.T.tolist() == expected.features.tolist()
    assert merged.statistics.tolist() == bleu_statistics(expected, REFERENCES).tolist()
    for begin, end in pairwise(merged.sentence_offsets.tolist()):
        assert len(set(merged.keys[begin:end].tolist())) == end - begin


def _joined(rounds: list[Lists]) -> list[tuple[list[tuple[list[int], list[float]]], ...]]:
    """For each sentence, the hypotheses of the first round, and those of the others."""
    return [(rounds[0][s], [pair for lists in rounds[1:] for pair in lists[s]]) for s in range(2)]


def test_rounding_errors_make_no_new_hypothesis() -> None:
    def pool(value: float) -> HypothesisPool:
        return HypothesisPool.of(
            make_nbest([[([1], [value, 0.0])], [([], [0.0, 0.0])]]), REFERENCES
        )

    assert len(pool(12.3456).merged(pool(12.3456 + 1e-9))) == 2
    assert len(pool(12.3456).merged(pool(12.3556))) == 3


def test_copied_words_get_ids() -> None:
    nbest = make_nbest([[([5, ~1], [0.0]), ([~0, ~0], [0.0])], [([~2, 7], [0.0])]])
    resolved = nbest.with_copies(make_sentences([[100, 101], [200, 201, 202]]))
    assert resolved.words.tolist() == [5, 101, 100, 100, 202, 7]
    assert resolved.word_offsets is nbest.word_offsets


@given(
    texts=st.lists(
        st.lists(st.lists(st.sampled_from("abcdef"), max_size=4), max_size=3), max_size=3
    )
)
def test_ids_are_equal_where_words_are(texts: list[list[list[str]]]) -> None:
    vocabulary = Vocabulary(["a", "b"])
    encoded = encode_all_words(vocabulary, *texts)
    pairs = [
        (word, int(number))
        for lines, sentences in zip(texts, encoded, strict=True)
        for line, numbers in zip(lines, sentences, strict=True)
        for word, number in zip(line, numbers, strict=True)
    ]
    assert (
        len({word for word, _ in pairs}) == len({number for _, number in pairs}) == len(set(pairs))
    )
    assert all(number == vocabulary.id(word) for word, number in pairs if word in "ab")
    assert all(number >= len(vocabulary) for word, number in pairs if word not in "ab")


def test_frozen_weights_are_the_base() -> None:
    pool = HypothesisPool.of(
        make_nbest([[([1], [1.0, 10.0]), ([0], [2.0, 20.0])], [([0], [3.0, 30.0])]]), REFERENCES
    )
    problem = pool.problem(np.array([True, False]), np.array([5.0, 0.5]))
    assert problem.features.tolist() == [[1.0, 2.0, 3.0]]
    assert problem.base.tolist() == [5.0, 10.0, 15.0]
