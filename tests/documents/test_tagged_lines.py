"""Lines keep their tags and placeholders, whatever becomes of their words."""

from __future__ import annotations

from collections import Counter

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.documents.tagged_lines import TaggedLines, translate_tagged_lines
from tests.documents.systems import Backwards, Identity, Saying
from tests.upper_case import UpperCase

TAG = regex.compile(r"</?[a-z]+(?: id='\d')?/?>|\{\w+\}|%s")


def answers(system: UpperCase, lines: list[str]) -> list[str]:
    """What becomes of lines."""
    data = b"".join(part for part, _ in translate_tagged_lines(lines, system, {}))
    return data.decode("utf-8").split("\n")[:-1]


TAGS = ["<b>", "</b>", "<i>", "</i>", "<x id='1'/>", "<br>"]
PARTS = st.sampled_from([*TAGS, " {name} ", " %s ", "cat", "sees it", ","])


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.lists(PARTS, max_size=9).map("".join), max_size=4),
    st.sampled_from([Identity(4000), Backwards(4000), UpperCase(4000), Saying("nothing")]),
)
def test_no_tag_is_lost_and_no_line(lines: list[str], system: UpperCase) -> None:
    """Balanced or not, whatever the system makes of the words."""
    found = answers(system, lines)
    assert len(found) == len(lines)
    for before, after in zip(lines, found, strict=True):
        assert Counter(TAG.findall(after)) == Counter(TAG.findall(before))


@given(st.lists(st.lists(PARTS, max_size=9).map("".join), max_size=4))
def test_what_is_not_translated_comes_back_as_it_was(lines: list[str]) -> None:
    expected = [line.strip() for line in lines]
    assert [line.strip() for line in answers(Identity(4000), lines)] == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("one <b>two</b> three", "three <b>two</b> one"),
        ("<b>one</b> two three", "three two <b>one</b>"),
        ("<p>one two</p>", "<p>two one</p>"),
        ("one <x id='1'/>two", "<x id='1'/>two one"),
        ("one two<b>", "two one<b>"),
        ("</i>one two", "</i>two one"),
        ("", ""),
        ("<b></b>", "<b></b>"),
    ],
)
def test_tags_go_with_their_words(line: str, expected: str) -> None:
    assert answers(Backwards(4000), [line]) == [expected]


def test_unbalanced_tags_stay_between_the_words_that_they_were_between() -> None:
    line = "<p>one <i>two</b> three four</i></u>"
    assert answers(UpperCase(4000), [line]) == ["<p>ONE <i>TWO</b> THREE FOUR</i></u>"]


def test_lines_are_answered_in_windows() -> None:
    lines = [f"<b>line {number}</b>" for number in range(9000)]
    expected = [f"<b>LINE {number}</b>" for number in range(9000)]
    assert answers(UpperCase(4000), lines) == expected


def test_numbers_of_lines_are_those_of_the_file() -> None:
    document = TaggedLines(["a", "b"], first=7)
    assert [segment.line for segment in document.segments] == [7, 8]
