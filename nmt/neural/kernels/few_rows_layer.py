"""A layer of a Transformer's decoder, one step of few rows, in one compiled call.

For the five rows of a sentence that is translated by itself, a call from Python takes about as
long as what it computes, and a layer would be a dozen. All weights of a layer lie end to end in one
array here, and the loops are those of `few_rows_linear`, `step_attention` and `row_norm`: the
numbers are theirs to the last bit.

Shapes: R rows, D model width, P places of the cache, M positions of the memory, T steps, S source
positions, F feed-forward width.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import nn

from nmt.neural.kernels.few_rows_linear import ALONE, FewRowsLinear, multiply, multiply_fives
from nmt.neural.kernels.row_norm import RowNorm, normalize
from nmt.neural.kernels.step_attention import attend_rows


@njit(nogil=True, cache=True, error_model="numpy")
def _map(x: Any, weights: Any, at: Any, number: int) -> Any:
    """Map rows, [R, N]; ``at`` tells of each map where it lies, and its sizes.

    Also gives what `multiply_fives` does, so that the compiler does not leave it out.
    """
    begin, end, bias, outputs, summed_at_once = at[number]
    out = np.empty((len(x), outputs), dtype=x.dtype)
    blocks, bias_N = weights[begin:end], weights[bias : bias + outputs]
    if len(x) <= ALONE:
        multiply(x, blocks, bias_N, summed_at_once, out)
        return out, x.dtype.type(0)
    return out, multiply_fives(x, blocks, bias_N, summed_at_once, out)


@njit(nogil=True, cache=True, error_model="numpy")
def _norm(x: Any, weights: Any, begin: int, epsilon: Any, centred: bool) -> Any:
    width = x.shape[1]
    out = np.empty_like(x)
    weight, bias = weights[begin : begin + width], weights[begin + width : begin + 2 * width]
    normalize(x, weight, bias, epsilon, centred, out)
    return out


@njit(nogil=True, cache=True, error_model="numpy")
def _attend(maps: Any, rows: int, width: int, kv: Any, places: Any, counts: Any, heads: int) -> Any:
    """What queries, the first columns of ``maps``, find; what fills the rows up finds nothing."""
    queries = np.empty((rows, width), dtype=maps.dtype)
    queries[:] = maps[:rows, :width]
    found = np.empty_like(queries)
    attend_rows(queries, kv, places, counts, heads, found, np.empty((0, 0), dtype=maps.dtype))
    out = np.zeros((len(maps), width), dtype=maps.dtype)
    out[:rows] = found
    return out


@njit(nogil=True, cache=True, error_model="numpy")
def _step(
    x: Any, rows: int, heads: int, pre_norm: bool,
    weights: Any, at: Any, norm_at: Any, epsilons: Any, centred: bool,
    cache: Any, first: int, places: Any, counts: Any,
    memory: Any, memory_places: Any, memory_counts: Any,
) -> Any:  # fmt: skip
    width = x.shape[1]
    read_ahead = x.dtype.type(0)
    for sublayer in range(3):
        epsilon, norm = epsilons[sublayer], norm_at[sublayer]
        entered = _norm(x, weights, norm, epsilon, centred) if pre_norm else x
        y, first_ahead = _map(entered, weights, at, 2 * sublayer)
        if sublayer == 0:
            cache[first : first + rows] = y[:rows, width:]
            y = _attend(y, rows, width, cache, places, counts, heads)
        elif sublayer == 1:
            y = _attend(y, rows, width, memory, memory_places, memory_counts, heads)
        else:
            y = np.maximum(y, y.dtype.type(0))
        y, then_ahead = _map(y, weights, at, 2 * sublayer + 1)
        read_ahead += first_ahead + then_ahead
        left = x + y
        x = left if pre_norm else _norm(left, weights, norm, epsilon, centred)
    return x, read_ahead


class FewRowsLayer:
    """The weights of a layer with self-attention and ReLU, for steps of few rows."""

    def __init__(
        self,
        maps: list[FewRowsLinear],
        norms: list[RowNorm],
        *,
        heads: int,
        pre_norm: bool,
    ) -> None:
        """Take the parts of a layer; their weights then lie in the array that is made here.

        Args:
            maps: of self-attention, of attention to the source, and of the feed-forward sublayer:
                the first map of each, and the last.
            norms: of the three sublayers.
            heads: of both attentions.
            pre_norm: whether norms come before the sublayers, or after them.
        """
        self._heads, self._pre_norm = heads, pre_norm
        sizes = [one.laid_out.size + one.out_features for one in maps]
        sizes += [2 * norm.width for norm in norms]
        ends = np.cumsum([-(-size // 16) * 16 for size in sizes])
        # PyTorch's memory begins with a cache line, so that no vector lies in two of them.
        self._weights: NDArray[np.float32] = torch.zeros(int(ends[-1])).numpy()
        begins = [0, *ends[:-1].tolist()]
        self._at = np.zeros((len(maps), 5), dtype=np.int64)
        for number, (one, begin) in enumerate(zip(maps, begins, strict=False)):
            end = begin + one.laid_out.size
            self._weights[begin:end] = one.laid_out
            self._weights[end : end + one.out_features] = one.bias_row
            self._at[number] = begin, end, end, one.out_features, one.summed_at_once
            one.laid_out = self._weights[begin:end]  # one copy is enough
        self._norm_at = np.array(begins[len(maps) :], dtype=np.int64)
        for norm, begin in zip(norms, self._norm_at, strict=True):
            self._weights[begin : begin + 2 * norm.width] = np.concatenate(norm.weight_and_bias)
        self._epsilons = np.array([norm.epsilon for norm in norms], dtype=np.float32)
        self._centred = norms[0].centred

    def __call__(
        self,
        x_RD: NDArray[np.float32],
        rows: int,
        cache_P2D: NDArray[np.float32],
        first: int,
        places_RT: NDArray[np.int64],
        counts_R: NDArray[np.int64],
        memory_M2D: NDArray[np.float32],
        memory_places_RS: NDArray[np.int64],
        memory_counts_R: NDArray[np.int64],
    ) -> NDArray[np.float32]:
        """Feed rows through the layer: [R, D], and what fills the rows up.

        Args:
            x_RD: the rows, filled up as `filled_rows` says.
            rows: how many they were before.
            cache_P2D: keys and values of what was said; those of these rows are added.
            first: their first place.
            places_RT: the place of each step of each row's history.
            counts_R: steps of it, this one included.
            memory_M2D: keys and values of the memory.
            memory_places_RS: the place of each position of each row's source.
            memory_counts_R: positions of it.
        """
        out: tuple[NDArray[np.float32], float] = _step(
            x_RD, rows, self._heads, self._pre_norm,
            self._weights, self._at, self._norm_at, self._epsilons, self._centred,
            cache_P2D, first, places_RT, counts_R, memory_M2D, memory_places_RS, memory_counts_R,
        )  # fmt: skip
        return out[0]


def few_rows_layer(
    maps: list[nn.Module], norms: list[nn.Module], activation: str, *, heads: int, pre_norm: bool
) -> FewRowsLayer | None:
    """A layer of these parts; None if it cannot be of them: see `FewRowsLayer`."""
    linears = [one for one in maps if isinstance(one, FewRowsLinear) and one.equals_library]
    row_norms = [one for one in norms if isinstance(one, RowNorm)]
    whole = len(linears) == len(maps) and len(row_norms) == len(norms) and activation == "relu"
    if not whole:
        return None
    return FewRowsLayer(linears, row_norms, heads=heads, pre_norm=pre_norm)
