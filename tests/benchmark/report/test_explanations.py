"""Explanations are found in the text; what is malformed is no explanation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.benchmark.report.explanations import (
    AttentionLinks,
    PhraseLink,
    PhraseLinks,
    read_explanations,
)

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)  # fmt: skip


def _read(
    explanations: list[dict[str, Any]], source: str, target: str, unspaced: bool = False
) -> PhraseLinks | AttentionLinks | None:
    return read_explanations(
        explanations, source, target, unspaced_source=unspaced, unspaced_target=unspaced
    )


def test_phrases_of_two_segments() -> None:
    first = {
        "source": ["the", "red", "door", "."],
        "target": ["die", "rote", "Tür", "."],
        "phrases": [
            {"source_span": [0, 2], "target_span": [0, 2], "copied": False, "jump": 0},
            {"source_span": [2, 4], "target_span": [2, 4], "copied": False, "jump": 0},
        ],
    }
    second = {
        "source": ["Blib", "."],
        "target": [".", "Blib"],
        "phrases": [
            {"source_span": [1, 2], "target_span": [0, 1], "copied": False, "jump": 1},
            {"source_span": [0, 1], "target_span": [1, 2], "copied": True, "jump": -2},
        ],
    }
    found = _read([first, second], "The red door. Blib.", "Die rote Tür.. Blib")
    assert found == PhraseLinks(
        [
            PhraseLink((0, 7), (0, 8), copied=False, jump=0),
            PhraseLink((8, 13), (9, 13), copied=False, jump=0),
            PhraseLink((18, 19), (13, 14), copied=False, jump=1),
            PhraseLink((14, 18), (15, 19), copied=True, jump=-2),
        ]
    )


def test_attention_of_pieces_becomes_attention_of_words() -> None:
    explanation: dict[str, Any] = {
        "kind": "attention",
        "source": ["▁kit", "chen", "▁door", "</s>"],
        "target": ["▁Küchen", "tür", "</s>"],
        "attention": [[0.5, 0.25, 0.25, 0], [0.0, 0.25, 0.25, 0.5], [0, 0, 0, 1]],
    }
    found = _read([explanation], "Kitchen door", "Küchentür")
    assert isinstance(found, AttentionLinks)
    assert found.source == [(0, 7), (8, 12)]
    assert found.target == [(0, 9)]
    expected = np.array([[(0.75 + 0.25) / 2, 0.25]])
    np.testing.assert_allclose(found.weights_TS, expected)


def test_segments_attend_to_themselves_only() -> None:
    one: dict[str, Any] = {"source": ["a"], "target": ["x"], "attention": [[1.0]]}
    two: dict[str, Any] = {"source": ["b"], "target": ["y"], "attention": [[0.8]]}
    found = _read([one, two], "a b", "x y")
    assert isinstance(found, AttentionLinks)
    np.testing.assert_allclose(found.weights_TS, np.diag([1, 0.8]))


def test_without_spaces_pieces_stay_apart() -> None:
    explanation = {"source": ["猫", "が"], "target": ["犬", "が"], "attention": [[1, 0], [0, 1]]}
    found = _read([explanation], "猫が", "犬が", unspaced=True)
    assert isinstance(found, AttentionLinks)
    assert found.source == [(0, 1), (1, 2)]


@pytest.mark.parametrize(
    "explanation",
    [
        {},
        {"source": ["a"], "target": ["b"], "attention": [[0.5, 0.5]]},
        {"source": ["a"], "target": ["b"], "attention": "none"},
        {"source": ["a"], "target": ["b"], "phrases": [{"source_span": [0]}]},
        {"source": ["q"], "target": ["q"], "attention": [[1.0]]},
        {"source": [], "target": [], "phrases": []},
    ],
)
def test_what_is_malformed_or_of_another_text_is_none(explanation: dict[str, Any]) -> None:
    assert _read([explanation], "a", "b") is None
    assert _read([], "a", "b") is None


@given(
    st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "source": st.lists(st.text(max_size=3), max_size=4) | _JSON,
                "target": st.lists(st.text(max_size=3), max_size=4) | _JSON,
                "attention": st.lists(st.lists(st.floats(), max_size=4), max_size=4) | _JSON,
                "phrases": _JSON
                | st.lists(
                    st.fixed_dictionaries(
                        {
                            "source_span": st.tuples(st.integers(-2, 5), st.integers(-2, 5)),
                            "target_span": st.tuples(st.integers(-2, 5), st.integers(-2, 5)),
                        }
                    ),
                    max_size=3,
                ),
            },
        ),
        max_size=3,
    ),
    st.text(max_size=12),
    st.text(max_size=12),
)
def test_any_explanation_gives_places_in_the_texts(
    explanations: list[dict[str, Any]], source: str, target: str
) -> None:
    found = _read(explanations, source, target)
    match found:
        case PhraseLinks(phrases):
            sources, targets = [p.source for p in phrases], [p.target for p in phrases]
        case AttentionLinks():
            sources, targets = found.source, found.target
            assert found.weights_TS.shape == (len(targets), len(sources))
            assert np.all((found.weights_TS >= 0) & (found.weights_TS <= 1))
        case None:
            return
    assert all(0 <= begin < end <= len(source) for begin, end in sources)
    places = [place for span in targets for place in span]
    assert places == sorted(places)
    assert all(begin < end <= len(target) for begin, end in targets)
