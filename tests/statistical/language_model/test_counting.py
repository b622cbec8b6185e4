"""N-grams are counted right, whatever the memory."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.errors import UserError
from nmt.statistical.language_model.counting import Workspace, count_windows
from nmt.statistical.language_model.keys import sort_keys
from nmt.statistical.language_model.model import LanguageModel
from nmt.statistical.language_model.settings import LanguageModelSettings
from nmt.statistical.language_model.trie import Trie, build_trie
from nmt.statistical.sentences import Sentences
from nmt.statistical.vocabulary import BEGIN, END, Vocabulary
from tests.statistical.language_model.reference import random_lines

LARGE = 1 << 30


def ngrams_of(trie: Trie) -> list[tuple[int, ...]]:
    """The words of every node, in the order of nodes."""
    words: list[tuple[int, ...]] = [(int(word),) for word in trie.words]
    for node in range(len(words)):
        for child in range(trie.children[node], trie.children[node + 1]):
            words[child] = words[node] + words[child]
    return words


@settings(max_examples=50)
@given(
    st.lists(st.lists(st.integers(3, 12).map(lambda n: n**5 % 1_000_003), max_size=9), min_size=1),
    st.integers(1, 6),
    st.sampled_from([4096, LARGE]),
)
def test_counts(lines: list[list[int]], order: int, memory: int) -> None:
    """All n-grams are there, by length and in order, as often as in the text."""
    expected: Counter[tuple[int, ...]] = Counter()
    for line in lines:
        words = (BEGIN, *line, END)
        for length in range(1, order + 1):
            expected.update(zip(*(words[start:] for start in range(length)), strict=False))
    sentences = Sentences.of_lengths(
        np.array([word for line in lines for word in line], np.int32),
        np.array([len(line) for line in lines], np.int64),
    )
    with Workspace.open(None, memory) as workspace:
        windows = count_windows(sentences, 1_000_003, order, workspace)
        trie, counts = build_trie(windows, workspace)
        assert dict(zip(ngrams_of(trie), counts.tolist(), strict=True)) == expected
        assert ngrams_of(trie) == sorted(expected, key=lambda ngram: (len(ngram), ngram))


@given(
    st.lists(st.integers(0, 2**128 - 1), max_size=300),
    st.integers(1, 128),
)
def test_sort_keys(keys: list[int], bits: int) -> None:
    keys = [key % 2**bits for key in keys]
    high = np.array([key >> 64 for key in keys], np.uint64)
    low = np.array([key % 2**64 for key in keys], np.uint64)
    sort_keys(high, low, np.empty_like(high), np.empty_like(low), bits)
    found = [(int(h) << 64) + int(part) for h, part in zip(high, low, strict=True)]
    assert found == sorted(keys)


def test_memory_does_not_show(tmp_path: Path) -> None:
    """A text twenty times larger than the memory gives the same model, and no file stays."""
    lines = random_lines(random.Random(1), 300, 1500)
    vocabulary = Vocabulary.learn(lines)
    sentences = vocabulary.encode(lines)
    models = [
        LanguageModel.estimate(
            sentences,
            vocabulary,
            LanguageModelSettings(order=4, memory=memory),
            folder_for_spills=tmp_path,
        )
        for memory in (4096, 60_000, LARGE)
    ]
    assert 40 * len(sentences.words) > 20 * 4096
    for model in models[:2]:
        for rows, others in zip(model.rows, models[2].rows, strict=True):
            np.testing.assert_array_equal(rows, others)
    assert not list(tmp_path.iterdir())


def test_spills_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With little memory the large arrays lie in files."""
    with Workspace.open(tmp_path, 1000) as workspace:
        assert workspace.empty(100, np.int64).base is None
        assert not list(workspace.folder.iterdir())
        mapped = workspace.zeros(100, np.int64)
        mapped[7] = 3
        assert len(list(workspace.folder.iterdir())) == 1
        assert mapped.sum() == 3
        folder = workspace.folder
    assert not folder.exists()


def test_too_many_words() -> None:
    sentences = Sentences.of_lengths(np.array([3], np.int32), np.array([1]))
    with (
        Workspace.open(None, LARGE) as workspace,
        pytest.raises(UserError, match=r"4,194,304 different words are too many for n-grams of 6"),
    ):
        count_windows(sentences, 1 << 22, 6, workspace)


def test_full_disk(small_disk: Path) -> None:
    """No space for temporary files is told as such."""
    lines = random_lines(random.Random(1), 3000, 9000)
    vocabulary = Vocabulary.learn(lines)
    with pytest.raises(UserError, match="No space left"):
        LanguageModel.estimate(
            vocabulary.encode(lines),
            vocabulary,
            LanguageModelSettings(memory=4096),
            folder_for_spills=small_disk,
        )
