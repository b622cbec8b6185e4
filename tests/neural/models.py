"""Small random models, and what their tests share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from nmt.neural.model.architecture import Architecture
from nmt.neural.model.recurrent import Recurrent
from nmt.neural.model.recurrent_architecture import RecurrentArchitecture
from nmt.neural.model.transformer import Transformer
from nmt.neural.model.translation_model import AnyArchitecture, TranslationModel
from nmt.neural.model.translation_model import make_model as new_model
from nmt.neural.packed import pack_batch
from nmt.tokenization.protocol import EOS_ID, NUM_CONTROL_IDS

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

SMALL_RECURRENT = RecurrentArchitecture(
    encoder_layers=2,
    decoder_layers=2,
    width=16,
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
    model = _with_random_weights(replace(SMALL, **changes), seed, sharpness, dtype)
    assert isinstance(model, Transformer)
    return model


def make_recurrent(
    *, seed: int = 1, sharpness: float = 1.0, dtype: torch.dtype = torch.float32, **changes: Any
) -> Recurrent:
    """The same of ``SMALL_RECURRENT``."""
    model = _with_random_weights(replace(SMALL_RECURRENT, **changes), seed, sharpness, dtype)
    assert isinstance(model, Recurrent)
    return model


def _with_random_weights(
    architecture: AnyArchitecture, seed: int, sharpness: float, dtype: torch.dtype
) -> TranslationModel:
    torch.manual_seed(seed)
    # The table of sinusoids is made in the default type.
    usual = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        model = new_model(architecture)
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


def constant_model(log_probabilities: Sequence[float], **changes: Any) -> Transformer:
    """A model that predicts the same at every step, whatever the source and the history.

    The last norm puts out 1 in its first column, whatever comes in, and the output embeddings
    multiply that by the log-probabilities.
    """
    model = make_model(
        tied_embeddings="none", target_vocabulary_size=len(log_probabilities), **changes
    )
    with torch.no_grad():
        for parameter in model.decoder_norm.parameters():
            parameter.zero_()
        assert isinstance(model.decoder_norm, torch.nn.LayerNorm)
        model.decoder_norm.bias[0] = 1.0
        model.output.zero_()
        model.output[:, 0] = torch.tensor(log_probabilities)
    return model


def next_log_probabilities(
    model: TranslationModel, source: np.ndarray, target: Sequence[int]
) -> torch.Tensor:
    """Log-probabilities of the piece after each prefix of the target: [length + 1, V]."""
    with torch.no_grad():
        hidden = model(pack_batch([source], [np.array(target, dtype=np.int64)]))
        return torch.log_softmax(hidden @ model.output.T, dim=-1)


def log_probability(model: TranslationModel, source: np.ndarray, target: Sequence[int]) -> float:
    """Log-probability of a target and its end, by one pass of the whole model."""
    labels = torch.tensor([*target, EOS_ID])
    return float(next_log_probabilities(model, source, target).gather(1, labels[:, None]).sum())
