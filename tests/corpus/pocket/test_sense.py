"""What reading pairs critically has found, so that it does not come back."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from nmt.corpus.pocket.derivation import Pair
from nmt.corpus.pocket.lexicon import Lexicon

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("lemma", "accusative"),
    [
        ("Bär", "Bären"), ("Bauer", "Bauern"), ("Nachbar", "Nachbarn"), ("Löwe", "Löwen"),
        ("Student", "Studenten"), ("Junge", "Jungen"), ("Polizist", "Polizisten"),
        ("Pilot", "Piloten"), ("Name", "Namen"), ("Hund", "Hund"),
    ],
)  # fmt: skip
def test_weak_nouns(lexicon: Lexicon, lemma: str, accusative: str) -> None:
    (noun,) = [noun for noun in lexicon.nouns if noun.german_singular == lemma]
    assert noun.german(False, "acc") == accusative


_NEVER_ENGLISH = {
    "when with the perfect": r"\bwhen (?:\w+ )?(?:has|have) (?!to)|\bwhen .* has (?:just|already) ",
    "an article before physics": r"\bthe (?:physics|politics|football|mathematics|german|chess)\b",
    "this are": r"^this are\b",
    "must you, may you": r"\b(?:must|may|should) you\b",
    "I ask what I did": r"^(?:did|do) (?:I|we) (?!have to|need)",
    "the passive of wanting": r"\bwants? to be \w+ed\b",
    "an arm that is nobody's": r"\bthe (?:arm|nose|foot)\b",
    "perhaps probably": r"^perhaps .* probably",
    "I saw that I saw": r"^I (?:wonder|know|don't know) whether (?:I|we) ",
}
_NEVER_GERMAN = {
    "a hat that is angezogen": r"(?:Hut|Mütze|Brille|Krawatte|Schal)\b[^,.]*angezogen",
    "Angst at the end": r"(?<!, )\bvor [^,.?]* Angst\b",
    "a comma before a bare infinitive": r"(?<!um)(?<!statt)(?<!ohne), zu \w+[.,?!]",
    "a bus without aus": r"^Dies\w+ (?:Bus|Zug)\w* .*ausgestiegen",
}


@pytest.mark.parametrize("what", [*_NEVER_ENGLISH, *_NEVER_GERMAN])
def test_what_nobody_says(what: str, training: list[Pair]) -> None:
    pattern = _NEVER_ENGLISH.get(what) or _NEVER_GERMAN[what]
    flags = re.IGNORECASE if what in _NEVER_ENGLISH else re.NOFLAG
    texts = [pair.english if what in _NEVER_ENGLISH else pair.german for pair in training]
    assert [text for text in texts if re.search(pattern, text, flags)][:3] == []


def test_a_sentence_says_once_when(lexicon: Lexicon, training: list[Pair]) -> None:
    times = [a.english for a in lexicon.adverbs if a.kind == "time" and len(a.english) > 5]
    pattern = re.compile(rf"\b(?:{'|'.join(map(re.escape, times))})\b", re.IGNORECASE)
    for pair in training:
        # "in the afternoon" or "last week" of the weather stand in templates.
        if pair.construction != "weather":
            assert len(pattern.findall(pair.english)) <= 1, pair.english


def test_reasons_fit(lexicon: Lexicon, training: list[Pair]) -> None:
    """One sharpens what is blunt, and throws away what is broken, not what is new."""
    known = {adjective.english_degrees[0] for adjective in lexicon.adjectives}
    verbs = [verb for verb in lexicon.verbs if verb.reasons]
    assert all(verb.reasons <= known for verb in verbs)
    reasons = [pair for pair in training if pair.construction == "because of how it is"]
    blunt = [pair for pair in reasons if "sharpen" in pair.english]
    assert blunt
    assert all("blunt" in pair.english for pair in blunt)


def test_the_data_travel_with_the_package() -> None:
    """A wheel has the lexicon and the recipes where the installed package looks for them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert included["data/pocket"] == "nmt/data/pocket"
    assert included["recipes"] == "nmt/recipes"


def test_the_readme_lists_what_there_is(lexicon: Lexicon) -> None:
    readme = " ".join((ROOT / "data/pocket/README.md").read_text(encoding="utf-8").split())
    names = [construction["name"] for construction in lexicon.grammar["constructions"]]
    assert f"{'; '.join(names)}." in readme
    counts = {
        "nouns": len({noun.german_singular for noun in lexicon.nouns}),
        "verbs": len({verb.german.full_infinitive for verb in lexicon.verbs}),
        "adjectives": len({adjective.german_degrees[0] for adjective in lexicon.adjectives}),
        "adverbs": len({adverb.german for adverb in lexicon.adverbs}),
        "constructions": len(names),
    }
    for what, count in counts.items():
        assert f"{count} {what}" in readme
    for flag in {flag for verb in lexicon.verbs for flag in verb.flags}:
        assert f"`{flag}`" in readme, flag


def test_it_says_that_it_is_generated() -> None:
    """Wherever the corpus is named, it is said that nobody wrote its sentences."""
    for path in ("data/pocket/README.md", "recipes/pocket-en-de.yaml"):
        text = " ".join((ROOT / path).read_text(encoding="utf-8").split())
        assert "generated" in text
        assert "not written by people" in text
