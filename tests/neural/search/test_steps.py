"""One step at a time gives what decoding the whole target gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from nmt.neural.model.attention import CrossAttention
from nmt.neural.model.transformer import Transformer
from nmt.neural.model.translation_model import TranslationModel
from nmt.neural.packed import pack, pack_source
from nmt.neural.search import histories
from nmt.neural.search import rows as search_rows
from nmt.neural.search.steps import begin_steps
from nmt.neural.search.transformer_steps import TransformerSteps
from nmt.tokenization.protocol import BOS_ID
from tests.neural.models import (
    make_model,
    make_recurrent,
    next_log_probabilities,
    random_rows,
)

VARIANTS: list[dict[str, Any]] = [
    {},
    {"norm_position": "post"},
    {"norm": "rmsnorm", "activation": "swiglu"},
    {"positions": "rotary", "activation": "gelu"},
    {"positions": "learned", "decoder_layers": 1},
    {"tied_embeddings": "none", "source_vocabulary_size": 29},
    {"activation": "swish", "output_bias": True},
    {"norm_position": "post", "output_bias": True},
    {"tied_embeddings": "none", "output_bias": True},
    {"decoder": "ssru"},
    {"decoder": "ssru", "decoder_layers": 1, "norm_position": "post", "positions": "rotary"},
]

RECURRENT_VARIANTS: list[dict[str, Any]] = [
    {},
    {"heads": 4, "decoder_layers": 3},
    {"decoder_layers": 1, "tied_embeddings": "none", "source_vocabulary_size": 29},
]


def walk(
    model: TranslationModel,
    lengths: list[int],
    rows: int,
    num_steps: int,
    tolerance: float,
    beam: int = 4,
) -> None:
    """Go on from random rows with random pieces, some rows ending, new ones beginning; compare."""
    generator = np.random.default_rng(5)
    sources = random_rows(lengths)
    state = begin_steps(model, sources, beam=beam)
    sentences = generator.integers(0, len(sources), rows)
    parents = np.full(rows, -1)
    pieces = np.full(rows, BOS_ID)
    histories: list[list[int]] = [[] for _ in range(rows)]
    for step in range(num_steps):
        logits, attention = state.advance(pieces, parents, sentences)
        assert attention is None
        assert logits.shape == (len(pieces), len(model.output))
        log_p = torch.log_softmax(logits, dim=-1)
        for row in {0, *range(step % 3, len(pieces), 3)}:
            expected = next_log_probabilities(model, sources[sentences[row]], histories[row])[-1]
            torch.testing.assert_close(log_p[row], expected, rtol=0, atol=tolerance)
        # The first row goes on to the end; of the others some begin anew, some go on twice.
        drawn = generator.integers(-1, len(pieces), max(0, len(pieces) - 1 - step % 2))
        parents = np.array([0, *sorted(drawn)])
        begins = parents < 0
        pieces = np.where(begins, BOS_ID, generator.integers(4, 19, len(parents)))
        new_sentences = generator.integers(0, len(sources), len(parents))
        sentences = np.where(begins, new_sentences, sentences[parents])
        histories = [
            [*histories[parent], int(piece)] if parent >= 0 else []
            for parent, piece in zip(parents, pieces, strict=True)
        ]


@torch.no_grad()
@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_steps_are_the_full_decoding(changes: dict[str, Any]) -> None:
    walk(make_model(dtype=torch.float64, **changes), [5, 1, 9], 11, 12, 1e-12)


@torch.no_grad()
@pytest.mark.parametrize("changes", RECURRENT_VARIANTS, ids=str)
def test_recurrent_steps_are_the_full_decoding(changes: dict[str, Any]) -> None:
    walk(make_recurrent(dtype=torch.float64, **changes), [5, 1, 9], 11, 12, 1e-12)


@torch.no_grad()
@pytest.mark.parametrize("make", [make_model, make_recurrent])
def test_in_float32(make: Callable[[], TranslationModel]) -> None:
    walk(make(), [5, 1, 9], 11, 12, 1e-5)


@torch.no_grad()
def test_up_to_the_last_position() -> None:
    walk(make_model(dtype=torch.float64), [3, 4], 3, 64, 1e-12, beam=1)


@torch.no_grad()
@pytest.mark.parametrize("room", [1, 2, 5])
def test_more_steps_than_there_is_room_for(room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no longer read is thrown out, again and again; what is read stays right."""
    monkeypatch.setattr(histories, "_ROOM", room)
    walk(make_model(dtype=torch.float64), [3, 4, 2], 33, 20, 1e-12)


@torch.no_grad()
def test_memory_does_not_grow_with_the_number_of_steps() -> None:
    """Rows that say four pieces each, and then make room for others, for ever."""
    state = TransformerSteps(make_model(), random_rows([3]), beam=40)
    history = state._history
    assert isinstance(history, histories.KeysHistory)
    before = [len(cache) for cache in history._caches]
    rows = np.arange(40)
    for step in range(200):
        begins = ((rows + step) % 4 == 0) | (step == 0)
        state.advance(
            np.where(begins, BOS_ID, 5), np.where(begins, -1, rows), np.zeros(40, dtype=np.int64)
        )
    assert [len(cache) for cache in history._caches] == before


@torch.no_grad()
@pytest.mark.parametrize("make", [make_model, make_recurrent])
def test_more_rows_than_are_computed_at_once(make: Callable[..., TranslationModel]) -> None:
    walk(make(dtype=torch.float64), [3, 4, 2], 71, 4, 1e-12)


@torch.no_grad()
@pytest.mark.parametrize("make", [make_model, make_recurrent])
def test_sources_that_are_encoded_in_several_batches(
    make: Callable[..., TranslationModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_rows, "rows_at_once", lambda device: 10)
    walk(make(dtype=torch.float64), [3, 4, 25, 9, 1, 1, 1, 7], 16, 3, 1e-12)


@torch.no_grad()
@pytest.mark.parametrize("make", [make_model, make_recurrent])
def test_attention_weights_are_those_of_the_last_layer(
    make: Callable[..., TranslationModel],
) -> None:
    """Against softmax(q k) of what flows into the last cross-attention of a full decoding."""
    model = make(dtype=torch.float64)
    sources, target = random_rows([3, 6]), [7, 5, 9]
    state = begin_steps(model, sources, beam=1)
    rows = np.arange(2)
    for step, piece in enumerate([BOS_ID, *target]):
        parents = rows if step else np.array([-1, -1])
        _, weights = state.advance(np.full(2, piece), parents, rows, weights=True)
        assert weights is not None
        assert weights.shape == (2, 7)
        for sentence, source in enumerate(sources):
            expected = last_attention(model, source, target[:step])
            width = len(source) + 1
            torch.testing.assert_close(weights[sentence, :width], expected, rtol=0, atol=1e-12)
            assert not weights[sentence, width:].any()


def last_attention(model: TranslationModel, source: np.ndarray, target: list[int]) -> torch.Tensor:
    """Mean over heads of the last position's attention to the source: [S]."""
    attention = (
        model.decoder[-1].get_submodule("cross_attention")
        if isinstance(model, Transformer)
        else model.attention
    )
    assert isinstance(attention, CrossAttention)
    seen: list[torch.Tensor] = []
    hook = attention.register_forward_pre_hook(lambda _, inputs: seen.extend(inputs[:2]))
    packed = pack_source([source])
    model.decode(pack([[BOS_ID, *target]]), model.encode(packed), packed)
    hook.remove()
    x, memory = seen
    q, (k, _) = attention.project_queries(x), attention.project_memory(memory).unbind(1)
    scores = torch.einsum("he,she->hs", q[-1], k) / q.shape[-1] ** 0.5
    return torch.softmax(scores, dim=-1).mean(dim=0)
