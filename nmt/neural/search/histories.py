"""What the layers of a Transformer's decoder keep of what each hypothesis has said.

Shapes: R rows (hypotheses), T steps of the longest of them, D model width, H heads, E head width,
P places, L layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from nmt.neural.kernels.step_attention import attend, step_self_attention
from nmt.neural.model.ssru import ssru_step
from nmt.neural.model.transformer import DecoderLayer
from nmt.neural.search.rows import round_up

_ROOM = 32
"""Steps for which the cache has room before what is no longer read is thrown out."""


class History(Protocol):
    """What was said in each row. Rows need not be at the same step."""

    def go_on(self, parent_R: np.ndarray, step_R: np.ndarray) -> None:
        """Let rows go on from rows of the last step, or begin (-1); ``step_R`` counts from 0."""
        ...

    def look_back(self, number: int, layer: DecoderLayer, x_RD: Tensor) -> Tensor:
        """Feed every row's next position through the first sublayer of a layer: [R, D]."""
        ...

    def look_back_rows(self, number: int, maps_RN: np.ndarray, heads: int) -> np.ndarray:
        """What that sublayer makes of the maps of its input, before its last map: [R, D].

        For few rows on the CPU; positions are not rotary.
        """
        ...


class StatesHistory:
    """Of SSRU layers: a state for each layer and row."""

    def __init__(self, layers: int, like: Tensor) -> None:
        """Begin without rows, for vectors ``like`` these, [..., D]."""
        self._state_LRD = [like.new_empty(0, like.shape[-1])] * layers
        self._parent_R = torch.empty(0, dtype=torch.int64)
        self._begins_R1 = torch.empty(0, 1, dtype=torch.bool)

    def go_on(self, parent_R: np.ndarray, step_R: np.ndarray) -> None:
        """See ``History.go_on``."""
        device = self._state_LRD[0].device
        self._parent_R = torch.from_numpy(np.maximum(parent_R, 0)).to(device)
        self._begins_R1 = torch.from_numpy(parent_R[:, None] < 0).to(device)

    def look_back(self, number: int, layer: DecoderLayer, x_RD: Tensor) -> Tensor:
        """See ``History.look_back``."""
        maps_R2D = layer.recurrence.maps(layer.enter(x_RD, layer.recurrence_norm))
        return layer.leave(self._step(number, maps_R2D), x_RD, layer.recurrence_norm, None)

    def look_back_rows(self, number: int, maps_RN: np.ndarray, heads: int) -> np.ndarray:
        """See ``History.look_back_rows``."""
        y_RD: np.ndarray = self._step(number, torch.from_numpy(maps_RN)).numpy()
        return y_RD

    def _step(self, number: int, maps_R2D: Tensor) -> Tensor:
        before_RD = self._state_LRD[number]
        if len(before_RD):
            before_RD = before_RD[self._parent_R].masked_fill_(self._begins_R1, 0.0)
        else:
            before_RD = maps_R2D.new_zeros(len(maps_R2D), maps_R2D.shape[1] // 2)
        y_RD, self._state_LRD[number] = ssru_step(maps_R2D, before_RD)
        return y_RD


class KeysHistory:
    """Of layers with self-attention: keys and values of every step.

    A row's keys and values at a step are written to the next free places of a cache, and its
    history is a list of places. Choosing other rows to go on from moves no keys and values.
    """

    def __init__(self, memories: Sequence[Tensor], most_rows: int) -> None:
        """Begin without rows.

        Args:
            memories: a layer's keys and values each, [..., 2, H, E]; those of the cache are alike.
            most_rows: rows at a time, for the size of the cache.
        """
        self._caches = [
            memory.new_empty(_ROOM * round_up(most_rows), *memory.shape[1:]) for memory in memories
        ]
        self._used = 0
        self._place_RT = np.empty((0, 0), dtype=np.int64)
        self._steps_done_R = np.empty(0, dtype=np.int64)
        self._place, self._step_R = torch.empty(0, 0), torch.empty(0)

    def go_on(self, parent_R: np.ndarray, step_R: np.ndarray) -> None:
        """See ``History.go_on``; each row gets a free place for itself."""
        rows = len(parent_R)
        goes_on_R = parent_R >= 0
        done_R = np.zeros(rows, dtype=np.int64)
        done_R[goes_on_R] = self._steps_done_R[parent_R[goes_on_R]] + 1
        place_RT = np.zeros((rows, done_R.max() + 1), dtype=np.int64)
        width = min(place_RT.shape[1], self._place_RT.shape[1])
        place_RT[goes_on_R, :width] = self._place_RT[parent_R[goes_on_R], :width]
        self._steps_done_R, self._place_RT = done_R, place_RT
        if self._used + rows > len(self._caches[0]):
            self._throw_out(rows)
        self._place_RT[np.arange(rows), done_R] = np.arange(self._used, self._used + rows)
        self._used += rows
        self._place, self._step_R = (
            torch.from_numpy(x).to(self._caches[0].device) for x in (self._place_RT, step_R)
        )

    def _throw_out(self, rows: int) -> None:
        """Move what histories still hold to the front; at least ``rows`` places are free then."""
        held = np.arange(self._place_RT.shape[1]) < self._steps_done_R[:, None]
        kept = np.unique(self._place_RT[held])
        # Half is free after that, so that it is seldom done.
        room = max(len(self._caches[0]), 2 * (len(kept) + rows))
        for number, old in enumerate(self._caches):
            new = old if len(old) == room else old.new_empty(room, *old.shape[1:])
            new[: len(kept)] = old[torch.from_numpy(kept).to(old.device)]
            self._caches[number] = new
        self._place_RT = np.searchsorted(kept, self._place_RT)
        self._used = len(kept)

    def look_back(self, number: int, layer: DecoderLayer, x_RD: Tensor) -> Tensor:
        """See ``History.look_back``."""
        entered_RD = layer.enter(x_RD, layer.self_attention_norm)
        qkv_R3HE = layer.self_attention.project(entered_RD, self._step_R)
        cache = self._caches[number]
        cache[self._used - len(x_RD) : self._used] = qkv_R3HE[:, 1:]
        mixed_RHE = step_self_attention(qkv_R3HE[:, 0], cache, self._place, self._step_R + 1)
        y_RD = layer.self_attention.out(mixed_RHE.flatten(1))
        return layer.leave(y_RD, x_RD, layer.self_attention_norm, None)

    def caches(self) -> list[np.ndarray]:
        """Of each layer, on the CPU: [P, 2 D]."""
        return [cache.flatten(1).numpy() for cache in self._caches]

    def places(self, rows: int) -> tuple[int, np.ndarray, np.ndarray]:
        """The first place of the rows that go on; and of each, those of its steps, and how many."""
        return self._used - rows, self._place_RT, self._steps_done_R + 1

    def look_back_rows(self, number: int, maps_RN: np.ndarray, heads: int) -> np.ndarray:
        """See ``History.look_back_rows``."""
        rows, width = len(maps_RN), maps_RN.shape[1] // 3
        cache = self._caches[number].flatten(1).numpy()
        cache[self._used - rows : self._used] = maps_RN[:, width:]
        q_RD = np.ascontiguousarray(maps_RN[:, :width])
        return attend(q_RD, cache, self._place_RT, self._steps_done_R + 1, heads)
