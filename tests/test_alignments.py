"""Word alignments of translations as lines of text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from nmt.alignments import pharaoh_line
from nmt.translator import Hypothesis, Translation


@dataclass(frozen=True)
class Told:
    """An explanation that is what it says."""

    told: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """The same."""
        return self.told


def line(source: str, target: str, *told: dict[str, Any]) -> str:
    """The links of a translation with these explanations."""
    hypothesis = Hypothesis(target, 0.0, 1, tuple(Told(one) for one in told))
    return pharaoh_line(source, Translation((hypothesis,)))


def test_links_are_between_words_parted_by_spaces() -> None:
    """Whatever the system takes for a word."""
    told = {
        "source": ["The", "cat", "sees", "."],
        "target": ["Die", "Katze", "sieht", "."],
        "links": [[0, 0], [1, 1], [2, 2], [3, 3], [2, 3]],
    }
    assert line("The cat sees.", "Die Katze sieht.", told) == "0-0 1-1 2-2"
    assert line("The  cat sees .", "Die Katze sieht .", told) == "0-0 1-1 2-2 2-3 3-3"


def test_segments_follow_each_other() -> None:
    told = [
        {"source": ["a", "b"], "target": ["B", "A"], "links": [[0, 1], [1, 0]]},
        {"source": ["a"], "target": ["A"], "phrases": [{"links": [[0, 0]]}]},
    ]
    assert line("a b a", "B A A", *told) == "0-1 1-0 2-2"


def test_without_explanation_there_are_no_links() -> None:
    assert line("a b", "A B") == ""
    assert line("", "") == ""


@given(st.lists(st.text("abc", min_size=1), min_size=1, max_size=6))
def test_words_linked_to_themselves(words: list[str]) -> None:
    told = {"source": words, "target": words, "links": [[n, n] for n in range(len(words))]}
    text = " ".join(words)
    assert line(text, text, told) == " ".join(f"{n}-{n}" for n in range(len(words)))
