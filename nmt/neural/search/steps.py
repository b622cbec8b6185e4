"""One decoder step for many hypotheses at once, with everything before it cached.

Shapes: R rows (hypotheses), S source positions, D model width, H heads, E head width, V pieces.
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
from nmt.neural.packed import pack_source

_SPARE = 8
"""Steps more than source positions for which there is room at first; it doubles when used up."""

_MULTIPLE = 32
"""Rows are computed in multiples of this.

Processor libraries compile code for each new shape, and for very few rows take another path, whose
results differ in the last digit: a sentence's translation would depend on its batch.
"""


def _round_up(rows: int) -> int:
    return -(-rows // _MULTIPLE) * _MULTIPLE


class Steps:
    """The decoder's state over a batch of source sentences.

    A row's keys and values at a step are written to the next free places of a cache, and its
    history is a list of places. Choosing other rows to go on from moves no keys and values.
    """

    def __init__(self, model: Transformer, sources: Sequence[np.ndarray], *, beam: int) -> None:
        """Encode the sources.

        Args:
            model: the model.
            sources: pieces of each source sentence, without its end.
            beam: rows a sentence, for the size of the cache.
        """
        positions = sum(len(source) + 1 for source in sources)
        source = pack_source(sources, _round_up(positions)).to(model.output.device)
        memory_SD = model.encode(source)
        self._model = model
        self._layers = [cast(DecoderLayer, layer) for layer in model.decoder]
        self._memories = [
            layer.cross_attention.project_memory(memory_SD).contiguous() for layer in self._layers
        ]
        self._offsets = source.offsets.long()
        sizes = model.architecture
        room = _round_up(beam * (positions + _SPARE * len(sources)))
        self._caches = [
            memory_SD.new_empty(room, 2, sizes.heads, sizes.head_width) for _ in self._layers
        ]
        self._used = 0
        self._places_RT = self._offsets.new_empty(0, 0)
        self.step = 0
        """Steps taken so far."""

    def _take_places(self, rows: int) -> Tensor:
        """The next free places, one a row: [R]."""
        room = len(self._caches[0])
        if self._used + rows > room:
            for number, old in enumerate(self._caches):
                self._caches[number] = old.new_empty(2 * room + rows, *old.shape[1:])
                self._caches[number][: self._used] = old[: self._used]
        self._used += rows
        return torch.arange(self._used - rows, self._used, device=self._offsets.device)

    def advance(
        self,
        piece_R: np.ndarray,
        parent_R: np.ndarray,
        sentence_R: np.ndarray,
        *,
        weights: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Feed one piece to each row.

        Args:
            piece_R: the pieces, BOS at the first step.
            parent_R: which row of the last step each row continues; ignored at the first step.
            sentence_R: which source sentence each row translates.
            weights: also return the last layer's attention to the source.

        Returns:
            Logits [R, V] of the next piece, and, if asked for, the mean attention weights
            [R, longest source of these rows].
        """
        rows = len(piece_R)
        # The rows that fill up compute the first row again; nobody reads them.
        fill_up = np.arange(_round_up(rows)) * (np.arange(_round_up(rows)) < rows)
        device = self._offsets.device
        pieces, parents, sentences = (
            torch.from_numpy(x[fill_up]).to(device) for x in (piece_R, parent_R, sentence_R)
        )
        own_R1 = self._take_places(len(pieces))[:, None]
        history_RT = self._places_RT[parents] if self.step else own_R1[:, :0]
        self._places_RT = torch.cat((history_RT, own_R1), dim=1)
        begins, ends = self._offsets[sentences], self._offsets[sentences + 1]
        positions = torch.full_like(pieces, self.step)
        x_RD: Tensor = self._model.target_embedding(pieces, positions)
        attention: Tensor | None = None
        for number in range(len(self._layers)):
            last = number + 1 == len(self._layers)
            x_RD, attention = self._layer(
                number, x_RD, positions, begins, ends, weights=weights and last
            )
        self.step += 1
        logits_RV = F.linear(self._model.decoder_norm(x_RD), self._model.output)
        return logits_RV[:rows], None if attention is None else attention[:rows]

    def _layer(
        self,
        number: int,
        x_RD: Tensor,
        positions: Tensor,
        begins: Tensor,
        ends: Tensor,
        *,
        weights: bool,
    ) -> tuple[Tensor, Tensor | None]:
        """`DecoderLayer.forward` at one new position a row."""
        layer, cache = self._layers[number], self._caches[number]
        entered = layer.enter(x_RD, layer.self_attention_norm)
        qkv_R3HE = layer.self_attention.project(entered, positions)
        cache[self._used - len(x_RD) : self._used] = qkv_R3HE[:, 1:]
        mixed = step_self_attention(qkv_R3HE[:, 0], cache, self._places_RT)
        y_RD = layer.self_attention.out(mixed.flatten(1))
        x_RD = layer.leave(y_RD, x_RD, layer.self_attention_norm, None)
        entered = layer.enter(x_RD, layer.cross_attention_norm)
        mixed, attention = step_cross_attention(
            layer.cross_attention.project_queries(entered),
            self._memories[number],
            begins,
            ends,
            weights=weights,
        )
        y_RD = layer.cross_attention.out(mixed.flatten(1))
        x_RD = layer.leave(y_RD, x_RD, layer.cross_attention_norm, None)
        y_RD = layer.feed_forward(layer.enter(x_RD, layer.feed_forward_norm))
        return layer.leave(y_RD, x_RD, layer.feed_forward_norm, None), attention
