"""Codes come back exactly once, nested, and beside the words that they belong to."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.documents.content import Code, Content, Role, merge
from nmt.documents.placing import CharacterLink, place_codes, units
from nmt.documents.plain import plain_text

WORDS = st.sampled_from(["a", "Haus", "two", "H2O", "don't", "3.5", "，", "你好", "!", "(x)"])
TEXTS = st.lists(st.tuples(WORDS, st.sampled_from(["", " ", "  ", "\n"])), max_size=4).map(
    lambda words: "".join(word + space for word, space in words)
)


@st.composite
def contents(draw: st.DrawFn, *, balanced: bool = False, depth: int = 2) -> Content:
    """Any content; unless ``balanced``, tags without partner and crossing ones are in it."""
    parts: list[str | Code] = []
    for _ in range(draw(st.integers(0, 4))):
        parts.append(draw(TEXTS))
        kind = draw(st.sampled_from(["text", "single", "variable", "pair", "open", "close"]))
        name = draw(st.sampled_from("bi"))
        if kind == "single":
            parts.append(Code("<x/>"))
        elif kind == "variable":
            parts.append(Code("{v}", visible=True))
        elif kind == "pair" and depth:
            inner = draw(contents(balanced=balanced, depth=depth - 1))
            parts += [Code(f"<{name}>", Role.OPEN, name), *inner, _close(name)]
        elif kind == "open" and not balanced:
            parts.append(Code(f"<{name}>", Role.OPEN, name))
        elif kind == "close" and not balanced:
            parts.append(_close(name))
    return merge(parts)


def _close(name: str) -> Code:
    return Code(f"</{name}>", Role.CLOSE, name)


@st.composite
def alignments(draw: st.DrawFn, source: str, target: str) -> list[CharacterLink]:
    def spans(text: str) -> st.SearchStrategy[tuple[int, int]]:
        places = st.integers(0, len(text))
        return st.tuples(places, places).map(lambda span: (min(span), max(span)))

    return draw(st.lists(st.tuples(spans(source), spans(target)), max_size=8))


def codes_of(content: Content) -> list[Code]:
    return [part for part in content if isinstance(part, Code)]


def text_of(content: Content) -> str:
    return "".join(part for part in content if isinstance(part, str))


def is_nested(content: Content) -> bool:
    """Whether open and close codes are balanced like brackets."""
    stack: list[str] = []
    for code in codes_of(content):
        if code.role is Role.OPEN:
            stack.append(code.name)
        elif code.role is Role.CLOSE and (not stack or stack.pop() != code.name):
            return False
    return not stack


def place(content: Content, target: str, links: list[CharacterLink]) -> Content:
    return place_codes(plain_text(content), target, links)


@settings(max_examples=60)
@given(data=st.data(), content=contents(), target=TEXTS.map(str.strip))
def test_every_code_comes_back_once_and_no_word_is_lost(
    data: st.DataObject, content: Content, target: str
) -> None:
    links = data.draw(alignments(plain_text(content).text, target))
    placed = place(content, target, links)
    assert Counter(codes_of(placed)) == Counter(codes_of(content))
    # A code may stand where a space was, or get spaces around it.
    assert "".join(text_of(placed).split()) == "".join(target.split())


@settings(max_examples=60)
@given(data=st.data(), content=contents(balanced=True), target=TEXTS.map(str.strip))
def test_pairs_stay_nested(data: st.DataObject, content: Content, target: str) -> None:
    links = data.draw(alignments(plain_text(content).text, target))
    assert is_nested(content)
    assert is_nested(place(content, target, links))


@settings(max_examples=60)
@given(content=contents(balanced=True))
def test_words_that_are_next_to_each_other_stay_two_words(content: Content) -> None:
    plain = plain_text(content)
    placed = place(content, plain.text, [])
    shown = "".join(part if isinstance(part, str) else "" for part in placed)
    # Codes may get spaces that they had not; line breaks between words take them.
    assert any(mark.joins for mark in plain.marks) or (
        len(shown.split()) >= len(plain.text.split())
    )


def bold(*parts: str | Code) -> Content:
    return (Code("<b>", Role.OPEN, "b"), *parts, _close("b"))


NAME = Code("{name}", visible=True)


def written(content: Content) -> str:
    return "".join(part if isinstance(part, str) else part.raw for part in content)


def by_words(source: str, target: str, pairs: list[tuple[int, int]]) -> list[CharacterLink]:
    sources, targets = units(source), units(target)
    return [(sources[i], targets[j]) for i, j in pairs]


def test_a_pair_follows_its_words() -> None:
    content = ("I saw ", *bold("the red house"), " yesterday")
    target = "Gestern sah ich das rote Haus"
    source = plain_text(content).text
    links = by_words(source, target, [(0, 2), (1, 1), (2, 3), (3, 4), (4, 5), (5, 0)])
    assert written(place(content, target, links)) == "Gestern sah ich <b>das rote Haus</b>"


def test_a_single_wrong_link_does_not_tear_a_pair_apart() -> None:
    content = (*bold("red house"), " over there we saw it")
    target = "rotes Haus dort drüben sahen wir"
    source = plain_text(content).text
    right = [(0, 0), (1, 1), (2, 3), (3, 2), (4, 5), (5, 4)]
    links = by_words(source, target, [*right, (1, 4)])
    assert written(place(content, target, links)).startswith("<b>rotes Haus</b> dort")


def test_a_code_by_itself_cuts_as_few_links_as_possible() -> None:
    content = ("Save", Code("<br/>"), "or leave")
    target = "Verlassen oder speichern"
    links = by_words("Save or leave", target, [(0, 2), (1, 1), (2, 0)])
    placed = written(place(content, target, links))
    assert placed in ("<br/>Verlassen oder speichern", "Verlassen oder speichern<br/>")
    links = by_words("Save or leave", "Sichern oder gehen", [(0, 0), (1, 1), (2, 2)])
    assert written(place(content, "Sichern oder gehen", links)) == "Sichern<br/>oder gehen"


def test_tags_within_a_word_that_was_copied() -> None:
    content = ("H", Code("<sub>", Role.OPEN, "s"), "2", _close("s"), "O is wet")
    placed = place(content, "Nass ist H2O", by_words("H2O is wet", "Nass ist H2O", [(0, 2)]))
    assert written(placed) == "Nass ist H<sub>2</s>O"


@pytest.mark.parametrize(
    ("content", "target", "expected"),
    [
        (("Hello ", NAME, ", welcome"), "Hallo, willkommen", "Hallo {name}, willkommen"),
        ((NAME, " is here"), "ist da", "{name} ist da"),
        (("x ", *bold(NAME), "!"), "X!", "X <b>{name}</b>!"),
        (("你好", NAME, "欢迎"), "你好 欢迎", "你好{name}欢迎"),
    ],
)
def test_variables_get_the_spaces_that_they_had(
    content: Content, target: str, expected: str
) -> None:
    assert written(place(content, target, [])) == expected


def test_deep_nesting_and_many_codes_take_no_deep_stack() -> None:
    depth = 3000
    opened = tuple(Code("<b>", Role.OPEN, "b") for _ in range(depth))
    closed = tuple(_close("b") for _ in range(depth))
    content: Content = (*opened, "one two", *closed)
    assert written(place(content, "eins zwei", [])) == (
        "<b>" * depth + "eins zwei" + "</b>" * depth
    )
