"""CTranslate2 itself says what an exported model computes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
import pytest
import torch

from nmt.errors import UserError
from nmt.neural.export.ctranslate2_format import write_ctranslate2
from nmt.neural.model.transformer import Transformer
from tests.neural.models import make_model, next_log_probabilities, random_rows

VARIANTS: list[dict[str, Any]] = [
    {},
    {"norm_position": "post"},
    {"norm": "rmsnorm", "activation": "swiglu"},
    {"norm": "rmsnorm", "norm_position": "post"},
    {"positions": "rotary", "activation": "gelu"},
    {"positions": "learned", "decoder_layers": 1},
    {"activation": "swish"},
    {"output_bias": True},
    {"tied_embeddings": "decoder", "source_vocabulary_size": 29},
    {"tied_embeddings": "none", "source_vocabulary_size": 29},
]


def opened(model: Transformer, folder: Path, quantization: str | None = None) -> Any:
    """The exported model; its pieces are called by their numbers."""
    folder.mkdir()
    architecture = model.architecture
    sizes = architecture.source_vocabulary_size, architecture.target_vocabulary_size
    source, target = ([str(piece) for piece in range(size)] for size in sizes)
    write_ctranslate2(model, (source, target), folder, quantization)
    return ctranslate2.Translator(str(folder), compute_type=quantization or "float32")


def as_names(row: np.ndarray) -> list[str]:
    return [str(piece) for piece in row]


@torch.no_grad()
@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_log_probabilities(changes: dict[str, Any], tmp_path: Path) -> None:
    model = make_model(**changes)
    engine = opened(model, tmp_path / "model")
    sources, targets = random_rows([5, 1, 9]), random_rows([4, 7, 1], seed=1)
    scored = engine.score_batch(list(map(as_names, sources)), list(map(as_names, targets)))
    for source, target, found in zip(sources, targets, scored, strict=True):
        expected = next_log_probabilities(model, source, target.tolist())
        labels = torch.tensor([*target, 2])
        expected_T = expected.gather(1, labels[:, None])[:, 0]
        torch.testing.assert_close(torch.tensor(found.log_probs), expected_T, rtol=0, atol=2e-5)


def test_int8_is_near(tmp_path: Path) -> None:
    model = make_model()
    sources, targets = random_rows([5, 9]), random_rows([4, 7], seed=1)
    rows = list(map(as_names, sources)), list(map(as_names, targets))
    exact, rounded = (
        opened(model, tmp_path / str(quantization), quantization).score_batch(*rows)
        for quantization in (None, "int8")
    )
    for one, other in zip(exact, rounded, strict=True):
        difference = np.abs(np.subtract(one.log_probs, other.log_probs))
        assert 1e-6 < difference.max() < 0.3


def test_what_it_cannot_hold_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"CTranslate2 cannot hold .*decoder: ssru"):
        opened(make_model(decoder="ssru"), tmp_path / "model")
