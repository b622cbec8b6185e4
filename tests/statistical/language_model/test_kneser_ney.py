"""Interpolated modified Kneser-Ney against its definition, and against KenLM's estimator."""

from __future__ import annotations

import math
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nmt.lines import read_lines
from nmt.statistical.language_model.kneser_ney import estimate_discounts
from nmt.statistical.language_model.model import LanguageModel
from nmt.statistical.language_model.settings import LanguageModelSettings
from nmt.statistical.language_model.tables import advance
from nmt.statistical.sentences import Sentences
from nmt.statistical.vocabulary import BEGIN, END, FIRST_WORD, UNKNOWN, Vocabulary
from tests.statistical.language_model.reference import KneserNey, random_lines

MIN_COUNTS = [(1,), (1, 2), (1, 1, 2), (2,), (1, 2, 3, 4)]

LMPLZ = {
    (5, (1,)): (80.77224795684522, 75.96717957902942),
    (2, (1,)): (96.79157742251878, 88.90976529160386),
    (6, (1,)): (80.74456831907204, 76.00630148110326),
    (5, (1, 1, 2)): (83.39933452940772, 77.8928014168654),
    (4, (3,)): (87.82991978645148, 80.99344379251056),
}
"""Perplexities, unknown words included, on Multi30k's valid.de and test2016.de of models that
KenLM's lmplz (0.3.0; its --prune names the greatest count to drop) estimated on train.de, all split
at spaces. ``scripts/bench_language_model.py --lmplz`` takes them anew."""


@st.composite
def texts(draw: st.DrawFn) -> tuple[list[list[str]], int, tuple[int, ...]]:
    """Lines of words, an order, and the counts to keep."""
    generator = random.Random(draw(st.integers(0, 2**32)))
    lines = random_lines(generator, draw(st.integers(1, 8)), draw(st.integers(1, 40)))
    order = draw(st.integers(1, 6))
    return lines, order, draw(st.sampled_from([m for m in MIN_COUNTS if len(m) <= order]))


@settings(max_examples=60)
@example(([[]], 3, (1,)))
@example(([["<s>", "</s>", "<unk>"]], 2, (1,)))
@given(texts())
def test_probabilities_by_the_definition(
    text: tuple[list[list[str]], int, tuple[int, ...]],
) -> None:
    """Every word after every kind of history has the probability that the equations say."""
    lines, order, min_count = text
    # Words that look like symbols are words; the reference tells them apart by their form.
    lines = [[f"_{word}" for word in line] for line in lines]
    reference = KneserNey(lines, order, min_count)
    vocabulary = Vocabulary.learn(lines)
    model = LanguageModel.estimate(
        vocabulary.encode(lines),
        vocabulary,
        LanguageModelSettings(order=order, min_count=min_count),
    )
    name = {UNKNOWN: "<unk>", END: "</s>"} | {n: vocabulary.word(n) for n in _ids(vocabulary)}
    known = [n for n in (UNKNOWN, END, *_ids(vocabulary)) if model.known[n]]
    assert sorted(name[n] for n in known) == reference.words
    for line in [*lines[:8], ["never", *lines[0]]]:
        state = model.begin_state
        history: tuple[str, ...] = ("<s>",)
        for word in [*line, "</s>"]:
            after = [advance(model.tables, state, n)[0] for n in known]
            wanted = [math.log(reference.p(name[n], history)) for n in known]
            np.testing.assert_allclose(after, wanted, rtol=0, atol=2e-6)
            assert math.fsum(map(math.exp, after)) == pytest.approx(1, abs=1e-6)
            number = vocabulary.id(word) if word != "</s>" else END
            _, state = advance(model.tables, state, number)
            history += (word if word in reference.words else "<unk>",)


def _ids(vocabulary: Vocabulary) -> range:
    return range(FIRST_WORD, len(vocabulary))


@given(st.integers(0, 2**32))
@settings(max_examples=20)
def test_unknown_words_in_the_text_are_a_word(seed: int) -> None:
    """UNKNOWN is counted where the text has it, and what was not seen is scored like it."""
    lines = [["<unk>" if w == "w2" else w for w in line]
             for line in random_lines(random.Random(seed), 5, 30)]  # fmt: skip
    reference = KneserNey(lines, 3)
    vocabulary = Vocabulary(["w0", "w1", "w3", "w4", "never"])
    model = LanguageModel.estimate(
        vocabulary.encode(lines), vocabulary, LanguageModelSettings(order=3)
    )
    test = [["w0", "never", "w1"], ["never", "never", "w0"], ["w3", "other"]]
    np.testing.assert_allclose(
        model.score(vocabulary.encode(test)), [reference.score(line) for line in test], atol=1e-5
    )


@given(st.lists(st.integers(0, 9), max_size=60))
def test_discounts(counts: list[int]) -> None:
    """They lie between nothing and the count, whatever the counts of counts."""
    discounts = estimate_discounts(np.array(counts, np.int64), (0.5, 1.0, 1.5))
    assert discounts[0] == 0
    assert (discounts[1:] > 0).all()
    assert (discounts <= np.arange(4)).all()


def test_discounts_of_chen_and_goodman() -> None:
    """Worked by hand: n1..n4 = 8, 4, 2, 1, so Y = 1/2."""
    counts = np.repeat([1, 2, 3, 4, 7], [8, 4, 2, 1, 3])
    np.testing.assert_allclose(
        estimate_discounts(counts, (0.1, 0.1, 0.1)), [0, 1 - 0.5, 2 - 0.75, 3 - 1]
    )


@pytest.mark.parametrize(("order", "min_count"), LMPLZ)
def test_perplexity_of_lmplz(shared_data: Path, order: int, min_count: tuple[int, ...]) -> None:
    """Real text: the model is KenLM's."""
    train, valid, test = (
        [[word for word in line.split(" ") if word] for line in read_lines(shared_data / name)]
        for name in ("multi30k/train.de", "multi30k/valid.de", "multi30k/test2016.de")
    )
    vocabulary = Vocabulary.learn(train)
    model = LanguageModel.estimate(
        vocabulary.encode(train),
        vocabulary,
        LanguageModelSettings(order=order, min_count=min_count),
    )
    perplexities = [model.perplexity(vocabulary.encode(lines)) for lines in (valid, test)]
    assert perplexities == pytest.approx(LMPLZ[order, min_count], rel=1e-5)


def test_begin_is_never_predicted() -> None:
    vocabulary = Vocabulary(["a"])
    model = LanguageModel.estimate(
        Sentences.of_lengths(np.full(9, FIRST_WORD, np.int32), np.array([4, 5])),
        vocabulary,
        LanguageModelSettings(order=3),
    )
    log_p, _ = advance(model.tables, model.begin_state, BEGIN)
    assert log_p / math.log(10) < -98
