from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from nmt.neural.kernels import packed_lstm as kernel
from nmt.neural.kernels.packed_lstm import Visits, lstm_cell, packed_lstm, packed_lstm_reference
from tests.neural.exactness import assert_kernel_as_exact

LENGTHS = [[1], [1, 1, 1], [3, 1, 7], [17, 1, 33, 2], [1 + 5 * n % 7 for n in range(40)]]


def offsets_of(lengths: list[int]) -> Tensor:
    return torch.from_numpy(np.concatenate(([0], np.cumsum(lengths))).astype(np.int32))


def random_inputs(lengths: list[int], inputs: int, width: int, padding: int = 0) -> list[Tensor]:
    """Inputs, weights, bias and first hidden states, in float64; the states are not chaotic."""
    positions = sum(lengths) + padding
    shapes = [
        (positions, inputs), (4 * width, inputs), (4 * width, width), (4 * width,),
        (len(lengths), width),
    ]  # fmt: skip
    x, w_x, w_h, b, h = (torch.randn(shape, dtype=torch.float64) for shape in shapes)
    return [x, w_x / inputs**0.5, w_h / width**0.5, b, h]


# --- against PyTorch


@pytest.mark.parametrize("begins", [True, False])
@pytest.mark.parametrize("reverse", [True, False])
@pytest.mark.parametrize(("inputs", "width"), [(1, 1), (5, 3), (16, 32)])
@pytest.mark.parametrize("lengths", LENGTHS, ids=len)
def test_it_is_as_exact_as_pytorch(
    lengths: list[int], inputs: int, width: int, reverse: bool, begins: bool
) -> None:
    visits = Visits.of(offsets_of(lengths), reverse=reverse)
    leaves = random_inputs(lengths, inputs, width, padding=3)
    rest: Any = (visits,) if begins else (None, visits)
    assert_kernel_as_exact(
        lambda *values: packed_lstm(*values, *rest),
        lambda *values: packed_lstm_reference(*values, *rest),
        leaves if begins else leaves[:4],
        torch.randn(sum(lengths) + 3, width, dtype=torch.float64),
    )


@pytest.mark.parametrize("layer", [packed_lstm, packed_lstm_reference])
@pytest.mark.parametrize("reverse", [True, False])
def test_each_sentence_is_read_by_the_layer_of_pytorch(layer: Any, reverse: bool) -> None:
    lengths = [4, 9, 1, 6]
    x, w_x, w_h, b, h = random_inputs(lengths, 5, 7)
    theirs = nn.LSTM(5, 7, dtype=torch.float64)
    theirs.weight_ih_l0.data, theirs.weight_hh_l0.data = w_x, w_h
    theirs.bias_ih_l0.data, theirs.bias_hh_l0.data = b, torch.zeros_like(b)
    found = layer(x, w_x, w_h, b, h, Visits.of(offsets_of(lengths), reverse=reverse))
    for number, (sentence, read) in enumerate(
        zip(torch.split(x, lengths), torch.split(found, lengths), strict=True)
    ):
        sentence, read = (sentence.flip(0), read.flip(0)) if reverse else (sentence, read)
        begin = (h[None, number], torch.zeros(1, 7, dtype=torch.float64))
        torch.testing.assert_close(read, theirs(sentence, begin)[0], rtol=0, atol=1e-12)


def test_a_cell_is_that_of_pytorch() -> None:
    theirs = nn.LSTMCell(5, 7, dtype=torch.float64)
    x, h, c = (torch.randn(4, width, dtype=torch.float64) for width in (5, 7, 7))
    with torch.no_grad():
        gates = x @ theirs.weight_ih.T + theirs.bias_ih + h @ theirs.weight_hh.T + theirs.bias_hh
        for found, expected in zip(lstm_cell(gates, c), theirs(x, (h, c)), strict=True):
            torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


# --- the order of visits


@given(st.lists(st.integers(1, 12), min_size=1, max_size=50), st.booleans())
@settings(max_examples=50, deadline=None)
def test_every_piece_is_visited_once_after_the_one_before(
    lengths: list[int], reverse: bool
) -> None:
    offsets = offsets_of(lengths)
    visits = Visits.of(offsets, reverse=reverse)
    places = visits.place_M.numpy()
    assert len(set(places)) == len(places) == sum(lengths)
    assert (visits.position_P.numpy()[places] == np.arange(len(places))).all()
    step_of_place = np.concatenate(
        [np.full(step.stop - step.start, number) for number, step in enumerate(visits.steps)]
    )
    for begin, end in itertools.pairwise(offsets.tolist()):
        steps = step_of_place[places[begin:end]]
        assert (steps[::-1] if reverse else steps).tolist() == list(range(end - begin))
    rows = [step.stop - step.start for step in visits.steps]
    assert rows == sorted(rows, reverse=True)
    assert list(visits.sizes) == [
        sum(length > step for length in lengths) for step in range(max(lengths))
    ]
    assert sorted(visits.sentence_B.tolist()) == list(range(len(lengths)))


def test_rows_of_no_sentence_give_zeros_and_get_no_gradient() -> None:
    x, w_x, w_h, b, _ = random_inputs([3, 2], 4, 6, padding=5)
    x.requires_grad_()
    out = packed_lstm(x, w_x, w_h, b, None, Visits.of(offsets_of([3, 2])))
    assert out[:5].all()
    assert not out[5:].any()
    (gradient,) = torch.autograd.grad(out.sum(), x)
    assert gradient[:5].all()
    assert not gradient[5:].any()


# --- types


def test_states_keep_the_type_of_the_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under autocast too, compiled or not."""
    x, w_x, w_h, b, h = (v.float() for v in random_inputs([3, 2], 4, 6))
    visits = Visits.of(offsets_of([3, 2]))
    expected = packed_lstm(x.bfloat16().float(), w_x, w_h, b, h, visits)
    for _ in range(2):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = packed_lstm(x.bfloat16(), w_x, w_h, b, h, visits)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
        monkeypatch.setattr(kernel, "compiled", lambda x: False)


def test_a_second_backward_pass_is_refused() -> None:
    """The first has overwritten what it would need."""
    x, w_x, w_h, b, _ = random_inputs([3], 4, 6)
    total = packed_lstm(x.requires_grad_(), w_x, w_h, b, None, Visits.of(offsets_of([3]))).sum()
    torch.autograd.grad(total, x, retain_graph=True)
    with pytest.raises(AssertionError):
        torch.autograd.grad(total, x)
