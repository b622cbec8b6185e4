"""A model whose steps are quick for few rows gives what it gave before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn

from nmt.neural.kernels.few_rows_linear import FewRowsLinear
from nmt.neural.kernels.int8_linear import int8_pays
from nmt.neural.model.few_rows import prepare_few_rows
from nmt.neural.model.rounding import use_int8
from nmt.neural.model.transformer import Transformer
from nmt.neural.search.beam import beam_search
from nmt.recipe.neural import SearchSettings
from tests.neural.models import make_model, random_rows
from tests.neural.search.test_steps import walk

WIDE = {"feed_forward_width": 64}
VARIANTS: list[dict[str, Any]] = [
    {},
    {"norm_position": "post"},
    {"norm": "rmsnorm", "activation": "swiglu", **WIDE},
    {"positions": "rotary", "activation": "gelu", "width": 128, "heads": 2, **WIDE},
    {"tied_embeddings": "none", "activation": "swish", "output_bias": True, **WIDE},
    {"decoder": "ssru", "decoder_layers": 1, "width": 64},
]


@pytest.fixture(autouse=True)
def _fused_sums() -> Iterator[None]:
    """Products by oneDNN, whose order of summing is known on most processors."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    yield
    torch.set_float32_matmul_precision(before)


def prepared(**changes: Any) -> Transformer:
    """A model that was made ready for few rows, as far as the processor allows."""
    model: Transformer = make_model(sharpness=3.0, **changes).requires_grad_(False)
    prepare_few_rows(model)
    if not model.takes_few_rows:
        pytest.skip("here the library adds up in another order")
    return model


@pytest.mark.parametrize(
    "changes",
    [
        {"activation": "gelu", "feed_forward_width": 24},
        {"positions": "rotary"},
        {"decoder": "ssru", "width": 16},
    ],
    ids=str,
)
def test_models_whose_rows_are_no_whole_vectors_stay_as_they_are(changes: dict[str, Any]) -> None:
    model = make_model(**changes).requires_grad_(False)
    prepare_few_rows(model)
    assert not model.takes_few_rows


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_sentences_are_translated_alone_as_among_others(changes: dict[str, Any]) -> None:
    """To the last bit: alone they have few rows, together they have not."""
    model = prepared(**changes)
    settings = SearchSettings(beam=3)
    sources = random_rows([9, 7, 5, 4, 2, 1])
    together = beam_search(model, sources, settings, nbest=3)
    assert [beam_search(model, [source], settings, nbest=3)[0] for source in sources] == together


@torch.no_grad()
@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_steps_are_the_full_decoding(changes: dict[str, Any]) -> None:
    """Rows that begin, go on twice, and end; from eight on down, so that both ways are taken."""
    walk(prepared(**changes), [5, 1, 9], 9, 12, 1e-4)


def test_int8_models_too() -> None:
    if not int8_pays():
        pytest.skip("this processor multiplies integers no quicker")
    model = make_model(sharpness=3.0, width=64).requires_grad_(False)
    use_int8(model)
    prepare_few_rows(model)
    assert model.takes_few_rows
    settings = SearchSettings(beam=3)
    sources = random_rows([9, 7, 5, 4, 2, 1])
    together = beam_search(model, sources, settings, nbest=3)
    assert [beam_search(model, [source], settings, nbest=3)[0] for source in sources] == together


def test_parameters_and_their_names_stay() -> None:
    before = {name: parameter.clone() for name, parameter in make_model().named_parameters()}
    model = make_model().requires_grad_(False)
    prepare_few_rows(model)
    after = dict(model.named_parameters())
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_a_model_is_prepared_as_a_whole_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FewRowsLinear, "equals_library", property(lambda layer: layer.bias is None))
    model = make_model().requires_grad_(False)
    prepare_few_rows(model)
    assert not model.takes_few_rows
    assert model.output_map is None
    linears = [module for module in model.modules() if isinstance(module, nn.Linear)]
    assert {type(module) for module in linears} == {nn.Linear}
