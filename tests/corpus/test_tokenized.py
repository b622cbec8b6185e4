"""Tokenised text: the tokenizer's own ids, whatever the number of processes, made once."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from nmt.corpus import tokenized
from nmt.corpus.text import PairsWriter, TextPairs
from nmt.corpus.tokenized import id_dtype, tokenize_pairs
from nmt.errors import UserError
from nmt.tokenization import TokenizerPair, learn_tokenizers
from nmt.tokenization.settings import SentencePieceSettings

NUM_PAIRS = 500


def sentence(number: int, words: Sequence[str]) -> str:
    return " ".join(words[number // 7**i % 7] for i in range(number % 5))


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> TextPairs:
    folder = tmp_path_factory.mktemp("pairs")
    english = "the dog sees a red house now".split()  # noqa: SIM905 (to be read as text)
    german = "der Hund sieht ein rotes Haus jetzt".split()  # noqa: SIM905 (to be read as text)
    with PairsWriter(folder) as writer:
        for half in (0, 1):
            numbers = range(half * NUM_PAIRS // 2, (half + 1) * NUM_PAIRS // 2)
            writer.append(
                [sentence(n, english) for n in numbers],
                [sentence(n, german) for n in numbers],
                half,
            )
    return TextPairs.open(folder, (1.0, 3.0))


@pytest.fixture(scope="module")
def tokenizers(pairs: TextPairs) -> TokenizerPair:
    settings = SentencePieceSettings(vocabulary_size=320, joint=False)
    return learn_tokenizers(settings, pairs.source, pairs.target, cache=None)


@pytest.fixture
def small_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use processes for small corpora too, with more tasks than are in the making at once."""
    monkeypatch.setattr(tokenized, "_SMALL_LINES", 0)
    monkeypatch.setattr(tokenized, "_TASK_LINES", 70)


def test_rows_are_what_the_tokenizer_gives(
    pairs: TextPairs, tokenizers: TokenizerPair, tmp_path: Path
) -> None:
    bitext = tokenize_pairs(pairs, tokenizers.source, tokenizers.target, cache=tmp_path, workers=1)
    for rows, lines, tokenizer in (
        (bitext.source, pairs.source, tokenizers.source),
        (bitext.target, pairs.target, tokenizers.target),
    ):
        expected = tokenizer.encode(list(lines))
        assert [rows[i].tolist() for i in range(len(rows))] == expected
        assert rows.lengths.tolist() == [len(row) for row in expected]
        assert rows.lengths.dtype == np.int32
        assert rows.flat.dtype == np.uint16
        assert rows[-1].tolist() == expected[-1]
        with pytest.raises(IndexError):
            rows[len(rows)]
    assert bitext.origins.tolist() == [0] * (NUM_PAIRS // 2) + [1] * (NUM_PAIRS // 2)
    assert bitext.weights == (1.0, 3.0)


@pytest.mark.usefixtures("small_tasks")
def test_worker_processes_give_the_same(
    pairs: TextPairs, tokenizers: TokenizerPair, tmp_path: Path
) -> None:
    one, two = (
        tokenize_pairs(
            pairs,
            tokenizers.source,
            tokenizers.target,
            cache=tmp_path / str(workers),
            workers=workers,
        )
        for workers in (1, 2)
    )
    for a, b in ((one.source, two.source), (one.target, two.target)):
        np.testing.assert_array_equal(a.flat, b.flat)
        np.testing.assert_array_equal(a.offsets, b.offsets)


def test_a_second_call_opens_what_is_stored_and_another_tokenizer_does_not(
    pairs: TextPairs, tokenizers: TokenizerPair, tmp_path: Path
) -> None:
    source, target = tokenizers.source, tokenizers.target
    tokenize_pairs(pairs, source, target, cache=tmp_path, workers=1)
    [folder] = tmp_path.iterdir()
    before = (folder / "source.ids.npy").stat()
    tokenize_pairs(pairs, source, target, cache=tmp_path, workers=4)
    assert (folder / "source.ids.npy").stat().st_mtime_ns == before.st_mtime_ns
    tokenize_pairs(pairs, source, source, cache=tmp_path, workers=1)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.usefixtures("small_tasks")
def test_a_killed_worker_is_told_and_leaves_nothing(
    pairs: TextPairs, tokenizers: TokenizerPair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokenized, "_encode_task", _killed)
    with pytest.raises(UserError, match="killed"):
        tokenize_pairs(pairs, tokenizers.source, tokenizers.target, cache=tmp_path, workers=2)
    assert list(tmp_path.iterdir()) == []


def _killed(*_: object) -> None:
    """What runs out of memory in a worker process."""
    os.kill(os.getpid(), signal.SIGKILL)


def test_ids_take_as_little_room_as_they_need() -> None:
    for size in (1, 300, 65_536, 65_537, 250_000):
        dtype = id_dtype(size)
        assert np.iinfo(dtype).max >= size - 1
        assert dtype.itemsize == (2 if size <= 65_536 else 4)
