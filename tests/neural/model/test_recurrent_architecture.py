from __future__ import annotations

import itertools
import json
from dataclasses import asdict, fields, replace
from typing import Any

import pytest

from nmt.errors import UserError
from nmt.neural.model.recurrent_architecture import (
    RecurrentArchitecture,
    base,
    big,
    design,
    small,
    tiny,
)
from nmt.recipe.recurrent import RecurrentSettings


def test_presets_have_the_sizes_they_promise() -> None:
    assert [preset().width for preset in (tiny, small, base, big)] == [128, 256, 512, 1024]
    assert (big().encoder_layers, big().decoder_layers) == (8, 8)  # Wu et al. (2016), section 3


def test_presets_derive_from_one_another() -> None:
    """Each differs from the one before in its sizes only."""
    sizes = {"encoder_layers", "decoder_layers", "width"}
    for smaller, larger in itertools.pairwise([tiny(), small(), base(), big()]):
        changed = {name for name, value in asdict(larger).items() if value != asdict(smaller)[name]}
        assert changed
        assert changed <= sizes


@pytest.mark.parametrize("preset", ["tiny", "small", "base", "big"])
def test_a_preset_alone_designs_itself(preset: Any) -> None:
    by_name = {"tiny": tiny, "small": small, "base": base, "big": big}
    expected = replace(by_name[preset](), source_vocabulary_size=9, target_vocabulary_size=9)
    assert design(RecurrentSettings(preset=preset), 9, 9) == expected


def test_every_setting_takes_the_place_of_the_preset() -> None:
    chosen: dict[str, Any] = {
        "encoder_layers": 5, "decoder_layers": 3, "width": 96, "heads": 6,
        "tied_embeddings": "decoder", "dropout": 0.15, "recurrent_dropout": 0.25,
        "attention_dropout": 0.35, "max_positions": 77,
    }  # fmt: skip
    vocabularies = {"source_vocabulary_size": 11, "target_vocabulary_size": 13}
    assert asdict(design(RecurrentSettings(**chosen), 11, 13)) == {**chosen, **vocabularies}
    assert set(chosen) | set(vocabularies) == {
        field.name for field in fields(RecurrentArchitecture)
    }


def test_what_cannot_be_built_is_refused() -> None:
    with pytest.raises(UserError, match="one table of embeddings cannot serve 11 source and 13"):
        design(RecurrentSettings(), 11, 13)
    with pytest.raises(UserError, match="width 128 is not a multiple of heads 3"):
        design(RecurrentSettings(preset="tiny", heads=3), 11, 11)


def test_through_json_and_back() -> None:
    architecture = replace(small(), heads=4, recurrent_dropout=0.1)
    values = json.loads(json.dumps(architecture.to_json()))
    assert RecurrentArchitecture.from_json(values) == architecture


@pytest.mark.parametrize(
    ("change", "message"),
    [({"width": "wide"}, "width"), ({"feed_forward_width": 8}, "feed_forward_width")],
)
def test_values_that_are_none_are_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=f"architecture of a recurrent.*{message}") as caught:
        RecurrentArchitecture.from_json({**small().to_json(), **change}, where="the/folder")
    assert str(caught.value).startswith("the/folder")
