"""Where recipes are: files of the user's, and those that travel with the package."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

from nmt.errors import UserError
from nmt.recipe.suggest import close_name, suggest_file

_SUFFIXES = (".yaml", ".yml")
_NAME = re.compile(r"[\w-][\w.-]*")


def shipped_recipes() -> dict[str, Path]:
    """The recipes that travel with the package, by name."""
    package = Path(str(files("nmt.recipe"))).parent
    # The wheel has them inside of the package; a checkout (editable install) beside it.
    for folder in (package / "recipes", package.parent / "recipes"):
        if folder.is_dir():
            return {path.stem: path for path in sorted(folder.glob("*.yaml"), key=lambda p: p.stem)}
    return {}


def find_recipe(name_or_path: str) -> Path:
    """The file of a recipe, given by its path or, for one of the package's, by its name.

    Raises UserError, with suggestions, if there is none.
    """
    path = Path(name_or_path).expanduser()
    if path.suffix in _SUFFIXES or not _NAME.fullmatch(name_or_path) or path.is_file():
        return _check_file(path)
    shipped = shipped_recipes()
    if name_or_path in shipped:
        return shipped[name_or_path]
    close = close_name(name_or_path, shipped)
    here = next((p for s in _SUFFIXES if (p := path.with_name(path.name + s)).is_file()), None)
    guess = f"./{here}" if here else close
    raise UserError(
        f"there is no recipe named {name_or_path!r}",
        mend=(f"did you mean {guess}? " if guess else "")
        + f"Recipes of the package: {', '.join(shipped) or 'none'}; "
        "a recipe of your own is given by its path, such as ./my.yaml",
    )


def _check_file(path: Path) -> Path:
    if path.is_dir():
        raise UserError(
            "is a folder, not a recipe", where=str(path), mend="give a .yaml file in it"
        )
    if not path.exists():
        raise UserError("there is no such recipe", where=str(path), mend=suggest_file(path))
    return path
