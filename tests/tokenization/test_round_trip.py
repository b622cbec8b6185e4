"""Every tokenizer gives back every text, and nothing else."""

from __future__ import annotations

import pickle
import sys
import time
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.tokenization import NUM_CONTROL_IDS, Tokenizer, normalize_text
from nmt.tokenization.moses import GAP_OF_MARK
from nmt.tokenization.truecasing import AS_IS_MARK

TRICKY = [
    "<s>", "</s>", "<unk>", "<pad>", "<s >", "<unk >", "<0x41>", "<0x0A>", " \u2047 ", "[UNK]",
    "\u2581", "\ufffe", "\ufffe0", "\ufffe1", "\ufffe4", "##", "##a", "\u2040", "\u0120",
    *GAP_OF_MARK, AS_IS_MARK, "\uff5f", "@-@", "&apos;", "|||", "\ufffd", "\ufeff", "\x00",
    "\t", "\r", "\n", "\x85", "\u2028", "\u2029", " ", "  ", "\u00a0", "\u202f", "\u3000",
    "\u200b", "\u200d", "\u200f", "\u202e", "\u0301", "e\u0301", "\u00e9", "\u212b", "\ufb01",
    "\u0600", "\u0627\u0644\u0633", "\u05e9\u05dc\u05d5\u05dd", "日本語", "ไทย", "한국어",
    "🏳️‍🌈", "👩🏽‍🚀", "🇫🇷", "🇫", "the", "The", "THE", "'", "\u2019", "l'", "don't", '"',
    "«", "»", "...", ".", ",", ";", "Mr.", "e.g.", "3.", "1,000.5", "a-b", "--",
    "http://a.b/c?d=e.", "x@y.zz", "ß", "ŉ", "ǆ", "İ", "ı", "Σς",
]  # fmt: skip

any_character = st.characters(exclude_categories=["Cs"])
any_text = st.one_of(
    st.text(any_character),
    st.lists(st.one_of(st.sampled_from(TRICKY), any_character)).map("".join),
    st.lists(st.sampled_from(TRICKY)).map(" ".join),
)


@given(lines=st.lists(any_text))
@settings(max_examples=100, deadline=None)
def test_decoding_gives_the_normalised_text(tokenizer: Tokenizer, lines: list[str]) -> None:
    rows = tokenizer.encode(lines)
    assert tokenizer.decode(rows) == [tokenizer.normalize(line) for line in lines]
    assert all(
        NUM_CONTROL_IDS <= piece < tokenizer.vocabulary_size for row in rows for piece in row
    )


@given(lines=st.lists(any_text), rate=st.floats(0.01, 1), seed=st.integers(0, 2**64))
@settings(max_examples=100, deadline=None)
def test_sampling_changes_pieces_but_not_text(
    sampled: Tokenizer, lines: list[str], rate: float, seed: int
) -> None:
    rows = sampled.encode_sampled(lines, rate=rate, seed=seed)
    assert sampled.decode(rows) == [sampled.normalize(line) for line in lines]
    assert all(NUM_CONTROL_IDS <= piece < sampled.vocabulary_size for row in rows for piece in row)


def test_every_code_point(tokenizer: Tokenizer) -> None:
    characters = [chr(c) for c in range(sys.maxunicode + 1) if not 0xD800 <= c < 0xE000]
    # Every plane that has characters, and a part of those that have none.
    characters = [c for i, c in enumerate(characters) if i < 0x32000 or i % 64 == 0]
    lines = ["".join(characters[i : i + 61]) for i in range(0, len(characters), 61)]
    lines += ["a".join(characters[i : i + 61]) for i in range(0, 0x4000, 61)]
    decoded = tokenizer.decode(tokenizer.encode(lines))
    assert decoded == [normalize_text(line) for line in lines]


def test_a_pickled_copy_is_the_same(tokenizer: Tokenizer) -> None:
    """What processes are sent that translate side by side."""
    copy: Tokenizer = pickle.loads(pickle.dumps(tokenizer))
    rows = tokenizer.encode(TRICKY)
    assert copy.encode(TRICKY) == rows
    assert copy.decode(rows) == tokenizer.decode(rows)
    assert copy.content_hash == tokenizer.content_hash


@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_any_ids_decode_to_one_line(tokenizer: Tokenizer, data: st.DataObject) -> None:
    ids = st.one_of(st.integers(0, 300), st.integers(0, tokenizer.vocabulary_size - 1))
    rows = data.draw(st.lists(st.lists(ids)))
    for text in tokenizer.decode(rows):
        assert len(text.splitlines()) <= 1
        assert normalize_text(text) == text


@given(line=any_text, data=st.data())
@settings(max_examples=50, deadline=None)
def test_control_symbols_are_dropped(tokenizer: Tokenizer, line: str, data: st.DataObject) -> None:
    [row] = tokenizer.encode([line])
    for piece in range(NUM_CONTROL_IDS):
        row.insert(data.draw(st.integers(0, len(row))), piece)
    assert tokenizer.decode([row]) == [tokenizer.normalize(line)]


def test_blank_lines_have_no_pieces(tokenizer: Tokenizer) -> None:
    assert tokenizer.encode(["", " ", " \t\u2028 "]) == [[], [], []]
    assert tokenizer.decode([[], [0, 1, 2, 3]]) == ["", ""]
    assert tokenizer.encode([]) == []
    assert tokenizer.decode([]) == []


@pytest.mark.parametrize("part", ["Aé", "日本語", ".", "a.b,c'd", '"', "a@", "www."])
def test_a_very_long_word_takes_no_time(tokenizer: Tokenizer, part: str) -> None:
    line = part * (100_000 // len(part))
    began = time.process_time()
    assert tokenizer.decode(tokenizer.encode([line])) == [line]
    assert time.process_time() - began < 5


def test_a_lone_surrogate_is_not_text(tokenizer: Tokenizer) -> None:
    with pytest.raises(UnicodeEncodeError):
        tokenizer.encode(["a\ud800"])


@given(text=any_text)
def test_normalisation_loses_nothing_visible(text: str) -> None:
    plain_space = set(" \t\n\v\f\r\x1c\x1d\x1e\x85\u2028\u2029")

    def visible(text: str) -> list[str]:
        return [c for c in unicodedata.normalize("NFC", text) if c not in plain_space]

    normal = normalize_text(text)
    assert visible(normal) == visible(text)
    assert normalize_text(normal) == normal
    assert len(normal.splitlines()) <= 1


def test_pieces_are_for_people(tokenizers: dict[str, Tokenizer]) -> None:
    line = "The old baker painted the harbour."
    words = tokenizers["words-en"].pieces(line)
    assert words == ["the", "old", "baker", "painted", "the", "harbour", "."]
    for kind in ("unigram", "bpe", "byte-bpe"):
        assert "".join(tokenizers[kind].pieces(line)).replace("\u2581", " ") == " " + line
    wordpieces = " ".join(tokenizers["wordpiece"].pieces(line))
    assert (
        wordpieces.replace(" ##", "").replace(" \u2581", " ").replace(" .", ".") == "\u2581" + line
    )
