"""How long a step of beam search should take on a GPU: the table of docs/gpu.md.

    python3 -m scripts.gpu_translation_roofline [--flops 400e12] [--bytes 3.0e12]

Rates of an H100: the products of a step are small, so half of what a large one reaches; bytes as a
large copy moves them. A tensor between two kernels (2 MB for 2,000 rows) stays in the cache, and is
not counted. Host work is what `beam_search` was seen to take on one core of an AMD Zen 5.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace

from nmt.neural.model.architecture import Architecture, base
from scripts.benchmark import format_table

BEAM = 5
HALF, WIDE = 2, 4
"""Bytes of a number in bfloat16, and in float32."""
PASSES_OVER_LOGITS = 5
"""Written; read twice and written by the softmax; read for the greatest."""
KERNELS, SECONDS_A_KERNEL = 150, 2.5e-6
"""Of a replayed step; what even an empty one takes there."""
EAGER_KERNELS, SECONDS_A_LAUNCH = 300, 6e-6
"""Of a step operation by operation; what launching one takes the host."""
WAITS, SECONDS_A_WAIT = 17, 20e-6
"""Of such a step: numbers looked at, and copies from memory that is not pinned."""

CASES = ((8_000, 64, 10), (8_000, 400, 10), (32_000, 64, 29), (32_000, 256, 29))
"""Pieces, sentences at once, and positions of source and translation."""


@dataclass(frozen=True, slots=True)
class StepCost:
    """What a step takes, in seconds."""

    products: float
    bytes: float
    host: float

    @property
    def device(self) -> float:
        """On the device, as one graph."""
        return max(self.products + self.bytes, KERNELS * SECONDS_A_KERNEL)

    @property
    def together(self) -> float:
        """With the host's work after it."""
        return self.device + self.host

    @property
    def eager(self) -> float:
        """Operation by operation: the device waits for the host, or the host for the device."""
        launches = EAGER_KERNELS * SECONDS_A_LAUNCH + WAITS * SECONDS_A_WAIT
        return max(self.products + self.bytes, launches) + self.host


def operations(architecture: Architecture, sentences: int, steps: float, positions: float) -> float:
    """Floating-point operations of a step, two for each multiplication."""
    d, f = architecture.width, architecture.feed_forward_width
    rows = sentences * BEAM
    layer = 6 * d * d + 2 * d * f + 2 * d * (BEAM * steps + positions)
    return (
        2 * rows * (architecture.decoder_layers * layer + d * architecture.target_vocabulary_size)
    )


def moved(architecture: Architecture, sentences: int, steps: float, positions: float) -> float:
    """Bytes that come from memory in a step, or go there."""
    d, f, pieces = (
        architecture.width, architecture.feed_forward_width, architecture.target_vocabulary_size
    )  # fmt: skip
    weights = architecture.decoder_layers * (6 * d * d + 2 * d * f) + d * pieces
    keys = sentences * (BEAM * steps + positions) * 2 * d * architecture.decoder_layers
    logits = PASSES_OVER_LOGITS * sentences * BEAM * pieces * WIDE
    return HALF * (weights + keys) + logits


def host_seconds(sentences: int) -> float:
    """Of bookkeeping: seen to be 0.27 ms with 64 sentences, 0.53 with 400."""
    return 0.22e-3 + 0.77e-6 * sentences


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--flops", type=float, default=400e12)
    parser.add_argument("--bytes", type=float, default=3.0e12)
    options = parser.parse_args()
    cells = []
    for pieces, sentences, length in CASES:
        architecture = replace(base(), source_vocabulary_size=pieces, target_vocabulary_size=pieces)
        # On average over a sentence's steps, with keys in blocks of a multiple of 16 steps.
        what = (architecture, sentences, max(16.0, 0.75 * length + 8), max(16.0, length))
        cost = StepCost(
            operations(*what) / options.flops, moved(*what) / options.bytes, host_seconds(sentences)
        )
        cells.append(
            [
                f"{pieces // 1000} k, {sentences} sentences of {length}",
                f"{operations(*what) / 1e12:.2f}",
                f"{moved(*what) / 1e9:.2f}",
                *(
                    f"{1e3 * seconds:.2f}"
                    for seconds in (cost.products, cost.bytes, cost.device, cost.host, cost.eager)
                ),
                f"{sentences / cost.eager:,.0f}",
                f"{sentences / cost.together:,.0f}",
            ]
        )
    header = [
        "base, bfloat16, beam 5", "TFLOP", "GB", "ms products", "ms bytes", "ms graph", "ms host",
        "ms eager", "pieces/s eager", "pieces/s with graphs",
    ]  # fmt: skip
    print(format_table(header, cells))


if __name__ == "__main__":
    main()
