"""Paths in a recipe: made absolute, and looked for before any work starts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nmt.corpus.settings import HuggingFaceSource, NamedSource
from nmt.recipe.document import Document, Place, Problem
from nmt.recipe.shape import Address, Group, Items, Leaf, Named, Shape, step_into
from nmt.recipe.suggest import suggest_file


def resolve_paths(
    document: Document, shape: Shape, folder: Path, data_root: Path | None
) -> list[Problem]:
    """Make every path in ``document`` absolute; returns a problem for each that does not exist.

    Paths in a recipe name what is read. Those in the file are relative to ``folder``, the recipe's
    own, and those on the command line to the current folder. ``data_root`` becomes the root of all
    named corpora.
    """
    problems = []
    if data_root is not None:
        place = Place(f"--data {data_root}")
        data_root = data_root.expanduser().absolute()
        if not data_root.is_dir():
            what = f"there is no folder {data_root}"
            problems.append(Problem((), what, suggest_file(data_root), place))
            data_root = None
    for address, group, settings in list(_groups(document.value, shape, ())):
        if data_root is not None and group.classes == (NamedSource,):
            settings["root"] = str(data_root)
            document.places[(*address, "root")] = Place(f"--data {data_root}")
        for name, value in settings.items():
            here = (*address, name)
            if not isinstance(value, str) or not _is_path(group, name, value):
                continue
            on_command_line = document.place(here).line is None
            base = Path.cwd() if on_command_line else folder
            path = base.absolute() / Path(value).expanduser()
            if not path.exists():
                mend = None if on_command_line else _relative_elsewhere(path, value)
                what = f"there is no file or folder {path}"
                problems.append(Problem(here, what, mend or suggest_file(path)))
            settings[name] = str(path)
    return problems


def _groups(
    value: Any, shape: Shape, address: Address
) -> Iterator[tuple[Address, Group, dict[str, Any]]]:
    """Every group of settings in ``value`` that is a mapping and of a known kind."""
    match shape, value:
        case Group(), dict():
            shape = shape.narrow(value)
            if len(shape.classes) > 1:
                return
            yield address, shape, value
            entries = [(key, step_into(shape, key, value)) for key in value]
        case Named(value=inner), dict():
            entries = [(key, inner) for key in value]
        case Items(item=inner), list():
            entries = [(index, inner) for index in range(len(value))]
        case _:
            return
    for key, inner_shape in entries:
        if inner_shape is not None:
            yield from _groups(value[key], inner_shape, (*address, key))


def _is_path(group: Group, name: str, value: str) -> bool:
    if group.classes == (HuggingFaceSource,) and name == "path":
        return _looks_local(value)
    shape = step_into(group, name, None)
    return isinstance(shape, Leaf) and shape.type is Path


def _looks_local(text: str) -> bool:
    """Whether a data set's name is a path and not a name on the hub, such as ``owner/name``."""
    return text.startswith((".", "/", "~")) or text.endswith(
        (".parquet", ".json", ".jsonl", ".jsonl.gz", ".json.gz")
    )


def _relative_elsewhere(path: Path, written: str) -> str | None:
    """The mend for a path that would be right from the current folder."""
    if not Path(written).is_absolute() and Path(written).exists():
        return (
            "paths in a recipe are relative to its folder, not to the current one: "
            f"write {Path(written).absolute()}, or the way to it from the recipe"
        )
    return None
