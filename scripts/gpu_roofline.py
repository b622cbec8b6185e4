"""How long an update should take on a GPU, from operations and bytes: the table of docs/gpu.md.

    python3 -m scripts.gpu_roofline [--flops 798e12] [--bytes 3.0e12]

The rates are those of an H100 (see `scripts.gpu_peak`, which measures them). Matrix products are
bound by operations, all else by bytes, each tensor counted once a pass.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace

import numpy as np

from nmt.neural.model.architecture import Architecture, base, big
from scripts.benchmark import format_table
from scripts.gpu_training_data import draw_pairs
from scripts.training_flops import flop_per_target_piece

HALF = 2
"""Bytes of a number in bfloat16."""

CASES = (
    ("big", big, 32_000, "newstest"), ("big", big, 8_000, "europarl"),
    ("base", base, 32_000, "newstest"), ("base", base, 8_000, "tatoeba"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Traffic:
    """Bytes that an update moves beside its matrix products."""

    attention: float
    norms: float
    feed_forward: float
    """ReLU's gradient, and the bias' before it."""
    biases: float
    """Their gradients, sums over all rows."""
    loss: float
    embedding: float
    optimizer: float

    @property
    def total(self) -> float:
        """All together."""
        return float(sum(getattr(self, name) for name in self.__dataclass_fields__))


def traffic(architecture: Architecture, source: float, target: float) -> Traffic:
    """Bytes of an update of so many source and target positions, one micro-batch in bfloat16."""
    s, t = (positions * architecture.width * HALF for positions in (source, target))
    encoder, decoder = architecture.encoder_layers, architecture.decoder_layers
    wide = architecture.feed_forward_width / architecture.width
    vocabulary = architecture.target_vocabulary_size
    parameters = num_parameters(architecture)
    return Traffic(
        # Forward q, k, v, out; backward these, d_out, and dq, dk, dv.
        attention=encoder * 12 * s + decoder * (12 * t + 6 * t + 6 * s),
        # Forward y and residual to sum and normed; backward two gradients and the sum to two.
        norms=9 * (encoder * 2 * s + decoder * 3 * t),
        # The gradient and the result in, the gradient out.
        feed_forward=3 * wide * (encoder * s + decoder * t),
        # Of q, k, v, out (across, k and v are of the source), and the feed-forward's second.
        biases=encoder * 5 * s + decoder * (7 * t + 2 * s),
        # The logits are written, read, and read twice as gradients; half stay in the cache.
        loss=2 * target * vocabulary * HALF,
        embedding=2.5 * (s + t) + 2 * vocabulary * architecture.width * HALF,
        # Gradients copied to the flat buffer (4), read for the norm (2), AdamW (30).
        optimizer=36.0 * parameters,
    )


def num_parameters(architecture: Architecture) -> int:
    """Weights of the matrices, with one table for everything."""
    d, f = architecture.width, architecture.feed_forward_width
    layers = architecture.encoder_layers * (4 * d * d + 2 * d * f)
    layers += architecture.decoder_layers * (8 * d * d + 2 * d * f)
    return layers + architecture.target_vocabulary_size * d


def rows(flops: float, bandwidth: float, tokens: int = 25_600) -> list[list[str]]:
    """The cells of the table."""
    cells = []
    for name, preset, vocabulary, lengths in CASES:
        sizes = replace(
            preset(), source_vocabulary_size=vocabulary, target_vocabulary_size=vocabulary
        )
        pairs = draw_pairs(lengths, vocabulary, 20_000)
        each = flop_per_target_piece(sizes, pairs.source_lengths, pairs.target_lengths)
        share = float(np.sum(pairs.source_lengths) / np.sum(pairs.target_lengths))
        moved = traffic(sizes, share * tokens, tokens)
        products = each * tokens / flops
        memory = moved.total / bandwidth
        cells.append(
            [
                f"{name}, {vocabulary // 1000} k, {lengths}",
                f"{num_parameters(sizes) / 1e6:.0f} M",
                f"{each / 1e6:.0f}",
                f"{each * tokens / 1e12:.1f}",
                f"{1e3 * products:.1f}",
                f"{moved.total / 1e9:.0f}",
                f"{1e3 * memory:.1f}",
                f"{1e3 * (products + memory):.0f}",
                f"{100 * products / (products + memory):.0f} %",
                f"{100 * products / (products / 0.8 + memory):.0f} %",
            ]
        )
    return cells


def float8_balance(
    architecture: Architecture, source: float, target: float, flops: float, bandwidth: float
) -> tuple[float, float]:
    """Seconds that float8 takes off the products of the layers, and that rounding adds.

    Every input and every gradient of a product is read for its maximum, read once more, and written
    twice as bytes, and so is every weight. ReLU is no longer the last act of its product.
    """
    d, f = architecture.width, architecture.feed_forward_width
    encoder, decoder = architecture.encoder_layers, architecture.decoder_layers
    weights = num_parameters(architecture) - architecture.target_vocabulary_size * d
    products = encoder * source * (4 * d * d + 2 * d * f)
    products += decoder * (target * (6 * d * d + 2 * d * f) + source * 2 * d * d)
    rounded = encoder * source * (8 * d + 2 * f)
    rounded += decoder * (target * (12 * d + 2 * f) + source * 3 * d) + weights
    # Forward result in and out; backward the gradient once more for the bias.
    relu = 3 * HALF * f * (encoder * source + decoder * target)
    return 3 * products / flops, ((2 * HALF + 2) * rounded + relu) / bandwidth


HEADER = [
    "model, pieces, lengths", "weights", "MFLOP a piece", "TFLOP", "ms", "other GB", "ms",
    "ms together", "MFU", "MFU at 80 %",
]  # fmt: skip


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--flops", type=float, default=798e12, help="operations a second")
    parser.add_argument("--bytes", type=float, default=3.0e12, help="bytes a second")
    options = parser.parse_args()
    print(format_table(HEADER, rows(options.flops, options.bytes)))
    for name, preset, vocabulary, lengths in CASES[:1] + CASES[2:3]:
        sizes = replace(
            preset(), source_vocabulary_size=vocabulary, target_vocabulary_size=vocabulary
        )
        pairs = draw_pairs(lengths, vocabulary, 20_000)
        share = float(np.sum(pairs.source_lengths) / np.sum(pairs.target_lengths))
        moved = traffic(sizes, share * 25_600, 25_600)
        parts = {field: getattr(moved, field) for field in moved.__dataclass_fields__}
        words = ", ".join(f"{k} {1e3 * v / options.bytes:.2f}" for k, v in parts.items())
        print(f"{name}: ms of {words}")
        saved, spent = float8_balance(sizes, share * 25_600, 25_600, options.flops, options.bytes)
        print(f"{name}: float8 saves {1e3 * saved:.1f} ms, and rounding takes {1e3 * spent:.1f}")


if __name__ == "__main__":
    main()
