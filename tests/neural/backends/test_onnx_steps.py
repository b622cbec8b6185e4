"""ONNX Runtime predicts what PyTorch does, step by step, whatever the rows do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nmt.errors import UserError
from nmt.neural.backends.onnx_model import OnnxTransformer, choose_providers
from nmt.neural.export.onnx_format import write_onnx
from nmt.neural.model.transformer import Transformer
from nmt.neural.search.beam import beam_search
from nmt.neural.search.steps import Steps, begin_steps
from nmt.recipe.neural import SearchSettings
from nmt.tokenization.protocol import BOS_ID
from tests.neural.models import make_model, random_rows

VARIANTS: list[dict[str, Any]] = [
    {},
    {"norm_position": "post", "activation": "swish"},
    {"norm": "rmsnorm", "activation": "swiglu"},
    {"positions": "rotary", "activation": "gelu"},
    {"positions": "learned", "decoder_layers": 1},
    {"output_bias": True},
    {"tied_embeddings": "decoder", "source_vocabulary_size": 29},
    {"tied_embeddings": "none", "source_vocabulary_size": 29},
    {"decoder": "ssru"},
    {"decoder": "ssru", "decoder_layers": 1, "norm_position": "post", "positions": "rotary"},
]


def exported(model: Transformer, folder: Path, quantization: str | None = None) -> OnnxTransformer:
    folder.mkdir(exist_ok=True)
    write_onnx(model, folder, quantization)
    return OnnxTransformer(model.architecture, folder, choose_providers("cpu", None))


def walk(one: Steps, other: Steps, sentences: int, tolerance: float) -> float:
    """Go on from random rows, some ending, new ones beginning; the largest difference of logits."""
    generator = np.random.default_rng(5)
    sentence_R = np.sort(generator.integers(0, sentences, 11))
    parent_R, piece_R = np.full(11, -1), np.full(11, BOS_ID)
    worst = 0.0
    for step in range(12):
        logits, attention = zip(
            *(state.advance(piece_R, parent_R, sentence_R, weights=True) for state in (one, other)),
            strict=True,
        )
        torch.testing.assert_close(*logits, rtol=0, atol=tolerance)
        torch.testing.assert_close(*attention, rtol=0, atol=tolerance)
        worst = max(worst, float((logits[0] - logits[1]).abs().max()))
        # Later, none of the first rows is left: the first columns of the caches are dropped.
        lowest = 0 if step < 6 else -1
        drawn = np.sort(generator.integers(-1, len(piece_R), max(1, len(piece_R) - 1 - step % 2)))
        parent_R = np.where(generator.random(len(drawn)) < 0.3, lowest, drawn)
        begins_R = parent_R < 0
        new_R = generator.integers(0, sentences, len(parent_R))
        sentence_R = np.where(begins_R, new_R, sentence_R[parent_R])
        piece_R = np.where(begins_R, BOS_ID, generator.integers(4, 19, len(parent_R)))
        order = np.argsort(sentence_R, kind="stable")
        sentence_R, parent_R, piece_R = sentence_R[order], parent_R[order], piece_R[order]
    return worst


@torch.inference_mode()
@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_steps_are_those_of_pytorch(changes: dict[str, Any], tmp_path: Path) -> None:
    model = make_model(**changes)
    sources = random_rows([5, 1, 9])
    ours, theirs = (begin_steps(m, sources, beam=5) for m in (model, exported(model, tmp_path)))
    walk(ours, theirs, sentences=3, tolerance=2e-5)


@torch.inference_mode()
@pytest.mark.parametrize(("quantization", "tolerance"), [("float16", 0.05), ("int8", 0.5)])
def test_rounded_weights_are_near(quantization: str, tolerance: float, tmp_path: Path) -> None:
    model = make_model()
    sources = random_rows([5, 1, 9])
    ours, theirs = (
        begin_steps(m, sources, beam=5) for m in (model, exported(model, tmp_path, quantization))
    )
    assert walk(ours, theirs, sentences=3, tolerance=tolerance) > 1e-5


@pytest.mark.parametrize("beam", [1, 4])
def test_search_finds_the_same(beam: int, tmp_path: Path) -> None:
    model = make_model(sharpness=2.0)
    sources = random_rows([3, 8, 1, 12, 5, 5, 7] * 30, seed=3)
    settings = SearchSettings(beam=beam, coverage_penalty=0.1, no_repeat_ngram=3)
    expected, found = (
        beam_search(m, sources, settings, nbest=beam) for m in (model, exported(model, tmp_path))
    )
    same = [
        [one.pieces for one in a] == [one.pieces for one in b]
        for a, b in zip(expected, found, strict=True)
    ]
    assert sum(same) >= 0.99 * len(same)  # but for ties


def test_providers() -> None:
    assert choose_providers("auto", None)[-1] == "CPUExecutionProvider"
    with pytest.raises(UserError, match="has no TensorrtExecutionProvider"):
        choose_providers("auto", "TensorrtExecutionProvider")
