"""German words in their forms: articles, adjectives, nouns, verbs, prepositions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Final

CASES: Final = ("nom", "acc", "dat", "gen")
GENDERS: Final = ("m", "f", "n", "p")
"""Masculine, feminine, neuter, and the plural of all three."""

_DEFINITE: Final = {
    "m": ("der", "den", "dem", "des"), "f": ("die", "die", "der", "der"),
    "n": ("das", "das", "dem", "des"), "p": ("die", "die", "den", "der"),
}  # fmt: skip
_STRONG: Final = {
    "m": ("er", "en", "em", "es"), "f": ("e", "e", "er", "er"),
    "n": ("es", "es", "em", "es"), "p": ("e", "e", "en", "er"),
}  # fmt: skip
"""Endings of dieser, jeder, welcher."""
_INDEFINITE: Final = {
    "m": ("", "en", "em", "es"), "f": ("e", "e", "er", "er"),
    "n": ("", "", "em", "es"), "p": ("e", "e", "en", "er"),
}  # fmt: skip
"""Endings of ein, kein, mein."""
_WEAK_ADJECTIVE: Final = {
    "m": ("e", "en", "en", "en"), "f": ("e", "e", "en", "en"),
    "n": ("e", "e", "en", "en"), "p": ("en", "en", "en", "en"),
}  # fmt: skip
_STRONG_ADJECTIVE: Final = _STRONG | {
    "m": ("er", "en", "em", "en"), "n": ("es", "es", "em", "en"),
}  # fmt: skip
_RELATIVE: Final = {
    "m": ("der", "den", "dem", "dessen"), "f": ("die", "die", "der", "deren"),
    "n": ("das", "das", "dem", "dessen"), "p": ("die", "die", "denen", "deren"),
}  # fmt: skip

_UMLAUT: Final = {"a": "ä", "o": "ö", "u": "ü", "A": "Ä", "O": "Ö", "U": "Ü"}
_INSEPARABLE: Final = re.compile(r"(be|emp|ent|er|ge|miss|ver|zer|über|umarm|unter|wider|wieder)")


def definite(gender: str, case: str) -> str:
    """The definite article."""
    return _DEFINITE[gender][CASES.index(case)]


def relative_pronoun(gender: str, case: str) -> str:
    """The relative pronoun."""
    return _RELATIVE[gender][CASES.index(case)]


def like_this(stem: str, gender: str, case: str) -> str:
    """dies-, jed-, welch-, all- with the ending of the definite article."""
    return stem + _STRONG[gender][CASES.index(case)]


def like_a(stem: str, gender: str, case: str) -> str:
    """ein, kein, mein and so on with their endings."""
    ending = _INDEFINITE[gender][CASES.index(case)]
    return f"eur{ending}" if stem == "euer" and ending else stem + ending


def adjective_ending(declension: str, gender: str, case: str) -> str:
    """The ending after der (``weak``), after ein (``mixed``), and with no article (``strong``)."""
    index = CASES.index(case)
    if declension == "mixed":
        bare = _INDEFINITE[gender][index] == ""
        declension = "strong" if bare or (gender in "fn" and index < 2) else "weak"
    table = _WEAK_ADJECTIVE if declension == "weak" else _STRONG_ADJECTIVE
    return table[gender][index]


@cache
def inflect(adjective: str, ending: str) -> str:
    """An adjective with an ending: hohes, dunkles, teures, großes."""
    if adjective == "hoch":
        stem = "hoh"
    elif re.search(r"([^e]el|[ae]uer)$", adjective):
        stem = adjective[:-2] + adjective[-1]
    else:
        stem = adjective.removesuffix("e")
    return stem + ending


def umlaut(word: str) -> str:
    """The word with its last a, o, u or au changed: Bäume, Töchter."""
    place = max(word.rfind(vowel) for vowel in "aouAOU")
    if place > 0 and word[place - 1 : place + 1].lower() == "au":
        place -= 1
    return word[:place] + _UMLAUT[word[place]] + word[place + 1 :]


def comparison(adjective: str, how: str) -> tuple[str, str]:
    """Stems of comparative and superlative; ``how`` is empty, ``¨``, or holds forms."""
    parts = how.split()
    if parts and parts[0] != "¨":
        return parts[0], parts[1]
    stem = umlaut(adjective) if parts else adjective
    comparative = inflect(stem, "er")
    if len(parts) == 3:
        return comparative, parts[2]
    stem = stem.removesuffix("e")
    # Long adjectives in -isch and participles have no e: praktischst-, spannendst-.
    without = re.search(r"(..isch|end)$", stem) and stem != "frisch"
    needs_e = re.search(r"(d|t|s|ß|z|x|sch)$", stem) and not without
    return comparative, f"{stem}{'est' if needs_e else 'st'}"


def noun_plural(singular: str, how: str) -> str:
    """The plural as a dictionary gives it: ``-en``, ``¨-er``, ``-``, ``¨``, or spelt out."""
    if not how.startswith(("-", "¨")):
        return how
    stem = umlaut(singular) if how.startswith("¨") else singular
    return stem + how.removeprefix("¨").removeprefix("-")


def genitive(singular: str) -> str:
    """The genitive of a masculine or neuter noun."""
    if singular.endswith("nis"):
        return f"{singular}ses"
    if singular == "Bus":
        return "Busses"
    if re.search(r"(s|ß|x|z|tz|sch)$", singular):
        return f"{singular}es"
    syllables = len(re.findall(r"(au|eu|äu|ei|ie|aa|ee|oo|[aeiouäöüy])", singular.lower()))
    ends_in_stop = re.search(r"[^aeiouäöüyhlrnmw]$", singular)
    return f"{singular}{'es' if syllables == 1 and ends_in_stop else 's'}"


def dative_plural(plural: str) -> str:
    """The dative of the plural."""
    return plural if re.search(r"[ns]$", plural) else f"{plural}n"


CONTRACTED: Final = {
    ("in", "dem"): "im", ("in", "das"): "ins", ("an", "dem"): "am", ("an", "das"): "ans",
    ("zu", "dem"): "zum", ("zu", "der"): "zur", ("von", "dem"): "vom", ("bei", "dem"): "beim",
}  # fmt: skip


PERSONS: Final = ("ich", "du", "er", "wir", "ihr", "sie")

_IRREGULAR_PRESENT: Final = {
    "sein": "bin bist ist sind seid sind", "haben": "habe hast hat haben habt haben",
    "werden": "werde wirst wird werden werdet werden",
    "wissen": "weiß weißt weiß wissen wisst wissen",
    "können": "kann kannst kann können könnt können",
    "müssen": "muss musst muss müssen müsst müssen",
    "dürfen": "darf darfst darf dürfen dürft dürfen",
    "sollen": "soll sollst soll sollen sollt sollen",
    "wollen": "will willst will wollen wollt wollen",
    "mögen": "mag magst mag mögen mögt mögen",
}  # fmt: skip
_SUBJUNCTIVE: Final = {
    "sein": "wäre", "haben": "hätte", "werden": "würde", "können": "könnte", "mögen": "möchte",
}  # fmt: skip
_NEEDS_E: Final = re.compile(r"([dt]|[^aeiouäöülrhmn][mn]|ch[mn])$")
"""Stems that need an e before -t and -st: arbeit-, öffn-, zeichn-."""


@dataclass(frozen=True)
class GermanVerb:
    """A verb: its forms without prefix, and what goes with it."""

    infinitive: str
    """Without prefix, such as ``stehen`` of "aufstehen"."""
    prefix: str
    """Separable prefix, such as ``auf``; empty if it has none."""
    before: str
    """Words that stand before it, such as ``Rad`` of "Rad fahren"."""
    reflexive: str
    """``acc``, ``dat`` or empty."""
    present: dict[str, str]
    preterite: dict[str, str]
    subjunctive: dict[str, str]
    """Of auxiliaries; empty for other verbs, which say "würde"."""
    participle: str
    """With prefix, such as ``aufgestanden``."""
    imperative: str
    """For "du", without prefix."""

    @classmethod
    def parse(cls, entry: str, forms: str) -> GermanVerb:
        """Read ``auf|stehen``, ``sich freuen``, ``sich3 an|sehen`` (dative), ``Rad fahren``.

        ``forms`` are the third person present, the preterite and the participle of the verb without
        its prefix; empty for a weak verb.
        """
        *words, word = entry.split()
        reflexive = ""
        if words and words[0] in ("sich", "sich3"):
            reflexive = "dat" if words.pop(0) == "sich3" else "acc"
        prefix, bar, infinitive = word.partition("|")
        if not bar:
            prefix, infinitive = "", word
        stem = re.sub(r"e?n$", "", infinitive) if infinitive != "sein" else "sei"
        e = "e" if _NEEDS_E.search(stem) else ""
        third = f"{stem}{e}t"
        past, participle = f"{stem}{e}te", f"{stem}{e}t"
        if not infinitive.endswith("ieren") and (prefix or not _INSEPARABLE.match(infinitive)):
            participle = f"ge{participle}"
        if forms:
            third, past, participle = forms.split()
        if prefix and not participle.startswith(prefix):
            participle = prefix + participle
        if prefix == "vor" and infinitive == "bereiten":
            participle = "vorbereitet"
        return cls(
            infinitive,
            prefix,
            " ".join(words),
            reflexive,
            _present(infinitive, stem, third),
            _preterite(past),
            _preterite(_SUBJUNCTIVE[infinitive]) if infinitive in _SUBJUNCTIVE else {},
            participle,
            _imperative(infinitive, stem, third),
        )

    @property
    def full_infinitive(self) -> str:
        """The infinitive with its prefix."""
        return self.prefix + self.infinitive

    @property
    def zu_infinitive(self) -> str:
        """The infinitive with zu: aufzustehen, zu gehen."""
        return f"{self.prefix}zu{self.infinitive}" if self.prefix else f"zu {self.infinitive}"


def _present(infinitive: str, stem: str, third: str) -> dict[str, str]:
    if infinitive in _IRREGULAR_PRESENT:
        return dict(zip(PERSONS, _IRREGULAR_PRESENT[infinitive].split(), strict=True))
    e = "e" if _NEEDS_E.search(stem) else ""
    root = third.removesuffix("t")
    if re.search(r"[sßzx]$", root):
        second = third
    elif third == f"{stem}{e}t":
        second = f"{stem}{e}st"
    else:
        # The vowel changes in the second person too: hilfst, fährst, lädst; trittst, hältst.
        second = f"{third}st" if stem.endswith("t") else f"{root}st"
    first = f"{stem[:-2]}le" if infinitive.endswith("eln") else f"{stem}e"
    forms = (first, second, third, infinitive, f"{stem}{e}t", infinitive)
    return dict(zip(PERSONS, forms, strict=True))


def _preterite(past: str) -> dict[str, str]:
    """All persons from the first: weak if it ends in -te (or is "wurde"), else strong."""
    if past == "war":
        forms = ["war", "warst", "war", "waren", "wart", "waren"]
    elif past.endswith("te") or past in ("wurde", "würde", "wäre"):
        forms = [past, f"{past}st", past, f"{past}n", f"{past}t", f"{past}n"]
    else:
        e = "e" if past.endswith(("d", "t")) else ""
        second = f"{past}est" if re.search(r"[sßzdt]$", past) else f"{past}st"
        forms = [past, second, past, f"{past}en", f"{past}{e}t", f"{past}en"]
        if past.endswith("ie"):
            forms[3] = forms[5] = f"{past}n"
    return dict(zip(PERSONS, forms, strict=True))


def _imperative(infinitive: str, stem: str, third: str) -> str:
    if infinitive == "sein":
        return "sei"
    root = third.removesuffix("t")
    if _last_vowels(stem) == "e" and _last_vowels(root) in ("i", "ie"):
        return third if third.endswith("tt") else root
    if infinitive.endswith("eln"):
        return f"{stem[:-2]}le"
    return f"{stem}e" if _NEEDS_E.search(stem) or stem.endswith(("ig", "er")) else stem


def _last_vowels(word: str) -> str:
    return str(re.findall(r"[aeiouäöü]+", word)[-1])
