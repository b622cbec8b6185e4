"""The tree of settings types as data: what may stand at each place of a recipe.

Pydantic checks values; this module answers the questions round it: which settings a place has, what
a value must be in words, which kinds a group may be of. Error messages, overrides and the reference
documentation all ask here, so they cannot disagree.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from nmt.settings import Settings

Address = tuple[str | int, ...]
"""Where a value stands: keys of mappings and indices of lists from the root on."""


@dataclass(frozen=True)
class Group:
    """Settings with fixed keys: one class, or several told apart by their ``kind``."""

    classes: tuple[type[Settings], ...]
    nullable: bool = False

    @property
    def kinds(self) -> dict[str, type[Settings]]:
        """Each kind and its class; empty if the group has no setting ``kind``."""
        return {
            kind: settings
            for settings in self.classes
            if "kind" in settings.model_fields
            for kind in get_args(settings.model_fields["kind"].annotation)
        }

    def narrow(self, value: Any) -> Group:
        """The group of the one class that ``value``, a mapping with a known kind, belongs to."""
        kind = value.get("kind") if isinstance(value, dict) else None
        settings = self.kinds.get(kind) if isinstance(kind, str) else None
        return Group((settings,)) if settings else self

    def fields(self) -> dict[str, FieldInfo]:
        """The settings of the group, of all its kinds if there are several."""
        return {
            name: field
            for settings in self.classes
            for name, field in settings.model_fields.items()
        }


@dataclass(frozen=True)
class Items:
    """A list of values of one shape."""

    item: Shape
    min_length: int = 0
    nullable: bool = False


@dataclass(frozen=True)
class Named:
    """A mapping with keys of the user's choice to values of one shape."""

    value: Shape
    key: Leaf
    min_length: int = 0
    nullable: bool = False


@dataclass(frozen=True)
class Leaf:
    """A single value: a number, a text, a choice."""

    type: type
    choices: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    pattern: str | None = None
    nullable: bool = False


Shape = Group | Items | Named | Leaf


def shape_of(field: FieldInfo) -> Shape:
    """The shape of a field's value."""
    return _shape(field.annotation, field.metadata)


def _shape(annotation: Any, metadata: Sequence[Any] = ()) -> Shape:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        extra = [
            m for a in arguments[1:] for m in (a.metadata if isinstance(a, FieldInfo) else [a])
        ]
        return _shape(arguments[0], [*metadata, *extra])
    members = arguments if origin in (Union, types.UnionType) else (annotation,)
    nullable = type(None) in members
    members = tuple(member for member in members if member is not type(None))
    if all(isinstance(member, type) and issubclass(member, Settings) for member in members):
        return Group(members, nullable)
    assert len(members) == 1, f"{annotation} needs a discriminator that messages can name"
    return _plain_shape(members[0], metadata, nullable)


def _plain_shape(annotation: Any, metadata: Sequence[Any], nullable: bool) -> Shape:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        inner = _shape(annotation, metadata)
        return replace(inner, nullable=nullable or inner.nullable)
    min_length = max((getattr(m, "min_length", None) or 0 for m in metadata), default=0)
    if origin in (list, tuple):
        return Items(_shape(arguments[0]), min_length, nullable)
    if origin is dict:
        key = _shape(arguments[0])
        assert isinstance(key, Leaf)
        return Named(_shape(arguments[1]), key, min_length, nullable)
    if origin is Literal:
        choices = tuple(_written(choice) for choice in arguments)
        return Leaf(type(arguments[0]), choices, nullable=nullable)
    assert isinstance(annotation, type)
    pattern = next((m.pattern for m in metadata if getattr(m, "pattern", None)), None)
    return Leaf(annotation, (), tuple(_limits(metadata)), pattern, nullable)


def _limits(metadata: Sequence[Any]) -> Iterator[str]:
    words = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    for constraint in metadata:
        for name, word in words.items():
            if getattr(constraint, name, None) is not None:
                yield f"{word} {getattr(constraint, name)}"
        if getattr(constraint, "multiple_of", None) is not None:
            yield f"a multiple of {constraint.multiple_of}"


def _written(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


_TYPE_WORDS: dict[type, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    Path: "a path",
}


def in_words(shape: Shape) -> str:
    """What a value of the shape must be, to follow "must be": ``a number, at least 0, below 1``."""
    match shape:
        case Group():
            words = "a group of settings"
        case Items():
            items = f" of {_at_least(shape.min_length, 'item')}" if shape.min_length else ""
            words = f"a list{items}, each {in_words(shape.item)}"
        case Named():
            names = _at_least(shape.min_length, "name") if shape.min_length else "names"
            words = f"a mapping of {names}, each to {in_words(shape.value)}"
        case Leaf(choices=(only,)):
            words = only
        case Leaf(choices=(_, *_)):
            words = f"one of {', '.join(shape.choices)}"
        case Leaf():
            words = ", ".join([_TYPE_WORDS.get(shape.type, shape.type.__name__), *shape.limits])
            if shape.pattern:
                words += f" that matches {shape.pattern}"
    return f"{words}, or null" if shape.nullable else words


def _at_least(number: int, noun: str) -> str:
    return f"at least one {noun}" if number == 1 else f"at least {number} {noun}s"


def step_into(shape: Shape, key: str | int, value: Any) -> Shape | None:
    """The shape at ``key`` of a ``value`` of the given shape; None if there is no such place."""
    match shape:
        case Group():
            field = shape.narrow(value).fields().get(str(key))
            return shape_of(field) if field else None
        case Items():
            return shape.item if isinstance(key, int) else None
        case Named():
            return shape.value
        case Leaf():
            return None


def dotted(address: Address) -> str:
    """The address as the command line writes it: ``corpus.train.0.weight``."""
    return ".".join(str(part) for part in address)
