"""What a training depends on: kept by one version, compared by the next."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nmt.identity import settings_of, with_new_settings
from nmt.recipe import Recipe, read_recipe, shipped_recipes


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    """One with systems of every kind."""
    return read_recipe("pocket-en-de", ())


def inputs_of(recipe: Recipe, name: str) -> dict[str, Any]:
    """About what is kept with a training."""
    return {
        "corpus": {"train": "0123456789ab"},
        "tokenizer": recipe.tokenizer.model_dump(mode="json"),
        "systems": {name: settings_of(recipe.systems[name])},
    }


@pytest.mark.parametrize("path", shipped_recipes(), ids=lambda path: str(path))
def test_what_this_version_wrote_stays_as_it_is(path: Any, shared_data: Path) -> None:
    recipe = read_recipe(str(path), (), data_root=shared_data)
    for name in recipe.systems:
        inputs = inputs_of(recipe, name)
        assert with_new_settings(inputs, recipe, name) == inputs


@pytest.mark.parametrize("name", ["recurrent", "transformer", "phrase-based", "word-by-word"])
def test_settings_that_were_not_there_have_their_defaults(recipe: Recipe, name: str) -> None:
    now = inputs_of(recipe, name)
    for setting, value in type(recipe.systems[name]).model_fields.items():
        if setting == "kind" or value.is_required():
            continue
        before = inputs_of(recipe, name)
        del before["systems"][name][setting]
        found = with_new_settings(before, recipe, name)
        default = (
            now["systems"][name][setting]
            == settings_of(
                recipe.systems[name].model_copy(
                    update={setting: value.get_default(call_default_factory=True)}
                )
            )[setting]
        )
        assert (found == now) == default
        assert found["corpus"] == now["corpus"]


def test_what_was_set_stays_set(recipe: Recipe) -> None:
    before = inputs_of(recipe, "transformer")
    before["systems"]["transformer"]["dropout"] = 0.123
    assert with_new_settings(before, recipe, "transformer") == before


@pytest.mark.parametrize("changes", [{"gone": 1}, {"kind": "recurrent"}, {"dropout": "much"}])
def test_what_this_version_cannot_read_comes_back_as_it_is(
    recipe: Recipe, changes: dict[str, Any]
) -> None:
    before = inputs_of(recipe, "transformer")
    before["systems"]["transformer"] |= changes
    assert with_new_settings(before, recipe, "transformer") == before
    assert with_new_settings({}, recipe, "transformer") == {}


def test_a_whole_hash_of_the_tokenizers_is_the_same_as_its_beginning(recipe: Recipe) -> None:
    """Checkpoints of the first versions hold it."""
    whole = {**inputs_of(recipe, "transformer"), "tokenizers": "0123456789abcdef" * 4}
    found = with_new_settings(whole, recipe, "transformer")
    assert found == {**inputs_of(recipe, "transformer"), "tokenizers": "0123456789ab"}


def test_how_a_teacher_searches_is_no_part_of_it(recipe: Recipe) -> None:
    """Nor how the members of an ensemble do, one by one."""
    hashes = {
        f"members/{name}/{file}": "0123456789ab"
        for name in ("one", "two")
        for file in ("model.json", "model.safetensors", "shortlist.safetensors", "tokenizer/a.json")
    }
    before = {**inputs_of(recipe, "transformer"), "teacher": {"both": hashes}}
    found = with_new_settings(before, recipe, "transformer")
    assert sorted(found["teacher"]["both"]) == [
        f"members/{name}/{file}" for name in ("one", "two")
        for file in ("model.safetensors", "tokenizer/a.json")
    ]  # fmt: skip
