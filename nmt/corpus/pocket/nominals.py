"""Drawing noun phrases at random: which noun, which determiner, which adjectives."""

from __future__ import annotations

import random
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from nmt.corpus.pocket.lexicon import Adjective, Lexicon, Noun, Role
from nmt.corpus.pocket.phrases import (
    Coordination,
    Determiner,
    Name,
    Nominal,
    NounPhrase,
    Pronoun,
)

T = TypeVar("T")
W = TypeVar("W", Noun, Adjective)

SUBJECT_PRONOUNS: Final = (
    ("I", "ich"), ("he", "er"), ("she", "sie"), ("we", "wir"), ("they", "sie_plural"),
)  # fmt: skip
PERSONAL: Final = frozenset({"human", "person", "adult", "acquaintance", "human_def"})
"""Groups that names and personal pronouns belong to."""
_GENERIC: Final = frozenset({"language", "subject", "sport", "topic"})
"""Classes of nouns that stand without an article: physics, football."""
_UNDESCRIBED: Final = _GENERIC | {"spouse"}
"""Classes of nouns that take adjectives as predicates only."""
_OWN_BODY: Final = frozenset({"ache", "ache2", "limb", "eye", "health", "body"})
"""Classes of nouns that are always someone's."""
_RESERVED_SHARE: Final = 14
"""One combination of words in so many is kept for the test sets."""
_WORN: Final = frozenset({"clothing", "dresses"})
"""Classes of nouns that several people have one each of."""
_NUMEROUS: Final = frozenset({
    "fruit", "vegetable", "baked", "snack", "small", "photo", "letter", "readable", "poem",
    "hardware", "flower", "message", "ticket", "sentence", "star", "stone",
})  # fmt: skip
"""Classes of nouns that one counts by the dozen."""
MANY: Final = 8
"""Words that go with fewer others keep all of them in training."""


def is_generic(noun: Noun) -> bool:
    """Whether a noun stands without an article: physics, football."""
    return bool(noun.classes & _GENERIC)


def is_reserved(*words: str) -> bool:
    """Whether a combination of words is kept for the test sets."""
    return zlib.crc32("|".join(words).encode()) % _RESERVED_SHARE == 0


class Draw:
    """Random choices, the same for the same seed everywhere."""

    def __init__(self, seed: str) -> None:
        self.random = random.Random(seed)

    def one(self, options: Sequence[T]) -> T:
        """One of the options, all equally likely."""
        return options[int(self.random.random() * len(options))]

    def weighted(self, options: Sequence[tuple[float, T]]) -> T:
        """One of the options, by weight."""
        left = self.random.random() * sum(weight for weight, _ in options)
        for weight, option in options:
            left -= weight
            if left < 0:
                return option
        return options[-1][1]

    def chance(self, probability: float) -> bool:
        """True with a probability."""
        return self.random.random() < probability


class NominalSampler:
    """Draws noun phrases, names and pronouns."""

    def __init__(self, lexicon: Lexicon, draw: Draw) -> None:
        self.lexicon = lexicon
        self.draw = draw
        self.reserved = 0
        """Reserved combinations drawn since it was set to zero."""
        self.names_used: set[str] = set()
        """Names in the sentence; to be cleared before the next."""
        self._drawn: Counter[Noun | Adjective] = Counter()
        self._ownable = set(lexicon.members("ownable"))
        self._names: dict[str, list[dict[str, str]]] = {}
        for row in lexicon.names:
            self._names.setdefault(row["kind"], []).append(row)

    def _evenly(self, options: Sequence[W]) -> W:
        """Of two options drawn, the one that was drawn less often: no word stays rare."""
        first, second = self.draw.one(options), self.draw.one(options)
        chosen = first if self._drawn[first] <= self._drawn[second] else second
        self._drawn[chosen] += 1
        return chosen

    def first_name(self) -> Name:
        """A first name."""
        kind, *pronouns = self.draw.one((("female", "she", "sie"), ("male", "he", "er")))
        row = self._unused(kind)
        return Name(row["english"], row["german"], *pronouns)

    def _unused(self, kind: str) -> dict[str, str]:
        """A name that the sentence does not have yet."""
        while True:
            row = self.draw.one(self._names[kind])
            if row["english"] not in self.names_used:
                self.names_used.add(row["english"])
                return row

    def title_name(self) -> Name:
        """Mr or Mrs and a surname."""
        row = self._unused("surname")
        mr, herr, *pronouns = self.draw.one(
            (("Mrs", "Frau", "she", "sie"), ("Mr", "Herr", "he", "er"))
        )
        return Name(f"{mr} {row['english']}", f"{herr} {row['german']}", *pronouns)

    def subject(self, group: str) -> Nominal:
        """A subject from a group of nouns."""
        draw = self.draw
        if group in PERSONAL:
            roll = draw.random.random()
            if roll < 0.30:
                return Pronoun(*draw.one(SUBJECT_PRONOUNS))
            if roll < 0.42:
                return self.first_name()
            if roll < 0.46:
                return self.title_name()
            if roll < 0.50:
                return self.pair(group)
        return self.noun_phrase(self._evenly(self.lexicon.members(group)), "subject")

    def pair(self, group: str) -> Coordination:
        """Two people joined by and."""
        first: Nominal = self.first_name()
        if self.draw.chance(0.5):
            first = self.noun_phrase(self.draw.one(self.lexicon.members("kin")), "subject")
        return Coordination(first, self.first_name())

    def single_person(self, *, is_adult: bool = True) -> Nominal:
        """Someone who is he or she."""
        draw = self.draw
        if draw.chance(0.35):
            return self.first_name()
        if draw.chance(0.3):
            return Pronoun(*draw.one((("he", "er"), ("she", "sie"))))
        nouns = [noun for noun in self.lexicon.members("kin+spouse") if noun.natural_gender]
        return self.noun_phrase(draw.one(nouns), "subject", number="singular")

    def complement(self, role: Role, subject: Nominal | None, verb_name: str) -> Nominal:
        """What fills a role of a verb."""
        draw = self.draw
        if role.english in ("@", ">", "<"):
            return self.place(role.group, role.english)
        if role.group in PERSONAL and role.style in ("", "def"):
            roll = draw.random.random()
            if roll < 0.14:
                taken = subject.english_pronoun if subject is not None else ""
                first = ("I", "we") if taken in ("I", "we") else (taken,)
                pronouns = [pair for pair in SUBJECT_PRONOUNS if pair[0] not in first]
                return Pronoun(*draw.one(pronouns))
            if roll < 0.26:
                return self.first_name()
            if roll < 0.30:
                return self.title_name()
        noun = self._evenly(self.lexicon.members(role.group))
        if len(self.lexicon.members(role.group)) >= MANY:
            self.reserved += is_reserved(verb_name, noun.german_singular)
        return self.noun_phrase(noun, role.style or "object", owner=subject)

    def place(self, groups: str, mark: str) -> Nominal:
        """A place: a name of a town or country, or a noun."""
        draw = self.draw
        members = self.lexicon.members(groups)
        kinds = {kind for noun in members for kind in ("town", "country") if kind in noun.classes}
        for kind in sorted(kinds):
            if mark != "<" and draw.chance(0.35):
                row = draw.one(self._names[kind])
                return Name(row["english"], row["german"], "it", "es")
        noun = draw.one(members)
        if "country" in noun.classes:
            row = draw.one(self._names["country"])
            return Name(row["english"], row["german"], "it", "es")
        return self.noun_phrase(noun, "place")

    def noun_phrase(
        self, noun: Noun, style: str, *, owner: Nominal | None = None, number: str = ""
    ) -> NounPhrase:
        """A noun with determiner and adjectives in the style of its place in the clause."""
        plural, determiner = self._determiner(noun, style, owner, number)
        adjectives = []
        bare_styles = ("bare", "idiom", "inst", "own", "ownsg", "ownpl", "place")
        rate = 0.08 if style in bare_styles or "kin" in noun.classes else 0.27
        if noun.classes & _UNDESCRIBED:
            rate = 0
        if style not in ("idiom", "inst") and self.draw.chance(rate):
            adjective = self.adjective(noun)
            adjectives = [(adjective, "positive")] if adjective else []
        return NounPhrase(noun, determiner, plural, adjectives)

    def adjective(
        self, noun: Noun, keep: Callable[[Adjective], bool] = lambda _: True
    ) -> Adjective | None:
        """An adjective that goes with a noun."""
        options = [a for a in self.lexicon.adjectives_of(noun) if keep(a)]
        if not options:
            return None
        adjective = self._evenly(options)
        if len(self.lexicon.described_by(adjective)) >= MANY:
            self.reserved += is_reserved(adjective.english_degrees[0], noun.german_singular)
        return adjective

    def _determiner(
        self, noun: Noun, style: str, owner: Nominal | None, number: str
    ) -> tuple[bool, Determiner]:
        draw = self.draw
        the, bare = Determiner("the"), Determiner("bare")
        if "unique" in noun.classes:
            return False, the
        if noun.classes & _GENERIC and style not in ("idiom", "bare"):
            return False, bare
        if style in ("own", "ownsg", "ownpl") and owner is not None:
            plural = style == "ownpl" or (
                style == "own" and noun.has_plural and noun.english_singular != "face"
            )
            return plural, Determiner("own", (owner.english_pronoun, owner.german_pronoun))
        if style == "bare":
            return noun.has_plural, bare
        if style == "idiom":
            return False, bare
        if style == "inst":
            return False, Determiner("instrument")
        if "kin" in noun.classes or "spouse" in noun.classes:
            return self._of_family(noun, number)
        if style == "place":
            return False, Determiner("this") if draw.chance(0.04) else the
        if style == "meal":
            return False, Determiner("meal")
        if style in ("pl", "defpl"):
            return noun.has_plural, the
        can_be_plural = noun.has_plural and number != "singular"
        if (
            style in ("def", "that-one") and can_be_plural and noun.classes & _WORN
            and owner is not None and owner.english_pronoun in ("we", "they")
        ):  # fmt: skip
            return True, Determiner("possessive", (owner.english_pronoun, owner.german_pronoun))
        if style in ("object", "indef", "one") and not noun.countable:
            return False, the if style == "object" and draw.chance(0.3) else bare
        possessive = self._possessive(noun, owner)
        single = 6 if "bits" in noun.classes else 40
        known = 10.0 if "acquaintance" in noun.classes else 50.0
        if noun.classes & _OWN_BODY:
            return False, possessive
        if style == "subject":
            options = [
                (known, (False, the)),
                (10, (False, Determiner("this"))),
                (68 - known, (False, possessive)),
            ]
            if can_be_plural:
                options += [
                    (9, (True, the)), (4, (True, possessive)), (1, (True, Determiner("many"))),
                    (2, (True, Determiner("some"))), (2, (True, self._number(noun))),
                    (1, (True, Determiner("all"))), (1, (True, Determiner("this"))),
                ]  # fmt: skip
            if noun.countable:
                options += [(4, (False, Determiner("a"))), (0.7, (False, Determiner("every")))]
        elif style == "def":
            options = [
                (known + 5, (False, the)),
                (75 - known, (False, possessive)),
                (7, (False, Determiner("this"))),
            ]
            if can_be_plural:
                options += [
                    (10, (True, the)), (3, (True, possessive)),
                    (0.4, (True, Determiner("all"))), (0.4, (True, Determiner("both"))),
                ]  # fmt: skip
        elif style == "that-one":
            this = Determiner("this")
            options = [(5.0, (False, the)), (1, (False, this)), (4, (False, possessive))]
        elif style == "one":
            options = [(1.0, (False, Determiner("a")))]
        elif style == "indef":
            options = [(single + 20.0, (False, Determiner("a")))]
            if can_be_plural:
                options += self._indefinite_plurals(noun)
        else:
            options = [
                (single, (False, Determiner("a"))), (22, (False, the)), (14, (False, possessive)),
                (3, (False, Determiner("this"))),
            ]  # fmt: skip
            if can_be_plural:
                options += [
                    *self._indefinite_plurals(noun),
                    (6, (True, the)),
                    (3, (True, possessive)),
                ]
        plural, determiner = draw.weighted(options)
        if determiner.kind == "a" and not noun.countable:
            determiner = bare
        return plural, determiner

    def _indefinite_plurals(self, noun: Noun) -> list[tuple[float, tuple[bool, Determiner]]]:
        kinds = (("bare", 8.0), ("some", 4), ("many", 3), ("several", 3), ("few", 3))
        plurals = [(weight, (True, Determiner(kind))) for kind, weight in kinds]
        return [*plurals, (7, (True, self._number(noun)))]

    def _number(self, noun: Noun) -> Determiner:
        """A number, large only of things that there are many of."""
        draw = self.draw
        number = 2 + int(draw.random.random() * 5)
        if noun.classes & _NUMEROUS and draw.chance(0.3):
            number = 7 + int(draw.random.random() * 90)
        return Determiner("number", number=number)

    def _possessive(self, noun: Noun, owner: Nominal | None) -> Determiner:
        draw = self.draw
        if noun not in self._ownable:
            return Determiner("the")
        owns = owner is not None and (owner.is_human or _is_animal(owner))
        if noun.german_singular in ("Chef", "Kollege") and not _has_work(owner):
            return Determiner("the")
        if owner is not None and owns and draw.chance(0.7):
            return Determiner("possessive", (owner.english_pronoun, owner.german_pronoun))
        if draw.chance(0.35):
            return Determiner("possessive", possessor=self.first_name())
        if draw.chance(0.3):
            kin = self.draw.one(self.lexicon.members("kin"))
            return Determiner(
                "possessive", possessor=self.noun_phrase(kin, "subject", number="singular")
            )
        return Determiner("possessive", draw.one(SUBJECT_PRONOUNS))

    def _of_family(self, noun: Noun, number: str) -> tuple[bool, Determiner]:
        draw = self.draw
        mine = SUBJECT_PRONOUNS[0]
        owner = mine if draw.chance(0.5) else draw.one(SUBJECT_PRONOUNS)
        if "spouse" in noun.classes:
            owner = draw.one(
                (("I", "ich"), ("she", "sie") if noun.natural_gender == "m" else ("he", "er"))
            )
        plural = noun.has_plural and number != "singular" and draw.chance(0.15)
        return plural, Determiner("possessive", owner)


def _is_animal(nominal: Nominal) -> bool:
    return isinstance(nominal, NounPhrase) and bool(
        nominal.noun.classes & {"pet", "farm", "wild", "bird"}
    )


def _has_work(owner: Nominal | None) -> bool:
    return not (
        isinstance(owner, NounPhrase) and bool(owner.noun.classes & {"young", "infant", "pet"})
    )
