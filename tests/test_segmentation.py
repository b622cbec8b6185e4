"""Splitting into sentences and smaller parts, and joining again."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.lines import read_lines
from nmt.segmentation import Cut, join_segments, split_sentences, split_to_fit
from nmt.text import clean_line, is_blank, one_line


def count_bytes(segments: Sequence[str]) -> list[int]:
    """A piece is a byte, as in byte fallback."""
    return [len(segment.encode("utf-8")) for segment in segments]


def count_words(segments: Sequence[str]) -> list[int]:
    """A piece is a word."""
    return [len(segment.split()) for segment in segments]


def without_space(text: str) -> str:
    """The text but for white space and what cannot be seen."""
    return "".join(c for c in text if not is_blank(c))


TEXT = st.text(
    st.characters(exclude_categories=["Cs"])
    | st.sampled_from("  .!?,;:。！、」»\"'()abcABC字かกא\u0301\u200d\u200b\U0001f1e9"),
    max_size=300,
)


class TestSentences:
    @pytest.mark.parametrize(
        ("language", "sentences"),
        [
            ("en", ["Dr. J. R. Smith met Mr. Jones at 5 p.m. on Monday.", "They talked."]),
            ("en", ["He lives in the U.S. Virgin Islands.", "Why?", "Who knows!"]),
            ("en", ['"Stop!" she cried.', '"No," he said.', "(It was late.)", "Then it ended..."]),
            (
                "en",
                ["See No. 5 and Fig. 3.", "The total was 3.14.", "In 1999. 2000 came next."][:2],
            ),
            ("de", ["Am 3. Oktober 1990 kam z. B. Dr. Meier.", "Im Jahr 1999 nicht."]),
            ("de", ["»Halt!«, rief sie.", "»Wer ist da?«", "Niemand bzw. Keiner."]),
            ("fr", ["M. Dupont arrive.", "« Bonjour. »", "Il est 9 h."]),
            ("es", ["¿Qué hora es?", "¡No lo sé!", "Pregunta al Sr. García."]),
            ("zh", ["今天下雨。", "明天呢？", "“好。”", "他走了！"]),
            ("ja", ["「元気？」と聞いた。", "彼は答えた。"]),
            ("hi", ["यह एक वाक्य है।", "यह दूसरा है।"]),
            ("ar", ["هل أنت بخير؟", "نعم."]),
            ("ru", ["Это было в 1999 г. Москва росла.", "Да?"]),
        ],
    )
    def test_examples(self, language: str, sentences: list[str]) -> None:
        between = "" if language in ("zh", "ja") else " "
        assert split_sentences(between.join(sentences), language) == sentences

    @given(text=TEXT, language=st.sampled_from(["en", "de", "zh", "xx"]))
    def test_lose_nothing(self, text: str, language: str) -> None:
        sentences = split_sentences(text, language)
        assert "".join("".join(s.split()) for s in sentences) == "".join(text.split())
        assert all(s == s.strip() != "" for s in sentences)

    @pytest.mark.parametrize("language", ["cs", "de", "en", "is", "ru", "zh"])
    def test_real_sentences_joined_are_found_again(self, shared_data: Path, language: str) -> None:
        lines = [line.strip() for line in read_lines(shared_data / f"flores200/dev.{language}")]
        between = "" if language == "zh" else " "
        missed = 0
        for first, second in pairwise(lines):
            expected = split_sentences(first, language) + split_sentences(second, language)
            missed += split_sentences(first + between + second, language) != expected
        assert missed / len(lines) < 0.03

    def test_real_sentences_are_left_whole(self, shared_data: Path) -> None:
        """News test sets are split into sentences by hand: hardly any is to be split further."""
        for language in ("de", "en"):
            path = shared_data / f"wmt_newstest/newstest2014-deen.{language}"
            lines = read_lines(path)
            torn = [line for line in lines if len(split_sentences(line, language)) > 1]
            assert len(torn) / len(lines) < 0.01, torn


class TestFitting:
    @given(text=TEXT, limit=st.integers(4, 60))
    def test_every_segment_fits_and_nothing_is_lost(self, text: str, limit: int) -> None:
        segments = split_to_fit(text, "en", count_bytes, limit)
        assert all(0 < segment.num_pieces <= limit for segment in segments)
        assert [s.num_pieces for s in segments] == count_bytes([s.text for s in segments])
        assert "".join(without_space(s.text) for s in segments) == without_space(text)

    @given(words=st.lists(st.text("abc", min_size=1, max_size=9), min_size=1, max_size=60))
    def test_words_are_not_torn_where_there_are_spaces(self, words: list[str]) -> None:
        segments = split_to_fit(" ".join(words), "en", count_bytes, 9)
        assert " ".join(segment.text for segment in segments).split() == words
        assert all(segment.cut is not Cut.CHARACTER for segment in segments)

    def test_clauses_before_words_before_characters(self) -> None:
        text = "When it had rained for hours, the old river rose; nobody slept"
        segments = split_to_fit(text, "en", count_words, 7)
        assert [(s.text, s.cut) for s in segments[:-1]] == [
            ("When it had rained for hours,", Cut.CLAUSE)
        ]
        assert [s.cut for s in split_to_fit("one two three four", "en", count_words, 2)] == [
            Cut.WORD,
            Cut.SENTENCE,
        ]
        assert [s.text for s in split_to_fit("abcdef", "en", count_bytes, 3)] == ["abc", "def"]

    def test_a_clause_far_from_the_middle_is_no_place_to_cut(self) -> None:
        text = "Yes, one two three four five six seven eight"
        segments = [s.text for s in split_to_fit(text, "en", count_words, 5)]
        assert segments == ["Yes, one two three four", "five six seven eight"]

    def test_halves_are_even(self) -> None:
        counts = [s.num_pieces for s in split_to_fit("word " * 1100, "en", count_words, 1024)]
        assert counts == [550, 550]

    def test_grapheme_clusters_stay_whole(self) -> None:
        family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
        for segment in split_to_fit(family * 20, "en", count_bytes, 40):
            assert segment.text.replace(family, "") == ""
        for segment in split_to_fit("e\u0301" * 20, "fr", count_bytes, 7):
            assert segment.text.replace("e\u0301", "") == ""

    def test_a_place_between_han_characters_is_no_place_within_a_word(self) -> None:
        (first, *_) = split_to_fit("字" * 100, "zh", count_bytes, 60)
        assert first.cut is Cut.WORD
        (first, *_) = split_to_fit("a" * 100, "zh", count_bytes, 60)
        assert first.cut is Cut.CHARACTER

    @pytest.mark.parametrize(
        "text",
        [
            "a",
            ".",
            ". ",
            "A. ",
            ")",
            '"',
            "。",
            "。」",
            "字",
            "\u0301",
            " ,",
            "Hi. ",
            "x.",
            "- ",
            "''",
        ],
    )
    def test_takes_time_in_proportion_to_the_text(self, text: str) -> None:
        """Patterns that backtrack need minutes for some of these."""
        started = time.process_time()
        split_to_fit(text * (100_000 // len(text)), "de", count_bytes, 1000)
        assert time.process_time() - started < 5


class TestJoining:
    @pytest.mark.parametrize(
        ("language", "cut", "joined"),
        [
            ("de", Cut.SENTENCE, "字 字"),
            ("de", Cut.WORD, "字 字"),
            ("de", Cut.CHARACTER, "字字"),
            ("zh", Cut.SENTENCE, "字字"),
            ("zh-Hant", Cut.CLAUSE, "字字"),
            ("ja", Cut.WORD, "字字"),
            ("th", Cut.SENTENCE, "字 字"),
            ("th", Cut.WORD, "字字"),
            ("ko", Cut.WORD, "字 字"),
        ],
    )
    def test_as_the_language_is_written(self, language: str, cut: Cut, joined: str) -> None:
        assert join_segments(["字", "字"], [cut], language) == joined

    def test_latin_words_never_run_together(self) -> None:
        assert join_segments(["BBC", "CNN", "字"], [Cut.CLAUSE, Cut.CLAUSE], "zh") == "BBC CNN字"

    @given(words=st.lists(st.text("abc", min_size=1), min_size=1, max_size=40))
    def test_undoes_splitting(self, words: list[str]) -> None:
        text = " ".join(words)
        segments = split_to_fit(text, "en", count_bytes, 5)
        assert (
            join_segments([s.text for s in segments], [s.cut for s in segments][:-1], "en") == text
        )


class TestText:
    @given(st.text(st.characters()))
    def test_cleaned_lines_are_single_and_encodable(self, line: str) -> None:
        cleaned = clean_line(line)
        cleaned.encode("utf-8")
        assert len(cleaned.splitlines()) <= 1
        assert "\0" not in cleaned
        assert one_line(cleaned) == cleaned

    @given(st.characters(exclude_categories=["Cs"]))
    def test_cleaning_touches_nothing_else(self, character: str) -> None:
        line = f"a{character}b"
        assert clean_line(line) in (line, "a b")
        assert (clean_line(line) == "a b") == (len(line.splitlines()) > 1 or character in "\0 ")

    def test_surrogate_pairs_become_characters_and_lone_ones_do_not_break(self) -> None:
        assert clean_line("\ud83d\ude00 \ud83d") == "\U0001f600 \ufffd"
