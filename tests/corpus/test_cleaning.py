"""Cleaning drops what it says, for the reason that it says, and nothing else."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.corpus.cleaning import Cleaner, Drop, first_of_duplicates, is_among, pair_keys
from nmt.corpus.languages import letter_classes
from nmt.corpus.settings import CleaningSettings
from nmt.corpus.text import hash_lines

line = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"), max_size=40)


def reason_for(
    source: str, target: str, languages: str = "en-de", settings: CleaningSettings | None = None
) -> Drop | None:
    cleaner = Cleaner(settings or CleaningSettings(), *languages.split("-"))
    kept, dropped = cleaner.clean(([source], [target]))
    assert len(kept[0]) + dropped.total() == 1
    return next(iter(dropped), None)


@pytest.mark.parametrize(
    ("source", "target", "languages", "reason"),
    [
        ("a dog", "ein Hund", "en-de", None),
        ("a dog", "", "en-de", Drop.EMPTY),
        (" \t\0\u2028", "ein Hund", "en-de", Drop.EMPTY),
        ("\u200b\u00ad", "ein Hund", "en-de", Drop.EMPTY),
        ("Berlin", " Berlin\r", "en-de", Drop.IDENTICAL),
        ("a " * 250, "ein " * 250, "en-de", None),
        ("a " * 251, "ein " * 250, "en-de", Drop.TOO_LONG),
        ("a", "ein " * 9, "en-de", None),
        ("a", "ein " * 10, "en-de", Drop.LENGTH_RATIO),
        ("a dog", "собака", "en-de", Drop.SCRIPT),
        ("a dog", "собака", "en-ru", None),
        ("a dog", "a hound", "en-ru", Drop.SCRIPT),
        ("the Greek letters α, β, γ", "die Buchstaben α, β und γ", "en-de", None),
        ("42 + 7", "49 !", "en-ru", None),
        ("我喜欢狗", "I like dogs", "zh-en", None),
        ("犬" * 251, "dog " * 200, "ja-en", Drop.TOO_LONG),
        ("Ћирилица", "Cyrillic", "sr-en", None),
        ("Ćirilica", "Cyrillic", "sr-en", None),
        ("whatever", "слово", "en-tlh", None),
    ],
)
def test_reasons(source: str, target: str, languages: str, reason: Drop | None) -> None:
    assert reason_for(source, target, languages) == reason


def test_every_check_can_be_turned_off() -> None:
    off = CleaningSettings(drop_identical=False, check_script=False, max_length_ratio=100)
    assert reason_for("Berlin", "Berlin", settings=off) is None
    assert reason_for("собака", "dog", settings=off) is None
    assert reason_for("a", "ein " * 50, settings=off) is None


@given(st.lists(st.tuples(line, line)), st.sampled_from(["NFC", "NFKC", "none"]))
def test_every_pair_is_kept_or_counted_and_a_batch_equals_its_pairs(
    pairs: list[tuple[str, str]], form: str
) -> None:
    settings = CleaningSettings.model_validate({"normalization": form})
    cleaner = Cleaner(settings, "en", "de")
    sources, targets = [list(side) for side in zip(*pairs, strict=True)] or ([], [])
    kept, dropped = cleaner.clean((sources, targets))
    assert len(kept[0]) == len(kept[1]) == len(pairs) - dropped.total()
    singly = [cleaner.clean(([source], [target])) for source, target in pairs]
    assert kept[0] == [text for part, _ in singly for text in part[0]]
    assert kept[1] == [text for part, _ in singly for text in part[1]]


@given(line, st.sampled_from(["NFC", "NFKC"]))
def test_normalisation_is_pythons_without_controls_and_idempotent(text: str, form: str) -> None:
    cleaner = Cleaner(CleaningSettings.model_validate({"normalization": form}), "en", "de")
    [once] = cleaner.normalize([text])
    assert cleaner.normalize([once]) == [once]
    assert unicodedata.is_normalized(form, once)  # type: ignore[arg-type]  # any of the cases
    assert once == once.strip()
    assert not any(unicodedata.category(character) in ("Cc", "Zl", "Zp") for character in once)
    if text.isascii() and text.isprintable():
        assert once == text.strip()


def test_letters_are_those_of_unicode() -> None:
    latin = letter_classes(("Latin",))
    for code in range(0x3000):
        character = chr(code)
        if unicodedata.category(character).startswith("L"):
            name = unicodedata.name(character)
            if name.startswith("LATIN "):
                assert latin[code] == 1, name
            if name.startswith(("GREEK SMALL", "CYRILLIC", "HEBREW", "ARABIC LETTER")):
                assert latin[code] == -1, name
        elif latin[code]:
            # The regex library may know a newer Unicode than Python does.
            assert unicodedata.category(character) == "Cn"


@given(st.lists(st.integers(0, 20)), st.lists(st.integers(0, 20), min_size=1))
def test_array_helpers_agree_with_sets(many: list[int], few: list[int]) -> None:
    keys = np.array(many, np.uint64)
    seen: set[int] = set()
    firsts = [not (key in seen or seen.add(key)) for key in many]  # type: ignore[func-returns-value]  # None, and so false
    assert first_of_duplicates(keys).tolist() == firsts
    assert is_among(keys, np.array(few, np.uint64)).tolist() == [key in few for key in many]


@given(st.lists(st.tuples(line, line), unique=True, min_size=1))
def test_different_pairs_have_different_keys(pairs: list[tuple[str, str]]) -> None:
    source, target = (hash_lines(side) for side in zip(*pairs, strict=True))
    assert len(np.unique(pair_keys(source, target))) == len(pairs)
