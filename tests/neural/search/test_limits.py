from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nmt.neural.search.limits import (
    LONGEST_PERIOD,
    MIN_COPIES,
    MIN_REPEATED_PIECES,
    allowed_log_probabilities,
    max_length,
    must_end,
    repeating_pieces,
    repeats_endlessly,
)
from nmt.recipe.systems import SearchSettings
from nmt.tokenization.protocol import BOS_ID, EOS_ID, PAD_ID, UNK_ID

PIECES = st.lists(st.integers(4, 7), max_size=40)


def as_history(rows: list[list[int]]) -> np.ndarray:
    return np.array(rows, dtype=np.int64).reshape(len(rows), -1)


@pytest.mark.parametrize(
    ("source", "ratio", "extra", "positions", "expected"),
    [
        (10, 2.0, 20, 1024, 40),
        (10, 1.5, 3, 1024, 18),
        (10, 2.0, 20, 32, 32),
        (1, 0.1, 0, 1024, 2),
        (0, 2.0, 20, 1024, 20),
    ],
)
def test_the_longest_output(
    source: int, ratio: float, extra: int, positions: int, expected: int
) -> None:
    settings = SearchSettings(max_length_ratio=ratio, max_length_extra=extra)
    assert max_length(source, settings, positions) == expected


@given(PIECES)
def test_endless_repetition_is_what_it_is_called(pieces: list[int]) -> None:
    """By slicing: the list ends in copies of its own end."""
    expected = any(
        len(pieces) >= stretch and pieces[-stretch:] == (pieces[-period:] * stretch)[-stretch:]
        for period in range(1, LONGEST_PERIOD + 1)
        for stretch in [max(MIN_COPIES * period, MIN_REPEATED_PIECES)]
    )
    assert repeats_endlessly(np.array(pieces, dtype=np.int64)) == expected


@pytest.mark.parametrize("period", [1, 2, 3, 5, LONGEST_PERIOD])
def test_each_period_is_noticed(period: int) -> None:
    run = list(range(10, 10 + period))
    copies = max(MIN_COPIES, -(-MIN_REPEATED_PIECES // period))
    assert repeats_endlessly(np.array([4, 5, *run * copies]))
    assert not repeats_endlessly(np.array([4, 5, *run * copies, 6]))
    assert not repeats_endlessly(np.array(run * (copies - 1)))


def test_a_short_or_slow_repetition_is_not_endless() -> None:
    assert not repeats_endlessly(np.array([7] * (MIN_REPEATED_PIECES - 1)))
    assert not repeats_endlessly(np.array(list(range(LONGEST_PERIOD + 1)) * 6))


def test_what_must_end() -> None:
    repeats, says = [7] * 20, list(range(20))
    history = as_history([repeats, repeats, says, says])
    source_pieces = np.array([7, 8, 7, 7])  # 20 is more than 1.5 * 7 + 8, but not than 1.5 * 8 + 8
    limits = np.array([99, 99, 21, 22])
    assert must_end(history, source_pieces, limits).tolist() == [True, False, True, False]


@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 25), st.integers(0, 1000))
def test_pieces_that_would_repeat_an_ngram(order: int, rows: int, length: int, seed: int) -> None:
    history = np.random.default_rng(seed).integers(4, 8, (rows, length))
    found = set(zip(*repeating_pieces(history, order).tolist(), strict=True))

    def repeats(pieces: list[int]) -> bool:
        ngrams = [tuple(pieces[i : i + order]) for i in range(len(pieces) - order + 1)]
        return bool(ngrams) and ngrams[-1] in ngrams[:-1]

    expected = {
        (row, piece)
        for row in range(rows)
        for piece in range(4, 9)
        if repeats([*history[row].tolist(), piece])
    }
    assert found == expected


def test_allowed_pieces_have_the_probabilities_of_the_model() -> None:
    logits = torch.randn(3, 12)
    history = as_history([[5, 6, 5], [7, 8, 9], [5, 5, 5]])
    settings = SearchSettings(no_repeat_ngram=2)
    log_p = allowed_log_probabilities(logits, history, np.array([False, True, False]), settings)
    expected = torch.log_softmax(logits, dim=-1)
    ruled_out = torch.zeros(3, 12, dtype=torch.bool)
    ruled_out[:, [PAD_ID, BOS_ID, UNK_ID]] = True
    ruled_out[0, 6] = ruled_out[2, 5] = True
    ruled_out[1, [piece for piece in range(12) if piece != EOS_ID]] = True
    assert torch.equal(log_p == -math.inf, ruled_out)
    torch.testing.assert_close(log_p[~ruled_out], expected[~ruled_out])


def test_log_probabilities_of_half_types_are_wide() -> None:
    logits = torch.randn(2, 12, dtype=torch.bfloat16)
    nothing = as_history([[], []])
    log_p = allowed_log_probabilities(logits, nothing, np.zeros(2, dtype=bool), SearchSettings())
    assert log_p.dtype == torch.float32
    assert (
        allowed_log_probabilities(
            logits.double(), nothing, np.zeros(2, dtype=bool), SearchSettings()
        ).dtype
        == torch.float64
    )
