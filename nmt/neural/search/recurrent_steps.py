"""A recurrent decoder, one step for many hypotheses at once.

Shapes: R rows (hypotheses), L layers, W width, H heads, E head width, V pieces, B sentences,
M positions of the memory of all sources, S source positions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from nmt.neural.kernels.step_attention import step_cross_attention
from nmt.neural.model.recurrent import Recurrent
from nmt.neural.search.rows import Predictor, filled_up, packed_sources, source_bounds
from nmt.neural.search.shortlist import CandidateLists


class RecurrentSteps:
    """The decoder's state over a batch of source sentences: hidden state and cell of every row."""

    def __init__(
        self,
        model: Recurrent,
        sources: Sequence[np.ndarray],
        *,
        lists: CandidateLists | None = None,
    ) -> None:
        """Encode the sources, which are pieces without their ends; see ``begin_steps``."""
        self._model = model
        self._predictor = Predictor(model, lists)
        self._begins, self._ends = source_bounds(sources)
        memories, firsts = [], []
        for packed, pieces in packed_sources(sources, model.output.device):
            memory_SW = model.encode(packed)
            memories.append(model.attention.project_memory(memory_SW)[:pieces])
            firsts.append(model.begin(memory_SW, packed))
        self._memory_M2HE = torch.cat(memories)
        self._first_LBW = torch.cat(firsts).transpose(0, 1).contiguous()
        self._h_LRW = self._c_LRW = self._first_LBW[:, :0]

    def _continue(self, parent_R: np.ndarray, sentence_R: np.ndarray) -> tuple[Tensor, Tensor]:
        """Hidden states and cells of the rows that these go on from, [L, R, W] each."""
        device = self._model.output.device
        begins = np.flatnonzero(parent_R < 0)
        if len(begins) == len(parent_R):
            h_LRW = self._first_LBW[:, torch.from_numpy(sentence_R).to(device)]
            return h_LRW, torch.zeros_like(h_LRW)
        parent = torch.from_numpy(np.maximum(parent_R, 0)).to(device)
        h_LRW, c_LRW = self._h_LRW[:, parent], self._c_LRW[:, parent]
        if len(begins):
            beginning = torch.from_numpy(begins).to(device)
            sentence = torch.from_numpy(sentence_R[begins]).to(device)
            h_LRW[:, beginning] = self._first_LBW[:, sentence]
            c_LRW[:, beginning] = 0.0
        return h_LRW, c_LRW

    def advance(
        self,
        piece_R: np.ndarray,
        parent_R: np.ndarray,
        sentence_R: np.ndarray,
        *,
        weights: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Feed one piece to each row; see ``Steps.advance``."""
        model, rows = self._model, len(piece_R)
        row_R = filled_up(rows)
        sentence_R = sentence_R[row_R]
        h_LRW, c_LRW = self._continue(parent_R[row_R], sentence_R)
        piece, begin, end = (
            torch.from_numpy(x).to(h_LRW.device)
            for x in (piece_R[row_R], self._begins[sentence_R], self._ends[sentence_R])
        )
        states = []
        bottom, *upper = model.decoder_lstms
        x_RW = model.embed(piece, model.target_table)
        states.append(bottom.step(x_RW, h_LRW[0], c_LRW[0]))
        y_RW = states[0][0]
        mixed_RHE, attention_RS = step_cross_attention(
            model.attention.project_queries(y_RW), self._memory_M2HE, begin, end, weights=weights
        )
        context_RW = model.attention.out(mixed_RHE.flatten(1))
        for number, layer in enumerate(upper, start=1):
            x_RI = torch.cat((y_RW, context_RW), dim=1)
            states.append(layer.step(x_RI, h_LRW[number], c_LRW[number]))
            y_RW = y_RW + states[number][0]
        self._h_LRW, self._c_LRW = (torch.stack(state) for state in zip(*states, strict=True))
        logits_RV = self._predictor.logits(model.attend(y_RW, context_RW), sentence_R)
        return logits_RV[:rows], None if attention_RS is None else attention_RS[:rows]
