"""Automata over bytes decide what regular expressions over characters decide."""

from __future__ import annotations

import contextlib
import re

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.neural.search.piece_automata import UNREACHABLE, Spelling
from nmt.neural.search.text_automata import (
    ByteAutomaton,
    begins_with,
    broken_text,
    contains_any,
)
from nmt.tokenization import normalize_text
from nmt.word_boundaries import WORD_CHARACTERS, whole_words

# Letters of one, two and three bytes, of a script without spaces, punctuation of several widths.
ALPHABET = "abAäÄạ_1 .„。猫ก😀\t"
TEXTS = st.text(st.sampled_from(ALPHABET), max_size=14)
VARIANTS = st.lists(
    st.text(st.sampled_from(ALPHABET), min_size=1, max_size=4).map(normalize_text).filter(bool),
    min_size=1,
    max_size=3,
)


def read(automaton: ByteAutomaton, text: str) -> int:
    """The state after a text."""
    state = 0
    for byte in text.encode("utf-8"):
        state = int(automaton.next_SB[state, byte])
    return state


def occurs(variants: list[str], text: str) -> bool:
    """Whether any variant is in a text as whole words, or begins it with a capital."""
    first = re.match(f"[^{WORD_CHARACTERS}]*", text)
    assert first is not None
    capitals = [variant[0].upper() + variant[1:] for variant in variants]
    begun = any(
        found.start() <= first.end()
        for variant in capitals
        for found in re.finditer(f"(?={whole_words([variant])})", text)
    )
    return bool(re.search(whole_words(variants), text)) or begun


@settings(max_examples=400)
@given(VARIANTS, TEXTS)
def test_a_text_contains_a_term(variants: list[str], text: str) -> None:
    automaton = contains_any(variants)
    state = read(automaton, text)
    assert automaton.holds_S[state] == occurs(variants, normalize_text(text))


@given(VARIANTS, TEXTS, TEXTS)
def test_what_was_found_stays_found(variants: list[str], text: str, more: str) -> None:
    automaton = contains_any(variants)
    state = read(automaton, text)
    if automaton.final_S[state]:
        assert automaton.holds_S[state]
        assert read(automaton, text + more) == state


@settings(max_examples=300)
@given(TEXTS.map(normalize_text).filter(bool), TEXTS.map(normalize_text))
def test_a_text_begins_with_a_prefix(prefix: str, text: str) -> None:
    automaton = begins_with(prefix)
    for candidate in (text, prefix + text, prefix[:-1] + text):
        state = read(automaton, f" {candidate}")
        expected = candidate.lstrip(" ").startswith(prefix)
        assert automaton.holds_S[state] == expected
        if not prefix.startswith(candidate.lstrip(" ")):
            assert automaton.final_S[state]


@given(st.lists(st.sampled_from([b"a", *(c.encode() for c in "ä\u0800\ud7ff\ue000😀\U0010ffff")])
                | st.binary(min_size=1, max_size=2), max_size=4).map(b"".join))  # fmt: skip
def test_what_is_not_utf8_is_broken(data: bytes) -> None:
    """Python's decoder decides."""
    automaton = broken_text()
    state = 0
    for byte in data:
        state = int(automaton.next_SB[state, byte])
    try:
        data.decode("utf-8")
        right = True
    except UnicodeDecodeError:
        right = False
    assert automaton.holds_S[state] == (not right)


@given(TEXTS.map(normalize_text).filter(bool), TEXTS.map(normalize_text))
def test_after_a_space_something_follows(prefix: str, text: str) -> None:
    automaton = begins_with(f"{prefix} ")
    for candidate in (text, f"{prefix}{text}", f"{prefix} {text}", f"{prefix} "):
        state = read(automaton, f" {candidate}")
        assert automaton.holds_S[state] == normalize_text(candidate).startswith(f"{prefix} ")


PIECES = [b"", b"", b"", b"", b" a", b" b", b"a", b"b", b"c", b" ", b" ab", b"ba", b".", b"\xc3",
          b"\xa4", b" Ab", b"ab", b" c", b"b a"]  # fmt: skip
"""Control symbols, and pieces that overlap each other, two of them parts of a character."""


@settings(max_examples=60)
@given(
    st.lists(st.text(st.sampled_from("abcä"), min_size=1, max_size=4), min_size=1, max_size=2),
    st.lists(st.integers(4, 18), max_size=8),
)
def test_lifted_to_pieces_it_is_the_same(variants: list[str], pieces: list[int]) -> None:
    """And what it says of the next piece is what that piece does."""
    spelling = Spelling(PIECES)
    condition = spelling.contains_any(tuple(variants))
    automaton = condition.automaton
    state = 0
    for piece in pieces:
        remaining = condition.remaining_S[state]
        assert (remaining == 0) == automaton.holds_S[state]
        every = np.arange(4, len(PIECES))
        after = spelling.read(condition, np.full(len(every), state), every)
        left = condition.remaining_S[after]
        assert UNREACHABLE not in left
        assert remaining <= left.min() + 1
        assert set(condition.nearer_S[state]) == set(every[left < remaining])
        if not automaton.final_S[state]:
            assert set(condition.deciding_S[state]) == set(every[automaton.final_S[after]])
        state = int(spelling.read(condition, np.array([state]), np.array([piece]))[0])
    text = b"".join(PIECES[piece] for piece in pieces)
    with contextlib.suppress(UnicodeDecodeError):
        expected = occurs(variants, normalize_text(text.decode("utf-8")))
        assert condition.automaton.holds_S[state] == expected


def test_the_shortest_way_is_known() -> None:
    spelling = Spelling(PIECES)
    assert spelling.contains_any(("ab",)).remaining_S[0] == 1
    assert spelling.contains_any(("abba",)).remaining_S[0] == 2
    assert spelling.contains_any(("ä",)).remaining_S[0] == 2
    assert spelling.begins_with("ab c").remaining_S[0] == 2
    assert not spelling.contains_any(("x",)).can_hold
    prefix = spelling.begins_with("ab")
    possible = prefix.possible_S[0]
    assert possible is not None
    assert {PIECES[piece] for piece in possible} == {b" a", b"a", b" ", b" ab", b"ab"}
