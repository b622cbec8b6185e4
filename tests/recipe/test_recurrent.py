"""Settings of recurrent systems that do not go together."""

from __future__ import annotations

from pathlib import Path

import pytest

from nmt.errors import UserErrors
from nmt.recipe import RecurrentSettings, read_recipe
from nmt.recipe.neural import SearchSettings


def test_contradictions_are_reported_with_their_places(recipe_file: Path) -> None:
    overrides = (
        "systems.other={kind: recurrent, width: 30, heads: 4, dropout: 0, training: {r_drop: 1}}",
        "tokenizer.joint=false",
    )
    with pytest.raises(UserErrors) as raised:
        read_recipe(str(recipe_file), overrides)
    text = str(raised.value)
    for words in (
        "systems.other.heads: a width of 30 cannot be cut into 4 equal heads",
        "R-Drop compares two dropout passes, and there is no dropout",
        "systems.other ties all embeddings",
    ):
        assert words in text


def test_words_are_not_its_tokens(recipe_file: Path) -> None:
    overrides = ("systems={other: {kind: recurrent}}", "tokenizer={kind: words}")
    with pytest.raises(UserErrors, match=r"systems\.other is of kind recurrent"):
        read_recipe(str(recipe_file), overrides)


def test_search_is_that_of_all_neural_systems() -> None:
    """Only the defaults differ, so that a model folder holds the same settings for all."""
    ours = RecurrentSettings().search.model_dump()
    usual = SearchSettings().model_dump()
    assert ours.keys() == usual.keys()
    different = {name for name in ours if ours[name] != usual[name]}
    assert different == {"length_penalty", "coverage_penalty"}
    assert SearchSettings.model_validate(ours).model_dump() == ours
