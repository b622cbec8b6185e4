"""Glossaries: which lines apply to a sentence, and what is wrong with a file."""

from __future__ import annotations

from pathlib import Path

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from nmt.errors import UserError, UserErrors
from nmt.glossary import Entry, Glossary, met_terms, read_glossary
from nmt.guide import Guide
from nmt.word_boundaries import whole_words


def write(folder: Path, *lines: str) -> Path:
    path = folder / "terms.tsv"
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


@pytest.fixture
def glossary(tmp_path: Path) -> Glossary:
    return read_glossary(
        write(
            tmp_path,
            "# what to call things",
            "",
            "house\tHaus|Hauses|Häuser",
            "green house\tGewächshaus",
            "US\tUSA",
            "us\tuns",
            "!house\tGebäude",
            "!\tutilisieren",
            "C++\tC++",
            "car\tAuto|Wagen",
            "vehicle\tAuto|Wagen",
            "茶\tTee",
            "Straße\tstreet",
        )
    )


HOUSE = ("Haus", "Hauses", "Häuser")
NEVER = ("utilisieren",)


@pytest.mark.parametrize(
    ("text", "must", "must_not"),
    [
        ("nothing of this", (), ()),
        ("A house.", (HOUSE,), (("Gebäude",),)),
        ("HOUSE, House and house", (HOUSE,), (("Gebäude",),)),
        ("a green house", (("Gewächshaus",),), ()),
        ("a green house is a house", (("Gewächshaus",), HOUSE), (("Gebäude",),)),
        ("housework in the farmhouse, house_2", (), ()),
        ("a green\thouse", (("Gewächshaus",),), ()),
        ("the US", (("USA",),), ()),
        ("give us, Us", (("uns",),), ()),
        ("the car is a vehicle", (("Auto", "Wagen"),), ()),
        ("in C++, or C", (("C++",),), ()),
        ("我喝茶吗", (("Tee",),), ()),
        ("die Straße", (("street",),), ()),
        ("die straße", (), ()),
    ],
)
def test_what_applies(
    glossary: Glossary, text: str, must: tuple[tuple[str, ...], ...], must_not: tuple[str, ...]
) -> None:
    guide = glossary.guide(text, "So")
    assert (guide.must, guide.must_not) == (must, (*must_not, NEVER))
    assert guide.prefix == "So"


def test_no_lines_are_no_conditions(tmp_path: Path) -> None:
    empty = read_glossary(write(tmp_path, "# nothing"))
    assert not empty
    assert not empty.guide("A house.")


WORD = st.text(st.sampled_from("abCé茶"), min_size=1, max_size=3)


@given(st.lists(WORD, min_size=1, max_size=4, unique=True), st.lists(WORD, max_size=6))
def test_terms_are_whole_words_and_the_longest_counts(terms: list[str], words: list[str]) -> None:
    """Of terms that are all exact, what applies is what a regular expression finds."""
    text = " ".join(words)
    exact = Glossary(Entry(f"{term}C", (term,), False, n) for n, term in enumerate(terms, start=1))
    longest_first = sorted((f"{term}C" for term in terms), key=len, reverse=True)
    expected = [match[0][:-1] for match in regex.finditer(whole_words(longest_first), text)]
    found = [variants[0] for variants in exact.guide(text).must]
    assert found == list(dict.fromkeys(expected))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("house", "two columns, and this has 1"),
        ("house\tHaus\tno", "two columns, and this has 3"),
        ("\tHaus", "no source term"),
        (" \tHaus", "no source term"),
        ("house\t", "the term has no translation"),
        ("house\tHaus||Hauses", "a variant is empty"),
        ("house\tHaus|", "a variant is empty"),
        ("!\t ", "the term has no translation"),
        ("house\tHaus|Haus ", "the variant 'Haus' is there twice"),
    ],
)
def test_wrong_lines_are_named(tmp_path: Path, line: str, words: str) -> None:
    path = write(tmp_path, "tree\tBaum", line)
    with pytest.raises(UserErrors) as caught:
        read_glossary(path)
    (error,) = caught.value.errors
    assert words in error.what
    assert error.where == f"{path}:2"
    assert error.mend


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["house\tHaus", "house\tGebäude"], "'house' is in line 1 already"),
        (["!house\tHaus", "!house\tHeim"], "'house' is in line 1 already"),
        (["!house\tHaus", "house\tHaus"], "'Haus' must occur, and must not by line 1"),
        (["!\tHaus", "house\tmein Haus|Haus"], "must not by line 1"),
        (["!\tHaus", "!house\tHeim", "house\tHaus|ein Heim"], "must not by line 1 and line 2"),
    ],
)
def test_lines_that_do_not_go_together_are_named(
    tmp_path: Path, lines: list[str], words: str
) -> None:
    path = write(tmp_path, *lines)
    with pytest.raises(UserErrors) as caught:
        read_glossary(path)
    (error,) = caught.value.errors
    assert words in error.what
    assert error.where == f"{path}:{len(lines)}"


def test_all_that_is_wrong_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserErrors) as caught:
        read_glossary(write(tmp_path, "a", "b\tc", "\td", "e\t|"))
    assert [str(error.where)[-1] for error in caught.value.errors] == ["1", "3", "4"]


def test_some_variant_may_be_forbidden(tmp_path: Path) -> None:
    """As long as there is another; and words are whole."""
    glossary = read_glossary(write(tmp_path, "!\tHaus", "house\tHaus|Hauses", "door\tHaustür"))
    assert glossary.guide("house door").must == (("Haus", "Hauses"), ("Haustür",))


def test_lines_that_contradict_each_other_in_one_sentence_only(tmp_path: Path) -> None:
    path = write(tmp_path, "bank\tBank", "!river\tBank")
    glossary = read_glossary(path)
    assert glossary.guide("a bank").must == (("Bank",),)
    assert glossary.guide("a river").must_not == (("Bank",),)
    with pytest.raises(UserError, match="must occur, and must not by line 2") as caught:
        glossary.guide("a bank at the river")
    assert f"{path}:1" in str(caught.value)


@pytest.mark.parametrize(
    ("data", "words"),
    [(b"a\tb\n\xff\tc\n", ":2: not valid UTF-8"), ("a\tb".encode("utf-16"), "this is UTF-16")],
)
def test_a_file_that_is_no_text(tmp_path: Path, data: bytes, words: str) -> None:
    path = tmp_path / "terms.tsv"
    path.write_bytes(data)
    with pytest.raises(UserError, match=words):
        read_glossary(path)
    with pytest.raises(UserError, match="no such file"):
        read_glossary(tmp_path / "none.tsv")


@pytest.mark.parametrize(
    ("text", "met"),
    [
        ("Das Haus ist alt.", [True, True]),
        ("Haustüren", [False, True]),
        ("„Altes Haus“ Gebäude", [True, False]),
        ("altes Haus", [True, True]),
        ("Alt ist das haus", [False, True]),
    ],
)
def test_whether_terms_are_met_can_be_asked(text: str, met: list[bool]) -> None:
    guide = Guide(must=(("Haus", "altes"),), must_not=(("Gebäude",),))
    assert list(met_terms(guide, text).values()) == met
