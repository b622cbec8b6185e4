"""What is learned depends on the text, the settings and the seed, and on nothing else."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import overload

import pytest
from pydantic import ValidationError

from nmt.errors import UserError
from nmt.tokenization import TokenizerPair, learn_tokenizers
from nmt.tokenization.learning import SampledLines
from nmt.tokenization.settings import (
    HuggingFaceTokenizerSettings,
    SentencePieceSettings,
    TokenizerSettings,
    WordSettings,
)
from tests.tokenization.conftest import SETTINGS, SUBWORDS, learn


@pytest.mark.parametrize("kind", SETTINGS)
def test_the_same_in_another_process(kind: str) -> None:
    program = f"from tests.tokenization.conftest import learn; print(learn({kind!r}).content_hash)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONHASHSEED": "7", "RAYON_NUM_THREADS": "3"},
    )
    assert done.stdout.strip() == learn(kind).content_hash


@pytest.mark.parametrize("kind", SETTINGS)
def test_learned_once(
    kind: str, text: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = SETTINGS[kind]
    first = learn_tokenizers(settings, text, text, cache=tmp_path)
    [folder] = tmp_path.iterdir()
    monkeypatch.setattr("nmt.tokenization.learning._learn_one", pytest.fail)
    again = learn_tokenizers(settings, list(text), text, cache=tmp_path)
    assert again.content_hash == first.content_hash
    assert again.joint == settings.joint
    # Sampling is a matter of training: the same tokenizer serves.
    if kind == "bpe":
        sampling = settings.model_copy(update={"sampling": 0.1})
        learn_tokenizers(sampling, text, text, cache=tmp_path)
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize(
    ("settings", "other"),
    [
        (SentencePieceSettings(vocabulary_size=305), SentencePieceSettings(vocabulary_size=315)),
        (
            SentencePieceSettings(vocabulary_size=305),
            SentencePieceSettings(vocabulary_size=305, algorithm="bpe"),
        ),
    ],
)
def test_other_settings_give_another_hash(
    settings: TokenizerSettings, other: TokenizerSettings, text: list[str], tmp_path: Path
) -> None:
    hashes = {
        learn_tokenizers(settings, text, text, cache=tmp_path).content_hash,
        learn_tokenizers(other, text, text, cache=tmp_path).content_hash,
        learn_tokenizers(settings, text[:100], text, cache=tmp_path).content_hash,
    }
    assert len(hashes) == 3


@pytest.mark.parametrize("kind", SUBWORDS)
def test_separate_vocabularies(kind: str, text: list[str]) -> None:
    settings = SETTINGS[kind].model_copy(update={"joint": False})
    pair = learn_tokenizers(settings, text, [line.upper() for line in text], cache=None)
    assert not pair.joint
    [row] = pair.target.encode([text[0].upper()])
    assert len(row) < len(pair.source.encode([text[0].upper()])[0])


@pytest.mark.parametrize("kind", SETTINGS)
def test_no_text(kind: str) -> None:
    for lines in ([], ["", " \t "]):
        with pytest.raises(UserError, match="no text"):
            learn_tokenizers(SETTINGS[kind], lines, lines, cache=None)


@pytest.mark.parametrize("kind", SUBWORDS)
def test_a_vocabulary_larger_than_the_text(
    kind: str, text: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    settings = SETTINGS[kind].model_copy(update={"vocabulary_size": 30_000})
    with caplog.at_level(logging.WARNING):
        pair = learn_tokenizers(settings, text, text, cache=None)
    assert 256 < pair.source.vocabulary_size < 5_000
    assert f"only {pair.source.vocabulary_size} different pieces, not 30000" in caplog.text


def test_a_vocabulary_too_small_for_the_characters() -> None:
    text = ["".join(chr(0x4E00 + 60 * i + j) for j in range(60)) for i in range(20)]
    settings = SentencePieceSettings(vocabulary_size=300, character_coverage=1)
    with pytest.raises(UserError, match="300 is too small") as caught:
        learn_tokenizers(settings, text, text, cache=None)
    needed = int(str(caught.value.mend).split()[3])
    enough = settings.model_copy(update={"vocabulary_size": needed})
    assert learn_tokenizers(enough, text, text, cache=None).source.vocabulary_size == needed


def test_settings_that_contradict_one_another() -> None:
    with pytest.raises(ValidationError, match="no sampling"):
        HuggingFaceTokenizerSettings(algorithm="wordpiece", sampling=0.1)
    with pytest.raises(ValidationError, match="600 or more"):
        HuggingFaceTokenizerSettings(algorithm="wordpiece", vocabulary_size=500)


@pytest.mark.parametrize("kind", SUBWORDS)
def test_nothing_is_printed(kind: str, text: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    learn_tokenizers(
        SETTINGS[kind].model_copy(update={"vocabulary_size": 620}), text, text, cache=None
    )
    assert capfd.readouterr() == ("", "")


class Numbers(Sequence[str]):
    """A long sequence of lines that exist only while they are looked at."""

    def __len__(self) -> int:
        return 10_000_000

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        assert isinstance(index, int)
        return f"number {index}"

    def __iter__(self) -> Iterator[str]:
        raise AssertionError("only the lines drawn are to be read")


def test_a_long_corpus_is_sampled() -> None:
    sample = SampledLines(Numbers(), 1000, seed=1)
    numbers = [int(line.split()[1]) for line in sample]
    assert len(set(numbers)) == 1000
    assert numbers == sorted(numbers)
    assert sum(number < 5_000_000 for number in numbers) == pytest.approx(500, abs=80)
    assert sample.content_hash() == SampledLines(Numbers(), 1000, seed=1).content_hash()
    assert sample.content_hash() != SampledLines(Numbers(), 1000, seed=2).content_hash()
    pair: TokenizerPair = learn_tokenizers(
        WordSettings(max_lines=1000), Numbers(), Numbers(), cache=None
    )
    assert pair.source.vocabulary_size == 4 + 256 + 1 + 1000
