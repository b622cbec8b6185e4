"""From the grammar's constructions to sentence pairs."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from nmt.corpus.pocket import numbers
from nmt.corpus.pocket.choosing import NothingFitsError
from nmt.corpus.pocket.clauses import Adverbial
from nmt.corpus.pocket.lexicon import Lexicon
from nmt.corpus.pocket.nominals import Draw
from nmt.corpus.pocket.phrases import Coordination, Determiner, Name, Nominal, NounPhrase
from nmt.corpus.pocket.places import place_english, place_german
from nmt.corpus.pocket.requests import ClauseRequests, pronoun_of
from nmt.corpus.pocket.sampler import ClauseSampler
from nmt.corpus.pocket.templates import (
    ClauseSlot,
    Construction,
    ConstructionSlot,
    NominalSlot,
    Slot,
    TextSlot,
    VocativeSlot,
    main_clause,
    nesting,
    render,
    sentence,
)

_ECHO: Final = re.compile(r"\b(?!had |sie |der |die |das |den |dem )(\w+) \1\b")
"""A word said twice by accident: looking at at the moment, morgen früh früh."""


_GERMAN_NOUN: Final = re.compile(
    r"(?<![.?!] )(?<!^)\b(?!Sie\b|Ih|Frau (?=[A-ZÄÖÜ])|Herrn?\b)[A-ZÄÖÜ]\w+"
)
_LONG_WORD: Final = re.compile(r"[a-z']{5,}")
_OFTEN_TWICE: Final = frozenset({
    "their", "would", "could", "should", "doesn't", "didn't", "about", "these", "which",
    "allowed", "weren't", "wasn't", "aren't", "several",
})  # fmt: skip
_THIS_YEAR: Final = 2024


@dataclass(frozen=True)
class Pair:
    """A sentence pair and what it is made of."""

    english: str
    german: str
    construction: str
    depth: int
    """How deep its clauses are nested; 0 for a single clause."""
    reserved: int
    """Combinations of words in it that are kept for the test sets."""


class Deriver:
    """Draws sentence pairs from the grammar."""

    def __init__(self, lexicon: Lexicon, seed: str, *, max_depth: int = 2) -> None:
        self.lexicon = lexicon
        self.draw = Draw(seed)
        self.clauses = ClauseSampler(lexicon, self.draw, lexicon.grammar)
        self.nominals = self.clauses.nominals
        self.requests = ClauseRequests(self.clauses)
        self.constructions = [Construction.parse(c) for c in lexicon.grammar["constructions"]]
        deep = max_depth > 2
        self._weighted = [(c.weight, c) for c in self.constructions if c.nests or not deep]
        self._inside = [(c.weight, c) for c in self.constructions if c.embeddable and c.own_depth]
        self.max_depth = max_depth
        self._open: list[str] = []
        """The constructions that the one being filled stands in, by their conjunctions."""
        self._nest_rate = 0.9 if deep else 0.12

    def pair(self, accepts: Callable[[int, int], bool] = lambda depth, reserved: True) -> Pair:
        """The next sentence pair whose depth and reserved combinations are accepted."""
        while True:
            chosen = self.draw.weighted(self._weighted)
            self.nominals.reserved = 0
            self.nominals.names_used.clear()
            self.clauses.adverbials.said_when = False
            self._open.clear()
            try:
                slots = self._slots(chosen, self.draw.one(chosen.tenses), self.max_depth)
            except NothingFitsError:
                continue
            depth = max(nesting(slot) for slot in slots.values()) + chosen.own_depth
            if not accepts(depth, self.nominals.reserved):
                continue
            source = sentence(render(chosen.english, slots, "english", ""))
            target = sentence(render(chosen.german, slots, "german", ""))
            if any(_ECHO.search(text) for text in (source, target)) or _repeats(source, target):
                continue
            return Pair(source, target, chosen.name, depth, self.nominals.reserved)

    def _slots(
        self, construction: Construction, tenses: dict[str, str], depth: int
    ) -> dict[str, Slot]:
        slots: dict[str, Slot] = {}
        inner = depth - construction.own_depth
        self._open.append(_conjunction(construction))
        for name, options in construction.slots.items():
            slots[name] = self._slot(name, options, tenses, slots, inner if name != "a" else depth)
        self._open.pop()
        texts = [slot.english("") for slot in slots.values() if isinstance(slot, NominalSlot)]
        if len(texts) != len(set(texts)):
            raise NothingFitsError
        return slots

    def _slot(
        self, name: str, options: dict[str, Any], tenses: dict[str, str], slots: dict[str, Slot],
        depth: int,
    ) -> Slot:  # fmt: skip
        makers: dict[str, Callable[[Any], Slot]] = {
            "adverb": self._adverb_slot, "choice": lambda c: TextSlot(tuple(self.draw.one(c))),
            "clock": lambda _: self._adverbial_slot(self.clauses.adverbials.clock_time()),
            "duration": self._duration, "day": lambda _: self._day(),
            "date": lambda of: self._date(slots[of]), "number": self._number, "place": self._place,
            "vocative": self._vocative,
            "pair": self._pair_slot,
        }  # fmt: skip
        for key, make in makers.items():
            if key in options:
                return make(options[key])
        if "noun" in options:
            return NominalSlot(self._noun_slot(options["noun"], options.get("determiner", "")))
        return self._clause_slot(options, tenses.get(name, options.get("tense", "")), slots, depth)

    # Clauses

    def _clause_slot(
        self, options: dict[str, Any], tense: str, slots: dict[str, Slot], depth: int
    ) -> Slot:
        if options.get("nest") and depth > 0 and self.draw.chance(self._nest_rate):
            nested = self._nested(tense, depth)
            if nested is not None:
                return nested
        if "tense_of" in options:
            tense, is_far = self._tense_for(slots[options["tense_of"]])
            options = {**options, "far": is_far}
        spec = self.requests.spec(options, tense, slots, depth)
        clause = self.clauses.clause(spec)
        if "predicate" in options:
            clause.adverbials.append(self.requests.predicate(options["predicate"], clause, slots))
            if (
                clause.negated
                and isinstance(options["predicate"], str)
                and options["predicate"] == "job"
            ):
                clause.negated = False
        if "unlike" in options and {
            clause.subject.english_pronoun,
            main_clause(slots[options["unlike"]]).subject.english_pronoun,
        } <= {"I", "we"}:
            raise NothingFitsError
        if "instead" in options:
            clause.instead = options["instead"]
        if options.get("topic"):
            return self.requests.topic(clause)
        if "ask" in options:
            return self.requests.asked(clause, options["ask"])
        return ClauseSlot(clause)

    def _nested(self, tense: str, depth: int) -> Slot | None:
        inside = [(w, c) for w, c in self._inside if _conjunction(c) not in self._open]
        construction = self.draw.weighted(inside)
        if not tense:
            return ConstructionSlot(
                construction, self._slots(construction, self.draw.one(construction.tenses), depth)
            )
        fitting = [tenses for tenses in construction.tenses if tenses.get("a") == tense]
        if not fitting:
            return None
        return ConstructionSlot(
            construction, self._slots(construction, self.draw.one(fitting), depth)
        )

    def _tense_for(self, slot: Slot) -> tuple[str, bool]:
        """A tense that an adverb goes with, and whether it says a time far away."""
        assert isinstance(slot, TextSlot)
        tags = slot.texts[2].split()
        tenses = [
            {"habit": "plain"}.get(tag, tag) for tag in tags if tag not in ("far", "mid-only")
        ]
        return self.draw.one(tenses), "far" in tags

    # Other slots

    def _adverb_slot(self, tag: str) -> Slot:
        adverb = self.clauses.adverbials.adverb(tag)
        while adverb.tags & {"season", "mid-only"}:
            adverb = self.clauses.adverbials.adverb(tag)
        self.clauses.adverbials.said_when |= adverb.kind == "time"
        text = f"{adverb.english} ," if "comma" in adverb.tags else adverb.english
        return TextSlot((text, adverb.german, " ".join(sorted(adverb.tags))))

    def _adverbial_slot(self, adverbial: Adverbial) -> Slot:
        return TextSlot(
            (adverbial.english.removeprefix("at "), adverbial.german.removeprefix("um "))
        )

    def _duration(self, how: str) -> Slot:
        self.clauses.adverbials.said_when = True
        number = 2 + self.draw.random.randrange(11)
        units = [("days", "Tagen"), ("weeks", "Wochen"), ("months", "Monaten"), ("years", "Jahren")]
        if how == "since":
            units = [("hours", "Stunden"), ("hours", "Stunden"), *units[1:]]
        unit = self.draw.one(units)
        words = numbers.english_number(number), numbers.german_number(number)
        if how == "ago":
            return TextSlot((f"{words[0]} {unit[0]} ago", f"vor {words[1]} {unit[1]}"))
        return TextSlot((f"for {words[0]} {unit[0]}", f"seit {words[1]} {unit[1]}"))

    def _day(self) -> Slot:
        """On Monday; on 3 May; in March."""
        self.clauses.adverbials.said_when = True
        kind = self.draw.random.randrange(3)
        month = self.draw.one(numbers.MONTHS)
        if kind == 0:
            day = self.draw.one(numbers.WEEKDAYS)
            return TextSlot((f"on {day[0]}", f"am {day[1]}"))
        if kind == 1:
            number = 1 + self.draw.random.randrange(28)
            return TextSlot((f"on {number} {month[0]}", f"am {number}. {month[1]}"))
        return TextSlot((f"in {month[0]}", f"im {month[1]}"))

    def _date(self, born: Slot) -> Slot:
        """When someone was born."""
        assert isinstance(born, NominalSlot)
        year = _THIS_YEAR - self.requests.age(born.nominal)
        month = self.draw.one(numbers.MONTHS)
        day = 1 + self.draw.random.randrange(28)
        if self.draw.chance(0.3):
            return TextSlot((f"in {year}", f"{year}"))
        return TextSlot((f"on {day} {month[0]} {year}", f"am {day}. {month[1]} {year}"))

    def _number(self, limits: list[int]) -> Slot:
        number = limits[0] + int((limits[1] - limits[0]) * self.draw.random.random() ** 2)
        return TextSlot((numbers.english_number(number), numbers.german_number(number)))

    def _place(self, group: str) -> Slot:
        place = self.nominals.place(group, "@")
        return TextSlot((place_english("@", place), place_german("@", place)[0]))

    def _vocative(self, kind: str) -> Slot:
        if kind == "friend":
            name = self.nominals.first_name()
            return VocativeSlot(name, pronoun_of("du"))
        if kind == "stranger":
            return VocativeSlot(self.nominals.title_name(), pronoun_of("Sie"))
        if self.draw.chance(0.5):
            return VocativeSlot(Name("children", "Kinder", "they", "sie_plural"), pronoun_of("ihr"))
        first, second = self.nominals.first_name(), self.nominals.first_name()
        if first.english() == second.english():
            raise NothingFitsError
        return VocativeSlot(Coordination(first, second), pronoun_of("ihr"))

    def _pair_slot(self, options: list[list[str]]) -> Slot:
        words = self.draw.one(options)
        pair = self.nominals.pair("human")
        both = Coordination(pair.first, pair.second, (words[0], words[1]), (words[2], words[3]))
        if words[0] == "either":
            both.german_pronoun = pair.second.german_pronoun
        return NominalSlot(both)

    def _noun_slot(self, group: str, determiner: str) -> Nominal:
        draw, nominals = self.draw, self.nominals
        if determiner == "single":
            return nominals.single_person()
        if determiner == "subject":
            return nominals.subject(group)
        noun = draw.one(self.lexicon.members(group))
        match determiner:
            case "definite":
                return nominals.noun_phrase(noun, "def")
            case "definite-singular":
                return nominals.noun_phrase(noun, "def", number="singular")
            case "indefinite":
                return nominals.noun_phrase(noun, "indef")
            case "the":
                return NounPhrase(noun, Determiner("the"), noun.has_plural and draw.chance(0.15))
            case "the-singular":
                return NounPhrase(noun, Determiner("the"))
            case "bare-singular":
                return NounPhrase(noun, Determiner("bare"))
            case "none":
                return NounPhrase(noun, Determiner("no"))
        return NounPhrase(noun, Determiner("bare"))


def _conjunction(construction: Construction) -> str:
    """What two constructions have in common that would be clumsy inside of each other."""
    return construction.name.split()[0]


def _repeats(english: str, german: str) -> bool:
    """Whether a pair has a noun twice, where people would take it up by a pronoun, or a word."""
    nouns = _GERMAN_NOUN.findall(german)
    words = [word for word in _LONG_WORD.findall(english.lower()) if word not in _OFTEN_TWICE]
    return len(nouns) != len(set(nouns)) or len(words) != len(set(words))
