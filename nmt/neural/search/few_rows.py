"""A Transformer's decoder for few rows, on arrays: the step of `transformer_steps`, lean.

For the five rows of a sentence that is translated by itself, PyTorch's calls and views cost as much
as all that is computed. Here the same compiled loops are called as there, and there is little else;
a row's numbers are the same to the last bit.

Shapes: R rows (hypotheses), D model width, S source positions, F feed-forward width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nmt.neural.kernels.few_rows_linear import filled_rows
from nmt.neural.kernels.step_attention import attend
from nmt.neural.model.layers import FeedForward
from nmt.neural.model.transformer import DecoderLayer, Transformer
from nmt.neural.search.histories import History, KeysHistory


class _Rows(Protocol):
    """A map of rows, each by itself, on arrays."""

    def of_rows(self, x_RD: NDArray[Any]) -> NDArray[Any]:
        """[R, D] to [R, N]."""
        ...


def _of_rows(module: nn.Module) -> _Rows:
    return cast(_Rows, module)  # prepare_few_rows saw to it


@dataclass(frozen=True, slots=True)
class _Layer:
    """The parts of a decoder layer: a module's attributes take time to look up."""

    maps: _Rows
    """Queries, keys and values of the self-attention; or the maps of an SSRU."""
    maps_out: _Rows | None
    maps_norm: _Rows
    queries: _Rows
    attention_out: _Rows
    attention_norm: _Rows
    inner: _Rows
    feed_forward: FeedForward
    outer: _Rows
    feed_forward_norm: _Rows

    @classmethod
    def of(cls, layer: DecoderLayer) -> _Layer:
        recurrent = layer.kind == "ssru"
        return cls(
            maps=_of_rows(layer.recurrence.maps if recurrent else layer.self_attention.qkv),
            maps_out=None if recurrent else _of_rows(layer.self_attention.out),
            maps_norm=_of_rows(layer.recurrence_norm if recurrent else layer.self_attention_norm),
            queries=_of_rows(layer.cross_attention.q),
            attention_out=_of_rows(layer.cross_attention.out),
            attention_norm=_of_rows(layer.cross_attention_norm),
            inner=_of_rows(layer.feed_forward.inner),
            feed_forward=layer.feed_forward,
            outer=_of_rows(layer.feed_forward.outer),
            feed_forward_norm=_of_rows(layer.feed_forward_norm),
        )


class FewRowsDecoder:
    """The decoder's layers over the memory of a batch of source sentences."""

    def __init__(self, model: Transformer, memories: Sequence[Tensor]) -> None:
        """Take a model that `prepare_few_rows` made ready, without rotary positions.

        Args:
            model: the model.
            memories: for each layer, keys and values of all sources: [M, 2, H, E].
        """
        architecture = model.architecture
        assert model.takes_few_rows
        assert architecture.positions != "rotary"
        self._pre_norm = architecture.norm_position == "pre"
        self._heads = architecture.heads
        embedding = model.target_embedding
        self._table_VD = embedding.table.weight.detach().numpy()[:, : architecture.width]
        self._scale = embedding.scale
        learned = architecture.positions == "learned"
        positions_LD = embedding.learned.detach() if learned else embedding.positions
        self._positions_LD: NDArray[Any] = positions_LD.numpy()
        self._whole = model.few_rows_layers
        self._layers = [_Layer.of(cast(DecoderLayer, layer)) for layer in model.decoder]
        self._memories = [memory.flatten(1).numpy() for memory in memories]
        self._norm = model.decoder_norm

    def __call__(
        self,
        piece_R: NDArray[Any],
        step_R: NDArray[Any],
        history: History,
        begin_R: NDArray[Any],
        end_R: NDArray[Any],
    ) -> Tensor:
        """Feed one piece to each row; gives what is multiplied by the output weights.

        Args:
            piece_R: the pieces.
            step_R: how many each row has said before.
            history: what they were, with these rows already going on.
            begin_R: where the memory of each row's sentence begins.
            end_R: where it ends.
        """
        x_RD = self._table_VD[piece_R] * self._scale + self._positions_LD[step_R]
        count_R = end_R - begin_R
        place_RS = begin_R[:, None] + np.arange(count_R.max())
        if self._whole is not None and isinstance(history, KeysHistory):
            rows, x_RD = len(x_RD), filled_rows(x_RD)
            places = history.places(rows)
            for whole, cache, memory in zip(
                self._whole, history.caches(), self._memories, strict=True
            ):
                x_RD = whole(x_RD, rows, cache, *places, memory, place_RS, count_R)
            normed: Tensor = self._norm(torch.from_numpy(x_RD[:rows]))
            return normed
        for number, layer in enumerate(self._layers):
            maps = layer.maps.of_rows(self._enter(x_RD, layer.maps_norm))
            y_RD = history.look_back_rows(number, maps, self._heads)
            if layer.maps_out is not None:
                y_RD = layer.maps_out.of_rows(y_RD)
            x_RD = self._leave(y_RD, x_RD, layer.maps_norm)
            q_RD = layer.queries.of_rows(self._enter(x_RD, layer.attention_norm))
            mixed_RD = attend(q_RD, self._memories[number], place_RS, count_R, self._heads)
            y_RD = layer.attention_out.of_rows(mixed_RD)
            x_RD = self._leave(y_RD, x_RD, layer.attention_norm)
            h_RF = layer.inner.of_rows(self._enter(x_RD, layer.feed_forward_norm))
            h_RF = layer.feed_forward.activate(torch.from_numpy(h_RF)).numpy()
            x_RD = self._leave(layer.outer.of_rows(h_RF), x_RD, layer.feed_forward_norm)
        hidden: Tensor = self._norm(torch.from_numpy(x_RD))
        return hidden

    def _enter(self, x_RD: NDArray[Any], norm: _Rows) -> NDArray[Any]:
        return norm.of_rows(x_RD) if self._pre_norm else x_RD

    def _leave(self, y_RD: NDArray[Any], x_RD: NDArray[Any], norm: _Rows) -> NDArray[Any]:
        x_RD = x_RD + y_RD
        return x_RD if self._pre_norm else norm.of_rows(x_RD)
