"""A Transformer's decoder, one step for many hypotheses at once, everything before it cached.

Shapes: R rows (hypotheses), D model width, H heads, E head width, V pieces, M positions of the
memory of all sources, S source positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor

from nmt.neural.kernels.few_rows_linear import FEW_ROWS
from nmt.neural.kernels.step_attention import step_cross_attention
from nmt.neural.model.transformer import DecoderLayer, Transformer
from nmt.neural.search.few_rows import FewRowsDecoder
from nmt.neural.search.histories import History, KeysHistory, StatesHistory
from nmt.neural.search.rows import (
    Predictor,
    filled_up,
    packed_sources,
    rows_at_once,
    source_bounds,
)
from nmt.neural.search.shortlist import CandidateLists

_ZERO = np.zeros(1, dtype=np.int64)


class TransformerSteps:
    """The decoder's state over a batch of source sentences."""

    def __init__(
        self,
        model: Transformer,
        sources: Sequence[np.ndarray],
        *,
        beam: int,
        lists: CandidateLists | None = None,
    ) -> None:
        """Encode the sources; see ``begin_steps``. The cache has room for ``beam`` rows of each."""
        self._model = model
        self._predictor = Predictor(model, lists)
        self._layers = [cast(DecoderLayer, layer) for layer in model.decoder]
        self._begins, self._ends = source_bounds(sources)
        self._memories = self._encode(sources)
        self._step_R = np.empty(0, dtype=np.int64)
        self._history: History
        if model.architecture.decoder == "ssru":
            self._history = StatesHistory(len(self._layers), model.output)
        else:
            most_rows = min(beam * len(sources), max(beam, rows_at_once(model.output.device)))
            self._history = KeysHistory(self._memories, most_rows)
        self._few_rows: FewRowsDecoder | None = None
        if model.takes_few_rows and model.architecture.positions != "rotary":
            self._few_rows = FewRowsDecoder(model, self._memories)

    def _encode(self, sources: Sequence[np.ndarray]) -> list[Tensor]:
        """For each layer, keys and values of all sources' memory: [M, 2, H, E]."""
        parts: list[list[Tensor]] = [[] for _ in self._layers]
        for packed, pieces in packed_sources(sources, self._model.output.device):
            memory_SD = self._model.encode(packed)
            for part, layer in zip(parts, self._layers, strict=True):
                part.append(layer.cross_attention.project_memory(memory_SD)[:pieces])
        return [torch.cat(part) for part in parts]

    def advance(
        self,
        piece_R: np.ndarray,
        parent_R: np.ndarray,
        sentence_R: np.ndarray,
        *,
        weights: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Feed one piece to each row; see ``Steps.advance``."""
        rows = len(piece_R)
        row_R = filled_up(rows, takes_few=self._model.takes_few_rows)
        parent_R, sentence_R = parent_R[row_R], sentence_R[row_R]
        # Rows that begin are at step 0: their parent, -1, is the last of one row too many.
        self._step_R = np.concatenate((self._step_R + 1, _ZERO))[parent_R]
        begin_R, end_R = self._begins[sentence_R], self._ends[sentence_R]
        self._history.go_on(parent_R, self._step_R)
        if self._few_rows is not None and rows <= FEW_ROWS and not weights:
            hidden_RD = self._few_rows(piece_R, self._step_R, self._history, begin_R, end_R)
            return self._predictor.logits(hidden_RD, sentence_R), None
        device = self._model.output.device
        piece, step, begin, end = (
            torch.from_numpy(x).to(device) for x in (piece_R[row_R], self._step_R, begin_R, end_R)
        )
        x_RD: Tensor = self._model.target_embedding(piece, step)
        attention_RS: Tensor | None = None
        for number, layer in enumerate(self._layers):
            x_RD = self._history.look_back(number, layer, x_RD)
            entered_RD = layer.enter(x_RD, layer.cross_attention_norm)
            q_RHE = layer.cross_attention.project_queries(entered_RD)
            mixed_RHE, attention_RS = step_cross_attention(
                q_RHE, self._memories[number], begin, end,
                weights=weights and number + 1 == len(self._layers),
            )  # fmt: skip
            y_RD = layer.cross_attention.out(mixed_RHE.flatten(1))
            x_RD = layer.leave(y_RD, x_RD, layer.cross_attention_norm, None)
            y_RD = layer.feed_forward(layer.enter(x_RD, layer.feed_forward_norm))
            x_RD = layer.leave(y_RD, x_RD, layer.feed_forward_norm, None)
        logits_RV = self._predictor.logits(self._model.decoder_norm(x_RD), sentence_R)
        return logits_RV[:rows], None if attention_RS is None else attention_RS[:rows]
