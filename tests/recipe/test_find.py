"""Recipes are found by path, or by name from anywhere."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from nmt.errors import UserError
from nmt.recipe import read_recipe, shipped_recipes

REPOSITORY = Path(__file__).resolve().parents[2]
NAMES = sorted(path.stem for path in (REPOSITORY / "recipes").glob("*.yaml"))


def test_the_package_has_the_recipes_of_the_repository() -> None:
    assert NAMES
    assert sorted(shipped_recipes()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_shipped_recipe_is_right(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = read_recipe(name)
    assert recipe.name == name
    assert recipe.description
    assert recipe.corpus.test, "a recipe claims a result, and needs a test set for it"


def test_the_demo_of_the_makefile_is_a_recipe() -> None:
    lines = (REPOSITORY / "Makefile").read_text(encoding="utf-8").splitlines()
    (demo,) = [line.removeprefix("DEMO := ") for line in lines if line.startswith("DEMO := ")]
    assert (REPOSITORY / demo).is_file()
    assert Path(demo).stem in NAMES


def test_a_file_is_found_by_path(recipe_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(recipe_file.parent)
    recipe = read_recipe(str(recipe_file))
    assert read_recipe("small.yaml") == read_recipe("./small.yaml") == recipe
    other = shutil.copy(recipe_file, recipe_file.with_name("small"))
    assert read_recipe(str(other)) == recipe


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("multi30k-en-dee", "did you mean multi30k-en-de?"),
        ("nothing-like-it", ", ".join(NAMES)),
        ("mine", "did you mean ./mine.yaml?"),
        ("small.yml", "did you mean small.yaml?"),
        ("folder/small.yaml", "does not exist"),
        ("..", "is a folder"),
    ],
)
def test_what_is_not_found_gets_a_suggestion(
    recipe_file: Path, name: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(recipe_file.parent)
    shutil.copy(recipe_file, "mine.yaml")
    with pytest.raises(UserError) as raised:
        read_recipe(name)
    assert words in str(raised.value)
