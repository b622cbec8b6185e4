"""n lines in, n lines out: the promises that every system keeps through `Translator`."""

from __future__ import annotations

import itertools
import queue
import re
import typing
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.errors import UserError
from nmt.glossary import Entry, Glossary
from nmt.translation import best_combinations
from nmt.translator import (
    Hypothesis,
    Sampling,
    SearchKeywords,
    SearchOptions,
    Translation,
)
from tests.upper_case import UpperCase

# Any Unicode text, a lone surrogate and all line separators included, and often over the limit.
CHARACTERS = st.characters(exclude_categories=["Cs"]) | st.sampled_from(
    "\ud800 \t\0\r\x0b\x0c\x1c\x85\u2028\u2029\u200b\u3000\ufeff.!?,。、"
)
LINES = st.lists(st.text(CHARACTERS, max_size=200), max_size=30)
# What str.splitlines takes for the end of a line, and NUL.
LINE_ENDS = re.compile("[\0\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029]")


def letters(text: str) -> str:
    """Only letters and digits: what no splitting and joining may touch."""
    return "".join(c for c in text if c.isalnum())


class TestAnyText:
    @given(lines=LINES)
    def test_as_many_lines_out_as_in(self, lines: list[str]) -> None:
        translations = UpperCase(separator="\u2028").translate(lines)
        assert len(translations) == len(lines)
        for line, translation in zip(lines, translations, strict=True):
            assert letters(translation.text) == letters(line.upper())
            assert not LINE_ENDS.search(translation.text)
            assert len(translation.text.splitlines()) <= 1
            if not line.strip():
                assert translation.text == ""

    @given(lines=LINES)
    def test_streaming_gives_the_same(self, lines: list[str]) -> None:
        assert list(UpperCase().translate_stream(lines)) == UpperCase().translate(lines)

    @given(lines=LINES, batch_tokens=st.integers(1, 500))
    def test_search_sees_only_what_it_takes(self, lines: list[str], batch_tokens: int) -> None:
        system = UpperCase()
        system.translate(lines, batch_tokens=batch_tokens)
        for batch in system.batches:
            lengths = system.count_pieces(batch)
            assert min(lengths) > 0
            assert lengths == sorted(lengths, reverse=True)
            assert max(lengths) <= system.limit
            assert len(batch) == 1 or len(batch) * max(lengths) <= batch_tokens
            assert all(segment.strip() == segment for segment in batch)

    @given(lines=LINES)
    def test_a_line_does_not_depend_on_its_neighbours(self, lines: list[str]) -> None:
        together = UpperCase().translate(lines)
        assert together == [UpperCase().translate(line)[0] for line in lines]

    @given(lines=LINES, nbest=st.integers(1, 5))
    def test_nbest_lists_are_sorted_and_begin_with_the_best(
        self, lines: list[str], nbest: int
    ) -> None:
        best = UpperCase().translate(lines)
        for one, several in zip(best, UpperCase().translate(lines, nbest=nbest), strict=True):
            assert several.text == one.text
            assert several.score == one.score
            scores = [alternative.score for alternative in several.alternatives]
            assert scores == sorted(scores, reverse=True)
            assert len(scores) == (nbest if one.num_source_pieces else 1)


class TestBlankLines:
    @pytest.mark.parametrize(
        "line", ["", " ", "\t", "\u3000", "\xa0", "\u200b\u200e", "\ufeff", "\0", "\u2028", "\r"]
    )
    def test_never_reach_the_search(self, line: str) -> None:
        system = UpperCase()
        assert system.translate([line])[0] == Translation((Hypothesis("", 0.0),))
        assert system.batches == []

    def test_stay_where_they_are(self) -> None:
        texts = [one.text for one in UpperCase().translate(["", "a", "  ", "b", ""])]
        assert texts == ["", "A", "", "B", ""]


class TestLongLines:
    @pytest.mark.parametrize(
        "line",
        [
            "a" * 100_000,
            "word " * 20_000,
            "So it is. " * 10_000,
            "一" * 100_000,
            "\U0001f468\u200d\U0001f469\u200d\U0001f467" * 20_000,
            "." * 100_000,
            "e" + "\u0301" * 99_999,
        ],
        ids=["no spaces", "words", "sentences", "Chinese", "emoji", "dots", "one long cluster"],
    )
    def test_are_translated_whole(self, line: str) -> None:
        system = UpperCase(limit=200)
        (translation,) = system.translate(line)
        assert re.sub(r"\s", "", translation.text) == re.sub(r"\s", "", line.upper())

    def test_are_rejoined_as_the_target_language_is_written(self) -> None:
        line = "Es regnet heute. Morgen scheint die Sonne."
        assert UpperCase(30, source="de", target="en").translate(line)[0].text == line.upper()
        line = "今天下雨。明天出太阳。"
        assert UpperCase(20, source="zh", target="ja").translate(line)[0].text == line
        assert UpperCase(20, source="zh", target="en").translate(line)[0].text == (
            "今天下雨。 明天出太阳。"
        )

    def test_score_is_the_sum_of_the_segments(self) -> None:
        system = UpperCase(12)
        (translation,) = system.translate("It is so. Is it? Yes!", nbest=4)
        assert sorted(itertools.chain(*system.batches)) == ["Is it?", "It is so.", "Yes!"]
        assert translation.alternatives[0] == Hypothesis("IT IS SO. IS IT? YES!", 0.0, 19)
        assert {one.text for one in translation.alternatives[1:]} == {
            "IT IS SO.! IS IT? YES!",
            "IT IS SO. IS IT?! YES!",
            "IT IS SO. IS IT? YES!!",
        }
        assert {one.score for one in translation.alternatives[1:]} == {-1.0}

    def test_a_character_longer_than_the_limit_is_copied(self) -> None:
        system = UpperCase(3)
        assert system.translate("a\U0001f600b")[0].text == "A\U0001f600B"

    @given(
        st.lists(
            st.lists(st.integers(-9, 0), min_size=1, max_size=5).map(
                lambda scores: sorted(scores, reverse=True)
            ),
            min_size=1,
            max_size=4,
        ),
        st.integers(1, 12),
    )
    def test_best_combinations_are_the_best_of_all(
        self, scores: list[list[int]], nbest: int
    ) -> None:
        lists = [
            [Hypothesis(f"{i}.{j}", float(score)) for j, score in enumerate(row)]
            for i, row in enumerate(scores)
        ]
        found = best_combinations(lists, nbest)
        sums = sorted((sum(one) for one in itertools.product(*scores)), reverse=True)
        assert [sum(part.score for part in parts) for parts in found] == sums[:nbest]
        assert len(set(found)) == len(found)
        assert found[0] == tuple(row[0] for row in lists)


class TestBatches:
    def test_like_lengths_together_longest_first(self) -> None:
        system = UpperCase(limit=10)
        system.translate(["a" * n for n in (1, 9, 2, 8, 3, 7)], batch_tokens=18)
        assert [[len(s) for s in batch] for batch in system.batches] == [[9, 8], [7, 3], [2, 1]]

    def test_the_same_text_is_searched_once(self) -> None:
        system = UpperCase()
        assert len(system.translate(["again"] * 10 + ["once"])) == 11
        assert system.batches == [["again", "once"]]

    def test_but_sampled_each_time(self) -> None:
        system = UpperCase()
        system.translate(["again"] * 3, sampling=Sampling(temperature=0.5))
        assert system.batches == [["again"] * 3]
        assert system.options[0].sampling == Sampling(temperature=0.5)

    def test_by_the_place_in_the_input_however_it_is_cut(self) -> None:
        lines = ["a b", "", "again. And again.", "again", "a b"] * 3
        at_once, in_windows = UpperCase(), UpperCase()
        at_once.translate(lines, sampling=Sampling())
        in_windows.translate(lines, sampling=Sampling(), batch_tokens=1)
        assert len(in_windows.batches) > len(at_once.batches)
        drawn = [
            sorted(
                pair
                for batch, draws in zip(system.batches, system.draws, strict=True)
                for pair in zip(draws, batch, strict=True)
            )
            for system in (at_once, in_windows)
        ]
        assert drawn[0] == drawn[1]
        assert [draw for draw, _ in drawn[0]] == list(range(12))

    def test_padding_stays_small_on_lengths_like_those_of_captions(self) -> None:
        # Lengths spread as those of Multi30k's test set: 5 to 40 pieces, most of 10 to 18.
        lengths = [5 + (i * 7919) % 13 + (i * 104729) % 9 + (i % 50 == 0) * 14 for i in range(5000)]
        system = UpperCase(limit=1024)
        system.translate(["x" * n + str(i) for i, n in enumerate(lengths)], batch_tokens=4096)
        padded = sum(len(batch) * len(batch[0]) for batch in system.batches)
        assert padded / sum(len(s) for batch in system.batches for s in batch) < 1.10


class TestOptions:
    def test_keywords_are_the_fields(self) -> None:
        assert typing.get_type_hints(SearchKeywords) == typing.get_type_hints(SearchOptions)

    @pytest.mark.parametrize(
        "options",
        [
            {"beam": 0},
            {"nbest": 0},
            {"batch_tokens": 0},
            {"length_penalty": -1.0},
            {"length_penalty": float("nan")},
            {"beam": 3, "nbest": 4},
        ],
    )
    def test_nonsense_is_refused_before_anything_is_read(self, options: SearchKeywords) -> None:
        def untouched() -> Iterator[str]:
            raise AssertionError("read")
            yield ""

        with pytest.raises(UserError, match=next(iter(options))):
            UpperCase().translate_stream(untouched(), **options)

    @pytest.mark.parametrize("options", [{"temperature": 0.0}, {"top_k": 0}, {"top_p": 1.5}])
    def test_so_is_sampling_from_nothing(self, options: dict[str, typing.Any]) -> None:
        with pytest.raises(UserError, match=next(iter(options))):
            Sampling(**options)


class TestStreams:
    def test_an_answer_comes_before_the_next_line(self) -> None:
        typed: queue.Queue[str | None] = queue.Queue()
        answers = UpperCase().translate_stream(iter(typed.get, None))
        for line in ["one", "", "two", "three " * 100]:
            typed.put(line)
            assert next(answers).text == line.strip().upper()
        typed.put(None)
        assert list(answers) == []

    def test_what_the_input_raises_comes_after_the_answers(self) -> None:
        def lines() -> Iterator[str]:
            yield from ["a", "b"]
            raise UserError("not valid UTF-8", where="file:3")

        answers = UpperCase().translate_stream(lines())
        assert [next(answers).text, next(answers).text] == ["A", "B"]
        with pytest.raises(UserError, match="UTF-8"):
            next(answers)


def test_a_segment_translated_to_nothing_leaves_no_double_space() -> None:
    class Mute(UpperCase):
        def search(
            self, segments: Sequence[str], options: SearchOptions, draws: Sequence[int] = ()
        ) -> list[list[Hypothesis]]:
            return [[Hypothesis("" if "?" in text else text, 0.0)] for text in segments]

    assert Mute(12).translate("It is so. Is it? Yes!")[0].text == "It is so. Yes!"


def test_a_glossary_that_cannot_be_kept_is_told_before_anything_is_translated() -> None:
    """Even if no line of the input has a term of it, and before the first line is read."""
    translator = UpperCase(limit=8)
    glossary = Glossary([Entry("house", ("Haus",), forbidden=False, line=1)])
    with pytest.raises(UserError, match="takes no glossaries"):
        translator.translate(["a cat"], glossary=glossary)
    for ask in (translator.translate_stream, translator.translate_windows):
        with pytest.raises(UserError, match="takes no glossaries"):
            ask(iter(()), glossary=glossary)  # told at once, not at the first translation
    assert not translator.batches
