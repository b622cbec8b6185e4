from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nmt.neural.search.hypotheses import Hypotheses
from nmt.neural.search.limits import (
    LONGEST_PERIOD,
    MIN_COPIES,
    MIN_REPEATED_PIECES,
    allowed_log_probabilities,
    max_lengths,
    must_end,
    repeating_pieces,
    repeats_endlessly,
)
from nmt.recipe.neural import SearchSettings
from nmt.tokenization.protocol import BOS_ID, EOS_ID, PAD_ID, UNK_ID

PIECES = st.lists(st.integers(4, 7), max_size=40)


def as_hypotheses(rows: list[list[int]]) -> Hypotheses:
    """Of uneven lengths; beside them stand pieces that are not theirs."""
    hypotheses = Hypotheses.of_nothing(range(len(rows)), 0)
    hypotheses.length_R = np.array([len(row) for row in rows])
    width = max(map(len, rows))
    hypotheses.history_RT = np.array(
        [row + [7] * (width - len(row)) for row in rows], dtype=np.int64
    ).reshape(len(rows), width)
    return hypotheses


@pytest.mark.parametrize(
    ("ratio", "extra", "positions", "expected"),
    [
        (2.0, 20, 1024, [20, 22, 40]),
        (1.5, 3, 1024, [3, 4, 18]),
        (2.0, 20, 32, [20, 22, 32]),
        (0.1, 0, 1024, [2, 2, 2]),
    ],
)
def test_the_longest_output(ratio: float, extra: int, positions: int, expected: list[int]) -> None:
    settings = SearchSettings(max_length_ratio=ratio, max_length_extra=extra)
    assert max_lengths(np.array([0, 1, 10]), settings, positions).tolist() == expected


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
    rows = as_hypotheses([[7] * 20, [7] * 20, list(range(20)), list(range(20)), [5, 6]])
    # 20 is more than 1.5 * 7 + 8, but not than 1.5 * 8 + 8.
    source_pieces = np.array([7, 8, 7, 7, 1])
    limits = np.array([99, 99, 21, 22, 99])
    ends = must_end(rows.history_RT, rows.length_R, source_pieces, limits)
    assert ends.tolist() == [True, False, True, False, False]


@given(st.integers(1, 4), st.lists(PIECES, min_size=1, max_size=4))
def test_pieces_that_would_repeat_an_ngram(order: int, histories: list[list[int]]) -> None:
    rows = as_hypotheses(histories)
    found = set(zip(*repeating_pieces(rows.history_RT, rows.length_R, order).tolist(), strict=True))

    def repeats(pieces: list[int]) -> bool:
        ngrams = [tuple(pieces[i : i + order]) for i in range(len(pieces) - order + 1)]
        return bool(ngrams) and ngrams[-1] in ngrams[:-1]

    expected = {
        (row, piece)
        for row, history in enumerate(histories)
        for piece in range(4, 9)
        if repeats([*history, piece])
    }
    assert found == expected


def test_allowed_pieces_have_the_probabilities_of_the_model() -> None:
    logits = torch.randn(3, 12)
    rows = as_hypotheses([[5, 6, 5], [7, 8, 9, 10], [5, 5]])
    log_p = allowed_log_probabilities(
        logits, rows, np.array([5, 5, 5]), np.array([9, 5, 9]), SearchSettings(no_repeat_ngram=2)
    )
    expected = torch.log_softmax(logits, dim=-1)
    ruled_out = torch.zeros(3, 12, dtype=torch.bool)
    ruled_out[:, [PAD_ID, BOS_ID, UNK_ID]] = True
    ruled_out[0, 6] = ruled_out[2, 5] = True
    ruled_out[1, [piece for piece in range(12) if piece != EOS_ID]] = True
    assert torch.equal(log_p == -math.inf, ruled_out)
    torch.testing.assert_close(log_p[~ruled_out], expected[~ruled_out])


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [(torch.bfloat16, torch.float32), (torch.float32, torch.float32), (torch.float64,) * 2],
)
def test_log_probabilities_of_half_types_are_wide(
    dtype: torch.dtype, expected: torch.dtype
) -> None:
    rows = as_hypotheses([[], []])
    log_p = allowed_log_probabilities(
        torch.randn(2, 12).to(dtype), rows, np.array([3, 3]), np.array([9, 9]), SearchSettings()
    )
    assert log_p.dtype == expected
