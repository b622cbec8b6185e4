"""What is said about two trees of values."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from nmt.differences import differences

TREES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.text("ab", max_size=2),
    lambda below: (
        st.lists(below, max_size=2) | st.dictionaries(st.sampled_from("xyz"), below, max_size=3)
    ),
    max_leaves=8,
)


@given(one=TREES, other=TREES)
def test_differences_are_found_just_where_there_are_some(one: Any, other: Any) -> None:
    """None between equals; as many seen from either side, at the same places."""
    assert differences(one, one) == {}
    found = differences(one, other)
    assert bool(found) == (one != other)
    assert sorted(found) == sorted(differences(other, one))


def test_paths_and_words() -> None:
    """Dotted paths; what is on one side only; long values cut."""
    old = {"a": {"b": 1, "c": [1, 2]}, "gone": None, "same": "x"}
    new = {"a": {"b": 2.5, "c": [1, 3]}, "same": "x", "new": "y" * 100}
    assert differences(old, new) == {
        "a.b": "1 before, now 2.5",
        "a.c": "[1, 2] before, now [1, 3]",
        "gone": "null before, now nothing",
        "new": f"nothing before, now {'y' * 37}...",
    }
    assert differences({"a": 1}, None) == {"": '{"a": 1} before, now null'}
