"""YAML is read by the rules of YAML 1.2, and every value knows its line."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from nmt.errors import UserError
from nmt.recipe.document import read_document, read_value

TEXT = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Cn", "Co"], exclude_characters="\ufeff"),
    max_size=20,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=15,
)


@given(JSON)
def test_json_means_the_same(value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False).replace("Infinity", ".inf")
    if "inf" not in text:
        assert read_value(text) == value
        assert json.dumps(read_value(text)) == json.dumps(value)  # 1 and 1.0 and true are not alike


@given(JSON, st.booleans())
def test_what_pyyaml_writes_means_the_same(value: Any, flow: bool) -> None:
    text = yaml.safe_dump(value, allow_unicode=True, default_flow_style=flow, sort_keys=False)
    assert repr(read_document(text, "f").value) == repr(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("Yes", "Yes"),
        ("on", "on"),
        ("True", True),
        ("FALSE", False),
        ("1e-3", 0.001),
        ("5E3", 5000.0),
        (".5", 0.5),
        ("2.", 2.0),
        ("-.inf", -math.inf),
        ("010", 10),
        ("0o10", 8),
        ("0x1F", 31),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("2026-01-01", "2026-01-01"),
        ("~", None),
        ("", None),
        ("null", None),
        ("none", "none"),
        ("'12'", "12"),
        ("!!str 12", "12"),
        ("<<", "<<"),
        ("=", "="),
        ("١٢", "١٢"),
    ],
)
def test_plain_scalars_follow_the_core_schema(text: str, value: Any) -> None:
    read = read_value(text)
    assert read == value
    assert type(read) is type(value)


def test_keys_are_text() -> None:
    assert read_value("{no: 1, 2016: 2, true: 3, null: 4}") == {
        "no": 1,
        "2016": 2,
        "true": 3,
        "null": 4,
    }


def test_nan_is_a_number() -> None:
    assert math.isnan(read_value(".nan"))


@given(st.lists(st.integers(0, 3), min_size=1, max_size=8))
def test_every_setting_knows_its_line(gaps: list[int]) -> None:
    lines: list[str] = []
    expected = {}
    for number, gap in enumerate(gaps):
        lines += ["# a comment", "", "   "][:gap]
        lines += [f"key{number}:", "  inner:", "    - 1", "    - 2"]
        start = len(lines) - 3
        for offset, address in enumerate([(), ("inner",), ("inner", 0), ("inner", 1)]):
            expected[(f"key{number}", *address)] = start + offset
    document = read_document("\n".join(lines), "f.yaml")
    found = {address: document.place(address).line for address in expected}
    assert found == expected


def test_a_repeated_key_is_a_problem_with_both_lines() -> None:
    document = read_document("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n", "f.yaml")
    (problem,) = document.problems
    assert str(document.error(problem)) == "f.yaml:5: b.c: given twice, first on line 3"


@pytest.mark.parametrize(
    ("text", "where", "words"),
    [
        ("a:\n\t- b", "f.yaml:2", "indent with blanks"),
        ("a: 1\nb: c: d", "f.yaml:2", "needs quotes"),
        ("a: {", "f.yaml:1", "not valid YAML"),
        ("a: 'x", "f.yaml:1", "not valid YAML"),
        ("a: 1\nb: x\x00y", "f.yaml:2", "U+0000"),
        ("a: 1\n---\nb: 2", "f.yaml:2", "another document"),
        ("a: *b", "f.yaml:1", "undefined alias"),
        ("[" * 5000, "f.yaml", "nested too deeply"),
        ("", "f.yaml", "empty"),
        ("# only a comment\n", "f.yaml", "empty"),
    ],
)
def test_text_that_is_not_yaml_is_explained(text: str, where: str, words: str) -> None:
    with pytest.raises(UserError) as raised:
        read_document(text, "f.yaml")
    assert raised.value.where == where
    assert words in str(raised.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: !!python/object:os.system x", "no meaning"),
        ("a: !!binary eA==", "no meaning"),
        ("a: !!int x", "not a number"),
        ("a: !!bool yes", "no meaning"),
        ("a: &x [*x]", "alias"),
        ("? [1, 2]\n: 3", "name of a setting"),
        ('a: "\\ud800"', "surrogate"),
    ],
)
def test_values_without_a_meaning_are_problems(text: str, words: str) -> None:
    (problem,) = read_document(text, "f.yaml").problems
    assert words in problem.what


def test_aliases_stand_for_their_value() -> None:
    assert read_value("{a: &x {b: 1}, c: *x}") == {"a": {"b": 1}, "c": {"b": 1}}
