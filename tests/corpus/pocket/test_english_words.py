"""English forms."""

from __future__ import annotations

import pytest

from nmt.corpus.pocket import english
from nmt.corpus.pocket.english import EnglishVerb


@pytest.mark.parametrize(
    ("entry", "forms", "expected"),
    [
        ("play", "", "plays played playing"), ("try", "", "tries tried trying"),
        ("stop", "", "stops stopped stopping"), ("visit", "", "visits visited visiting"),
        ("travel", "", "travels travelled travelling"), ("peel", "", "peels peeled peeling"),
        ("lie", "lay lain", "lies lay lying"), ("wash", "", "washes washed washing"),
        ("go", "went gone", "goes went going"),
        ("forget*", "forgot forgotten", "forgets forgot forgetting"),
        ("write", "wrote written", "writes wrote writing"), ("fix", "", "fixes fixed fixing"),
        ("have", "had had", "has had having"), ("dye", "", "dyes dyed dyeing"),
    ],
)  # fmt: skip
def test_verbs(entry: str, forms: str, expected: str) -> None:
    verb = EnglishVerb.parse(entry, forms)
    assert f"{verb.present('she')} {verb.preterite('she')} {verb.gerund}" == expected


def test_verbs_of_several_words() -> None:
    asleep, turn = EnglishVerb.parse("fall asleep", "fell fallen"), EnglishVerb.parse("turn|on", "")
    assert (asleep.base, asleep.after, asleep.particle) == ("fall", "asleep", "")
    assert (turn.base, turn.after, turn.particle) == ("turn", "", "on")


def test_be() -> None:
    be = EnglishVerb.parse("be", "was been")
    people = ("I", "you", "he", "we", "they")
    assert [be.present(who) for who in people] == ["am", "are", "is", "are", "are"]
    assert [be.preterite(who) for who in people] == ["was", "were", "was", "were", "were"]


def test_nouns_and_articles() -> None:
    nouns = ("box", "city", "boy", "church", "tomato", "radio", "bus")
    assert [english.plural(noun) for noun in nouns] == [
        "boxes", "cities", "boys", "churches", "tomatoes", "radios", "buses",
    ]  # fmt: skip
    words = ("apple", "honest man", "university", "useful idea", "hour", "old house", "European")
    assert [english.article(word) for word in words] == ["an", "an", "a", "a", "an", "an", "a"]
    assert english.possessive("my parents") == "my parents'"
    assert english.possessive("the children") == "the children's"


def test_comparison() -> None:
    assert english.comparison("big", "er") == ("bigger", "biggest")
    assert english.comparison("easy", "er") == ("easier", "easiest")
    assert english.comparison("nice", "er") == ("nicer", "nicest")
    assert english.comparison("clean", "er") == ("cleaner", "cleanest")
    assert english.comparison("good", "better best") == ("better", "best")
    assert english.comparison("famous", "more") == ("more famous", "most famous")
