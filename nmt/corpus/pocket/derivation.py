"""From the grammar's constructions to sentence pairs."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from nmt.corpus.pocket import english, german, numbers
from nmt.corpus.pocket.clauses import Adverbial, Clause, as_pronoun
from nmt.corpus.pocket.german import GermanVerb
from nmt.corpus.pocket.lexicon import Lexicon, german_auxiliaries
from nmt.corpus.pocket.nominals import Draw
from nmt.corpus.pocket.phrases import (
    Coordination,
    Determiner,
    Gap,
    Literal,
    Name,
    Nominal,
    NounPhrase,
    Pronoun,
    person,
    prepositional,
)
from nmt.corpus.pocket.places import place_english, place_german
from nmt.corpus.pocket.sampler import ClauseSampler, ClauseSpec, NothingFitsError

_PIECE: Final = re.compile(r"\{([^}]*)\}")


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


class Slot(Protocol):
    """What a construction's slot has been filled with."""

    def english(self, form: str) -> str:
        """Its English text in a form."""

    def german(self, form: str) -> str:
        """Its German text in a form."""


@dataclass
class TextSlot:
    """The same text in every form."""

    texts: tuple[str, ...]

    def english(self, form: str) -> str:
        return self.texts[0]

    def german(self, form: str) -> str:
        return self.texts[1]


@dataclass
class VerbSlot:
    """A verb that agrees with another slot."""

    texts: tuple[str, ...]

    def english(self, form: str) -> str:
        return self.texts[0]

    def german(self, form: str) -> str:
        return self.texts[1]


@dataclass
class NominalSlot:
    """A noun phrase."""

    nominal: Nominal

    def english(self, form: str) -> str:
        if form == "pronoun":
            return as_pronoun(self.nominal).english("subject")
        if form == "bare" and isinstance(self.nominal, NounPhrase):
            return self.nominal.noun.english(False)
        return self.nominal.english("subject")

    def german(self, form: str) -> str:
        if form == "pronoun":
            return as_pronoun(self.nominal).german("nom")[0]
        if form == "whose":
            assert isinstance(self.nominal, NounPhrase)
            return german.relative_pronoun(self.nominal.gender, "gen")
        text, tail = self.nominal.german(form or "nom")
        return f"{text} , {tail} ," if tail else text


@dataclass
class ClauseSlot:
    """A clause; ``asked`` stands before it: a question word, or a fronted object."""

    clause: Clause
    asked: tuple[str, str] = ("", "")

    def english(self, form: str) -> str:
        return self.asked[0] if form == "asked" else self.clause.english(form or "statement")

    def german(self, form: str) -> str:
        return self.asked[1] if form == "asked" else self.clause.german(form or "main")


@dataclass
class ConstructionSlot:
    """A construction inside of another; its slot a takes the form that is asked for."""

    construction: Construction
    slots: dict[str, Slot]

    def english(self, form: str) -> str:
        return _render(self.construction.english, self.slots, "english", form)

    def german(self, form: str) -> str:
        return _render(self.construction.german, self.slots, "german", form)


@dataclass(frozen=True)
class Construction:
    """A pair of templates with the slots that they share."""

    name: str
    weight: float
    english: str
    german: str
    slots: dict[str, dict[str, Any]]
    tenses: tuple[dict[str, str], ...]
    embeddable: bool

    @classmethod
    def parse(cls, value: dict[str, Any]) -> Construction:
        """Read an entry of the grammar."""
        return cls(
            value["name"], float(value["weight"]), value["en"], value["de"],
            value.get("slots", {}), tuple(value.get("tenses", ({},))),
            bool(value.get("embeddable", False)),
        )  # fmt: skip


class Deriver:
    """Draws sentence pairs from the grammar."""

    def __init__(self, lexicon: Lexicon, seed: str, *, max_depth: int = 2) -> None:
        self.lexicon = lexicon
        self.draw = Draw(seed)
        self.clauses = ClauseSampler(lexicon, self.draw, lexicon.grammar)
        self.nominals = self.clauses.nominals
        self.constructions = [Construction.parse(c) for c in lexicon.grammar["constructions"]]
        self._weighted = [(c.weight, c) for c in self.constructions]
        self._inside = [(c.weight, c) for c in self.constructions if c.embeddable and len(c.slots) > 1]
        self.max_depth = max_depth
        self._nest_rate = 0.12 if max_depth < 3 else 0.7
        self._auxiliaries = german_auxiliaries()

    def pair(self, construction: Construction | None = None) -> Pair:
        """The next sentence pair."""
        while True:
            chosen = construction or self.draw.weighted(self._weighted)
            self.nominals.reserved = 0
            try:
                slots = self._slots(chosen, self.draw.one(chosen.tenses), self.max_depth)
            except NothingFitsError:
                continue
            source = _sentence(_render(chosen.english, slots, "english", ""))
            target = _sentence(_render(chosen.german, slots, "german", ""))
            depth = max(nesting(slot) for slot in slots.values()) + _own_depth(chosen)
            return Pair(source, target, chosen.name, depth, self.nominals.reserved)

    def _slots(self, construction: Construction, tenses: dict[str, str], depth: int) -> dict[str, Slot]:
        slots: dict[str, Slot] = {}
        inner = depth - _own_depth(construction)
        for name, options in construction.slots.items():
            slots[name] = self._slot(name, options, tenses, slots, inner if name != "a" else depth)
        return slots

    def _slot(
        self, name: str, options: dict[str, Any], tenses: dict[str, str], slots: dict[str, Slot],
        depth: int,
    ) -> Slot:  # fmt: skip
        makers: dict[str, Callable[[Any], Slot]] = {
            "adverb": self._adverb_slot, "choice": lambda c: TextSlot(tuple(self.draw.one(c))),
            "clock": lambda _: self._adverbial_slot(self.clauses.clock_time()),
            "duration": self._duration, "day": lambda _: self._day(), "date": lambda _: self._date(),
            "number": self._number, "place": self._place, "vocative": self._vocative,
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
            tense = self._tense_for(slots[options["tense_of"]])
        spec = self._spec(options, tense, slots, depth)
        clause = self.clauses.clause(spec)
        if "predicate" in options:
            clause.adverbials.append(self._predicate(options["predicate"], clause))
            if clause.negated and isinstance(options["predicate"], str) and options["predicate"] == "job":
                clause.negated = False
        if "instead" in options:
            clause.instead = options["instead"]
        if options.get("topic"):
            return self._topic(clause)
        if "ask" in options:
            return self._asked(clause, options["ask"])
        return ClauseSlot(clause)

    def _nested(self, tense: str, depth: int) -> Slot | None:
        construction = self.draw.weighted(self._inside)
        if not tense:
            return ConstructionSlot(construction, self._slots(construction, self.draw.one(construction.tenses), depth))
        fitting = [tenses for tenses in construction.tenses if tenses.get("a") == tense]
        if not fitting:
            return None
        return ConstructionSlot(construction, self._slots(construction, self.draw.one(fitting), depth))

    def _tense_for(self, slot: Slot) -> str:
        assert isinstance(slot, TextSlot)
        tags = slot.texts[2].split()
        return self.draw.one([tense for tag in tags for tense in {"habit": ["plain"]}.get(tag, [tag])])

    def _spec(
        self, options: dict[str, Any], tense: str, slots: dict[str, Slot], depth: int
    ) -> ClauseSpec:
        verb = options.get("verb", "")
        spec = ClauseSpec(
            verb=verb, tense=tense, passive=options.get("passive", False),
            dynamic=options.get("action", False) or options.get("infinitive", False),
            imperative=options.get("imperative", False), thing=options.get("needs") == "thing",
            done=options.get("done", False),
            needs="place" if options.get("ask") == "place" else "object" if "ask" in options or "topic" in options else "",
            definite_object=options.get("topic", False) or options.get("needs") == "thing",
            depth=0 if "ask" in options or options.get("no_relative") or "instead" in options else depth,
        )  # fmt: skip
        if "adverbs" in options:
            spec = replace(spec, adverbs=tuple(options["adverbs"]))
        if "negated" in options:
            negated = options["negated"]
            spec = replace(spec, negated=1.0 if negated == "know" and self.draw.chance(0.7) else 0.0 if negated == "know" else negated)
        if options.get("ask") or options.get("infinitive") or options.get("topic") or verb in ("wh", "that") and "negated" not in options:
            spec = replace(spec, negated=options.get("negated", 0.0))
        if "with" in options:
            spec = replace(spec, extra=(self._extra(options["with"], slots),))
        if verb == "be" and "subject" not in options:
            return replace(spec, subject=self._subject_with_adjectives(options["predicate"]))
        if options.get("subject"):
            spec = self._with_subject(spec, options["subject"], slots)
        if spec.done:
            spec = replace(spec, subject=spec.subject)
        return spec

    def _extra(self, value: Any, slots: dict[str, Slot]) -> Adverbial:
        if isinstance(value, list):
            return Adverbial(*value)
        slot = slots[value]
        return Adverbial(slot.english(""), slot.german(""), "time")

    def _subject_with_adjectives(self, predicate: Any) -> Nominal:
        """Something that one can say an adjective of: any noun that has adjectives, or a person."""
        if self.draw.chance(0.35):
            return self.nominals.subject("human")
        degree_needed = predicate in ("comparative", "equal", "superlative")
        nouns = [
            noun for noun in self.lexicon.nouns
            if any(a.comparable or not degree_needed for a in self.lexicon.adjectives_of(noun))
        ]  # fmt: skip
        return self.nominals.noun_phrase(self.draw.one(nouns), "def")

    def _with_subject(self, spec: ClauseSpec, value: Any, slots: dict[str, Slot]) -> ClauseSpec:
        if isinstance(value, str):
            if value == "single person":
                return replace(spec, subject=self.nominals.single_person())
            if value == "who":
                return replace(spec, subject=Literal("who", {"nom": "wer"}, "he", "er", True), negated=0.0)
            if spec.verb == "be":
                return replace(spec, subject=self.nominals.subject(value))
            return replace(spec, subject_group=value)
        if isinstance(value, list):
            return replace(spec, subject=_pronoun(self.draw.one(value)))
        (how, where), = value.items()
        name, _, part = where.partition(".")
        slot = slots[name]
        if how == "slot":
            assert isinstance(slot, NominalSlot)
            return replace(spec, subject=slot.nominal)
        if isinstance(slot, VocativeSlot):
            return replace(spec, subject=slot.pronoun)
        antecedent = _main_clause(slot).subject
        if part == "object":
            antecedent = _main_clause(slot).complements[0][1]
            if antecedent.is_human or not isinstance(antecedent, NounPhrase):
                raise NothingFitsError
        if how == "same":
            return replace(spec, subject=antecedent)
        if how == "perhaps_pronoun" and (not antecedent.is_human or self.draw.chance(0.5)):
            return spec
        return replace(spec, subject=_taken_up(antecedent))

    def _predicate(self, kind: Any, clause: Clause) -> Adverbial:
        subject = clause.subject
        if isinstance(kind, list):
            return Adverbial(*self.draw.one(kind), "predicate")
        if kind == "job":
            noun = self.draw.one(self.lexicon.members("job"))
            feminine = subject.english_pronoun == "she"
            name = noun.english(False, feminine)
            return Adverbial(f"{english.article(name)} {name}", noun.german(False, "nom", feminine), "predicate")
        if kind == "age":
            age = 5 + self.draw.random.randrange(80)
            return Adverbial(f"{numbers.english_number(age)} years old", f"{numbers.german_number(age)} Jahre alt", "predicate")
        if kind == "adjective":
            return self.clauses.adjective_predicate(subject, "positive")
        if kind == "superlative":
            return self.clauses.adjective_predicate(subject, "superlative")
        degree = "comparative" if kind == "comparative" else "positive"
        adjective = self.clauses.adjective_predicate(subject, degree)
        other = self._compared(subject)
        if kind == "comparative":
            much = self.draw.weighted(((4, ("", "")), (1, ("much ", "viel ")), (1, ("a little ", "etwas ")), (1, ("even ", "noch "))))
            return Adverbial(
                f"{much[0]}{adjective.english} than {other.english('subject')}",
                f"{much[1]}{adjective.german} als {other.german('nom')[0]}", "predicate",
            )  # fmt: skip
        return Adverbial(
            f"as {adjective.english.split()[-1]} as {other.english('subject')}",
            f"so {adjective.german.split()[-1]} wie {other.german('nom')[0]}", "predicate",
        )  # fmt: skip

    def _compared(self, subject: Nominal) -> Nominal:
        """What a subject is compared with."""
        for _ in range(8):
            if isinstance(subject, NounPhrase):
                style = "def"
                if subject.is_human:
                    other: Nominal = self.nominals.subject("human")
                else:
                    other = self.nominals.noun_phrase(subject.noun, style)
            else:
                other = self.nominals.single_person()
            if other.english() != subject.english() and not other.is_pronoun:
                return other
        raise NothingFitsError

    def _topic(self, clause: Clause) -> Slot:
        role, nominal = clause.complements[0]
        if not isinstance(nominal, NounPhrase) or role.english or role.case not in ("acc", "dat"):
            raise NothingFitsError
        nominal.determiner = Determiner("this")
        nominal.__post_init__()
        clause.complements[0] = (role, Gap(nominal))
        return ClauseSlot(clause, (nominal.english(), nominal.german(role.case)[0]))

    def _asked(self, clause: Clause, what: str) -> Slot:
        """Ask for the first complement: who, what, which, how many, where."""
        places = [i for i, (role, _) in enumerate(clause.complements) if role.english in ("@", ">")]
        index = places[0] if what == "place" and places else 0
        role, nominal = clause.complements[index]
        clause.complements[index] = (role, Gap(nominal))
        if what == "place":
            return ClauseSlot(clause, ("where", "wo" if role.english == "@" else "wohin"))
        if what == "which":
            if not isinstance(nominal, NounPhrase) or role.preposition or role.english or not nominal.noun.countable or nominal.noun.classes & {"kin", "spouse"}:
                raise NothingFitsError
            plural = nominal.noun.has_plural and self.draw.chance(0.6)
            asked = NounPhrase(nominal.noun, Determiner("which"), plural)
            if plural and self.draw.chance(0.6):
                asked = NounPhrase(nominal.noun, Determiner("how-many"), True)
            return ClauseSlot(clause, (asked.english(), asked.german(role.case)[0]))
        if nominal.is_human:
            word = {"acc": "wen", "dat": "wem"}[role.case]
            return ClauseSlot(clause, ("who", f"{role.preposition} {word}".strip()))
        if role.preposition:
            thing = Pronoun("it", "es", False)
            return ClauseSlot(clause, ("what", "wo" + prepositional(role.preposition, role.case, thing)[0][2:]))
        if role.case != "acc":
            raise NothingFitsError
        return ClauseSlot(clause, ("what", "was"))

    # Other slots

    def _adverb_slot(self, tag: str) -> Slot:
        adverb = self.clauses.adverb(tag)
        return TextSlot((adverb.english, adverb.german, " ".join(sorted(adverb.tags))))

    def _adverbial_slot(self, adverbial: Adverbial) -> Slot:
        return TextSlot((adverbial.english.removeprefix("at "), adverbial.german.removeprefix("um ")))

    def _duration(self, how: str) -> Slot:
        number = 2 + self.draw.random.randrange(11)
        unit = self.draw.one((("days", "Tagen"), ("weeks", "Wochen"), ("months", "Monaten"), ("years", "Jahren")))
        words = numbers.english_number(number), numbers.german_number(number)
        if how == "ago":
            return TextSlot((f"{words[0]} {unit[0]} ago", f"vor {words[1]} {unit[1]}"))
        return TextSlot((f"for {words[0]} {unit[0]}", f"seit {words[1]} {unit[1]}"))

    def _day(self) -> Slot:
        """On Monday; on 3 May; in March."""
        kind = self.draw.random.randrange(3)
        month = self.draw.one(numbers.MONTHS)
        if kind == 0:
            day = self.draw.one(numbers.WEEKDAYS)
            return TextSlot((f"on {day[0]}", f"am {day[1]}"))
        if kind == 1:
            number = 1 + self.draw.random.randrange(28)
            return TextSlot((f"on {number} {month[0]}", f"am {number}. {month[1]}"))
        return TextSlot((f"in {month[0]}", f"im {month[1]}"))

    def _date(self) -> Slot:
        year = 1930 + self.draw.random.randrange(80)
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
            return VocativeSlot(name, _pronoun("du"))
        if kind == "stranger":
            return VocativeSlot(self.nominals.title_name(), _pronoun("Sie"))
        if self.draw.chance(0.5):
            return VocativeSlot(Name("children", "Kinder", "they", "sie_plural"), _pronoun("ihr"))
        first, second = self.nominals.first_name(), self.nominals.first_name()
        if first.english() == second.english():
            raise NothingFitsError
        return VocativeSlot(Coordination(first, second), _pronoun("ihr"))

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
            case "indefinite":
                return nominals.noun_phrase(noun, "indef")
            case "the":
                return NounPhrase(noun, Determiner("the"), noun.has_plural and draw.chance(0.15))
            case "bare-singular":
                return NounPhrase(noun, Determiner("bare"))
            case "none":
                return NounPhrase(noun, Determiner("no"))
        return NounPhrase(noun, Determiner("bare"))


@dataclass
class VocativeSlot:
    """Someone spoken to, and how: du, Sie or ihr."""

    nominal: Nominal
    pronoun: Pronoun

    def english(self, form: str) -> str:
        return self.nominal.english()

    def german(self, form: str) -> str:
        return self.nominal.german("nom")[0]


def _taken_up(antecedent: Nominal) -> Pronoun:
    pronoun = as_pronoun(antecedent)
    if isinstance(antecedent, NounPhrase):
        pronoun.noun = antecedent.noun
    elif isinstance(antecedent, Pronoun):
        pronoun.noun = antecedent.noun
    return pronoun


def _pronoun(german_pronoun: str) -> Pronoun:
    english_pronoun = {"I": "I", "we": "we", "he": "he", "she": "she", "they": "they"}.get(german_pronoun, "you")
    german_of = {"I": "ich", "we": "wir", "he": "er", "she": "sie", "they": "sie_plural"}
    return Pronoun(english_pronoun, german_of.get(german_pronoun, german_pronoun))


def _main_clause(slot: Slot) -> Clause:
    """The clause that a slot's word order is about."""
    while isinstance(slot, ConstructionSlot):
        slot = slot.slots["a"]
    if not isinstance(slot, ClauseSlot):
        raise NothingFitsError
    return slot.clause


def _own_depth(construction: Construction) -> int:
    """Whether a construction puts a clause into another."""
    return int(sum(1 for name in construction.slots if f"{{{name}:" in construction.german and any(
        f"{{{name}:{form}}}" in construction.german for form in ("last", "zu"))) > 0)


def nesting(slot: Slot) -> int:
    """How deep clauses are nested in a slot."""
    if isinstance(slot, ConstructionSlot):
        return _own_depth(slot.construction) + max(nesting(inner) for inner in slot.slots.values())
    if isinstance(slot, ClauseSlot):
        return _clause_depth(slot.clause)
    return 0


def _clause_depth(clause: Clause) -> int:
    nominals = [clause.subject, *(nominal for _, nominal in clause.complements)]
    depths = [1 + _clause_depth(n.relative) for n in nominals if isinstance(n, NounPhrase) and n.relative]
    return max(depths, default=0)


# Rendering

_GERMAN_INLINE: Final = {
    name: GermanVerb.parse(name, forms)
    for name, forms in {
        "liegen": "liegt lag gelegen", "stehen": "steht stand gestanden", "kosten": "",
        "beginnen": "beginnt begann begonnen", "enden": "", "fahren": "fährt fuhr gefahren",
        "kommen": "kommt kam gekommen",
    }.items()
} | german_auxiliaries()  # fmt: skip


def _render(template: str, slots: dict[str, Slot], language: str, form: str) -> str:
    """A template with its slots filled; ``form`` is that of slot a, if it stands there plain."""

    def fill(match: re.Match[str]) -> str:
        name, _, own = match[1].partition(":")
        if name not in slots:
            return _inline(name, slots[own], language)
        slot = slots[name]
        if isinstance(slot, TextSlot) and own and own in slots | {"prefix": None}:
            return _agreeing(slot, own, slots, language)
        return getattr(slot, language)(own or (form if name == "a" else ""))

    return _PIECE.sub(fill, template)


def _agreeing(slot: TextSlot, own: str, slots: dict[str, Slot], language: str) -> str:
    """A verb that was drawn, agreeing with another slot."""
    text = getattr(slot, language)("")
    if language == "german":
        for prefix in ("ab", "an"):
            if text.startswith(prefix):
                text = prefix if own == "prefix" else text.removeprefix(prefix)
                break
        if own == "prefix":
            return str(text)
    return _inline(text, slots[own], language)


def _inline(verb: str, slot: Slot, language: str) -> str:
    """The present (or, for was, wurde, ließ, the past) of a verb for a subject."""
    assert isinstance(slot, NominalSlot)
    nominal = slot.nominal
    if language == "english":
        who = nominal.english_pronoun
        if verb == "was":
            return english.BE_PAST.get(who, "were")
        return english.EnglishVerb.parse(verb, "").present(who)
    who = person(nominal.german_pronoun)
    if verb in ("wurde", "ließ"):
        return _GERMAN_INLINE[{"wurde": "werden", "ließ": "lassen"}[verb]].preterite[who]
    return _GERMAN_INLINE[verb].present[who]


def _sentence(text: str) -> str:
    """Put together words and punctuation, and begin sentences with a capital."""
    if not text.rstrip().endswith((".", "?", "!")):
        text = f"{text} ."
    text = re.sub(r"(\s*,)+", ",", text)
    text = re.sub(r",?\s*([.?!])", r"\1", text)
    text = re.sub(r"\s+", " ", text.replace(",", ", ")).strip()
    text = re.sub(r"(\d), (\d)", r"\1,\2", text)
    return re.sub(r"(^|[.?!] )(\w)", lambda match: match[1] + match[2].upper(), text)
