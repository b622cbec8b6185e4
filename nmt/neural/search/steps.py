"""One decoder step for many hypotheses at once, with everything before it cached.

Shapes: R rows (hypotheses), D model width, H heads, E head width, V pieces.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from nmt.neural.kernels.step_attention import step_cross_attention, step_self_attention
from nmt.neural.model.transformer import DecoderLayer, Transformer
from nmt.neural.packed import Packed

_ROOM = 32
"""Steps for which a cache is made at first; it doubles when they are used up."""

_ROW_MULTIPLE = 32
"""Rows are computed in multiples of this: processor libraries compile code for each new shape."""


class Steps:
    """The decoder's state over a batch of source sentences.

    A row's history is found through ``ancestors``: at step t it stands in row ``ancestors[r, t]``
    of that step's cache. Choosing other rows to go on from therefore moves no keys and values.
    """

    def __init__(self, model: Transformer, source: Packed, *, max_rows: int, max_steps: int) -> None:
        self._model = model
        self._max_rows = -(-max_rows // _ROW_MULTIPLE) * _ROW_MULTIPLE
        self._max_steps = max_steps
        memory_SD = model.encode(source)
        self._memory = [
            layer.cross_attention.project_memory(memory_SD).contiguous() for layer in self._layers
        ]
        self._offsets = source.offsets.long()
        self._room = min(_ROOM, max_steps)
        self._caches = [self._new_cache(memory_SD, self._room) for _ in self._layers]
        self._ancestors_RT = torch.zeros(0, 0, dtype=torch.int64, device=memory_SD.device)
        self.step = 0
        """Steps taken so far."""

    @property
    def _layers(self) -> list[DecoderLayer]:
        return [layer for layer in self._model.decoder if isinstance(layer, DecoderLayer)]

    def _new_cache(self, like: Tensor, room: int) -> Tensor:
        architecture = self._model.architecture
        return like.new_empty(
            room, self._max_rows, 2, architecture.heads, architecture.head_width
        )

    def _make_room(self) -> None:
        if self.step < self._room:
            return
        room = min(2 * self._room, self._max_steps)
        for number, old in enumerate(self._caches):
            self._caches[number] = self._new_cache(old, room)
            self._caches[number][: self._room] = old
        self._room = room

    def advance(
        self, pieces_R: Tensor, parents_R: Tensor, sentences_R: Tensor, *, weights: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        """Feed one piece to each row.

        Args:
            pieces_R: the pieces, BOS at the first step.
            parents_R: which row of the last step each row continues; ignored at the first step.
            sentences_R: which source sentence each row translates.
            weights: also return the last layer's attention to the source.

        Returns:
            Logits [R, V] of the next piece, and mean attention weights [R, longest source] if asked.
        """
        self._make_room()
        rows = pieces_R.shape[0]
        padding = -rows % _ROW_MULTIPLE
        if padding:
            # The rows that fill up compute the first row again; nobody reads them.
            pieces_R, sentences_R = (
                torch.cat((x, x[:1].expand(padding))) for x in (pieces_R, sentences_R)
            )
            parents_R = torch.cat((parents_R, parents_R.new_zeros(padding)))
        own = torch.arange(pieces_R.shape[0], device=pieces_R.device)[:, None]
        history = self._ancestors_RT[parents_R] if self.step else own[:, :0]
        self._ancestors_RT = torch.cat((history, own), dim=1)
        begin_R, end_R = self._offsets[sentences_R], self._offsets[sentences_R + 1]
        position_R = torch.full_like(pieces_R, self.step)
        x_RD: Tensor = self._model.target_embedding(pieces_R, position_R)
        attention: Tensor | None = None
        for number, layer in enumerate(self._layers):
            last = number + 1 == len(self._caches)
            x_RD, attention = self._layer(
                layer, number, x_RD, position_R, begin_R, end_R, weights=weights and last
            )
        self.step += 1
        hidden_RD = self._model.decoder_norm(x_RD)
        logits_RV = F.linear(hidden_RD, self._model.output)
        return logits_RV[:rows], None if attention is None else attention[:rows]

    def _layer(
        self,
        layer: DecoderLayer,
        number: int,
        x_RD: Tensor,
        position_R: Tensor,
        begin_R: Tensor,
        end_R: Tensor,
        *,
        weights: bool,
    ) -> tuple[Tensor, Tensor | None]:
        cache, memory = self._caches[number], self._memory[number]
        entered = layer.enter(x_RD, layer.self_attention_norm)
        qkv_R3HE = layer.self_attention.project(entered, position_R)
        cache[self.step, : x_RD.shape[0]] = qkv_R3HE[:, 1:]
        mixed = step_self_attention(qkv_R3HE[:, 0], cache, self._ancestors_RT)
        y_RD = layer.self_attention.out(mixed.flatten(1))
        x_RD = layer.leave(y_RD, x_RD, layer.self_attention_norm, None)
        entered = layer.enter(x_RD, layer.cross_attention_norm)
        query = layer.cross_attention.project_queries(entered)
        mixed, attention = step_cross_attention(query, memory, begin_R, end_R, weights=weights)
        y_RD = layer.cross_attention.out(mixed.flatten(1))
        x_RD = layer.leave(y_RD, x_RD, layer.cross_attention_norm, None)
        y_RD = layer.feed_forward(layer.enter(x_RD, layer.feed_forward_norm))
        return layer.leave(y_RD, x_RD, layer.feed_forward_norm, None), attention
