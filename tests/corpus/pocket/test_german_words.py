"""German forms, against a grammar's tables (Duden) written out by hand."""

from __future__ import annotations

import pytest

from nmt.corpus.pocket import german
from nmt.corpus.pocket.german import GermanVerb
from nmt.corpus.pocket.numbers import clock, english_number, german_number

_VERBS = """
kaufen |  | kaufe kaufst kauft kaufen kauft kaufen | gekauft | zu kaufen
arbeiten |  | arbeite arbeitest arbeitet arbeiten arbeitet arbeiten | gearbeitet | zu arbeiten
öffnen |  | öffne öffnest öffnet öffnen öffnet öffnen | geöffnet | zu öffnen
lernen |  | lerne lernst lernt lernen lernt lernen | gelernt | zu lernen
sammeln |  | sammle sammelst sammelt sammeln sammelt sammeln | gesammelt | zu sammeln
reisen |  | reise reist reist reisen reist reisen | gereist | zu reisen
kopieren |  | kopiere kopierst kopiert kopieren kopiert kopieren | kopiert | zu kopieren
auf=gehen | geht ging gegangen | gehe gehst geht gehen geht gehen | aufgegangen | aufzugehen
auf=räumen |  | räume räumst räumt räumen räumt räumen | aufgeräumt | aufzuräumen
helfen | hilft half geholfen | helfe hilfst hilft helfen helft helfen | geholfen | zu helfen
lesen | liest las gelesen | lese liest liest lesen lest lesen | gelesen | zu lesen
ein=laden | lädt lud geladen | lade lädst lädt laden ladet laden | eingeladen | einzuladen
halten | hält hielt gehalten | halte hältst hält halten haltet halten | gehalten | zu halten
treten | tritt trat getreten | trete trittst tritt treten tretet treten | getreten | zu treten
besuchen |  | besuche besuchst besucht besuchen besucht besuchen | besucht | zu besuchen
"""
"""Entry (= before a separable prefix's verb), forms, present, participle, infinitive with zu."""


@pytest.mark.parametrize("row", _VERBS.strip().splitlines())
def test_verbs(row: str) -> None:
    entry, forms, present, participle, zu = (cell.strip() for cell in row.split("|"))
    verb = GermanVerb.parse(entry.replace("=", "|"), forms)
    assert " ".join(verb.present[person] for person in german.PERSONS) == present
    assert verb.participle == participle
    assert verb.zu_infinitive == zu


@pytest.mark.parametrize(
    ("entry", "forms", "imperative"),
    [
        ("geben", "gibt gab gegeben", "gib"), ("nehmen", "nimmt nahm genommen", "nimm"),
        ("lesen", "liest las gelesen", "lies"), ("fahren", "fährt fuhr gefahren", "fahr"),
        ("betreten", "betritt betrat betreten", "betritt"), ("öffnen", "", "öffne"),
        ("laufen", "läuft lief gelaufen", "lauf"), ("warten", "", "warte"),
        ("sammeln", "", "sammle"), ("beginnen", "beginnt begann begonnen", "beginne"),
        ("sein", "ist war gewesen", "sei"),
    ],
)  # fmt: skip
def test_imperatives(entry: str, forms: str, imperative: str) -> None:
    # "beginn" and "beginne" are both right; which one is ours does not matter here.
    ours = GermanVerb.parse(entry, forms).imperative
    assert ours.removesuffix("e") == imperative.removesuffix("e")


def test_preterites() -> None:
    def persons(entry: str, forms: str) -> str:
        return " ".join(GermanVerb.parse(entry, forms).preterite.values())

    assert persons("gehen", "geht ging gegangen") == "ging gingst ging gingen gingt gingen"
    assert persons("denken", "denkt dachte gedacht") == (
        "dachte dachtest dachte dachten dachtet dachten"
    )
    assert persons("finden", "findet fand gefunden") == "fand fandest fand fanden fandet fanden"
    assert persons("sein", "ist war gewesen") == "war warst war waren wart waren"


@pytest.mark.parametrize(
    ("declension", "endings"),
    [
        ("weak", "e e e en en e e en en en en en en en en en"),
        ("mixed", "er e es en en e es en en en en en en en en en"),
        ("strong", "er e es e en e es e em er em en en er en er"),
    ],
)
def test_adjective_endings(declension: str, endings: str) -> None:
    """By case: masculine, feminine, neuter, plural."""
    ours = [
        german.adjective_ending(declension, gender, case)
        for case in german.CASES
        for gender in german.GENDERS
    ]
    assert ours == endings.split()


def test_adjective_stems() -> None:
    inflected = [
        german.inflect(word, "es") for word in ("hoch", "dunkel", "teuer", "müde", "sauer")
    ]
    assert inflected == ["hohes", "dunkles", "teures", "müdes", "saures"]
    assert german.inflect("sauber", "e") == "saubere"
    assert german.comparison("warm", "¨") == ("wärmer", "wärmst")
    assert german.comparison("dunkel", "") == ("dunkler", "dunkelst")
    assert german.comparison("spannend", "")[1] == "spannendst"
    assert german.comparison("leise", "") == ("leiser", "leisest")
    assert german.comparison("frisch", "")[1] == "frischest"
    assert german.comparison("praktisch", "")[1] == "praktischst"


def test_nouns() -> None:
    plurals = [("Baum", "¨-e"), ("Haus", "¨-er"), ("Mutter", "¨"), ("Kuh", "¨-e"), ("Lehrer", "-"),
               ("Bahnhof", "¨-e"), ("Museum", "Museen")]  # fmt: skip
    assert [german.noun_plural(*noun) for noun in plurals] == [
        "Bäume", "Häuser", "Mütter", "Kühe", "Lehrer", "Bahnhöfe", "Museen",
    ]  # fmt: skip
    genitives = {"Haus": "Hauses", "Krankenhaus": "Krankenhauses", "Ergebnis": "Ergebnisses",
                 "Lehrer": "Lehrers", "Tisch": "Tisches", "Auto": "Autos"}  # fmt: skip
    assert {noun: german.genitive(noun) for noun in genitives} == genitives
    assert [german.dative_plural(n) for n in ("Bäume", "Autos", "Katzen", "Lehrer")] == [
        "Bäumen", "Autos", "Katzen", "Lehrern",
    ]  # fmt: skip


def test_numbers_and_clock() -> None:
    assert [german_number(n) for n in (16, 17, 21, 30, 66, 77, 1234)] == [
        "sechzehn", "siebzehn", "einundzwanzig", "dreißig", "sechsundsechzig", "siebenundsiebzig",
        "1.234",
    ]  # fmt: skip
    assert [english_number(n) for n in (12, 21, 40, 1234)] == [
        "twelve",
        "twenty-one",
        "forty",
        "1,234",
    ]
    assert clock(7, 30) == ("half past seven", "halb acht")
    assert clock(12, 45) == ("a quarter to one", "Viertel vor eins")
    assert clock(1, 0) == ("one o'clock", "ein Uhr")
    assert clock(12, 30) == ("half past twelve", "halb eins")
    assert clock(4, 10) == ("ten past four", "zehn nach vier")
