"""Noun phrases, each in both languages at once.

Every nominal can be taken up by a pronoun: an English one (I, you, he, she, it, we, they) and a
German one (ich, du, Sie, er, sie, es, wir, ihr, sie_plural). These two also say how verbs agree.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from nmt.corpus.pocket import english, german, numbers

if TYPE_CHECKING:
    from nmt.corpus.pocket.clauses import Clause
    from nmt.corpus.pocket.lexicon import Adjective, Noun

ENGLISH_PRONOUNS: Final = {
    "I": ("I", "me", "my"), "you": ("you", "you", "your"), "he": ("he", "him", "his"),
    "she": ("she", "her", "her"), "it": ("it", "it", "its"), "we": ("we", "us", "our"),
    "they": ("they", "them", "their"),
}  # fmt: skip
"""Subject, object, possessive."""

GERMAN_PRONOUNS: Final = {
    "ich": ("ich", "mich", "mir", "mein", "mich", "mir"),
    "du": ("du", "dich", "dir", "dein", "dich", "dir"),
    "Sie": ("Sie", "Sie", "Ihnen", "Ihr", "sich", "sich"),
    "er": ("er", "ihn", "ihm", "sein", "sich", "sich"),
    "sie": ("sie", "sie", "ihr", "ihr", "sich", "sich"),
    "es": ("es", "es", "ihm", "sein", "sich", "sich"),
    "wir": ("wir", "uns", "uns", "unser", "uns", "uns"),
    "ihr": ("ihr", "euch", "euch", "euer", "euch", "euch"),
    "sie_plural": ("sie", "sie", "ihnen", "ihr", "sich", "sich"),
}  # fmt: skip
"""Nominative, accusative, dative, possessive, reflexive accusative and dative."""

_PERSON: Final = {
    "ich": "ich", "du": "du", "Sie": "sie", "er": "er", "sie": "er", "es": "er", "wir": "wir",
    "ihr": "ihr", "sie_plural": "sie",
}  # fmt: skip

_OF_GENDER: Final = {"m": "er", "f": "sie", "n": "es", "p": "sie_plural"}


def person(pronoun: str) -> str:
    """The person of a German pronoun, as verbs are inflected for it."""
    return _PERSON[pronoun]


def reflexive(pronoun: str, case: str) -> str:
    """The reflexive pronoun for a subject: mich, mir, sich."""
    return GERMAN_PRONOUNS[pronoun][4 if case == "acc" else 5]


class Nominal(ABC):
    """What can be subject or object."""

    english_pronoun: str
    german_pronoun: str
    is_pronoun = False
    is_definite = True
    is_human = True

    @abstractmethod
    def english(self, case: str = "object") -> str:
        """Its English text; ``case`` (subject or object) matters to pronouns only."""

    @abstractmethod
    def german(self, case: str) -> tuple[str, str]:
        """Its German text in a case, and what may also stand after the verb (relative clause)."""


@dataclass
class Pronoun(Nominal):
    """A personal pronoun."""

    english_pronoun: str
    german_pronoun: str
    is_human: bool = True
    noun: Noun | None = None
    """What it stands for, if that is a thing or an animal."""
    is_pronoun = True

    def english(self, case: str = "object") -> str:
        return ENGLISH_PRONOUNS[self.english_pronoun][0 if case == "subject" else 1]

    def german(self, case: str) -> tuple[str, str]:
        return GERMAN_PRONOUNS[self.german_pronoun][german.CASES.index(case)], ""


@dataclass
class Name(Nominal):
    """A name, the same in all German cases but for "Herrn"."""

    english_text: str
    german_text: str
    english_pronoun: str
    german_pronoun: str

    def english(self, case: str = "object") -> str:
        return self.english_text

    def german(self, case: str) -> tuple[str, str]:
        if case != "nom" and self.german_text.startswith("Herr "):
            return f"Herrn{self.german_text[4:]}", ""
        return self.german_text, ""


@dataclass
class Literal(Nominal):
    """A fixed text, such as ``it``/``es`` of the weather or a question word."""

    english_text: str
    german_text: dict[str, str]
    english_pronoun: str = "it"
    german_pronoun: str = "es"
    is_human: bool = False

    def english(self, case: str = "object") -> str:
        return self.english_text

    def german(self, case: str) -> tuple[str, str]:
        return self.german_text[case], ""


@dataclass
class Gap(Nominal):
    """The place that a relative pronoun or a question word has left."""

    antecedent: Nominal

    def __post_init__(self) -> None:
        self.english_pronoun = self.antecedent.english_pronoun
        self.german_pronoun = self.antecedent.german_pronoun
        self.is_human = self.antecedent.is_human

    def english(self, case: str = "object") -> str:
        return ""

    def german(self, case: str) -> tuple[str, str]:
        return "", ""


@dataclass
class Coordination(Nominal):
    """Two nominals joined: my brother and his wife; neither Anna nor Peter."""

    first: Nominal
    second: Nominal
    english_words: tuple[str, str] = ("", "and")
    german_words: tuple[str, str] = ("", "und")

    def __post_init__(self) -> None:
        firsts = (self.first.english_pronoun, self.second.english_pronoun)
        self.english_pronoun = "we" if "I" in firsts or "we" in firsts else "they"
        self.german_pronoun = "wir" if self.english_pronoun == "we" else "sie_plural"
        self.is_human = self.first.is_human
        self.is_definite = self.first.is_definite and self.second.is_definite

    def english(self, case: str = "object") -> str:
        before, between = self.english_words
        return f"{before} {self.first.english(case)} {between} {self.second.english(case)}".strip()

    def german(self, case: str) -> tuple[str, str]:
        before, between = self.german_words
        first, second = self.first.german(case)[0], self.second.german(case)[0]
        return f"{before} {first} {between} {second}".strip(), ""


@dataclass(frozen=True)
class Determiner:
    """An article, possessive, numeral or the like."""

    kind: str
    """the, a, this, every, some, many, all, both, several, few, which, no, any, none (no in German,
    nothing in English), bare, number, own; my, his and so on as ``possessive``."""
    owner: tuple[str, str] | None = None
    """English and German pronoun of the possessor."""
    possessor: Nominal | None = None
    """A noun phrase as possessor: Anna's car, the roof of the house."""
    number: int = 0


_QUANTIFIERS: Final = {
    "some": ("some", "einig", "strong"), "many": ("many", "viel", "strong"),
    "several": ("several", "mehrer", "strong"), "all": ("all the", "all", "weak"),
    "both": ("both", "beid", "weak"),
}  # fmt: skip
_LIKE_DEFINITE: Final = {"this": "dies", "every": "jed", "which": "welch"}


@dataclass
class NounPhrase(Nominal):
    """A noun with its determiner, adjectives, and perhaps a relative clause."""

    noun: Noun
    determiner: Determiner
    plural: bool = False
    adjectives: list[tuple[Adjective, str]] = field(default_factory=list)
    """Adjectives with their degree: positive, comparative, superlative."""
    relative: Clause | None = None
    extra: tuple[str, str] = ("", "")
    """Text after the noun, such as ``from Berlin``/``aus Berlin``."""
    feminine: bool = False
    """A job's feminine: die Lehrerin."""

    def __post_init__(self) -> None:
        self.english_plural = self.noun.english_number(self.plural) == "plural"
        self.german_plural = self.noun.german_number(self.plural) == "plural"
        self.gender = "p" if self.german_plural else "f" if self.feminine else self.noun.gender
        self.is_human = self.noun.is_human
        natural = "f" if self.feminine else self.noun.natural_gender
        if self.english_plural:
            self.english_pronoun = "they"
        else:
            self.english_pronoun = {"m": "he", "f": "she"}.get(natural, "it")
        self.german_pronoun = _OF_GENDER[self.gender]
        if natural and not self.german_plural:
            self.german_pronoun = _OF_GENDER[natural]
        self.is_definite = self.determiner.kind in (
            "the", "this", "possessive", "every", "all", "both", "which", "own", "meal",
        )  # fmt: skip

    @property
    def begins_with_article(self) -> bool:
        """Whether German has a plain definite article: the house, my brother's house."""
        possessor = self.determiner.possessor
        return self.determiner.kind in ("the", "own", "meal") or (
            possessor is not None and not isinstance(possessor, Name)
        )

    def english(self, case: str = "object") -> str:
        noun = self.noun.english(self.plural, self.feminine)
        words = [adjective.english_degree(degree) for adjective, degree in self.adjectives]
        core = " ".join([*words, noun])
        text = self._english_determined(core)
        if self.extra[0]:
            text = f"{text} {self.extra[0]}"
        if self.relative is not None:
            text = f"{text} {self.relative.english_relative(self)}"
        return text

    def _english_determined(self, core: str) -> str:
        determiner = self.determiner
        match determiner.kind:
            case "the" | "every" | "which" | "no" | "any":
                return f"{determiner.kind} {core}"
            case "how-many":
                return f"how many {core}"
            case "a" | "not-a":
                return f"{english.article(core)} {core}"
            case "this":
                return f"{'these' if self.english_plural else 'this'} {core}"
            case "possessive" | "own" if determiner.owner:
                return f"{ENGLISH_PRONOUNS[determiner.owner[0]][2]} {core}"
            case "possessive" if determiner.possessor:
                if determiner.possessor.is_human:
                    return f"{english.possessive(determiner.possessor.english())} {core}"
                return f"the {core} of {determiner.possessor.english()}"
            case "number":
                return f"{numbers.english_number(determiner.number)} {core}"
            case "few":
                return f"a few {core}"
            case "bare" | "meal" | "none":
                return core
            case "instrument":
                return f"the {core}"
        return f"{_QUANTIFIERS[determiner.kind][0]} {core}"

    def german(self, case: str) -> tuple[str, str]:
        article, declension, after = self._german_determined(case)
        ending = german.adjective_ending(declension, self.gender, case)
        words = [article] if article else []
        words += [german.inflect(a.german_degree(degree), ending) for a, degree in self.adjectives]
        words.append(self.noun.german(self.gender == "p", case, self.feminine))
        words += [text for text in (after, self.extra[1]) if text]
        tail = self.relative.german_relative(self) if self.relative is not None else ""
        return " ".join(words), tail

    def _german_determined(self, case: str) -> tuple[str, str, str]:
        """The determiner, the declension of adjectives after it, and what stands after the noun."""
        determiner, gender = self.determiner, self.gender
        match determiner.kind:
            case "the" | "own":
                return german.definite(gender, case), "weak", ""
            case "this" | "every" | "which":
                return german.like_this(_LIKE_DEFINITE[determiner.kind], gender, case), "weak", ""
            case "a" if gender != "p":
                return german.like_a("ein", gender, case), "mixed", ""
            case "how-many":
                return "wie viele", "strong", ""
            case "no" | "any" | "not-a" | "none":
                return german.like_a("kein", gender, case), "mixed", ""
            case "possessive" if determiner.owner:
                stem = GERMAN_PRONOUNS[determiner.owner[1]][3]
                return german.like_a(stem, gender, case), "mixed", ""
            case "possessive" if isinstance(determiner.possessor, Name):
                name = determiner.possessor.german_text
                return (
                    f"{name}'" if name.endswith(("s", "x", "z", "ß")) else f"{name}s",
                    "strong",
                    "",
                )
            case "possessive" if determiner.possessor:
                owner = determiner.possessor.german("gen")[0]
                return german.definite(gender, case), "weak", owner
            case "number":
                return numbers.german_number(determiner.number), "strong", ""
            case "few":
                return "ein paar", "strong", ""
            case "meal":
                return german.definite(gender, case), "weak", ""
            case "bare" if self.noun.is_pair and gender != "p":
                # Glasses without an article are "eine Brille".
                return german.like_a("ein", gender, case), "mixed", ""
            case "bare" | "a" | "instrument":
                return "", "strong", ""
        _, stem, declension = _QUANTIFIERS[determiner.kind]
        return german.like_this(stem, gender, case), declension, ""


def prepositional(preposition: str, case: str, nominal: Nominal) -> tuple[str, str]:
    """A German prepositional phrase: im Garten, ins Haus, darauf; and its relative clause.

    The article is not contracted before a relative clause: "in dem Haus, das ..."; and a thing's
    pronoun becomes da(r)-.
    """
    if nominal.is_pronoun and not nominal.is_human:
        return ("dar" if preposition[0] in "aeiouü" else "da") + preposition, ""
    text, tail = nominal.german(case)
    is_article = isinstance(nominal, NounPhrase) and nominal.begins_with_article
    first, _, rest = text.partition(" ")
    if is_article and not tail and (preposition, first) in german.CONTRACTED:
        return f"{german.CONTRACTED[preposition, first]} {rest}", ""
    return f"{preposition} {text}", tail
