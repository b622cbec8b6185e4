"""The reference documentation and the schema say what the types say."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import jsonschema
import pytest
from pydantic import Field

from nmt.recipe.document import read_document
from nmt.recipe.reference import recipe_reference, recipe_schema, recipe_schema_text
from nmt.recipe.shape import Group, Items, Leaf, Named, Shape, in_words, shape_of, step_into
from nmt.recipe.tree import Recipe
from nmt.recipe.validation import validate
from nmt.settings import Settings

REPOSITORY = Path(__file__).resolve().parents[2]


def settings_classes(settings: type[Settings]) -> set[type[Settings]]:
    """A settings class and all below it."""

    def below(shape: Shape) -> set[type[Settings]]:
        match shape:
            case Group():
                return {found for member in shape.classes for found in settings_classes(member)}
            case Items(item=inner) | Named(value=inner):
                return below(inner)
            case Leaf():
                return set()

    fields = settings.model_fields.values()
    return {settings}.union(*(below(shape_of(field)) for field in fields))


@pytest.mark.parametrize("settings", sorted(settings_classes(Recipe), key=str))
def test_every_setting_is_described_in_one_line(settings: type[Settings]) -> None:
    assert settings.__doc__
    for name, field in settings.model_fields.items():
        assert field.description, f"{settings.__name__}.{name} has no docstring"
        assert "\n" not in field.description
        assert field.description.endswith("."), f"{settings.__name__}.{name}"


def test_every_class_is_in_the_reference() -> None:
    classes = settings_classes(Recipe)
    assert len(classes) > 10
    reference = recipe_reference()
    for settings in classes:
        for name in settings.model_fields:
            assert f"| `{name}` |" in reference


@pytest.mark.parametrize(
    ("name", "text"),
    [("recipe.md", recipe_reference()), ("recipe.schema.json", recipe_schema_text())],
)
def test_the_committed_reference_is_up_to_date(name: str, text: str) -> None:
    committed = (REPOSITORY / "docs" / name).read_text(encoding="utf-8")
    assert committed == text, "run: python scripts/make_reference.py"


@pytest.mark.parametrize("path", sorted((REPOSITORY / "recipes").glob("*.yaml")), ids=str)
def test_editors_accept_every_shipped_recipe(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    header, _, _ = text.partition("\n")
    schema = header.removeprefix("# yaml-language-server: $schema=")
    assert (path.parent / schema).resolve() == REPOSITORY / "docs" / "recipe.schema.json"
    jsonschema.validate(read_document(text, path.name).value, recipe_schema())


def test_the_schema_accepts_and_refuses_what_the_reader_does(full_values: dict[str, Any]) -> None:
    checker = jsonschema.Draft202012Validator(recipe_schema())
    assert checker.is_valid(full_values)
    changes: list[Callable[[Any], Any]] = [
        lambda v: v["corpus"].pop("valid"),
        lambda v: v["corpus"].update(max_pair=3),
        lambda v: v["corpus"].update(max_pairs=0),
        lambda v: v["corpus"]["train"][0].pop("kind"),
        lambda v: v["corpus"]["train"][0].update(kind="file"),
        lambda v: v["corpus"]["test"].update({"a/b": v["corpus"]["valid"]}),
        lambda v: v["systems"].clear(),
        lambda v: v["systems"]["transformer"].pop("kind"),
        lambda v: v["systems"]["transformer"].update(dropout=1),
        lambda v: v["tokenizer"].update(joint="yes"),
        lambda v: v["evaluation"].update(metrics=[]),
    ]
    for change in changes:
        values = copy.deepcopy(full_values)
        change(values)
        assert not checker.is_valid(values)
        assert validate(Recipe, values)[0] is None


# A tree of its own, with what the recipe's may come to hold: several kinds of systems, each with a
# group of the same name.


class _Inner(Settings):
    """Inside."""

    size: int = Field(default=1, ge=1)
    """Size."""


class _OtherInner(Settings):
    """Inside of the other."""

    depth: float = Field(default=0.5, ge=0, lt=1)
    """Depth."""


class _One(Settings):
    """One."""

    kind: Literal["one"] = "one"
    """One."""
    inner: _Inner = _Inner()
    """Inside."""


class _Other(Settings):
    """The other."""

    kind: Literal["other", "another"] = "other"
    """The other."""
    inner: _OtherInner = _OtherInner()
    """Inside."""


class _Tree(Settings):
    """A tree."""

    systems: dict[str, _One | _Other] = Field(min_length=1)
    """Systems."""
    counts: list[int] = Field(default=[1], min_length=1)
    """Counts."""
    mode: Literal["fast", "slow"] | None = None
    """Mode."""
    limit: Annotated[int, Field(ge=1)] | None = None
    """Limit."""


def test_kinds_have_their_own_groups() -> None:
    systems = shape_of(_Tree.model_fields["systems"])
    assert isinstance(systems, Named)
    assert isinstance(systems.value, Group)
    assert list(systems.value.kinds) == ["one", "other", "another"]
    inner = step_into(systems.value, "inner", {"kind": "another"})
    assert inner == Group((_OtherInner,))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("systems", "a mapping of at least one name, each to a group of settings"),
        ("counts", "a list of at least one item, each a whole number"),
        ("mode", "one of fast, slow, or null"),
        ("limit", "a whole number, at least 1, or null"),
    ],
)
def test_shapes_in_words(name: str, words: str) -> None:
    assert in_words(shape_of(_Tree.model_fields[name])) == words
