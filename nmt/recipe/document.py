"""YAML text as plain values, with the line on which each of them stands.

Scalars are read by YAML 1.2's core schema, where PyYAML follows YAML 1.1: the language code ``no``
is text and not false, ``1e-3`` is a number and not text, ``1:30`` is text and not 90 (base 60), and
``010`` is ten (octal is ``0o10``). Keys are always text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from nmt.errors import UserError
from nmt.recipe.shape import Address, dotted


@dataclass(frozen=True)
class Place:
    """Where a value was given: a line of a file, or the command line."""

    origin: str
    """Name of the file, or the argument of the command."""
    line: int | None = None
    """Line of the file, counted from 1; None for the command line."""

    def __str__(self) -> str:
        return f"command line: {self.origin}" if self.line is None else f"{self.origin}:{self.line}"


@dataclass(frozen=True)
class Problem:
    """Something wrong at one address of a document."""

    address: Address
    what: str
    mend: str | None = None
    place: Place | None = None
    """Where it was given; None looks the address up in the document."""
    related: tuple[Address, ...] = ()
    """Other settings involved."""


@dataclass
class Document:
    """A tree of plain values (dict, list, scalars) and where each was given."""

    value: Any
    places: dict[Address, Place]
    problems: list[Problem] = field(default_factory=list)
    """Mistakes that did not keep it from being read, such as repeated keys."""

    def place(self, address: Address) -> Place:
        """Where the value at ``address`` was given, or else the nearest group round it."""
        while address not in self.places:
            address = address[:-1]
        return self.places[address]

    def error(self, problem: Problem) -> UserError:
        """The problem as the user reads it."""
        name = dotted(problem.address)
        what = f"{name}: {problem.what}" if name else problem.what
        return UserError(what, where=str(self.blamed_place(problem)), mend=problem.mend)

    def blamed_place(self, problem: Problem) -> Place:
        """Where to mend the problem: on the command line if that is part of it."""
        if problem.place:
            return problem.place
        involved = [self.places[a] for a in problem.related if a in self.places]
        given_now = [place for place in involved if place.line is None]
        return given_now[0] if given_now else self.place(problem.address)


class _CoreSchemaLoader(yaml.SafeLoader):
    """PyYAML's parser with YAML 1.2's rules for what an unquoted scalar is."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 (PyYAML's own attribute)


_SCALARS = {
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "bool": (r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    "int": (r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    "float": (
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
}
_TAG = "tag:yaml.org,2002:"
for _name, (_pattern, _first) in _SCALARS.items():
    _CoreSchemaLoader.add_implicit_resolver(
        _TAG + _name, re.compile(rf"^(?:{_pattern})$", re.ASCII), _first
    )

_MENDS = {
    "mapping values are not allowed": "a text with a colon and a blank in it needs quotes",
    "cannot start any token": "indent with blanks, not tabs; a text that starts so needs quotes",
    "could not find expected ':'": "each setting is written `name: value`",
}


def read_document(text: str, origin: str) -> Document:
    """Read YAML text from the file named ``origin``.

    Raises UserError, with the line, for text that is not one YAML document.
    """
    node = _compose(text, origin)
    if node is None:
        raise UserError("the file is empty", where=origin)
    document = Document(None, {})
    builder = _Builder(document, origin, [])
    document.value = builder.build(node, ())
    document.places[()] = Place(origin, node.start_mark.line + 1)
    return document


def read_value(text: str) -> Any:
    """Read one YAML value, as given on the command line.

    Raises UserError for text that is not one YAML value, with what is wrong and no place.
    """
    node = _compose(text, None)
    document = Document(None, {})
    value = None if node is None else _Builder(document, "", []).build(node, ())
    if document.problems:
        raise UserError(document.problems[0].what)
    return value


def _compose(text: str, origin: str | None) -> yaml.Node | None:
    try:
        return yaml.compose(text, Loader=_CoreSchemaLoader)
    except yaml.MarkedYAMLError as error:
        problem = (error.problem or "mistake").strip()
        where = origin
        if origin and error.problem_mark:
            where = f"{origin}:{error.problem_mark.line + 1}"
        column = f", at column {error.problem_mark.column + 1}" if error.problem_mark else ""
        context = f" ({error.context.strip()})" if error.context else ""
        mend = next((mend for start, mend in _MENDS.items() if start in problem), None)
        raise UserError(
            f"not valid YAML{column}: {problem}{context}", where=where, mend=mend
        ) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, int(error.position)) + 1
        raise UserError(
            f"not valid YAML: the character U+{ord(text[int(error.position)]):04X}",
            where=f"{origin}:{line}" if origin else None,
            mend="remove it",
        ) from error
    except RecursionError as error:
        raise UserError("not valid YAML: nested too deeply", where=origin) from error


@dataclass
class _Builder:
    """Turns nodes into values, and notes where each stood."""

    document: Document
    origin: str
    open_nodes: list[yaml.Node]

    def build(self, node: yaml.Node, address: Address) -> Any:
        self.document.places.setdefault(address, Place(self.origin, node.start_mark.line + 1))
        if node in self.open_nodes:
            return self.problem(node, address, "an alias inside of what it stands for")
        self.open_nodes.append(node)
        try:
            match node:
                case yaml.MappingNode():
                    return self.mapping(node, address)
                case yaml.SequenceNode():
                    return [self.build(n, (*address, i)) for i, n in enumerate(node.value)]
                case _:
                    return self.scalar(node, address)
        finally:
            self.open_nodes.pop()

    def mapping(self, node: yaml.MappingNode, address: Address) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self.problem(key_node, address, "the name of a setting is a list or a mapping")
                continue
            inner = (*address, key_node.value)
            if key_node.value in values:
                first = self.document.places[inner].line
                self.problem(key_node, inner, f"given twice, first on line {first}")
                continue
            self.document.places[inner] = Place(self.origin, key_node.start_mark.line + 1)
            values[key_node.value] = self.build(value_node, inner)
        return values

    def scalar(self, node: yaml.Node, address: Address) -> Any:
        text: str = node.value
        match node.tag.removeprefix(_TAG):
            case "str":
                if text.isascii() or text.encode("utf-8", "replace").decode() == text:
                    return text
                return self.problem(node, address, "half of a surrogate pair is not a character")
            case "null":
                return None
            case "bool" if text.lower() in ("true", "false"):
                return text.lower() == "true"
            case "int" | "float" as kind:
                try:
                    return _number(text, kind)
                except ValueError:
                    return self.problem(node, address, f"{text!r} is not a number")
        return self.problem(node, address, f"the tag {node.tag} has no meaning in a recipe")

    def problem(self, node: yaml.Node, address: Address, what: str) -> None:
        place = Place(self.origin, node.start_mark.line + 1)
        self.document.problems.append(Problem(address, what, place=place))


def _number(text: str, kind: str) -> int | float:
    if kind == "int":
        base = {"0o": 8, "0x": 16}.get(text[:2], 10)
        return int(text, base)
    return float(re.sub(r"\.(inf|nan)$", r"\1", text, flags=re.IGNORECASE))
