"""Subword regularisation draws from the right distribution, and the same everywhere."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from math import exp
from pathlib import Path

import pytest

from nmt.errors import UserError
from nmt.tokenization import Tokenizer, load_tokenizer
from nmt.tokenization.sampling import BpeSampler, UnigramSampler

NUM_DRAWS = 20_000


def test_a_pure_function(sampled: Tokenizer, text: list[str]) -> None:
    first = sampled.encode_sampled(text, rate=0.3, seed=7)
    sampled.encode_sampled(text[::-1], rate=0.6, seed=8)
    sampled.encode(text)
    assert sampled.encode_sampled(text, rate=0.3, seed=7) == first
    assert sampled.encode_sampled(text[:5], rate=0.3, seed=7) == first[:5]
    assert sampled.encode_sampled(text, rate=0.3, seed=9) != first
    assert sampled.encode_sampled(text, rate=0, seed=7) == sampled.encode(text)
    # Lines are drawn independently, also when they are equal and in the same call.
    drawn = sampled.encode_sampled([text[0]] * 50, rate=0.3, seed=7)
    assert len(set(map(tuple, drawn))) > 10


def test_the_same_in_threads_and_processes(
    sampled: Tokenizer, text: list[str], tmp_path: Path
) -> None:
    expected = [sampled.encode_sampled(text, rate=0.2, seed=seed) for seed in range(6)]
    sampled.save(tmp_path)
    fresh = load_tokenizer(tmp_path)
    with ThreadPoolExecutor(3) as pool:
        rows = pool.map(lambda seed: fresh.encode_sampled(text, rate=0.2, seed=seed), range(6))
    assert list(rows) == expected
    program = (
        "import json, sys; from pathlib import Path; from nmt.tokenization import load_tokenizer; "
        "tokenizer = load_tokenizer(Path(sys.argv[1])); lines = json.load(sys.stdin); "
        "print(json.dumps(tokenizer.encode_sampled(lines, rate=0.2, seed=3)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        input=json.dumps(text),
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == expected[3]


@pytest.mark.parametrize("kind", ["bpe", "byte-bpe"])
def test_no_dropout_is_the_library_itself(
    kind: str, tokenizers: dict[str, Tokenizer], text: list[str]
) -> None:
    """Our merges against SentencePiece's and Hugging Face's: a rate that never drops anything."""
    lines = [*text, "unseen wörds, 日本 😀\u00a0 \u00a0x", "harbourharbour'sgarden", "<s>"]
    rows = tokenizers[kind].encode_sampled(lines, rate=1e-12, seed=1)
    assert rows == tokenizers[kind].encode(lines)


def test_a_cold_unigram_is_the_library_itself(
    tokenizers: dict[str, Tokenizer], text: list[str]
) -> None:
    """A large alpha leaves only the best segmentation, which SentencePiece finds by Viterbi."""
    lines = [*text, "unseen wörds, 日本 😀\u00a0 \u00a0x", "harbourharbour'sgarden"]
    rows = tokenizers["unigram"].encode_sampled(lines, rate=1e4, seed=1)
    assert rows == tokenizers["unigram"].encode(lines)


def test_full_dropout_leaves_bytes(tokenizers: dict[str, Tokenizer]) -> None:
    [row] = tokenizers["byte-bpe"].encode_sampled(["the harbour"], rate=1.0, seed=1)
    assert len(row) == len(" the harbour")


def test_unigram_probabilities() -> None:
    """Against all segmentations of a word, listed one by one."""
    scores = {"a": (4, -2.0), "b": (5, -2.5), "ab": (6, -3.0), "aba": (7, -5.0), "ba": (8, -3.5)}
    alpha = 0.7

    def segmentations(word: str) -> list[list[str]]:
        if not word:
            return [[]]
        return [
            [word[:i], *rest]
            for i in range(1, len(word) + 1)
            if word[:i] in scores
            for rest in segmentations(word[i:])
        ]

    weight_of_ids = {
        tuple(scores[piece][0] for piece in pieces): exp(
            alpha * sum(scores[piece][1] for piece in pieces)
        )
        for pieces in segmentations("ababa")
    }
    total = sum(weight_of_ids.values())
    sampler = UnigramSampler(scores, [0] * 256)
    rows = sampler.sample([["ababa"]] * NUM_DRAWS, rate=alpha, seed=1)
    expect_frequencies(rows, {ids: weight / total for ids, weight in weight_of_ids.items()})


def test_bpe_dropout_probabilities() -> None:
    """Against algorithm 1 of Provilkov et al. 2020, written down as it stands there."""
    merges = [("a", "b"), ("b", "a"), ("ab", "a"), ("c", "ab"), ("ab", "ab")]
    names = ["a", "b", "c", "ab", "ba", "aba", "cab", "abab"]
    number = {name: n for n, name in enumerate(names)}
    generator = random.Random(1)

    def algorithm_1(word: str, rate: float) -> tuple[int, ...]:
        current = list(word)
        while True:
            possible = [
                (merges.index(pair), i)
                for i, pair in enumerate(pairwise(current))
                if pair in merges and generator.random() >= rate
            ]
            if not possible:
                return tuple(number[piece] for piece in current)
            _, i = min(possible)
            current[i : i + 2] = [current[i] + current[i + 1]]

    reference = Counter(algorithm_1("cababab", 0.4) for _ in range(NUM_DRAWS))
    sampler = BpeSampler(
        lambda word: [number[c] for c in word],
        [(number[x], number[y], rank, number[x + y]) for rank, (x, y) in enumerate(merges)],
    )
    rows = sampler.sample([["cababab"]] * NUM_DRAWS, rate=0.4, seed=1)
    expect_frequencies(rows, {ids: count / NUM_DRAWS for ids, count in reference.items()})


def expect_frequencies(rows: list[list[int]], probability: dict[tuple[int, ...], float]) -> None:
    """Every outcome as often as expected, within five standard deviations of the difference."""
    counts = Counter(map(tuple, rows))
    assert sum(count for ids, count in counts.items() if ids not in probability) < 10
    for ids, p in probability.items():
        tolerance = 5 * (2 * p * (1 - p) / NUM_DRAWS) ** 0.5 + 1e-3
        assert abs(counts[ids] / NUM_DRAWS - p) < tolerance, ids


def test_the_store_starts_anew(
    sampled: Tokenizer, text: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = sampled.encode_sampled(text, rate=0.2, seed=1)
    monkeypatch.setattr("nmt.tokenization.sampling._MAX_STORED_SYMBOLS", 10)
    for _ in range(2):
        assert sampled.encode_sampled(text, rate=0.2, seed=1) == expected


@pytest.mark.parametrize("kind", ["wordpiece", "words-en"])
def test_what_cannot_be_sampled(kind: str, tokenizers: dict[str, Tokenizer]) -> None:
    tokenizer = tokenizers[kind]
    assert tokenizer.encode_sampled(["a"], rate=0, seed=1) == tokenizer.encode(["a"])
    with pytest.raises(UserError, match="sampl"):
        tokenizer.encode_sampled(["a"], rate=0.1, seed=1)
