"""What a recipe may say about ensembles."""

from __future__ import annotations

from pathlib import Path

import pytest

from nmt.errors import UserErrors
from nmt.recipe import read_recipe

SYSTEMS = (
    "systems.second={kind: recurrent}",
    "systems.phrases={kind: phrase-based}",
)


def read(recipe_file: Path, members: str, *overrides: str) -> list[str]:
    """What is wrong with an ensemble of these members."""
    both = f"systems.both={{kind: ensemble, members: {members}}}"
    with pytest.raises(UserErrors) as caught:
        read_recipe(str(recipe_file), [*SYSTEMS, both, *overrides])
    return [str(error) for error in caught.value.errors]


def test_an_ensemble_is_a_system(recipe_file: Path) -> None:
    recipe = read_recipe(
        str(recipe_file),
        [*SYSTEMS, "systems.both={kind: ensemble, members: [second, transformer]}"],
    )
    assert recipe.systems["both"].kind == "ensemble"


def test_members_come_before_their_ensemble(recipe_file: Path) -> None:
    """Wherever they stand, and whether they are asked for or not."""
    recipe = read_recipe(
        str(recipe_file),
        [*SYSTEMS, "systems.both={kind: ensemble, members: [second, transformer]}"],
    )
    assert recipe.in_order(["both"]) == ["second", "transformer", "both"]
    assert recipe.in_order(["both", "phrases", "transformer"]) == [
        "second", "transformer", "both", "phrases",
    ]  # fmt: skip
    assert recipe.in_order(["phrases", "transformer"]) == ["phrases", "transformer"]


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ("[second, transfomer]", "no system transfomer\n  did you mean transformer?"),
        ("[second, oracle]", "no system oracle\n  the neural systems here are transformer, second"),
        ("[second, both]", "an ensemble cannot be a member of itself"),
        ("[second, phrases]", "a system of kind phrase-based cannot be a member"),
        ("[second, other]", "a system of kind ensemble cannot be a member"),
        ("[second, second]", "second is a member already"),
        ("[second]", "at least 2 items"),
        ("second", "write [second]"),
    ],
)
def test_wrong_members_are_named(recipe_file: Path, members: str, words: str) -> None:
    other = "systems.other={kind: ensemble, members: [second, transformer]}"
    (error,) = read(recipe_file, members, other)
    assert words in error
    assert "systems.both" in error


def test_all_that_is_wrong_is_told(recipe_file: Path) -> None:
    found = read(recipe_file, "[second, transfomer, phrases]", "systems.both.search.beam=0")
    assert len(found) == 3


def test_a_shortlist_is_the_first_members(recipe_file: Path) -> None:
    """Where that learns none, the setting would do nothing."""
    wanted = ("systems.both.search.shortlist=true", "systems.second.search.shortlist=true")
    (error,) = read(recipe_file, "[transformer, second]", *wanted)
    assert "its first member, and transformer has none" in error
    assert "set systems.transformer.search.shortlist to true" in error
    both = "systems.both={kind: ensemble, members: [second, transformer]}"
    read_recipe(str(recipe_file), [*SYSTEMS, both, *wanted])
