"""English words in their forms: plurals, verbs, comparison, a/an, negated auxiliaries."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

VOWELS: Final = "aeiou"

BE_PRESENT: Final = {"I": "am", "he": "is", "she": "is", "it": "is"}
BE_PAST: Final = {"I": "was", "he": "was", "she": "was", "it": "was"}
THIRD_PERSON: Final = frozenset({"he", "she", "it"})

_NEGATED: Final = {
    "am": "am not", "may": "may not", "can": "can't", "will": "won't",
}  # fmt: skip
_AN_BEFORE_CONSONANT: Final = ("hour", "honest")
_A_BEFORE_VOWEL: Final = ("uni", "use", "ukul", "euro", "one")


def plural(noun: str) -> str:
    """The regular plural of a noun."""
    return _with_s(noun)


def _with_s(word: str) -> str:
    """The ending of plurals and of the third person: boxes, cities, goes, books."""
    if re.search(r"(s|x|z|ch|sh|[^aeiou]o)$", word):
        return f"{word}es"
    if re.search(r"[^aeiou]y$", word):
        return f"{word[:-1]}ies"
    return f"{word}s"


def article(phrase: str) -> str:
    """``a`` or ``an``, by the sound with which a phrase begins."""
    word = phrase.lower()
    if word.startswith(_AN_BEFORE_CONSONANT):
        return "an"
    if word.startswith(_A_BEFORE_VOWEL):
        return "a"
    # Numbers are spelt out, and letters do not occur by themselves.
    return "an" if word[0] in VOWELS else "a"


def negated(auxiliary: str) -> str:
    """An auxiliary with its ``not``: isn't, won't, can't, may not."""
    return _NEGATED.get(auxiliary, f"{auxiliary}n't")


def possessive(phrase: str) -> str:
    """A possessor: Anna's, the children's, my parents'."""
    return f"{phrase}'" if phrase.endswith("s") else f"{phrase}'s"


def comparison(adjective: str, how: str) -> tuple[str, str]:
    """Comparative and superlative; ``how`` is ``er``, ``more``, or both forms spelt out."""
    if how == "more":
        return f"more {adjective}", f"most {adjective}"
    if how != "er":
        comparative, superlative = how.split()
        return comparative, superlative
    if adjective.endswith("e"):
        return f"{adjective}r", f"{adjective}st"
    if re.search(r"[^aeiou]y$", adjective) and adjective != "shy":
        return f"{adjective[:-1]}ier", f"{adjective[:-1]}iest"
    stem = _doubled(adjective)
    return f"{stem}er", f"{stem}est"


def _doubled(word: str) -> str:
    """A word of one syllable as it stands before a vowel: stopp(ed), bigg(er)."""
    if re.fullmatch(r"[^aeiou]*[aeiou][^aeiouwxy]", word) or re.fullmatch(
        r"(qu)[iaeo][^aeiouwxy]", word
    ):
        return word + word[-1]
    return word


@dataclass(frozen=True)
class EnglishVerb:
    """A verb: its forms, and the words that always go with it."""

    base: str
    past: str
    participle: str
    gerund: str
    third: str
    after: str
    """Words that follow at once: ``asleep`` of "fall asleep"."""
    particle: str
    """A word that follows a noun's object or comes before it: ``up`` of "wake up"."""

    @classmethod
    def parse(cls, entry: str, forms: str) -> EnglishVerb:
        """Read ``forget*`` (doubles its last letter), ``turn|on``, ``fall asleep``; forms are
        ``past participle`` or, of a regular verb, empty."""
        entry, _, particle = entry.partition("|")
        base, _, after = entry.partition(" ")
        doubles = base.endswith("*")
        base = base.removesuffix("*")
        stem = base + base[-1] if doubles else _doubled(base)
        if base.endswith("el") and base not in ("feel", "peel"):
            stem = f"{base}l"
        if forms:
            past, participle = forms.split()
        elif base.endswith("e"):
            past = participle = f"{base}d"
        elif re.search(r"[^aeiou]y$", base):
            past = participle = f"{base[:-1]}ied"
        else:
            past = participle = f"{stem}ed"
        return cls(base, past, participle, _gerund(base, stem), _with_s(base), after, particle)

    def present(self, who: str) -> str:
        """The present tense for a subject, given as its pronoun (I, you, he, she, it, we, they)."""
        if self.base == "be":
            return BE_PRESENT.get(who, "are")
        if who in THIRD_PERSON:
            return "has" if self.base == "have" else self.third
        return self.base

    def preterite(self, who: str) -> str:
        """The past tense for a subject."""
        return BE_PAST.get(who, "were") if self.base == "be" else self.past


def _gerund(base: str, stem: str) -> str:
    if base.endswith("ie"):
        return f"{base[:-2]}ying"
    if base.endswith("e") and not base.endswith(("ee", "oe", "ye")) and base != "be":
        return f"{base[:-1]}ing"
    return f"{stem}ing"
