"""Reading a recipe: everything that is wrong with it is found before any work starts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nmt.errors import UserError, UserErrors
from nmt.recipe.document import Document, Place, Problem, read_document
from nmt.recipe.find import find_recipe
from nmt.recipe.overrides import apply_overrides
from nmt.recipe.paths import resolve_paths
from nmt.recipe.shape import Group
from nmt.recipe.tree import Recipe
from nmt.recipe.validation import validate


def read_recipe(
    name_or_path: str, overrides: Sequence[str] = (), *, data_root: Path | None = None
) -> Recipe:
    """Read and check a recipe.

    Args:
        name_or_path: a YAML file, or the name of a recipe that travels with the package.
        overrides: settings that take the place of the file's, such as
            ``systems.transformer.dropout=0.2``; values are YAML, later ones win.
        data_root: folder of local corpora; becomes the ``root`` of every named corpus.

    Returns:
        The typed recipe. Its paths are absolute and exist; its name is the file's unless given.

    Raises:
        UserError: there is no such recipe, or it is not YAML.
        UserErrors: settings are unknown, wrong, contradictory, or name files that do not exist:
            all of them, in the order of the file, each with its line and how to mend it.
    """
    path = find_recipe(name_or_path)
    document = read_document(_read_text(path), str(path))
    if not isinstance(document.value, dict):
        raise UserError(
            "a recipe is a mapping of settings", where=str(document.place(())), mend=_SKELETON
        )
    shape = Group((Recipe,))
    document.value.setdefault("name", path.stem)
    problems = [
        *document.problems,
        *apply_overrides(document, shape, overrides),
        *resolve_paths(document, shape, path.parent, data_root),
    ]
    recipe, wrong_settings = validate(Recipe, document.value)
    problems += wrong_settings
    if problems:
        raise UserErrors([document.error(p) for p in _in_order(document, problems)])
    assert recipe is not None
    return recipe


_SKELETON = "its settings are name, description, corpus, tokenizer, systems and evaluation"


def _read_text(path: Path) -> str:
    try:
        data = path.read_bytes()
        return data.decode("utf-8-sig")
    except OSError as error:
        raise UserError(f"cannot read: {error.strerror}", where=str(path)) from error
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(
            "not valid UTF-8", where=f"{path}:{line}", mend="save the file as UTF-8"
        ) from error


def _in_order(document: Document, problems: list[Problem]) -> list[Problem]:
    """In the order of the file, then those of the command line; each once."""

    def line(problem: Problem) -> float:
        place: Place = document.blamed_place(problem)
        return float("inf") if place.line is None else place.line

    return sorted(dict.fromkeys(problems), key=line)
