"""The sentences, by a checker that knows the school grammar and nothing of the generator's code."""

from __future__ import annotations

import re
from collections import Counter
from itertools import product
from typing import Final

import pytest

from nmt.corpus.pocket.derivation import Pair
from nmt.corpus.pocket.german import GermanVerb
from nmt.corpus.pocket.lexicon import Lexicon, german_auxiliaries

# Gender (or p for plural) and case of every form: der is masculine nominative, and so on.
_DEFINITE: Final = {
    "der": "mN fD fG pG", "die": "fN fA pN pA", "das": "nN nA", "den": "mA pD", "dem": "mD nD",
    "des": "mG nG",
}  # fmt: skip
_DIES: Final = {
    "er": "mN fD fG pG", "e": "fN fA pN pA", "es": "nN nA mG nG", "en": "mA pD", "em": "mD nD",
}  # fmt: skip
_EIN: Final = {
    "": "mN nN nA", "e": "fN fA pN pA", "en": "mA pD", "em": "mD nD", "er": "fD fG pG",
    "es": "mG nG",
}  # fmt: skip
_FIXED: Final = {"im": "mD nD", "am": "mD nD", "zum": "mD nD", "zur": "fD", "ins": "nA",
                 "ans": "nA", "vom": "mD nD", "beim": "mD nD"}  # fmt: skip
_STEMS: Final = ("ein", "kein", "mein", "dein", "sein", "ihr", "unser", "Ihr")


def determiners() -> dict[str, tuple[str, set[str]]]:
    """Every form of every determiner: the kind of ending after it, and where it stands."""
    forms: dict[str, tuple[str, set[str]]] = {}
    for form, places in (_DEFINITE | _FIXED).items():
        forms[form] = ("weak", set(places.split()))
    for stem, (ending, places) in product(("dies", "jed", "welch", "all"), _DIES.items()):
        forms[stem + ending] = ("weak", set(places.split()))
    for stem, (ending, places) in product(_STEMS, _EIN.items()):
        forms[stem + ending] = ("mixed", set(places.split()))
    return forms


def wants(kind: str, place: str) -> str:
    """The ending of an adjective: -en but for nominative and accusative singular."""
    gender, case = place[0], place[1]
    straight = case == "N" or (case == "A" and gender in "fn")
    if gender == "p" or not straight:
        return "en"
    return "e" if kind == "weak" or gender == "f" else {"m": "er", "n": "es"}[gender]


def noun_places(lexicon: Lexicon) -> dict[str, set[str]]:
    """The genders and cases in which a form of a noun may stand, its dictionary entry given."""
    places: dict[str, set[str]] = {}
    for noun in lexicon.nouns:
        forms = [(noun.german_singular, noun.gender, noun.is_weak)]
        if noun.feminine:
            forms.append((noun.feminine[1], "f", False))
        for form, gender, weak in forms:
            if noun.german_plural == "!":
                continue
            places.setdefault(form, set()).update(
                gender + case for case in ("N" if weak else "NAD" if gender != "f" else "NADG")
            )
            if weak:
                for ending in ("n", "en"):
                    places.setdefault(form + ending, set()).update(gender + c for c in "ADG")
            elif gender != "f":
                for ending in ("s", "es", "ses"):
                    places.setdefault(form + ending, set()).add(f"{gender}G")
        plural = noun.german_singular if noun.german_plural == "!" else noun.german_plural
        plurals = [plural] if plural != "0" else []
        plurals += [f"{noun.feminine[1]}nen"] if noun.feminine else []
        for form in plurals:
            ends = form.endswith(("n", "s"))
            places.setdefault(form, set()).update("p" + c for c in ("NADG" if ends else "NAG"))
            if not ends:
                places.setdefault(f"{form}n", set()).add("pD")
    return places


def test_articles_adjectives_and_nouns_agree(lexicon: Lexicon, training: list[Pair]) -> None:
    determiner_forms, nouns = determiners(), noun_places(lexicon)
    adjectives = {
        stem + ending: ending
        for adjective in lexicon.adjectives
        for stem in _stems(adjective.german_degrees[0])
        for ending in ("e", "en", "er", "es", "em")
    }
    checked = 0
    for pair in training:
        tokens = re.findall(r"[\wäöüÄÖÜß-]+|[,.?!]", pair.german)
        for start, token in enumerate(tokens):
            word = token if token in determiner_forms else token.lower()
            if word not in determiner_forms or word == "ihr" or _may_be_pronoun(tokens, start):
                continue
            end = start + 1
            while end < len(tokens) and tokens[end] in adjectives:
                end += 1
            if end == len(tokens) or tokens[end] not in nouns or tokens[end] == "Uhr":
                continue
            kind, places = determiner_forms[word]
            fitting = {
                place
                for place in places & nouns[tokens[end]]
                if all(adjectives[a] == wants(kind, place) for a in tokens[start + 1 : end])
            }
            assert fitting, f"{' '.join(tokens[start : end + 1])!r} in {pair.german!r}"
            checked += 1
    assert checked > 30_000


def _stems(adjective: str) -> set[str]:
    if adjective == "hoch":
        return {"hoh"}
    stem = adjective.removesuffix("e")
    return {stem, stem[:-2] + stem[-1]} if stem[-2:] in ("el", "er") else {stem}


def _may_be_pronoun(tokens: list[str], start: int) -> bool:
    """Whether a form of der may be a relative pronoun here: after a comma, or its preposition."""
    return "," in tokens[max(0, start - 2) : start]


@pytest.fixture(scope="module")
def finite_forms(lexicon: Lexicon) -> set[str]:
    """All finite verb forms, separable verbs also with their prefixes."""
    verbs: list[GermanVerb] = [verb.german for verb in lexicon.verbs]
    forms = set()
    for verb in (*verbs, *german_auxiliaries().values()):
        for table in (verb.present, verb.preterite, verb.subjunctive):
            forms |= set(table.values()) | {verb.prefix + form for form in table.values()}
    return forms


_SUBORDINATE: Final = ("dass", "weil", "ob", "bevor", "bis", "damit", "wie", "wann", "warum")
_BEFORE_MAIN: Final = ("Obwohl", "Als", "Immer wenn", "Wenn", "Nachdem", "Während")


def test_the_verb_is_last_in_subordinate_clauses(
    training: list[Pair], finite_forms: set[str]
) -> None:
    counts: Counter[str] = Counter()
    for pair in training:
        if pair.german.count(",") != 1 or pair.german.count(".") != 1:
            continue
        first, second = (part.strip(" .!?").split() for part in pair.german.split(","))
        if second[0] in _SUBORDINATE and pair.depth == 1 and "wie oft" not in pair.german:
            assert second[-1] in finite_forms, pair.german
            counts[second[0]] += 1
        if pair.german.startswith(_BEFORE_MAIN) and pair.depth == 1:
            assert first[-1] in finite_forms, pair.german
            # The main clause's verb is second: the clause before it is the first place.
            assert second[0] in finite_forms, pair.german
            counts[first[0]] += 1
    assert all(counts[word] >= 20 for word in (*_SUBORDINATE, "Obwohl", "Als", "Nachdem")), counts


def test_the_verb_is_second_after_an_adverb(
    lexicon: Lexicon, training: list[Pair], finite_forms: set[str]
) -> None:
    checked = 0
    for pair in training:
        if pair.construction not in ("fronted time", "fronted sentence adverb"):
            continue
        text = pair.german[0].lower() + pair.german[1:]
        adverbs = [
            a.german for a in lexicon.adverbs
            if text.startswith((f"{a.german} ", f"{a.german[0].lower()}{a.german[1:]} "))
        ]  # fmt: skip
        rest = text[len(max(adverbs, key=len)) :].split()
        assert rest[0].strip(",.?!") in finite_forms, pair.german
        checked += 1
    assert checked > 1_000


def test_participles_and_infinitives_are_last(lexicon: Lexicon, training: list[Pair]) -> None:
    participles = {verb.german.participle for verb in lexicon.verbs}
    checked = 0
    for pair in training:
        words = pair.german.strip(".").split()
        if pair.depth or pair.construction != "statement" or "hat" not in words[1:4]:
            continue
        if words[-1] in participles:
            checked += 1
        else:
            # "hat" may also be the main verb.
            assert not set(words) & (participles - {"bekommen", "behalten", "verlassen"})
    assert checked > 300


def test_punctuation(training: list[Pair], held_out: dict[str, list[Pair]]) -> None:
    for pair in (*training, *(pair for pairs in held_out.values() for pair in pairs)):
        for text in (pair.english, pair.german):
            assert re.fullmatch(r"[A-ZÄÖÜ0-9][\wäöüÄÖÜß' ,.:?!é-]*[.?!]", text), text
            assert not re.search(r"\s\s|\s[,.?!]|,[,.?!]|[.?!][.?!]|,\S*,\d", text), text
            assert not re.search(r",(?=[^ \d])", text), text
        ends = [re.findall(r"[.?!](?= |$)", text) for text in (pair.english, pair.german)]
        # German writes ordinals with a point: am 3. Mai.
        german_ends = re.findall(r"(?<!\d)[.?!](?= |$)", pair.german)
        assert ends[0] == german_ends or re.search(r"\d\.$", pair.german), pair


def test_spelling(training: list[Pair]) -> None:
    for pair in training:
        english, german = pair.english, pair.german
        assert not re.search(r"\b(a [aeio]|an [^aeiouh])", english.replace("a one", "")), english
        if "," not in german:
            assert not re.search(r"\b(in d[ae][ms]|zu de[mr]|von dem|an d[ae][ms]) ", german), (
                german
            )
        # A relative pronoun may stand before an article of its form; she may see her: sie sie.
        doubled = re.findall(r"\b(\w+) \1\b", german)
        assert set(doubled) <= {"sie", "der", "die", "das", "den", "dem"}, german
        assert not re.search(r"\b(\w+) \1\b", english.replace("had had", "")), english
        years = [re.findall(r"\b\d{4}\b", text) for text in (english, german)]
        assert years[0] == years[1]


@pytest.mark.parametrize(
    ("english", "translations"),
    [
        ("bank", {"Bank", "Ufer", "Bänken", "Banken"}),
        ("wall", {"Wand", "Mauer", "Wände", "Mauern"}),
        ("know", {"kenne", "kennen", "weiß", "wissen"}), ("you", {"du", "Sie", "ihr"}),
        ("put", {"stellen", "gestellt", "gelegt", "gesteckt", "legen", "stecken"}),
        ("it", {"er", "sie", "es"}), ("hard", {"hart", "schwierig"}),
        ("light", {"leicht", "leichte", "leichten", "hell", "helle", "hellen"}),
    ],
)  # fmt: skip
def test_words_with_several_translations(
    english: str, translations: set[str], training: list[Pair]
) -> None:
    """No translation of an ambiguous word has more than nine in ten, so context must decide."""
    counts: Counter[str] = Counter()
    for pair in training:
        if re.search(rf"\b{english}\b", pair.english, re.IGNORECASE):
            words = set(re.findall(r"\w+", pair.german))
            counts.update(t for t in translations if words & {t, t.capitalize()})
    assert len(counts) >= 2
    assert max(counts.values()) < 0.9 * sum(counts.values()), counts
