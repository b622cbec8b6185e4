"""What the user may have meant: close names, and settings that stand at another level."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from nmt.recipe.shape import Address, Group, Shape, dotted, shape_of, step_into


def close_name(name: str, names: Iterable[str]) -> str | None:
    """The one of ``names`` that is most like ``name``, if any is like it at all."""
    plain = {candidate.lower().replace("-", "_"): candidate for candidate in names}
    found = difflib.get_close_matches(name.lower().replace("-", "_"), plain, n=1, cutoff=0.6)
    return plain[found[0]] if found else None


def did_you_mean(name: str, names: Iterable[str], what: str | None = None) -> str | None:
    """The close one of ``names``; if none is and ``what`` is given, the list of them all."""
    names = list(names)
    close = close_name(name, names)
    if close:
        return f"did you mean {close}?"
    return f"{what}: {', '.join(names)}" if what and names else None


def suggest_setting(root: Shape, value: Any, address: Address) -> str | None:
    """Mend an unknown setting at ``address``: a close name there, or its right place elsewhere."""
    *above, name = address
    levels: list[tuple[Address, Shape]] = [((), root)]
    for key in above:
        shape = step_into(levels[-1][1], key, value)
        if shape is None:
            return None
        value = _at(value, key)
        if isinstance(shape, Group):
            shape = shape.narrow(value)
        levels.append(((*levels[-1][0], key), shape))
    here = levels[-1][1]
    if not isinstance(here, Group):
        return None
    for level, shape in reversed(levels):
        for found in _settings_below(shape, level):
            if found[-1] == name and found != address:
                return f"it is a setting of another group: {dotted(found)}"
    return did_you_mean(str(name), here.fields(), "the settings here are")


def _settings_below(shape: Shape, address: Address) -> Iterator[Address]:
    """The settings of a group, then those of the groups in it."""
    if not isinstance(shape, Group):
        return
    yield from ((*address, name) for name in shape.fields())
    for name, field in shape.fields().items():
        yield from _settings_below(shape_of(field), (*address, name))


def _at(value: Any, key: str | int) -> Any:
    try:
        return value[key]
    except (KeyError, IndexError, TypeError):
        return None


def suggest_file(path: Path) -> str | None:
    """Mend a missing file: a close name in its folder, or the part of the path that is missing."""
    folder = path.parent
    if not folder.is_dir():
        while not folder.parent.is_dir():
            folder = folder.parent
        return f"the folder {folder} does not exist"
    return did_you_mean(path.name, sorted(p.name for p in folder.iterdir())[:10_000])
