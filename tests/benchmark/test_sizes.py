"""The recipe at a part of its training data."""

from __future__ import annotations

from pathlib import Path

import pytest

from nmt.benchmark.sizes import recipe_at_size
from nmt.corpus import prepare_corpus
from nmt.model_folder import ModelFolder
from nmt.recipe import NeuralSettings, PhraseBasedSettings, Recipe, read_recipe
from nmt.tokenization.settings import SentencePieceSettings
from tests.small_corpus import PHRASE_BASED, write_corpus


def recipe_with(folder: Path, *overrides: str) -> Recipe:
    """The small recipe with a phrase-based system, and these settings in place of its own."""
    path = write_corpus(folder)
    return read_recipe(str(path), [f"systems.phrases={PHRASE_BASED}", *overrides])


def models(updates: int) -> dict[str, ModelFolder]:
    """What the systems were trained to with all pairs."""
    neural = ModelFolder(
        path=Path(), format_version=1, kind="transformer", source_language="en",
        target_language="de", settings={}, training={"updates": updates}, files={},
    )  # fmt: skip
    statistical = neural.model_copy(update={"kind": "phrase-based", "training": {}})
    return {"small": neural, "phrases": statistical}


@pytest.mark.parametrize(("patience", "expected"), [("null", 5), ("3", 3)])
def test_a_network_gets_the_updates_of_the_full_size(
    tmp_path: Path, patience: str, expected: int
) -> None:
    """Whatever limited it there; and stops when it no longer learns. Nothing else changes."""
    recipe = recipe_with(
        tmp_path, "systems.small.training.max_minutes=1", "systems.small.training.max_epochs=2",
        "systems.small.training.max_updates=null", f"systems.small.training.patience={patience}",
    )  # fmt: skip
    smaller = recipe_at_size(recipe, models(77), 50, 100)
    before, after = recipe.systems["small"], smaller.systems["small"]
    assert isinstance(before, NeuralSettings)
    assert isinstance(after, NeuralSettings)
    limits = {"max_updates", "max_epochs", "max_minutes", "patience"}
    assert after.training.model_dump(include=limits) == {
        "max_updates": 77, "max_epochs": None, "max_minutes": None, "patience": expected,
    }  # fmt: skip
    assert after.training.model_dump(exclude=limits) == before.training.model_dump(exclude=limits)
    assert after.model_dump(exclude={"training"}) == before.model_dump(exclude={"training"})
    assert Recipe.model_validate(smaller.model_dump()) == smaller


def test_a_statistical_system_is_trained_as_the_recipe_says(tmp_path: Path) -> None:
    recipe = recipe_with(tmp_path)
    smaller = recipe_at_size(recipe, models(77), 50, 100)
    assert isinstance(smaller.systems["phrases"], PhraseBasedSettings)
    assert smaller.systems["phrases"] == recipe.systems["phrases"]
    assert list(smaller.systems) == ["small", "phrases"]


@pytest.mark.parametrize(
    ("vocabulary", "size", "expected"),
    [(8000, 1000, 8000), (8000, 250, 4000), (8000, 1, 2000), (2000, 1, 1000), (310, 1, 310)],
)
def test_the_vocabulary_shrinks_with_the_root_of_the_size(
    tmp_path: Path, vocabulary: int, size: int, expected: int
) -> None:
    recipe = recipe_with(tmp_path, f"tokenizer.vocabulary_size={vocabulary}")
    tokenizer = recipe_at_size(recipe, models(1), size, 1000).tokenizer
    assert isinstance(tokenizer, SentencePieceSettings)
    assert tokenizer.vocabulary_size == expected
    assert tokenizer.algorithm == "unigram"


def test_each_size_lies_within_the_next(tmp_path: Path) -> None:
    """And all within the recipe's own pairs."""
    recipe = recipe_with(tmp_path)
    full = {*prepare_corpus(recipe.corpus, cache=tmp_path / "cache").train.source}
    larger = full
    for size in (100, 40, 7):
        smaller = recipe_at_size(recipe, models(1), size, len(full))
        prepared = prepare_corpus(smaller.corpus, cache=tmp_path / "cache")
        assert len(prepared.train) == size
        assert {*prepared.train.source} <= larger
        assert [*prepared.test["test"].source] == [
            *prepare_corpus(recipe.corpus, cache=tmp_path / "cache").test["test"].source
        ]
        larger = {*prepared.train.source}
