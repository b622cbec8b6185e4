"""What bench_kernels compares: each kernel of the GPU, its rivals, the least that memory allows.

A case is a size; its rivals are functions of the same leaves. Lengths are drawn as WMT14's are
spread: 28 pieces a sentence on average, half of them between 15 and 35.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.adamw import adamw

from nmt.neural.kernels import (
    add_norm_triton,
    cross_entropy_triton,
    embedding_triton,
    float8,
    linear_relu_triton,
)
from nmt.neural.kernels.adamw import (
    AdamWSettings,
    FlatState,
    adamw_step_reference,
    gradient_norm,
    step_scalars,
)
from nmt.neural.kernels.attention_spans import attention_spans
from nmt.neural.kernels.counter import CounterKey, key_words
from nmt.neural.kernels.embedding import group_rows
from nmt.tokenization.protocol import PAD_ID
from scripts.attention_rivals import Rival, attention_rivals

RATE = 0.1
SMOOTHING = 0.1


@dataclass(frozen=True, slots=True)
class Case:
    """One size of one kernel."""

    kernel: str
    shape: str
    leaves: list[Tensor]
    """Arguments that get a gradient; none where there is no backward pass."""
    rivals: dict[str, Rival]
    """Ours is called ``ours``; what is called ``eager`` is compiled too."""
    forward_bytes: float
    """That memory must move at least, each tensor once."""
    both_bytes: float
    both_flops: float = 0.0
    """Of useful products, forward and backward."""
    exact: str | None = "eager"
    """The rival whose result in float32 says how exact the others are."""
    notes: dict[str, str] = field(default_factory=dict)
    """Rivals that could not be made, with the reason."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How large the cases are."""

    positions: int
    widths: tuple[int, ...]
    vocabularies: tuple[int, ...]
    parameters: tuple[int, ...]
    head_width: int = 64


REAL = Sizes(25_600, (1024, 512), (32_000, 8_000, 64_000), (210_000_000, 60_000_000))
TINY = Sizes(64, (64,), (50,), (3000,), 32)


def cases(sizes: Sizes, dtype: torch.dtype, device: str) -> Iterator[Case]:
    """All cases, those of most weight in a training step first."""
    for width, vocabulary, parameters in zip(
        sizes.widths, sizes.vocabularies, sizes.parameters, strict=False
    ):
        yield from attention_cases(sizes, width, dtype, device)
        yield loss_case(sizes.positions, width, vocabulary, dtype, device)
        for kind in (nn.LayerNorm, nn.RMSNorm):
            yield norm_case(sizes.positions, width, kind, dtype, device)
        yield relu_case(sizes.positions, width, dtype, device)
        has_float8 = device == "cpu" or float8.has_float8(torch.device(device))
        for outputs in (width, 4 * width) if has_float8 else ():
            yield float8_case(sizes.positions, width, outputs, dtype, device)
        yield adamw_case(parameters, dtype, device)
        yield embedding_case(sizes.positions, width, vocabulary, dtype, device)
    for index, vocabulary in enumerate(sizes.vocabularies):
        for width in sizes.widths[:index] + sizes.widths[index + 1 :]:
            yield loss_case(sizes.positions, width, vocabulary, dtype, device)


def draw_lengths(positions: int, seed: int) -> np.ndarray:
    """Lengths that fill the positions exactly."""
    rng = np.random.default_rng(seed)
    drawn = np.clip(rng.lognormal(3.15, 0.6, positions), 2, 200).astype(np.int64)
    drawn = drawn[: np.searchsorted(drawn.cumsum(), positions)]
    return np.append(drawn, positions - drawn.sum())


def attention_cases(sizes: Sizes, width: int, dtype: torch.dtype, device: str) -> Iterator[Case]:
    """Self-attention, causal self-attention, cross-attention; sentences of different lengths."""
    rows, heads = sizes.positions, width // sizes.head_width
    source, target = draw_lengths(rows, 1), draw_lengths(rows, 2)
    count = min(len(source), len(target))
    tensor_bytes = rows * width * dtype.itemsize
    for mask in ("bidirectional", "causal", "cross"):
        q_lengths = target if mask != "bidirectional" else source
        k_lengths = source if mask != "causal" else target
        if mask == "cross":  # sentences that are longer where the other side is
            q_lengths = np.append(q_lengths[: count - 1], rows - q_lengths[: count - 1].sum())
            k_lengths = np.append(k_lengths[: count - 1], rows - k_lengths[: count - 1].sum())
        pairs = float((q_lengths * k_lengths).sum()) / (2 if mask == "causal" else 1)
        q_at, k_at = _offsets(q_lengths, device), _offsets(k_lengths, device)
        spans = attention_spans(q_at, k_at, rows, rows, causal=mask == "causal")
        shape = (rows, 3, heads, sizes.head_width)
        leaves = [torch.randn(shape, dtype=dtype, device=device)]
        if mask == "cross":
            leaves = [leaves[0][:, 0].contiguous(), leaves[0][:, 1:].contiguous()]
        yield Case(
            f"attention {mask}",
            f"{rows} x {width}, heads of {sizes.head_width}",
            leaves,
            attention_rivals(q_at, k_at, q_lengths, k_lengths, spans, mask == "causal"),
            forward_bytes=4 * tensor_bytes,
            both_bytes=12 * tensor_bytes,
            both_flops=14 * pairs * width,
            exact="padded SDPA",
        )


def _offsets(lengths: np.ndarray, device: str) -> Tensor:
    return torch.tensor(np.append(0, lengths.cumsum()), dtype=torch.int32, device=device)


def loss_case(rows: int, width: int, vocabulary: int, dtype: torch.dtype, device: str) -> Case:
    """Projection to the vocabulary and its loss."""
    targets = torch.randint(4, vocabulary, (rows,), device=device)
    targets[-rows // 50 :] = PAD_ID
    hidden = torch.randn(rows, width, dtype=dtype, device=device)
    weight = (torch.randn(vocabulary, width, device=device) / width**0.5).to(dtype)

    def eager(hidden: Tensor, weight: Tensor) -> Tensor:
        logits = hidden @ weight.T
        return F.cross_entropy(
            logits.float(), targets, ignore_index=PAD_ID, reduction="sum",
            label_smoothing=SMOOTHING,
        )  # fmt: skip

    def ours(hidden: Tensor, weight: Tensor) -> Tensor:
        return cross_entropy_triton.smoothed_cross_entropy(hidden, weight, targets, SMOOTHING)[0]

    rivals: dict[str, Rival] = {"ours": ours, "eager": eager}
    notes = {}
    try:
        from liger_kernel.ops import (  # type: ignore[import-not-found, unused-ignore]  # optional
            fused_linear_cross_entropy as liger,
        )

        def by_liger(hidden: Tensor, weight: Tensor) -> Tensor:
            out: Tensor = liger.LigerFusedLinearCrossEntropyFunction.apply(
                hidden, weight, targets, None, None, PAD_ID, 0.0, SMOOTHING, "sum"
            )[0]
            return out

        rivals["Liger"] = by_liger
    except ImportError:
        notes["Liger"] = "not installed"
    # The least beside the products: inputs and gradients once, no logits at all.
    small = (rows + vocabulary) * width * dtype.itemsize
    return Case(
        "loss", f"{rows} x {width} to {vocabulary}", [hidden, weight], rivals,
        forward_bytes=small, both_bytes=2 * small, both_flops=6.0 * rows * width * vocabulary,
        notes=notes,
    )  # fmt: skip


def norm_case(
    rows: int, width: int, kind: type[nn.LayerNorm | nn.RMSNorm], dtype: torch.dtype, device: str
) -> Case:
    """Dropout, residual sum and norm; the rivals draw other masks, so exactness is for tests."""
    y, residual = torch.randn(2, rows, width, dtype=dtype, device=device)
    centred = kind is nn.LayerNorm
    parameters = [torch.randn(width, dtype=dtype, device=device) for _ in range(1 + centred)]
    key = CounterKey(key_words(1, 2, device), 1)

    def eager(y: Tensor, residual: Tensor, weight: Tensor, *bias: Tensor) -> tuple[Tensor, ...]:
        total = residual + F.dropout(y, RATE)
        if centred:
            normed = F.layer_norm(total, (width,), weight, bias[0], 1e-5)
        else:
            normed = F.rms_norm(total, (width,), weight, 1e-5)
        return total, normed

    def ours(y: Tensor, residual: Tensor, weight: Tensor, *bias: Tensor) -> tuple[Tensor, ...]:
        total, normed = add_norm_triton.add_norm(
            y, residual, weight, bias[0] if bias else None, 1e-5, RATE, key, centred=centred
        )
        return total, normed

    tensor_bytes = rows * width * dtype.itemsize
    return Case(
        f"add {kind.__name__}", f"{rows} x {width}", [y, residual, *parameters],
        {"ours": ours, "eager": eager},
        forward_bytes=4 * tensor_bytes, both_bytes=9 * tensor_bytes, exact=None,
    )  # fmt: skip


def relu_case(rows: int, width: int, dtype: torch.dtype, device: str) -> Case:
    """The hidden layer of the feed-forward, four times as wide."""
    x = torch.randn(rows, width, dtype=dtype, device=device)
    weight = (torch.randn(4 * width, width, device=device) / width**0.5).to(dtype)
    bias = torch.randn(4 * width, dtype=dtype, device=device)

    def eager(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return F.relu(F.linear(x, weight, bias))

    def ours(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return linear_relu_triton.linear_relu(x, weight, bias)

    narrow = rows * width * dtype.itemsize
    return Case(
        "linear relu", f"{rows} x {width} to {4 * width}", [x, weight, bias],
        {"ours": ours, "eager": eager},
        forward_bytes=5 * narrow, both_bytes=27 * narrow, both_flops=24.0 * rows * width * width,
    )  # fmt: skip


def float8_case(rows: int, width: int, outputs: int, dtype: torch.dtype, device: str) -> Case:
    """A layer whose three products are in float8; its rivals compute in their type."""
    x = torch.randn(rows, width, dtype=dtype, device=device)
    weight = (torch.randn(outputs, width, device=device) / width**0.5).to(dtype)
    bias = torch.randn(outputs, dtype=dtype, device=device)
    read, written, parameters = (
        size * dtype.itemsize for size in (rows * width, rows * outputs, outputs * width)
    )
    return Case(
        "float8 linear", f"{rows} x {width} to {outputs}", [x, weight, bias],
        {"ours": float8.float8_linear, "eager": F.linear},
        forward_bytes=read + parameters + written,
        both_bytes=3 * (read + parameters + written), both_flops=6.0 * rows * width * outputs,
    )  # fmt: skip


def adamw_case(size: int, dtype: torch.dtype, device: str) -> Case:
    """One step of the optimiser over all parameters, with clipping and half-type copies."""
    settings = AdamWSettings(weight_decay=0.01, clip_norm=1.0)
    scalars = step_scalars(1e-4, 10, 1.0, settings).to(device)
    values, gradients = (torch.randn(size, device=device) for _ in range(2))
    moments = [torch.rand(size, device=device) for _ in range(2)]
    state = FlatState(values, gradients, moments[0], moments[1], values.to(dtype), size)
    steps = torch.zeros((), device=device)

    def ours() -> None:
        from nmt.neural.kernels import adamw_triton

        norm = gradient_norm(state.gradients, scalars)
        adamw_triton.step(state, scalars, settings, norm)

    def eager() -> None:
        adamw_step_reference(state, scalars, settings)

    def fused() -> None:
        """As the trainer did it: norm, scaling, PyTorch's fused AdamW, clearing, copy."""
        norm = torch.linalg.vector_norm(state.gradients)
        state.gradients.mul_((1.0 / (norm + 1e-6)).clamp(max=1.0))
        adamw(
            [state.values], [state.gradients], [moments[0]], [moments[1]], [], [steps],
            fused=True, amsgrad=False, maximize=False, lr=1e-4, weight_decay=0.01,
            beta1=0.9, beta2=0.98, eps=1e-9,
        )  # fmt: skip
        state.gradients.zero_()
        assert state.copies is not None
        state.copies.copy_(state.values)

    return Case(
        "adamw", f"{size / 1e6:g} million parameters", [],
        {"ours": ours, "eager": eager, "fused": fused},
        forward_bytes=38.0 * size, both_bytes=38.0 * size, exact=None,
    )  # fmt: skip


def embedding_case(rows: int, width: int, vocabulary: int, dtype: torch.dtype, device: str) -> Case:
    """Embedding of pieces as frequent as words are (Zipf's law), with learned positions off."""
    share = 1 / np.arange(1, vocabulary + 1)
    drawn = np.random.default_rng(3).choice(vocabulary, rows, p=share / share.sum())
    pieces = torch.tensor(drawn, device=device)
    positions = torch.arange(rows, device=device) % 28
    table = torch.randn(vocabulary, width, device=device).to(dtype)
    places = torch.randn(32, width, device=device).to(dtype)
    groups = group_rows(pieces, vocabulary)
    key = CounterKey(key_words(1, 2, device), 1)

    def eager(table: Tensor) -> Tensor:
        vectors = F.embedding(pieces, table) * math.sqrt(width) + F.embedding(positions, places)
        return F.dropout(vectors, RATE)

    def ours(table: Tensor) -> Tensor:
        return embedding_triton.embed(
            pieces, positions, table, places, math.sqrt(width), RATE, key, groups
        )

    tensor_bytes = rows * width * dtype.itemsize
    return Case(
        "embedding", f"{rows} x {width} of {vocabulary}", [table],
        {"ours": ours, "eager": eager},
        forward_bytes=2 * tensor_bytes,
        both_bytes=3 * tensor_bytes + vocabulary * width * dtype.itemsize, exact=None,
    )  # fmt: skip
