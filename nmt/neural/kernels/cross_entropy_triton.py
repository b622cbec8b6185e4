"""Projection to the vocabulary and label-smoothed cross-entropy on the GPU, a chunk at a time.

With N = 25 k targets, width D = 1,024 and V = 32 k pieces the three products (logits, gradient of
the hidden states, gradient of the weights) are 5.0 TFLOP: 6.3 ms at the 800 T/s that an H100's
library reaches. Everything else is memory, at 3.0 TB/s:

- Plain PyTorch holds 1.6 GB of bfloat16 logits and twice 3.3 GB of float32 (log-softmax, gradient)
  and moves about 20 GB around the products: 7 ms more.
- torch.compile writes bfloat16 logits, reads them for the log-sum, reads them again and writes the
  gradient, 4.9 GB beside the products: 1.6 ms more, and 3.3 GB held.
- A kernel that multiplies and forms the loss at once, and multiplies again in the backward pass
  (Wijmans et al. 2024), stores no logits but makes four products of three: 2.1 ms more even if its
  products were as fast as the library's.
- Here a chunk of logits comes from the library's product, one kernel turns it in place into its
  gradient (read from memory once: the second look at a row finds it in the cache), and two products
  of the library use it up: 3.3 GB, 1.1 ms more, less what the 50 MB of cache still hold of a chunk.

The gradient is formed in the forward pass, when the logits are at hand (Hsu et al. 2024), and only
multiplied by the loss's own gradient later. Fewer, larger chunks are faster, since each adds to a
float32 gradient of the weights (V x D x 8 bytes, 0.09 ms at 32 k): 2^28 logits are half a gigabyte
in bfloat16, and four chunks at least keep small vocabularies from holding all of theirs.

A vocabulary that is no multiple of 64, which matrix units want, gets rows of zeros in a copy of the
weights (0.05 ms at 32 k); their logits have no part in the loss, and no gradient.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
import triton
import triton.language as tl
from torch import Tensor
from triton.language import constexpr, tensor

from nmt.neural.kernels.gpu import num_tiles
from nmt.tokenization.protocol import PAD_ID

CHUNK_ELEMENTS = 1 << 28
"""Most logits held at once."""
LEAST_CHUNKS = 4
CHUNK_MULTIPLE = 128
"""Rows of a chunk are a multiple of this: the tiles of matrix products."""

BLOCK = 4096
"""Logits of a row that a program visits at once, 16 a thread."""
NUM_WARPS = 8

VOCABULARY_MULTIPLE = 64
"""Rows of the weights that a matrix product works on together."""

FLOAT16_SCALE = 1024.0
"""By which float16 gradients are larger until the backward pass: most are near its least number."""

_LOG2_E: constexpr = constexpr(1.4426950408889634)
_LN_2: constexpr = constexpr(0.6931471805599453)


@triton.jit
def loss_kernel(
    logits: tensor, targets: tensor, loss: tensor, nll: tensor, vocabulary: tensor,
    columns: tensor, smoothing: tensor, scale: tensor,
    PADDING: constexpr, GRADIENT: constexpr, BLOCK: constexpr,
) -> None:  # fmt: skip
    """Loss of one row of logits, and their gradient in their place, times ``scale``.

    A row has more ``columns`` than there are pieces; their gradient is zero.
    """
    row = tl.program_id(0).to(tl.int64)
    logits += row * columns
    target = tl.load(targets + row)
    lane = tl.arange(0, BLOCK)
    if target == PADDING:
        tl.store(loss + row, 0.0)
        tl.store(nll + row, 0.0)
        if GRADIENT:
            for start in range(0, columns, BLOCK):
                column = start + lane
                zero = tl.zeros([BLOCK], logits.dtype.element_ty)
                tl.store(logits + column, zero, mask=column < columns)
    else:
        of_target = tl.load(logits + target).to(tl.float32)
        peak = -float("inf")
        total = 0.0
        plain_sum = tl.zeros([BLOCK], tl.float32)
        for start in range(0, vocabulary, BLOCK):
            column = start + lane
            inside = column < vocabulary
            z = tl.load(logits + column, mask=inside, other=-float("inf")).to(tl.float32)
            higher = tl.maximum(peak, tl.max(z, axis=0))
            shrink = tl.exp2((peak - higher) * _LOG2_E)
            total = total * shrink + tl.sum(tl.exp2((z - higher) * _LOG2_E), axis=0)
            plain_sum += tl.where(inside, z, 0.0)
            peak = higher
        log_sum = peak + tl.log2(total) * _LN_2
        unsmoothed = log_sum - of_target
        even = log_sum - tl.sum(plain_sum, axis=0) / vocabulary
        tl.store(nll + row, unsmoothed)
        tl.store(loss + row, (1.0 - smoothing) * unsmoothed + smoothing * even)
        if GRADIENT:
            for start in range(0, columns, BLOCK):
                column = start + lane
                inside = column < vocabulary
                z = tl.load(logits + column, mask=inside, other=-float("inf")).to(tl.float32)
                p = tl.exp2((z - log_sum) * _LOG2_E) - smoothing / vocabulary
                p -= tl.where(column == target, 1.0 - smoothing, 0.0)
                p = tl.where(inside, p * scale, 0.0)
                tl.store(logits + column, p.to(logits.dtype.element_ty), mask=column < columns)


def chunk_rows(rows: int, vocabulary: int) -> int:
    """Rows of a chunk."""
    fit = min(num_tiles(rows, LEAST_CHUNKS), CHUNK_ELEMENTS // vocabulary)
    return max(1, num_tiles(fit, CHUNK_MULTIPLE)) * CHUNK_MULTIPLE


def _add_product(total: Tensor, left: Tensor, right: Tensor) -> None:
    """Add ``left @ right`` to a total of their type, or of float32."""
    if total.dtype == left.dtype:
        total.addmm_(left, right)
    else:
        torch.addmm(total, left, right, out_dtype=total.dtype, out=total)


def _gradients(hidden: Tensor, weight: Tensor, differentiates: bool) -> tuple[Tensor, Tensor]:
    """Room for the gradients, or none."""
    rows, vocabulary = (len(hidden), len(weight)) if differentiates else (0, 0)
    d_weight = weight.new_empty(vocabulary, weight.shape[1], dtype=torch.float32)
    return hidden.new_empty(rows, hidden.shape[1]), d_weight


def _widened(weight_VD: Tensor) -> Tensor:
    """The weights with rows of zeros up to a multiple, or themselves."""
    missing = -len(weight_VD) % VOCABULARY_MULTIPLE
    return F.pad(weight_VD, (0, 0, 0, missing)) if missing else weight_VD


def _scale(dtype: torch.dtype) -> float:
    return FLOAT16_SCALE if dtype == torch.float16 else 1.0


@torch.library.custom_op("nmt::smoothed_cross_entropy", mutates_args=())
def _loss_and_gradients(
    hidden_ND: Tensor, weight_VD: Tensor, targets_N: Tensor, smoothing: float, differentiates: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    rows, vocabulary = len(hidden_ND), len(weight_VD)
    hidden_ND, narrow_CD = hidden_ND.contiguous(), _widened(weight_VD.to(hidden_ND.dtype))
    columns, scale = len(narrow_CD), _scale(hidden_ND.dtype)
    loss_N, nll_N = hidden_ND.new_empty(2, rows, dtype=torch.float32)
    d_hidden_ND, d_weight_VD = _gradients(hidden_ND, weight_VD, differentiates)
    # It sums over all targets, so it does so in float32.
    d_weight_CD = d_weight_VD if columns == vocabulary else _widened(d_weight_VD)
    d_weight_CD.zero_()
    step = chunk_rows(rows, columns)
    buffer_NC = hidden_ND.new_empty(min(step, rows), columns)
    for start in range(0, rows, step):
        part = slice(start, min(start + step, rows))
        logits_NC = buffer_NC[: part.stop - start]
        torch.mm(hidden_ND[part], narrow_CD.T, out=logits_NC)
        loss_kernel[(part.stop - start,)](
            logits_NC, targets_N[part], loss_N[part], nll_N[part], vocabulary, columns, smoothing,
            scale,
            PADDING=PAD_ID, GRADIENT=differentiates, BLOCK=BLOCK, num_warps=NUM_WARPS,
        )  # fmt: skip
        if differentiates:
            torch.mm(logits_NC, narrow_CD, out=d_hidden_ND[part])
            _add_product(d_weight_CD, logits_NC.T, hidden_ND[part])
    if differentiates and columns != vocabulary:
        d_weight_VD.copy_(d_weight_CD[:vocabulary])
    return loss_N.sum(), nll_N.sum(), d_hidden_ND, d_weight_VD


@_loss_and_gradients.register_fake
def _(
    hidden_ND: Tensor, weight_VD: Tensor, targets_N: Tensor, smoothing: float, differentiates: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    sums = [hidden_ND.new_empty((), dtype=torch.float32) for _ in range(2)]
    return sums[0], sums[1], *_gradients(hidden_ND, weight_VD, differentiates)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    ctx.weight_dtype = inputs[1].dtype
    ctx.save_for_backward(*output[2:])


def _differentiate(ctx: Any, d_loss: Tensor, *_: Tensor) -> tuple[Any, ...]:
    d_hidden_ND, d_weight_VD = ctx.saved_tensors
    d_loss = d_loss / _scale(d_hidden_ND.dtype)
    d_hidden_ND = (d_hidden_ND * d_loss).to(d_hidden_ND.dtype)
    return d_hidden_ND, (d_weight_VD * d_loss).to(ctx.weight_dtype), None, None, None


_loss_and_gradients.register_autograd(_differentiate, setup_context=_keep)


def smoothed_cross_entropy(
    hidden_ND: Tensor, weight_VD: Tensor, targets_N: Tensor, smoothing: float
) -> tuple[Tensor, Tensor]:
    """See `nmt.neural.kernels.cross_entropy.smoothed_cross_entropy`: (loss, its unsmoothed part).

    Padding adds nothing to the loss, but its hidden states must be finite.
    """
    wanted = hidden_ND.requires_grad or weight_VD.requires_grad
    loss, nll, _, _ = _loss_and_gradients(
        hidden_ND, weight_VD, targets_N, smoothing, wanted and torch.is_grad_enabled()
    )
    return loss, nll.detach()
