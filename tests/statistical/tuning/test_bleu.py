"""BLEU over ids is sacreBLEU's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sacrebleu.metrics.bleu import BLEU

from nmt.statistical.tuning.bleu import (
    MAX_ORDER,
    REFERENCE_LENGTH,
    TOTALS,
    bleu_statistics,
    corpus_bleu,
)
from nmt.statistical.vocabulary import Vocabulary
from tests.statistical.tuning.planted import make_nbest, make_sentences

# Few words, so that n-grams repeat; negative and large ones as decoders have for copied words.
LINES = st.lists(st.sampled_from([-2, 0, 1, 3, 2**31 - 1]), max_size=12)
CORPORA = st.integers(1, 3).flatmap(
    lambda references: st.lists(st.tuples(*[LINES] * (1 + references)), min_size=1, max_size=6)
)
METRIC = BLEU(tokenize="none", smooth_method="exp", force=True)


def texts(lines: list[list[int]]) -> list[str]:
    return [" ".join(map(str, line)) for line in lines]


@given(corpus=CORPORA)
def test_corpus_bleu_is_that_of_sacrebleu(corpus: list[tuple[list[int], ...]]) -> None:
    hypotheses, *references = (list(column) for column in zip(*corpus, strict=True))
    nbest = make_nbest([[(words, [0.0])] for words in hypotheses])
    sums = bleu_statistics(nbest, [make_sentences(lines) for lines in references]).sum(
        axis=0, dtype=np.int64
    )
    expected = METRIC.corpus_score(texts(hypotheses), [texts(lines) for lines in references])
    assert sums[:MAX_ORDER].tolist() == expected.counts
    assert sums[TOTALS : TOTALS + MAX_ORDER].tolist() == expected.totals
    assert sums[REFERENCE_LENGTH] == expected.ref_len
    assert corpus_bleu(sums) == pytest.approx(expected.score, abs=1e-9)


@given(hypotheses=st.lists(LINES, min_size=1, max_size=5), reference=LINES)
def test_hypotheses_of_a_sentence_do_not_touch_each_other(
    hypotheses: list[list[int]], reference: list[int]
) -> None:
    together = bleu_statistics(
        make_nbest([[(words, [0.0]) for words in hypotheses]] * 2),
        [make_sentences([reference] * 2)],
    )
    alone = [
        bleu_statistics(make_nbest([[(words, [0.0])]]), [make_sentences([reference])])[0]
        for words in hypotheses
    ]
    assert together.tolist() == [row.tolist() for row in alone] * 2


def test_real_text(shared_data: Path) -> None:
    folder = shared_data / "multi30k"
    lines = (folder / "valid.de").read_text(encoding="utf-8").split("\n")[:-1]
    first = [line.split() for line in lines]
    second = [*first[1:], first[0]]
    # Something like a translation: of every seventh word, and of the last one, nothing is left.
    hypotheses = [
        [w for n, w in enumerate(line[:-1]) if (n + i) % 7] for i, line in enumerate(first)
    ]
    vocabulary = Vocabulary.learn(first)
    encoded = [vocabulary.encode(text) for text in (hypotheses, first, second)]
    nbest = make_nbest([[(words.tolist(), [0.0])] for words in encoded[0]])
    for count in (1, 2):
        sums = bleu_statistics(nbest, encoded[1 : 1 + count]).sum(axis=0, dtype=np.int64)
        expected = METRIC.corpus_score(
            [" ".join(line) for line in hypotheses],
            [[" ".join(line) for line in text] for text in (first, second)[:count]],
        )
        assert 30 < expected.score < 90
        assert corpus_bleu(sums) == pytest.approx(expected.score, abs=1e-9)
