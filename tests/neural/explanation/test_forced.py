"""A forced pass says what the search said, and attends as PyTorch's own attention does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from nmt.neural.explanation.forced import forced_decoding, informative_layers
from nmt.neural.model.attention import CrossAttention
from nmt.neural.model.recurrent import Recurrent
from nmt.neural.model.translation_model import TranslationModel
from nmt.neural.packed import pack_batch
from nmt.neural.search.beam import beam_search
from nmt.neural.search.sampling import sample
from nmt.recipe.neural import SearchSettings
from nmt.search_options import Sampling
from tests.neural.models import make_model, make_recurrent, random_rows

MODELS: list[Callable[[], TranslationModel]] = [
    lambda: make_model(sharpness=2.0),
    lambda: make_model(sharpness=2.0, norm_position="post", decoder_layers=3),
    lambda: make_model(sharpness=2.0, positions="rotary", norm="rmsnorm", decoder_layers=1),
    lambda: make_model(
        sharpness=2.0, positions="learned", activation="swiglu",
        tied_embeddings="none", target_vocabulary_size=23,
    ),
    lambda: make_recurrent(sharpness=2.0),
    lambda: make_recurrent(sharpness=2.0, heads=1, decoder_layers=1, tied_embeddings="decoder"),
]  # fmt: skip

SOURCE_LENGTHS = [5, 1, 9, 3, 30, 2]
TARGET_LENGTHS = [4, 7, 0, 1, 25, 6]


@pytest.fixture(params=MODELS, ids=range(len(MODELS)))
def model(request: pytest.FixtureRequest) -> TranslationModel:
    make: Callable[[], TranslationModel] = request.param
    return make()


@pytest.mark.parametrize("drawn", [False, True], ids=["beam", "sample"])
def test_it_gives_the_log_probabilities_of_the_search(model: TranslationModel, drawn: bool) -> None:
    sources = random_rows(SOURCE_LENGTHS)
    settings = SearchSettings(beam=4, length_penalty=0.7, coverage_penalty=0.2)
    found = (
        sample(model, sources, settings, Sampling(), count=3)
        if drawn
        else beam_search(model, sources, settings, nbest=3)
    )
    of_flat = [source for source, several in zip(sources, found, strict=True) for _ in several]
    flat = [one for several in found for one in several]
    forced = forced_decoding(model, of_flat, [one.pieces for one in flat])
    for one, again in zip(flat, forced, strict=True):
        assert len(again.log_probability_T) == len(one.pieces) + 1
        assert again.log_probability_T.sum() == pytest.approx(one.log_probability, abs=2e-5)


def pytorchs_attention(
    model: TranslationModel, source: np.ndarray, target: Sequence[int]
) -> list[torch.Tensor]:
    """The attention weights of each layer, mean over heads, by PyTorch's own function."""
    found: list[torch.Tensor] = []

    def watch(attention: CrossAttention, inputs: tuple[Any, ...]) -> None:
        asking_TD, memory_SD = inputs[:2]
        _, weights_1TS = F.multi_head_attention_forward(
            asking_TD[:, None], memory_SD[:, None], memory_SD[:, None],
            asking_TD.shape[1], attention.heads,
            torch.cat((attention.q.weight, attention.kv.weight)),
            torch.cat((attention.q.bias, attention.kv.bias)),
            None, None, False, 0.0, attention.out.weight, attention.out.bias,
            training=False, need_weights=True,
        )  # fmt: skip
        assert weights_1TS is not None
        found.append(weights_1TS[0])

    attentions = [module for module in model.modules() if isinstance(module, CrossAttention)]
    hooks = [module.register_forward_pre_hook(watch) for module in attentions]
    with torch.no_grad():
        model(pack_batch([source], [np.array(target, dtype=np.int64)]))
    for hook in hooks:
        hook.remove()
    return found


def test_attention_is_that_of_pytorch(model: TranslationModel) -> None:
    sources = random_rows(SOURCE_LENGTHS)
    targets = [row.tolist() for row in random_rows(TARGET_LENGTHS, seed=1)]
    number = 1 if isinstance(model, Recurrent) else len(model.decoder)
    wanted = {None: list(informative_layers(number))} | {
        (layer,): [layer] for layer in range(number)
    }
    for layers, meant in wanted.items():
        found = forced_decoding(model, sources, targets, layers=layers)
        for source, target, one in zip(sources, targets, found, strict=True):
            by_layer = pytorchs_attention(model, source, target)
            assert len(by_layer) == number
            expected = torch.stack([by_layer[layer] for layer in meant]).mean(dim=0)
            assert one.attention_TS.shape == (len(target) + 1, len(source) + 1)
            np.testing.assert_allclose(one.attention_TS, expected.numpy(), atol=1e-6)
            np.testing.assert_allclose(one.attention_TS.sum(axis=1), 1.0, atol=1e-5)


def test_a_pair_does_not_depend_on_the_others(model: TranslationModel) -> None:
    lengths = [3 + 7 * n % 29 for n in range(24)]  # several batches
    sources = random_rows(lengths)
    targets = [row.tolist() for row in random_rows(lengths[::-1], seed=1)]
    together = forced_decoding(model, sources, targets)
    for source, target, one in zip(sources, targets, together, strict=True):
        (alone,) = forced_decoding(model, [source], [target])
        np.testing.assert_allclose(one.log_probability_T, alone.log_probability_T, atol=1e-5)
        np.testing.assert_allclose(one.attention_TS, alone.attention_TS, atol=1e-6)


def test_nothing_is_said_of_nothing(model: TranslationModel) -> None:
    assert forced_decoding(model, [], []) == []


def test_the_lowest_layer_is_taken_only_where_it_is_the_only_one() -> None:
    assert [list(informative_layers(n)) for n in (1, 2, 4)] == [[0], [1], [1, 2, 3]]
