"""The reference documentation and the JSON Schema of recipes, made from the settings types."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import yaml
from pydantic.fields import FieldInfo

from nmt.recipe.shape import Address, Group, Items, Leaf, Named, Shape, dotted, in_words, shape_of
from nmt.recipe.tree import Recipe
from nmt.settings import Settings

_INTRODUCTION = """\
# Recipes

A recipe is a YAML file that says what is trained on what. `nmt-train recipe.yaml` runs it;
`nmt-train NAME` runs one of those that travel with the package.

Any setting can be given on the command line too, where its path is written with dots and its value
in YAML: `systems.transformer.dropout=0.2`, `corpus.train.0.weight=2`, `corpus.max_pairs=null`.

Paths in a recipe are relative to its folder; paths on the command line to the current one. YAML is
read by the rules of YAML 1.2: only `true` and `false` are truth values (so `no` is Norwegian), and
`1e-3` is a number.

For completion and checks in your editor, begin the file with
`# yaml-language-server: $schema=recipe.schema.json`, with the path or address of the
[JSON Schema](recipe.schema.json) that lies beside this page.

This page is made from the types of the settings by `scripts/make_reference.py`.
"""


def recipe_schema() -> dict[str, Any]:
    """The JSON Schema of recipe files.

    It is pydantic's, with three rules of the reader: the name may be left out, as it is the file's
    unless given; where there is a ``kind`` it must be said; and names of the user's choice must
    match their pattern.
    """
    schema = Recipe.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["required"].remove("name")
    for group in (schema, *schema["$defs"].values()):
        if "kind" in group.get("properties", {}):
            group["required"] = ["kind", *(n for n in group.get("required", []) if n != "kind")]
        for field in group.get("properties", {}).values():
            if "patternProperties" in field:  # the names that the user chooses
                field["additionalProperties"] = False
    return schema


def recipe_schema_text() -> str:
    """``recipe_schema`` as the text of a file."""
    return json.dumps(recipe_schema(), indent=2, ensure_ascii=False) + "\n"


def recipe_reference() -> str:
    """The reference documentation of recipes, in Markdown."""
    titles: dict[Group, list[str]] = {}
    for group, title in _groups(Group((Recipe,)), (), ""):
        titles.setdefault(group, []).append(title)
    sections = [_section(group, ", ".join(titles[group])) for group in titles]
    return "\n".join([_INTRODUCTION, *sections])


def _groups(shape: Shape, address: Address, of_kind: str) -> Iterator[tuple[Group, str]]:
    """Every group of settings below a place, with a title; entries are called N and NAME."""
    match shape:
        case Group(classes=(settings,)):
            yield shape, f"`{dotted(address)}`{of_kind}" if address else "The recipe"
            for name, field in settings.model_fields.items():
                yield from _groups(shape_of(field), (*address, name), of_kind)
        case Group():
            yield shape, f"`{dotted(address)}`{of_kind}"
            for settings in shape.classes:
                kinds = " or ".join(f"`{kind}`" for kind in Group((settings,)).kinds)
                for name, field in settings.model_fields.items():
                    yield from _groups(shape_of(field), (*address, name), f" of kind {kinds}")
        case Items(item=inner):
            yield from _groups(inner, (*address, "N"), of_kind)
        case Named(value=inner):
            yield from _groups(inner, (*address, "NAME"), of_kind)


def _section(group: Group, title: str) -> str:
    lines = [f"## {title}", ""]
    for settings in group.classes:
        kinds = Group((settings,)).kinds
        if kinds:
            lines += ["### " + " or ".join(f"`kind: {kind}`" for kind in kinds), ""]
        lines += [_markdown(settings.__doc__ or ""), "", *_table(settings), ""]
    return "\n".join(lines)


def _table(settings: type[Settings]) -> Iterator[str]:
    yield "| setting | what it must be | default | meaning |"
    yield "|---|---|---|---|"
    fields = settings.model_fields
    for name in sorted(fields, key=lambda name: name != "kind"):  # the kind first
        field = fields[name]
        shape = shape_of(field)
        cells = (
            f"`{name}`",
            _in_cell(shape),
            _default(name, field),
            _markdown(field.description or ""),
        )
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _in_cell(shape: Shape) -> str:
    if isinstance(shape, Leaf) and shape.choices:
        words = ", ".join(f"`{choice}`" for choice in shape.choices)
        return f"{words}, `null`" if shape.nullable else words
    if isinstance(shape, Leaf) and shape.pattern:
        return in_words(shape).replace(shape.pattern, f"`{shape.pattern}`")
    return in_words(shape)


def _default(name: str, field: FieldInfo) -> str:
    if field.is_required() or name == "kind":
        return "required" if name != "name" else "name of the file"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, Settings):
        value = value.model_dump(mode="json", exclude_defaults=True)
        if not value:
            return "the defaults"
    if value == "":
        return "empty"
    text = yaml.safe_dump(value, default_flow_style=True, width=1_000)
    return f"`{text.removesuffix(chr(10)).removesuffix(f'{chr(10)}...')}`"


def _markdown(text: str) -> str:
    """A docstring as Markdown in one line."""
    return re.sub(r"``(.+?)``", r"`\1`", " ".join(text.split()))
