from __future__ import annotations

import itertools
import json
from dataclasses import asdict, fields, replace
from typing import Any

import pytest

from nmt.errors import UserError
from nmt.neural.model.architecture import Architecture, base, big, design, fast, small, tiny
from nmt.recipe.transformer import TransformerSettings


def designed(**settings: Any) -> Architecture:
    return design(TransformerSettings(**settings), 100, 100)


def test_presets_have_the_widths_they_promise() -> None:
    assert [preset().width for preset in (tiny, small, base, big)] == [128, 256, 512, 1024]
    # Vaswani et al. (2017), table 3
    assert (base().encoder_layers, base().decoder_layers) == (6, 6)
    assert (base().feed_forward_width, base().heads) == (2048, 8)
    assert (big().feed_forward_width, big().heads, big().encoder_layers) == (4096, 16, 6)


def test_presets_derive_from_one_another() -> None:
    """Each differs from the one before in its sizes only."""
    sizes = {"encoder_layers", "decoder_layers", "width", "feed_forward_width", "heads"}
    presets = [tiny(), small(), base(), big()]
    for smaller, larger in itertools.pairwise(presets):
        changed = {name for name, value in asdict(larger).items() if value != asdict(smaller)[name]}
        assert changed
        assert changed <= sizes


@pytest.mark.parametrize("preset", ["fast", "tiny", "small", "base", "big"])
def test_a_preset_alone_designs_itself(preset: str) -> None:
    by_name = {"fast": fast, "tiny": tiny, "small": small, "base": base, "big": big}
    expected = replace(by_name[preset](), source_vocabulary_size=100, target_vocabulary_size=100)
    assert designed(preset=preset) == expected


def test_the_fast_preset_is_deep_where_that_is_cheap() -> None:
    """Its decoder, which runs once a piece and hypothesis, is a single SSRU layer."""
    assert fast().width == tiny().width
    assert fast().encoder_layers > tiny().encoder_layers
    assert (fast().decoder_layers, fast().decoder) == (1, "ssru")
    assert designed(preset="fast", decoder="attention").decoder == "attention"


def test_every_setting_takes_the_place_of_the_preset() -> None:
    chosen: dict[str, Any] = {
        "encoder_layers": 5, "decoder_layers": 2, "width": 96, "feed_forward_width": 100,
        "heads": 6, "decoder": "ssru", "norm": "rmsnorm", "norm_position": "post",
        "positions": "rotary",
        "activation": "swiglu", "tied_embeddings": "decoder", "dropout": 0.15,
        "attention_dropout": 0.2, "activation_dropout": 0.25, "embedding_dropout": 0.35,
        "encoder_layer_drop": 0.3, "decoder_layer_drop": 0.4, "max_positions": 77,
    }  # fmt: skip
    vocabularies = {"source_vocabulary_size": 11, "target_vocabulary_size": 13}
    imported = {"output_bias": False}  # only models from elsewhere have one
    architecture = design(TransformerSettings(**chosen), 11, 13)
    assert asdict(architecture) == {**chosen, **vocabularies, **imported}
    assert set(chosen) | set(vocabularies) | set(imported) == {
        field.name for field in fields(Architecture)
    }
    assert architecture.head_width == 16


def test_embedding_dropout_follows_dropout_unless_set() -> None:
    assert designed(dropout=0.3).embedding_dropout == 0.3
    assert designed(dropout=0.3, embedding_dropout=0.0).embedding_dropout == 0.0


def test_heads_that_do_not_divide_the_width_of_the_preset() -> None:
    with pytest.raises(UserError, match=r"width 128 is not a multiple of heads 3") as caught:
        designed(preset="tiny", heads=3)
    assert caught.value.mend


def test_rotary_positions_in_odd_heads() -> None:
    assert designed(preset="tiny", width=12).head_width == 3
    with pytest.raises(UserError, match="even head width, not 3"):
        designed(preset="tiny", width=12, positions="rotary")


def test_tying_all_embeddings_of_different_vocabularies() -> None:
    with pytest.raises(UserError, match=r"100 source and 90 target pieces") as caught:
        design(TransformerSettings(tied_embeddings="all"), 100, 90)
    assert "tied_embeddings" in str(caught.value.mend)
    assert design(TransformerSettings(tied_embeddings="decoder"), 100, 90)


def test_json_and_back() -> None:
    architecture = designed(preset="big", positions="rotary")
    assert Architecture.from_json(json.loads(json.dumps(architecture.to_json()))) == architecture


@pytest.mark.parametrize(
    "change", [{"colour": "red"}, {"width": "wide"}, {"norm": "batchnorm"}, {"heads": None}]
)
def test_json_that_is_no_architecture(change: dict[str, Any]) -> None:
    """As of a damaged model folder, or of one that a later version wrote."""
    values = {**tiny().to_json(), **change}
    with pytest.raises(UserError, match=next(iter(change))):
        Architecture.from_json(values)


def test_json_that_lacks_a_size() -> None:
    values = tiny().to_json()
    del values["width"]
    with pytest.raises(UserError, match="width"):
        Architecture.from_json(values)
