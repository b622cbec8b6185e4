"""What is not finite stops the training with its sentences saved; float16 tries a smaller scale."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from nmt.errors import UserError
from nmt.neural.training.batches import Position, Update
from nmt.neural.training.checkpoint import Counters
from nmt.neural.training.finite import FiniteCheck
from nmt.neural.training.loss_scale import LARGEST as LARGEST_LOSS_SCALE
from nmt.neural.training.loss_scale import PATIENCE as UPDATES_AT_SCALE
from nmt.neural.training.loss_scale import SMALLEST as SMALLEST_LOSS_SCALE


def update_of(*pairs: int) -> Update:
    """An update of which only the pairs matter."""
    return Update([], [], 1, 1, 1, np.array(pairs), Position(), 0.0)


def make_check(folder: Path, *, scales_loss: bool = False) -> FiniteCheck:
    """A check whose pairs have their numbers for text."""

    def show(pairs: np.ndarray) -> list[tuple[str, str]]:
        return [(f"source {pair}", f"Ziel „{pair}“") for pair in pairs]

    return FiniteCheck(folder, show, scales_loss=scales_loss)


def add(check: FiniteCheck, number: int, loss: float, norm: float, *pairs: int) -> None:
    """Add an update of these figures."""
    check.add(number, update_of(*pairs), torch.tensor(loss), torch.tensor(norm))


@pytest.mark.parametrize(("loss", "norm"), [(math.nan, 1.0), (1.0, math.inf), (math.inf, math.nan)])
def test_the_first_update_that_was_not_finite_is_saved(
    tmp_path: Path, loss: float, norm: float
) -> None:
    """Its number, and the text of its pairs; later ones only follow from it."""
    check = make_check(tmp_path)
    add(check, 6, 1.0, 1.0, 0)
    check.check(Counters())
    add(check, 7, 1.0, 1.0, 1)
    add(check, 8, loss, norm, 5, 3)
    add(check, 9, math.nan, math.nan, 2)
    with pytest.raises(UserError, match="loss of update 8 is not finite") as raised:
        check.check(Counters())
    assert "not-finite-8.jsonl" in str(raised.value)
    assert "--fresh" in str(raised.value)
    (path,) = tmp_path.iterdir()
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert lines == [
        {"pair": 5, "source": "source 5", "target": "Ziel „5“"},
        {"pair": 3, "source": "source 3", "target": "Ziel „3“"},
    ]


def test_finite_updates_are_let_go(tmp_path: Path) -> None:
    """A check looks at each once; without any it does nothing."""
    check = make_check(tmp_path)
    check.check(Counters())
    for number in range(5):
        add(check, number, 1.0, 1.0, number)
        check.check(Counters())
    check.check(Counters())
    assert list(tmp_path.iterdir()) == []


def test_an_overflow_halves_the_scale_down_to_a_limit(tmp_path: Path) -> None:
    """Through 1 and below, and then it is no overflow any more."""
    check = make_check(tmp_path, scales_loss=True)
    counters = Counters(loss_scale=LARGEST_LOSS_SCALE)
    halvings = round(math.log2(LARGEST_LOSS_SCALE / SMALLEST_LOSS_SCALE))
    for number in range(halvings):
        add(check, number, 1.0, math.inf, 0)
        check.check(counters)
        assert counters.loss_scale == LARGEST_LOSS_SCALE / 2 ** (number + 1)
    add(check, 99, 1.0, math.inf, 4)
    with pytest.raises(UserError, match="update 99"):
        check.check(counters)


def test_a_long_time_without_overflow_doubles_the_scale(tmp_path: Path) -> None:
    """Not beyond where it began; an overflow starts the count again."""
    check = make_check(tmp_path, scales_loss=True)
    counters = Counters(loss_scale=LARGEST_LOSS_SCALE / 2)

    def go(count: int, norm: float = 1.0) -> None:
        for _ in range(count):
            add(check, 1, 1.0, norm, 0)
            check.check(counters)

    go(UPDATES_AT_SCALE - 1)
    assert counters.loss_scale == LARGEST_LOSS_SCALE / 2
    go(1)
    assert counters.loss_scale == LARGEST_LOSS_SCALE
    go(UPDATES_AT_SCALE)
    assert counters.loss_scale == LARGEST_LOSS_SCALE
    go(5)
    go(1, math.inf)
    go(UPDATES_AT_SCALE - 1)
    assert counters.loss_scale == LARGEST_LOSS_SCALE / 2
    go(1)
    assert counters.loss_scale == LARGEST_LOSS_SCALE
