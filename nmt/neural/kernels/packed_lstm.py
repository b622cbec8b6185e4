"""A layer of LSTM over sentences laid end to end, all of them stepping forward together.

``i, f, g, o = W_x x + W_h h + b``, ``c' = sigmoid(f) c + sigmoid(i) tanh(g)``, ``h' = sigmoid(o)
tanh(c')``: Hochreiter and Schmidhuber (1997) with the forget gate of Gers et al. (2000), in
PyTorch's order of the gates.

What does not wait for the step before is one product over all positions: the inputs' share of the
gates, and every gradient of a weight. Left to the loop over steps is a product with ``W_h``. The
longest sentences come first, so that those that are over fall away at the end. PyTorch's own layer
takes about twice as long on a processor core.

Shapes: N positions of the packed batch, M pieces in it, B sentences, P places: the positions in
the order of their visits, with what fills up; R rows of a step, I input width, W width, G gates
(four times the width).
"""

from __future__ import annotations

import itertools
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor
from torch.autograd.function import once_differentiable

from nmt.neural.kernels.compiled import REORDER, compiled

_MULTIPLE = 16
"""Rows are computed in multiples of this: products then have few shapes, which libraries like."""


@dataclass(frozen=True, slots=True)
class Visits:
    """The order in which an LSTM visits the positions of a packed batch."""

    position_P: Tensor
    """int64, the position visited at each place; any at a place that only fills up."""
    place_M: Tensor
    """int64, the place at which each position that holds a piece is visited."""
    sentence_B: Tensor
    """int64, the sentences from the longest to the shortest."""
    sizes: tuple[int, ...]
    """How many sentences take each step."""

    @classmethod
    def of(cls, offsets: Tensor, *, reverse: bool = False) -> Visits:
        """Visit each sentence, ``offsets[b]`` to ``offsets[b + 1]``, from its first position on.

        Args:
            offsets: int32 [B + 1]; no sentence may be empty.
            reverse: begin at its last position.
        """
        at_B = offsets.cpu().numpy().astype(np.int64)
        sentence_B = np.argsort(-np.diff(at_B), kind="stable")
        lengths_B = np.diff(at_B)[sentence_B]
        sizes_T = np.searchsorted(-lengths_B, -np.arange(lengths_B[0]), side="left")
        rows_T = _round_up(sizes_T)
        # Pieces in the order of ranks, by which the longest sentence comes first.
        rank_M = np.repeat(np.arange(len(lengths_B)), lengths_B)
        step_M = np.arange(at_B[-1]) - np.repeat(np.cumsum(lengths_B) - lengths_B, lengths_B)
        place_M = (np.cumsum(rows_T) - rows_T)[step_M] + rank_M
        from_begin_M = lengths_B[rank_M] - 1 - step_M if reverse else step_M
        position_M = at_B[sentence_B][rank_M] + from_begin_M
        position_P = np.zeros(rows_T.sum(), dtype=np.int64)
        position_P[place_M] = position_M
        found = (position_P, place_M[np.argsort(position_M)], sentence_B)
        position, place, sentence = (torch.from_numpy(x).to(offsets.device) for x in found)
        return cls(position, place, sentence, tuple(sizes_T.tolist()))

    @property
    def steps(self) -> list[slice]:
        """The places of each step."""
        ends = np.cumsum(_round_up(np.array(self.sizes))).tolist()
        return [slice(begin, end) for begin, end in itertools.pairwise([0, *ends])]


def _round_up(rows: np.ndarray) -> np.ndarray:
    rounded: np.ndarray = -(-rows // _MULTIPLE) * _MULTIPLE
    return rounded


def packed_lstm_reference(
    x_NI: Tensor, w_x_GI: Tensor, w_h_GW: Tensor, b_G: Tensor, h_BW: Tensor | None, visits: Visits
) -> Tensor:
    """The same by PyTorch, on a GPU by its library: [N, W]."""
    # Places ascend by step, and in a step by rank: PyTorch's own order of packed sequences.
    position_M = visits.position_P[visits.place_M.sort().values]
    h_1BW = x_NI.new_zeros(1, len(visits.sentence_B), w_h_GW.shape[1])
    c_1BW = h_1BW
    if h_BW is not None:
        h_1BW = h_BW[visits.sentence_B][None]
    weights = [w_x_GI, w_h_GW, b_G, torch.zeros_like(b_G)]
    with warnings.catch_warnings():
        # The optimiser's buffer holds the weights in another order than the GPU's library likes.
        warnings.filterwarnings("ignore", "RNN module weights are not part of single contiguous")
        y_MW, _, _ = torch.lstm(
            x_NI[position_M], torch.tensor(visits.sizes), (h_1BW, c_1BW), weights,
            True, 1, 0.0, torch.is_grad_enabled(), False,
        )  # fmt: skip
    return y_MW.new_zeros(len(x_NI), y_MW.shape[1]).index_copy(0, position_M, y_MW)


def lstm_cell(gates_RG: Tensor, c_RW: Tensor | None) -> tuple[Tensor, Tensor]:
    """Hidden state and cell, [R, W] each, after a step with these gates; none is a cell of zeros.

    The gates are activated in place.
    """
    i, f, g, o = _activate(gates_RG)
    c_RW = i * g if c_RW is None else (f * c_RW).addcmul_(i, g)
    return o * torch.tanh(c_RW), c_RW


def _activate(gates_RG: Tensor) -> tuple[Tensor, ...]:
    """Activate the gates in place; views of i, f, g and o, [R, W] each."""
    width = gates_RG.shape[1] // 4
    gates_RG[:, : 2 * width].sigmoid_()
    gates_RG[:, 2 * width : 3 * width].tanh_()
    gates_RG[:, 3 * width :].sigmoid_()
    return torch.split(gates_RG, width, dim=1)


@njit(nogil=True, cache=True, fastmath=REORDER, error_model="numpy")
def _step_back(
    gates: Any, cells: Any, tanhs: Any, dh: Any, dh_after: Any, dc: Any,
    begin: int, before: int, rows: int, rows_after: int,
) -> None:  # fmt: skip
    """Put the gradients of a step's gates in the place of the gates, and go back with ``dc``.

    Args:
        gates: activated, by place.
        cells: by place.
        tanhs: of the cells, by place.
        dh: gradients of what the layer gives out, by place.
        dh_after: gradients of the rows' outputs that come from the step after.
        dc: gradients of the rows' cells that come from the step after; zeros for new rows.
        begin: first place of the step.
        before: first place of the step before, or -1 where cells are zeros.
        rows: places of the step.
        rows_after: places of the step after.
    """
    width = dc.shape[1]
    one = dc.dtype.type(1)
    zeros = np.zeros(width, dtype=dc.dtype)
    for r in range(rows):
        gate, tanh, dc_r = gates[begin + r], tanhs[begin + r], dc[r]
        cell = cells[before + r] if before >= 0 else zeros
        d_out = dh[begin + r]
        if r < rows_after:
            more = dh_after[r]
            for w in range(width):
                d_out[w] += more[w]
        for w in range(width):
            i, f, g, o = gate[w], gate[width + w], gate[2 * width + w], gate[3 * width + w]
            d_cell = dc_r[w] + d_out[w] * o * (one - tanh[w] * tanh[w])
            gate[w] = d_cell * g * i * (one - i)
            gate[width + w] = d_cell * cell[w] * f * (one - f)
            gate[2 * width + w] = d_cell * i * (one - g * g)
            gate[3 * width + w] = d_out[w] * tanh[w] * o * (one - o)
            dc_r[w] = d_cell * f


class _PackedLSTM(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x_NI: Tensor, w_x_GI: Tensor, w_h_GW: Tensor, b_G: Tensor,
        h_BW: Tensor | None, visits: Visits,
    ) -> Tensor:  # fmt: skip
        width = w_h_GW.shape[1]
        steps = visits.steps
        x_PI = x_NI.index_select(0, visits.position_P)
        gates_PG = torch.addmm(b_G, x_PI, w_x_GI.T)
        y_PW = gates_PG.new_empty(len(gates_PG), width)
        c_PW, tanh_PW = torch.empty_like(y_PW), torch.empty_like(y_PW)
        h = first_RW = gates_PG.new_zeros(steps[0].stop, width)
        if h_BW is not None:
            first_RW[: len(h_BW)] = h_BW[visits.sentence_B]
        c = torch.zeros_like(h)
        w_h_WG = w_h_GW.T
        for step in steps:
            gates = gates_PG[step]
            rows = len(gates)
            i, f, g, o = _activate(gates.addmm_(h[:rows], w_h_WG))
            c = torch.mul(f, c[:rows], out=c_PW[step]).addcmul_(i, g)
            h = torch.mul(o, torch.tanh(c, out=tanh_PW[step]), out=y_PW[step])
        if any(ctx.needs_input_grad):
            ctx.visits, ctx.positions, ctx.has_first = visits, len(x_NI), h_BW is not None
            ctx.spent = False
            ctx.save_for_backward(x_PI, w_x_GI, w_h_GW, gates_PG, first_RW, y_PW, c_PW, tanh_PW)
        return _by_position(y_PW, visits, len(x_NI))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_y_NW: Tensor) -> Any:
        x_PI, w_x_GI, w_h_GW, gates_PG, first_RW, y_PW, c_PW, tanh_PW = ctx.saved_tensors
        visits: Visits = ctx.visits
        steps = visits.steps
        dh_PW = torch.zeros_like(y_PW).index_copy_(0, visits.place_M, d_y_NW[: len(visits.place_M)])
        # Gates are overwritten by their gradients, so there is no second pass over the same graph.
        assert not ctx.spent
        ctx.spent = True
        gates, cells, tanhs, dh = (x.numpy() for x in (gates_PG, c_PW, tanh_PW, dh_PW))
        dh_RW, dc_RW = torch.zeros_like(first_RW), torch.zeros_like(first_RW)
        rows_after = 0
        for number in reversed(range(len(steps))):
            step = steps[number]
            rows = step.stop - step.start
            before = steps[number - 1].start if number else -1
            _step_back(
                gates, cells, tanhs, dh, dh_RW.numpy(), dc_RW.numpy(),
                step.start, before, rows, rows_after,
            )  # fmt: skip
            torch.mm(gates_PG[step], w_h_GW, out=dh_RW[:rows])
            rows_after = rows
        h_before_PW = torch.cat(
            [first_RW, *(y_PW[a][: b.stop - b.start] for a, b in itertools.pairwise(steps))]
        )
        d_h_BW = None
        if ctx.has_first:
            d_h_BW = torch.empty_like(dh_RW[: len(visits.sentence_B)])
            d_h_BW[visits.sentence_B] = dh_RW[: len(visits.sentence_B)]
        return (
            _by_position(gates_PG @ w_x_GI, visits, ctx.positions),
            gates_PG.T @ x_PI,
            gates_PG.T @ h_before_PW,
            gates_PG.sum(dim=0),
            d_h_BW,
            None,
        )


def _by_position(x_PD: Tensor, visits: Visits, positions: int) -> Tensor:
    """From the order of visits back to that of the packed batch: [N, D]; zeros beyond its end."""
    x_ND = x_PD.new_zeros(positions, x_PD.shape[1])
    torch.index_select(x_PD, 0, visits.place_M, out=x_ND[: len(visits.place_M)])
    return x_ND


def packed_lstm(
    x_NI: Tensor, w_x_GI: Tensor, w_h_GW: Tensor, b_G: Tensor, h_BW: Tensor | None, visits: Visits
) -> Tensor:
    """One layer in one direction: the hidden state after each position, [N, W].

    Computed in the type of the weights, whatever ``autocast`` says: errors of a state add up.

    Args:
        x_NI: inputs of all positions; rows of no sentence give zeros.
        w_x_GI: weights of the inputs, for the gates i, f, g and o one below the other.
        w_h_GW: weights of the hidden state.
        b_G: bias.
        h_BW: hidden state before the first visit of each sentence; None is zeros, as the cell is.
        visits: the order of the visits, of ``Visits.of``.
    """
    with torch.autocast(x_NI.device.type, enabled=False):
        x_NI = x_NI.to(w_x_GI.dtype)
        h_BW = None if h_BW is None else h_BW.to(w_x_GI.dtype)
        if not compiled(x_NI):
            return packed_lstm_reference(x_NI, w_x_GI, w_h_GW, b_G, h_BW, visits)
        y_NW: Tensor = _PackedLSTM.apply(x_NI, w_x_GI, w_h_GW, b_G, h_BW, visits)  # type: ignore[no-untyped-call]  # PyTorch gives it no type
        return y_NW
