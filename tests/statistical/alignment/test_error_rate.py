"""The alignment error rate against published tables, and links as text."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.errors import UserError
from nmt.lines import read_lines
from nmt.statistical.alignment.error_rate import alignment_error_rate
from nmt.statistical.alignment.pharaoh import (
    GoldAlignment,
    check_gold,
    format_alignments,
    read_alignments,
    read_gold,
)

# Set, output, AER, precision, recall: shared/data/word_alignment/README.md; the GIZA++ and
# fast_align rows agree with the table of lilt/alignment-scripts.
PUBLISHED = [
    ("en-fr_hansards", "giza.forward.talp", 8.0, 91.4, 92.9),
    ("en-fr_hansards", "giza.reverse.talp", 9.8, 91.6, 88.3),
    ("en-fr_hansards", "giza.grow-diagonal.talp", 5.9, 97.5, 89.7),
    ("en-fr_hansards", "giza.grow-diagonal-final.talp", 6.2, 95.5, 91.6),
    ("en-fr_hansards", "fastalign.forward.talp", 16.4, 80.0, 90.1),
    ("en-fr_hansards", "fastalign.reverse.talp", 15.9, 81.3, 88.7),
    ("en-fr_hansards", "fastalign.grow-diagonal.talp", 10.5, 90.8, 87.8),
    ("en-fr_hansards", "fastalign.grow-diagonal-final.talp", 12.1, 87.7, 88.3),
    ("en-fr_hansards", "awesome-align.out", 4.1, 96.3, 95.4),
    ("ja-en_kftt", "awesome-align.out", 37.4, 72.7, 55.0),
]


@pytest.mark.parametrize(("folder", "output", "error_rate", "precision", "recall"), PUBLISHED)
def test_published_error_rates(
    shared_data: Path,
    folder: str,
    output: str,
    error_rate: float,
    precision: float,
    recall: float,
) -> None:
    place = shared_data / "word_alignment" / folder
    golds = read_gold(read_lines(place / "test.gold"), "test.gold", first_position=1)
    alignments = read_alignments(read_lines(place / output), output)
    links = [alignments[n] for n in range(len(alignments))]
    if "reverse" in output:
        links = [[(s, t) for t, s in one] for one in links]
    scores = alignment_error_rate(links, golds)
    found = [100 * scores.error_rate, 100 * scores.precision, 100 * scores.recall]
    assert [round(value, 1) for value in found] == [error_rate, precision, recall]


def test_error_rate_of_the_german_reconstruction(shared_data: Path) -> None:
    place = shared_data / "word_alignment" / "de-en_cmu"
    golds = read_gold(read_lines(place / "test.gold"), "test.gold")
    alignments = read_alignments(read_lines(place / "giza.de-en"), "giza.de-en")
    scores = alignment_error_rate([alignments[n] for n in range(128)], golds)
    assert round(100 * scores.error_rate, 1) == 14.1


def test_nothing_linked_and_nothing_to_link() -> None:
    nothing = GoldAlignment(frozenset(), frozenset())
    scores = alignment_error_rate([set()], [nothing])
    assert (scores.error_rate, scores.precision, scores.recall) == (0, 1, 1)
    sure = GoldAlignment(frozenset([(0, 0)]), frozenset([(0, 0)]))
    assert alignment_error_rate([set()], [sure]).error_rate == 1
    assert alignment_error_rate([{(0, 0)}], [sure]).error_rate == 0


some_lines = st.lists(
    st.sets(st.tuples(st.integers(0, 65535), st.integers(0, 65535)), max_size=6), max_size=5
)


@given(pairs=some_lines)
def test_what_is_written_is_read(pairs: list[set[tuple[int, int]]]) -> None:
    lines = [" ".join(f"{s}-{t}" for s, t in links) for links in pairs]
    alignments = read_alignments(lines, "links")
    assert [alignments[n] for n in range(len(pairs))] == [sorted(links) for links in pairs]
    again = list(format_alignments(alignments))
    assert again == [" ".join(f"{s}-{t}" for s, t in sorted(links)) for links in pairs]


@pytest.mark.parametrize("mark", ["p", "?"])
def test_possible_links_and_positions_from_one(mark: str) -> None:
    (gold,) = read_gold([f"1-2 3{mark}4"], "gold", first_position=1)
    assert gold.sure == {(0, 1)}
    assert gold.possible == {(0, 1), (2, 3)}


@pytest.mark.parametrize("text", ["1", "1-", "a-b", "1-2-3", "1_2", "-1-2", "1-70000", "١-٢"])
def test_what_is_no_link(text: str) -> None:
    with pytest.raises(UserError) as caught:
        read_alignments(["0-0", f"1-1 {text}"], "links")
    assert str(caught.value).startswith("links:2: ")
    assert repr(text) in str(caught.value)


def test_possible_links_are_for_gold_only() -> None:
    with pytest.raises(UserError, match="0-0"):
        read_alignments(["1p2"], "links")


def test_position_zero_where_words_count_from_one() -> None:
    with pytest.raises(UserError, match="count from 1"):
        read_gold(["0-1"], "gold", first_position=1)


def test_gold_of_another_text() -> None:
    golds = read_gold(["1-1", "2-3"], "gold")
    check_gold(golds, ["aa", "aaa"], ["bb", "bbbb"], "gold", first_position=0)
    with pytest.raises(UserError, match=r"gold:2: there is no 2-3") as caught:
        check_gold(golds, ["aa", "aa"], ["bb", "bbbb"], "gold", first_position=0)
    assert "--gold-from 1" in str(caught.value)
    with pytest.raises(UserError, match="2 lines, but there are 1 sentence pairs"):
        check_gold(golds, ["aa"], ["bb"], "gold", first_position=0)
