"""Conditions on a text as finite automata over its UTF-8 bytes.

Whatever pieces a text is made of, its bytes are the same: a condition on bytes holds for the text
however it is cut. An automaton reads one byte after another, so it can stop anywhere, within a
character too, as pieces do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from nmt.word_boundaries import is_unspaced_character, is_word_byte

_SPACE: Final = ord(" ")
_SPACES: Final = frozenset(b" \t\n\v\f\r\x1c\x1d\x1e")
"""What becomes a space, and with its neighbours a single one, when pieces become text."""


@dataclass(frozen=True, slots=True, eq=False)
class ByteAutomaton:
    """A deterministic automaton. It begins in state 0."""

    next_SB: NDArray[np.int32]
    """The state after each state and byte, [states, 256]."""
    holds_S: NDArray[np.bool_]
    """Whether the condition holds for a text that ends in this state."""
    final_S: NDArray[np.bool_]
    """Whether it is decided in this state, whatever comes: the state is never left."""


def _continues_character(byte: int) -> bool:
    return 0x80 <= byte < 0xC0


@dataclass(frozen=True, slots=True)
class _Term:
    text: bytes
    begins_word: bool
    ends_word: bool
    only_first: bool
    """Whether it is what the term looks like at the beginning of a text only."""


def _spellings(variants: Iterable[str]) -> list[_Term]:
    """Each variant as it is, and, at the beginning of a text, with a capital."""
    terms = {}
    for variant in variants:
        begins, ends = (not is_unspaced_character(variant[edge]) for edge in (0, -1))
        plain = variant.encode("utf-8")
        terms[plain] = _Term(plain, begins, ends, only_first=False)
        capital = (variant[0].upper() + variant[1:]).encode("utf-8")
        terms.setdefault(capital, _Term(capital, begins, ends, only_first=True))
    return list(terms.values())


@dataclass(frozen=True, slots=True)
class _Reading:
    """How far a text has come towards any of the terms."""

    first: bool = True
    """Whether no word has begun yet."""
    spaced: bool = True
    """Whether the last byte was a space, or nothing: another one changes nothing."""
    in_word: bool = False
    """Whether the last character belongs to a word."""
    begun: frozenset[tuple[int, int]] = frozenset()
    """Terms by their numbers, and how many bytes of each have been read."""
    ended: bool = False
    """Whether a term has just been read that counts if no word goes on here."""
    found: bool = False


def contains_any(variants: Sequence[str]) -> ByteAutomaton:
    """Holds for texts in which any of the variants occurs as whole words.

    Variants are not empty, and as normalised as the text is. At the beginning of a text their first
    letter may be a capital. A text that has one keeps it, so the automaton stays where it is then.
    """
    terms = _spellings(variants)

    def read(state: _Reading, byte: int) -> _Reading:
        if byte in _SPACES:
            byte = _SPACE
        spaced = byte == _SPACE
        if state.found or (spaced and state.spaced):
            return state
        begins_character = not _continues_character(byte)
        word = is_word_byte(byte) if begins_character else state.in_word
        if state.ended and begins_character and not word:
            return _Reading(found=True)
        begun = {
            (number, done + 1) for number, done in state.begun if terms[number].text[done] == byte
        }
        for number, term in enumerate(terms):
            may_begin = not (term.begins_word and state.in_word)
            if term.text[0] == byte and may_begin and (state.first or not term.only_first):
                begun.add((number, 1))
        complete = [terms[number] for number, done in begun if done == len(terms[number].text)]
        if any(not term.ends_word for term in complete):
            return _Reading(found=True)
        return _Reading(
            first=state.first and not word,
            spaced=spaced,
            in_word=word,
            begun=frozenset(one for one in begun if one[1] < len(terms[one[0]].text)),
            ended=bool(complete),
        )

    readings, next_SB = _build(_Reading(), read, (term.text for term in terms))
    return ByteAutomaton(
        next_SB,
        np.array([one.ended or one.found for one in readings]),
        np.array([one.found for one in readings]),
    )


def begins_with(prefix: str) -> ByteAutomaton:
    """Holds for texts that begin with the prefix, spaces before it aside.

    After a space at its end something else must follow: at the end of a text it would be lost.
    Whether the text can still begin so, ``holds_S`` and ``final_S`` of its state tell: the state of
    those that cannot is final and does not hold.
    """
    text = prefix.encode("utf-8")
    read_all, done, dead = len(text), len(text) + 1, len(text) + 2

    def read(state: int, byte: int) -> int:
        if state >= done:
            return state
        if state == read_all:  # which ends in a space
            return read_all if byte in _SPACES else done
        if state == 0 and byte in _SPACES:
            return 0
        if byte != text[state]:
            return dead
        return done if state + 1 == read_all and byte != _SPACE else state + 1

    states, next_SB = _build(0, read, (text,))
    number = np.array(states)
    return ByteAutomaton(next_SB, number == done, number >= done)


_SECOND_BYTES: Final = {
    0xE0: (0xA0, 0xBF), 0xED: (0x80, 0x9F), 0xF0: (0x90, 0xBF), 0xF4: (0x80, 0x8F),
}  # fmt: skip
"""Where the byte after the first is not from 0x80 to 0xBF (RFC 3629, section 4)."""


def broken_text() -> ByteAutomaton:
    """Holds for what is not UTF-8, or ends within a character: its text would not be its bytes."""
    broken = (-1, 0, 0)

    def read(state: tuple[int, int, int], byte: int) -> tuple[int, int, int]:
        left, lowest, highest = state
        if left < 0:
            return state
        if left:
            return (left - 1, 0x80, 0xBF) if lowest <= byte <= highest else broken
        if byte < 0x80:
            return (0, 0x80, 0xBF)
        left = 1 if 0xC2 <= byte <= 0xDF else 2 if 0xE0 <= byte <= 0xEF else 3
        if not 0xC2 <= byte <= 0xF4:
            return broken
        return (left, *_SECOND_BYTES.get(byte, (0x80, 0xBF)))

    states, next_SB = _build((0, 0x80, 0xBF), read, (bytes(range(256)),))
    left = np.array([state[0] for state in states])
    return ByteAutomaton(next_SB, left != 0, left < 0)


_State = TypeVar("_State")


def _build(
    begin: _State, read: Callable[[_State, int], _State], texts: Iterable[bytes]
) -> tuple[list[_State], NDArray[np.int32]]:
    """All states that bytes lead to, and where each byte leads from each.

    Bytes that are not in ``texts`` lead where others of their class lead.
    """
    used = {byte for text in texts for byte in text} | _SPACES
    classes: dict[tuple[bool, bool], list[int]] = {}
    for byte in sorted(set(range(256)) - used):
        classes.setdefault((_continues_character(byte), is_word_byte(byte)), []).append(byte)
    groups = [[byte] for byte in sorted(used)] + list(classes.values())
    number_of = {begin: 0}
    states = [begin]
    rows = []
    for state in states:  # which grows meanwhile
        row = np.empty(256, dtype=np.int32)
        for group in groups:
            after = read(state, group[0])
            if after not in number_of:
                number_of[after] = len(states)
                states.append(after)
            row[group] = number_of[after]
        rows.append(row)
    return states, np.stack(rows)
