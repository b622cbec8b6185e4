"""Small random models, and what their tests share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from nmt.neural.model.architecture import Architecture
from nmt.neural.model.transformer import Transformer
from nmt.tokenization.protocol import NUM_CONTROL_IDS

SMALL = Architecture(
    encoder_layers=2,
    decoder_layers=2,
    width=16,
    feed_forward_width=24,
    heads=2,
    max_positions=64,
    source_vocabulary_size=19,
    target_vocabulary_size=19,
)


def make_model(
    *, seed: int = 1, sharpness: float = 1.0, dtype: torch.dtype = torch.float32, **changes: Any
) -> Transformer:
    """A model with random weights, biases and norms included.

    Args:
        seed: of the weights.
        sharpness: multiplies the output embeddings, so that predictions become sure of themselves.
        dtype: of the weights.
        changes: to the architecture ``SMALL``.
    """
    torch.manual_seed(seed)
    # The table of sinusoids is made in the default type.
    usual = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        model = Transformer(replace(SMALL, **changes))
    finally:
        torch.set_default_dtype(usual)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(0.3 * torch.randn_like(parameter))
        model.output.mul_(sharpness)
    return model


def random_rows(
    lengths: Sequence[int], *, seed: int = 0, vocabulary: int = SMALL.source_vocabulary_size
) -> list[np.ndarray]:
    """Rows of text pieces."""
    generator = np.random.default_rng(seed)
    return [generator.integers(NUM_CONTROL_IDS, vocabulary, length) for length in lengths]
