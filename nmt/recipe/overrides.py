"""Settings given on the command line: ``systems.transformer.dropout=0.2``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nmt.errors import UserError
from nmt.recipe.document import Document, Place, Problem, read_value
from nmt.recipe.shape import Address, Items, Leaf, Named, Shape, dotted, in_words, step_into
from nmt.recipe.suggest import did_you_mean, suggest_setting


def apply_overrides(document: Document, shape: Shape, overrides: Sequence[str]) -> list[Problem]:
    """Set values of ``document``, whose root has the given shape; returns what was wrong.

    An override is ``path=value``: the path by dots, with numbers (from 0) for the entries of lists;
    the value in YAML, so ``null`` and ``{kind: transformer, preset: tiny}`` are values too. Later
    ones win. The entry after the last one of a list adds to it.
    """
    problems = []
    for override in overrides:
        place = Place(override)
        try:
            address, value = _parse(override)
            problem = _set(document, shape, address, value, place)
        except UserError as error:
            problem = Problem((), error.what, error.mend, place)
        if problem:
            problems.append(problem)
    return problems


def _parse(override: str) -> tuple[Address, Any]:
    path, equals, text = override.partition("=")
    if not equals or not path.strip():
        raise UserError(
            "a setting is written path=value", mend="for example systems.transformer.dropout=0.2"
        )
    return tuple(path.strip().split(".")), read_value(text)


def _set(
    document: Document, shape: Shape, address: Address, value: Any, place: Place
) -> Problem | None:
    """Set one value; the groups on its way are made if the recipe leaves them out."""
    here: Any = document.value
    root = shape
    for depth, part in enumerate(address):
        last = depth == len(address) - 1
        above = address[:depth]
        key: str | int = str(part)
        if isinstance(shape, Items):
            index = _index(str(part), here, last)
            if index is None:
                held = f"0 to {len(here) - 1}" if here else "none"
                what = f"no entry {part!r} in this list; its entries are {held}"
                return Problem(above, what, place=place)
            key = index
            address = (*above, key, *address[depth + 1 :])
        inner = step_into(shape, key, here)
        if inner is None:
            mend = suggest_setting(root, document.value, (*above, key))
            return Problem((*above, key), "there is no such setting", mend, place)
        if last:
            break
        if isinstance(inner, Leaf):
            what = f"it is {in_words(inner)}, and holds no settings"
            return Problem((*above, key), what, place=place)
        if isinstance(shape, Named) and key not in here:
            mend = did_you_mean(str(key), here, f"those in {dotted(above)} are")
            return Problem((*above, key), "the recipe does not have it", mend, place)
        if isinstance(here, dict) and here.get(key) is None:
            here[key] = [] if isinstance(inner, Items) else {}
            document.places[(*above, key)] = place
        if not isinstance(here[key], list if isinstance(inner, Items) else dict):
            # The wrong value in the file is reported there; nothing can be set inside of it.
            return None
        here, shape = here[key], inner
    for stale in [a for a in document.places if a[: len(address)] == address]:
        del document.places[stale]
    document.places[address] = place
    if isinstance(here, list) and address[-1] == len(here):
        here.append(value)
    else:
        here[address[-1]] = value
    return None


def _index(text: str, items: Any, may_append: bool) -> int | None:
    """The index that ``text`` names in a list; None if it names none."""
    if not (text.isascii() and text.isdigit()):
        return None
    index = int(text)
    return index if index < len(items) + may_append else None
