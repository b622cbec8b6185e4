from __future__ import annotations

import numpy as np

from nmt.neural.search.hypotheses import Hypotheses
from nmt.tokenization.protocol import BOS_ID


def said(hypotheses: Hypotheses) -> list[list[int]]:
    return [hypotheses.pieces(row) for row in range(len(hypotheses))]


def test_of_nothing() -> None:
    rows = Hypotheses.of_nothing([3, 5], 4)
    assert len(rows) == 2
    assert said(rows) == [[], []]
    assert rows.parent_R.tolist() == [-1, -1]
    assert rows.piece_R.tolist() == [BOS_ID, BOS_ID]
    assert rows.attention_RS.shape == (2, 4)


def test_going_on_and_beginning_later() -> None:
    rows = Hypotheses.of_nothing([0, 1], 1)
    rows.attention_RS[:] = [[0.5], [1.5]]
    rows = rows.extended(np.array([0, 0, 1]), np.array([7, 8, 9]), np.array([-1.0, -2.0, -3.0]))
    rows = rows.and_also(Hypotheses.of_nothing([2], 1))
    assert said(rows) == [[7], [8], [9], []]
    assert rows.sentence_R.tolist() == [0, 0, 1, 2]
    assert rows.parent_R.tolist() == [0, 0, 1, -1]
    assert rows.attention_RS[:, 0].tolist() == [0.5, 0.5, 1.5, 0.0]
    rows = rows.extended(np.array([1, 2, 3]), np.array([4, 5, 6]), np.array([-4.0, -5.0, -6.0]))
    assert said(rows) == [[8, 4], [9, 5], [6]]
    assert rows.score_R.tolist() == [-4.0, -5.0, -6.0]
    assert rows.length_R.tolist() == [2, 2, 1]
    # When the longest are gone, so is the room for them.
    rows = rows.extended(np.array([2]), np.array([7]), np.array([-7.0]))
    assert said(rows) == [[6, 7]]
    assert rows.history_RT.shape == (1, 2)


def test_none_left() -> None:
    nothing = np.array([], dtype=np.int64)
    rows = Hypotheses.of_nothing([0], 2).extended(nothing, nothing, np.array([]))
    assert len(rows) == 0
    assert said(rows.and_also(Hypotheses.of_nothing([1], 2))) == [[]]
