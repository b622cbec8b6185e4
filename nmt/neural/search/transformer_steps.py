"""A Transformer's decoder, one step for many hypotheses at once, everything before it cached.

Shapes: R rows (hypotheses), T steps of the longest of them, D model width, H heads, E head width,
V pieces, M positions of the memory of all sources, S source positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nmt.neural.kernels.step_attention import step_cross_attention, step_self_attention
from nmt.neural.model.transformer import DecoderLayer, Transformer
from nmt.neural.search.rows import filled_up, packed_sources, round_up, rows_at_once, source_bounds

_ROOM = 32
"""Steps for which the cache has room before what is no longer read is thrown out."""


class TransformerSteps:
    """The decoder's state over a batch of source sentences.

    A row's keys and values at a step are written to the next free places of a cache, and its
    history is a list of places. Choosing other rows to go on from moves no keys and values, and
    rows need not be at the same step.
    """

    def __init__(self, model: Transformer, sources: Sequence[np.ndarray], *, beam: int) -> None:
        """Encode the sources.

        Args:
            model: the model.
            sources: pieces of each source sentence, without its end.
            beam: rows a sentence at most, for the size of the cache.
        """
        self._model = model
        self._layers = [cast(DecoderLayer, layer) for layer in model.decoder]
        self._begins, self._ends = source_bounds(sources)
        self._memories = self._encode(sources)
        most_rows = min(beam * len(sources), max(beam, rows_at_once(model.output.device)))
        self._caches = [
            memory.new_empty(_ROOM * round_up(most_rows), *memory.shape[1:])
            for memory in self._memories
        ]
        self._used = 0
        self._place_RT = np.empty((0, 0), dtype=np.int64)
        self._step_R = np.empty(0, dtype=np.int64)

    def _encode(self, sources: Sequence[np.ndarray]) -> list[Tensor]:
        """For each layer, keys and values of all sources' memory: [M, 2, H, E]."""
        parts: list[list[Tensor]] = [[] for _ in self._layers]
        for packed, pieces in packed_sources(sources, self._model.output.device):
            memory_SD = self._model.encode(packed)
            for part, layer in zip(parts, self._layers, strict=True):
                part.append(layer.cross_attention.project_memory(memory_SD)[:pieces])
        return [torch.cat(part) for part in parts]

    def _extend_histories(self, parent_R: np.ndarray) -> None:
        """Make the rows of the last call those of this one, each with a free place for itself."""
        rows = len(parent_R)
        goes_on_R = parent_R >= 0
        step_R = np.zeros(rows, dtype=np.int64)
        step_R[goes_on_R] = self._step_R[parent_R[goes_on_R]] + 1
        place_RT = np.zeros((rows, step_R.max() + 1), dtype=np.int64)
        width = min(place_RT.shape[1], self._place_RT.shape[1])
        place_RT[goes_on_R, :width] = self._place_RT[parent_R[goes_on_R], :width]
        self._step_R, self._place_RT = step_R, place_RT
        if self._used + rows > len(self._caches[0]):
            self._throw_out(rows)
        self._place_RT[np.arange(rows), step_R] = np.arange(self._used, self._used + rows)
        self._used += rows

    def _throw_out(self, rows: int) -> None:
        """Move what histories still hold to the front; at least ``rows`` places are free then."""
        held = np.arange(self._place_RT.shape[1]) < self._step_R[:, None]
        kept = np.unique(self._place_RT[held])
        # Half is free after that, so that it is seldom done.
        room = max(len(self._caches[0]), 2 * (len(kept) + rows))
        for number, old in enumerate(self._caches):
            new = old if len(old) == room else old.new_empty(room, *old.shape[1:])
            new[: len(kept)] = old[torch.from_numpy(kept).to(old.device)]
            self._caches[number] = new
        self._place_RT = np.searchsorted(kept, self._place_RT)
        self._used = len(kept)

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
        row_R = filled_up(rows)
        self._extend_histories(parent_R[row_R])
        sentence_R = sentence_R[row_R]
        device = self._model.output.device
        piece, step, place, begin, end = (
            torch.from_numpy(x).to(device)
            for x in (
                piece_R[row_R], self._step_R, self._place_RT,
                self._begins[sentence_R], self._ends[sentence_R],
            )
        )  # fmt: skip
        x_RD: Tensor = self._model.target_embedding(piece, step)
        attention_RS: Tensor | None = None
        for number, layer in enumerate(self._layers):
            entered_RD = layer.enter(x_RD, layer.self_attention_norm)
            qkv_R3HE = layer.self_attention.project(entered_RD, step)
            cache = self._caches[number]
            cache[self._used - len(row_R) : self._used] = qkv_R3HE[:, 1:]
            mixed_RHE = step_self_attention(qkv_R3HE[:, 0], cache, place, step + 1)
            y_RD = layer.self_attention.out(mixed_RHE.flatten(1))
            x_RD = layer.leave(y_RD, x_RD, layer.self_attention_norm, None)
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
        logits_RV = F.linear(self._model.decoder_norm(x_RD), self._model.output)
        return logits_RV[:rows], None if attention_RS is None else attention_RS[:rows]
