"""From plain values to typed settings, with every problem found in one call.

Pydantic looks for contradictions in a group only when all values in it are right. To report them
all in one go, whatever is wrong is taken out of a copy, its default stands in, and the copy is
checked again; what is then found about settings that were taken out is not reported.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from nmt.recipe.document import Problem
from nmt.recipe.shape import (
    Address,
    Group,
    Items,
    Leaf,
    Named,
    Shape,
    in_words,
    step_into,
)
from nmt.recipe.suggest import close_name, did_you_mean, suggest_setting
from nmt.settings import ContradictionsError, Settings

AnySettings = TypeVar("AnySettings", bound=Settings)


def validate(settings: type[AnySettings], value: Any) -> tuple[AnySettings | None, list[Problem]]:
    """Check plain values (as JSON has them) against a settings class.

    Returns the typed settings, or None and all problems. Types are strict: ``"5"`` and ``5.0`` are
    not whole numbers, ``yes`` is not a truth value.
    """
    root = Group((settings,))
    value = copy.deepcopy(value)
    problems = list(_missing_kinds(root, value, ()))
    taken_out: set[Address] = set()
    while True:
        try:
            checked = settings.model_validate_json(json.dumps(value), strict=True)
            return (None if problems else checked), problems
        except ValidationError as error:
            findings = [
                f for e in error.errors(include_url=False) for f in _findings(root, value, e)
            ]
        reported = {problem.address for problem in problems}
        for finding in findings:
            problem = finding.problem
            about = (problem.address, *problem.related)
            if problem.address not in reported and not any(
                _overlap(address, out) for address in about for out in taken_out
            ):
                problems.append(problem)
        if not _take_out_all(value, findings, taken_out):
            return None, problems


@dataclass(frozen=True)
class _Finding:
    problem: Problem
    wrong: tuple[Address, ...]
    """What to take out before the rest is checked again."""
    guess: str | None = None
    """What to put in its place instead."""


@dataclass(frozen=True)
class _Spot:
    """A place of the settings tree, found from pydantic's location."""

    address: Address
    shape: Shape | None
    field: FieldInfo | None


def _find_spot(root: Shape, location: tuple[str | int, ...]) -> _Spot:
    """Follow pydantic's location, which has the kind of a group as one step more."""
    address: Address = ()
    shape: Shape | None = root
    field: FieldInfo | None = None
    for part in location:
        if part == "[key]":
            break
        if isinstance(shape, Group) and len(shape.classes) > 1:
            shape = Group((shape.kinds[str(part)],))
        else:
            field = shape.fields().get(str(part)) if isinstance(shape, Group) else None
            shape = step_into(shape, part, None) if shape else None
            address = (*address, part)
    return _Spot(address, shape, field)


def _findings(root: Shape, value: Any, error: ErrorDetails) -> Iterator[_Finding]:
    """What one of pydantic's errors means to the user."""
    spot = _find_spot(root, error["loc"])
    address, shape = spot.address, spot.shape
    given = error["input"]
    match error["type"]:
        case "extra_forbidden":
            mend = suggest_setting(root, value, address)
            yield _Finding(Problem(address, "there is no such setting", mend), (address,))
        case "missing":
            what = f"missing; it must be {in_words(shape)}" if shape else "missing"
            yield _Finding(Problem(address, what, _description(spot)), (address[:-1],))
        case "union_tag_not_found" if isinstance(shape, Group):
            yield _Finding(_missing_kind(shape, address), (address,))
        case "union_tag_invalid" if isinstance(shape, Group):
            yield _unknown_kind(shape, address, given)
        case "value_error" if isinstance(error["ctx"]["error"], ContradictionsError):
            yield from _contradictions(error["ctx"]["error"], value, address)
        case "value_error":
            yield _Finding(Problem(address, str(error["ctx"]["error"])), (address,))
        case _ if error["loc"] and error["loc"][-1] == "[key]":
            named = _find_spot(root, error["loc"][:-2]).shape
            words = in_words(named.key) if isinstance(named, Named) else "text"
            yield _Finding(Problem(address, f"the name must be {words}"), (address,))
        case _ if shape is not None:
            what = f"must be {in_words(shape)}, not {_shown(given)}"
            yield _Finding(Problem(address, what, _mend(spot, given)), (address,))
        case _:
            yield _Finding(Problem(address, error["msg"]), (address,))


def _missing_kinds(shape: Shape, value: Any, address: Address) -> Iterator[Problem]:
    """Groups that do not say their kind where only one kind exists yet.

    Pydantic would fill it in; a recipe must say it, so that it keeps its meaning when more come.
    """
    match shape, value:
        case Group(), dict():
            if len(shape.classes) == 1 and shape.kinds and "kind" not in value:
                yield _missing_kind(shape, address)
            entries = list(value.items())
        case Named(), dict():
            entries = list(value.items())
        case Items(), list():
            entries = list(enumerate(value))
        case _:
            return
    for key, inner in entries:
        inner_shape = step_into(shape, key, value)
        if inner_shape is not None:
            yield from _missing_kinds(inner_shape, inner, (*address, key))


def _missing_kind(shape: Group, address: Address) -> Problem:
    kinds = ", ".join(shape.kinds)
    return Problem(
        (*address, "kind"), "missing; it says of which kind this is", f"there is: {kinds}"
    )


def _unknown_kind(shape: Group, address: Address, given: Any) -> _Finding:
    kind = given.get("kind")
    guess = close_name(kind, shape.kinds) if isinstance(kind, str) else None
    address_of_kind = (*address, "kind")
    what = f"must be one of {', '.join(shape.kinds)}, not {_shown(kind)}"
    problem = Problem(address_of_kind, what, f"did you mean {guess}?" if guess else None)
    return _Finding(problem, (address_of_kind if guess else address,), guess)


def _contradictions(error: ContradictionsError, value: Any, address: Address) -> Iterator[_Finding]:
    for found in error.contradictions:
        about = [(*address, *_keys(setting)) for setting in found.settings]
        given = [a for a in about if _is_given(value, a)]
        problem = Problem(
            given[0] if given else address, found.what, found.mend, related=tuple(about)
        )
        yield _Finding(problem, tuple(given) or (address,))


def _keys(setting: str) -> Address:
    return tuple(int(part) if part.isdigit() else part for part in setting.split("."))


def _description(spot: _Spot) -> str | None:
    """The setting's own documentation, where the rule alone says too little."""
    return spot.field.description if spot.field else None


def _shown(value: Any) -> str:
    match value:
        case dict():
            return "a mapping" if value else "an empty mapping"
        case list():
            return "a list" if value else "an empty list"
        case _:
            text = json.dumps(value, ensure_ascii=False)
            return text if len(text) <= 60 else f"{text[:57]}..."


def _mend(spot: _Spot, given: Any) -> str | None:
    """How to write a value of the wrong type or out of its range, where that can be told."""
    shape = spot.shape
    match shape, given:
        case Leaf(choices=(_, *_)), str():
            return did_you_mean(given, shape.choices)
        case Leaf(choices=choices), None if "none" in choices:
            return "write none"
        case Leaf(type=kind), float() if kind is int and given.is_integer():
            return f"write {int(given)}"
        case Leaf(type=kind), str() if kind in (int, float) and _digits(given):
            return f"write {_digits(given)}"
        case Leaf(type=kind), str() if kind is bool:
            truth = {"yes": "true", "on": "true", "no": "false", "off": "false"}.get(given.lower())
            return f"write {truth}" if truth else None
        case Leaf(type=kind), bool() | int() | float() if kind not in (bool, int, float):
            return f'put it in quotes: "{_shown(given)}"'
        case Leaf(pattern=str()), str():
            return _description(spot)
        case Items(item=Leaf()), str() | int() | float():
            return f"write [{given}]"
        case Items(), dict():
            return "begin each entry of the list with a dash: `- `"
    return None


def _digits(text: str) -> str | None:
    """The number that a text with separators of thousands stands for."""
    plain = text.replace("_", "").replace(",", "").replace(" ", "")
    return plain if plain.removeprefix("-").replace(".", "", 1).isdecimal() else None


def _overlap(one: Address, other: Address) -> bool:
    """Whether one of two addresses is inside of the other."""
    length = min(len(one), len(other))
    return one[:length] == other[:length]


def _is_given(value: Any, address: Address) -> bool:
    for key in address:
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError):
            return False
    return True


def _take_out_all(value: Any, findings: list[_Finding], taken_out: set[Address]) -> bool:
    """Take what is wrong out of ``value``; False when nothing is left to be taken out."""
    progress = False
    # A guess opens a group to checking; taking out the list that it stands in would close it again.
    guesses = [f for f in findings if f.guess and f.wrong[0] not in taken_out]
    for finding in guesses or findings:
        for address in finding.wrong:
            if any(address[: len(out)] == out for out in taken_out):
                continue
            out = _take_out(value, address, finding.guess)
            if out is not None:
                taken_out.add(out)
                progress = True
    return progress


def _take_out(value: Any, address: Address, guess: str | None) -> Address | None:
    """Take one setting out, or the nearest group round it that can be; returns what it was."""
    while address:
        holder = value
        for key in address[:-1]:
            holder = holder[key] if _is_given(holder, (key,)) else None
        if isinstance(holder, dict) and address[-1] in holder:
            if guess is None:
                del holder[address[-1]]
            else:
                holder[address[-1]] = guess
            return address
        # An entry of a list goes with the list, so that the others keep their numbers.
        address = address[:-1]
    return None
