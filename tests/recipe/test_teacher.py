"""What a recipe may say about teachers."""

from __future__ import annotations

from pathlib import Path

import pytest

from nmt.errors import UserErrors
from nmt.recipe import read_recipe

SYSTEMS = (
    "systems.phrases={kind: phrase-based}",
    "systems.second={kind: recurrent}",
    "systems.both={kind: ensemble, members: [second, transformer]}",
)


def test_teachers_come_before_their_pupils(recipe_file: Path) -> None:
    """And all that they need before them, each once."""
    pupils = ("systems.pupil={kind: recurrent, teacher: both}", "systems.second.teacher=phrases")
    recipe = read_recipe(str(recipe_file), [*SYSTEMS, *pupils])
    assert recipe.in_order(["pupil"]) == ["phrases", "second", "transformer", "both", "pupil"]
    assert recipe.in_order(["transformer", "pupil"]) == [
        "transformer", "phrases", "second", "both", "pupil",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("teacher", "words"),
    [
        ("bothh", "no system bothh\n  did you mean both?"),
        ("oracle", "no system oracle\n  the other systems here are phrases, second, both"),
        ("transformer", "transformer would have to be trained before itself"),
        ("both", "transformer would have to be trained before itself"),
    ],
)
def test_wrong_teachers_are_named(recipe_file: Path, teacher: str, words: str) -> None:
    """One that is not there, and one that needs its pupil."""
    with pytest.raises(UserErrors) as caught:
        read_recipe(str(recipe_file), [*SYSTEMS, f"systems.transformer.teacher={teacher}"])
    (error,) = caught.value.errors
    assert words in str(error)
    assert "systems.transformer.teacher" in str(error)


def test_teachers_of_each_other_are_told(recipe_file: Path) -> None:
    """Each of them, since either could be mended."""
    circle = ("systems.second.teacher=transformer", "systems.transformer.teacher=second")
    with pytest.raises(UserErrors) as caught:
        read_recipe(str(recipe_file), [*SYSTEMS, *circle])
    found = " ".join(map(str, caught.value.errors))
    assert "second would have to be trained before itself" in found
    assert "transformer would have to be trained before itself" in found
