"""How many floating-point operations training takes: the numerator of every utilisation."""

from __future__ import annotations

import numpy as np

from nmt.neural.model.architecture import Architecture


def flop_per_target_piece(
    architecture: Architecture, source_lengths: np.ndarray, target_lengths: np.ndarray
) -> float:
    """Floating-point operations of training on one target piece, its share of the source included.

    Two for each multiplication with a weight, and for each product of a query with a key and of a
    weight with a value; times three, for the gradient has two products where the output has one.
    """
    d, f = architecture.width, architecture.feed_forward_width
    source, target = float(source_lengths.sum()), float(target_lengths.sum())
    encoder = source * (4 * d * d + 2 * d * f) + 2 * d * float((source_lengths**2).sum())
    decoder = target * (6 * d * d + 2 * d * f) + source * 2 * d * d
    decoder += d * float((target_lengths**2).sum())  # causal: half of the square
    decoder += 2 * d * float((source_lengths * target_lengths).sum())
    output = target * d * architecture.target_vocabulary_size
    products = architecture.encoder_layers * encoder + architecture.decoder_layers * decoder
    return 3 * 2 * (products + output) / target
