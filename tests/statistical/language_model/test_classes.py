"""Word classes: the exchange algorithm, and n-grams of classes."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from nmt.errors import UserError
from nmt.statistical.language_model.classes import ClassModel, learn_classes
from nmt.statistical.language_model.settings import ClassModelSettings
from nmt.statistical.sentences import Sentences
from nmt.statistical.vocabulary import BEGIN, END, FIRST_WORD, UNKNOWN, Vocabulary


def sentences_of(lines: list[list[int]]) -> Sentences:
    flat = np.array([word for line in lines for word in line], np.int32)
    return Sentences.of_lengths(flat, np.array([len(line) for line in lines], np.int64))


def log_likelihood(lines: list[list[int]], class_of: dict[int, int]) -> float:
    """ln p of a text under its own bigram model of classes, from the definition."""
    border = -1
    bigrams: Counter[tuple[int, int]] = Counter()
    words: Counter[int] = Counter()
    for line in lines:
        classes = [border, *(class_of[word] for word in line), border]
        bigrams.update(itertools.pairwise(classes))
        words.update(line)
    before: Counter[int] = Counter()
    members: Counter[int] = Counter()
    for (first, _), count in bigrams.items():
        before[first] += count
    for word, count in words.items():
        members[class_of[word]] += count
    total = sum(n * math.log(n / before[first]) for (first, _), n in bigrams.items())
    return total + sum(n * math.log(n / members[class_of[word]]) for word, n in words.items())


def as_mapping(classes: NDArray[np.int32]) -> dict[int, int]:
    return {word: int(number) for word, number in enumerate(classes) if number >= 0}


TEXTS = st.lists(
    st.lists(st.integers(FIRST_WORD, FIRST_WORD + 8), min_size=1, max_size=6),
    min_size=1,
    max_size=12,
)


@settings(max_examples=60)
@given(TEXTS, st.integers(2, 4))
def test_no_word_would_be_better_elsewhere(lines: list[list[int]], num_classes: int) -> None:
    """The exchange ends in an optimum of one move: more passes would change nothing."""
    text = sentences_of(lines)
    classes = as_mapping(learn_classes(text, FIRST_WORD + 9, num_classes, max_passes=100))
    assert set(classes) == {word for line in lines for word in line}
    best = log_likelihood(lines, classes)
    for word in classes:
        for other in range(num_classes):
            assert log_likelihood(lines, {**classes, word: other}) <= best + 1e-9


def test_words_that_stand_alike_share_a_class() -> None:
    rng = np.random.default_rng(1)
    kinds = [range(3, 9), range(9, 15), range(15, 21)]
    lines = [[int(rng.choice(list(kind))) for kind in kinds] for _ in range(400)]
    classes = learn_classes(sentences_of(lines), 21, 3)
    assert sorted({tuple(sorted(set(classes[list(kind)].tolist()))) for kind in kinds}) == [
        (0,), (1,), (2,),
    ]  # fmt: skip


def test_a_model_gives_a_sentence_the_probability_of_its_classes(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    vocabulary = Vocabulary([f"w{n}" for n in range(20)])
    text = sentences_of([rng.integers(FIRST_WORD, 23, 6).tolist() for _ in range(200)])
    model = ClassModel.estimate(text, vocabulary, ClassModelSettings(num_classes=4, order=3))
    assert model.class_of_word[[UNKNOWN, BEGIN, END]].tolist() == [UNKNOWN, BEGIN, END]
    model.save(tmp_path)
    again = ClassModel.open(tmp_path)
    assert again.class_of_word.tolist() == model.class_of_word.tolist()
    of_classes = Sentences(model.class_of_word[text.words], text.offsets)
    assert again.model.score(of_classes).tolist() == model.model.score(of_classes).tolist()
    (tmp_path / "class-of-word.npy").unlink()
    with pytest.raises(UserError, match="incomplete"):
        ClassModel.open(tmp_path)
