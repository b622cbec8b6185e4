"""The grammar's templates: constructions, what fills their slots, and how they become text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final, Protocol

from nmt.corpus.pocket import english, german
from nmt.corpus.pocket.choosing import NothingFitsError
from nmt.corpus.pocket.clauses import Clause, as_pronoun
from nmt.corpus.pocket.german import GermanVerb
from nmt.corpus.pocket.lexicon import german_auxiliaries
from nmt.corpus.pocket.phrases import Nominal, NounPhrase, Pronoun, person

_BARE_INFINITIVE: Final = re.compile(r",\s*(zu \w+|[a-zäöü]+zu[a-zäöü]+n)(?=\s*[.,?!])")
"""An infinitive with nothing but zu, which German sets no comma before."""
_PIECE: Final = re.compile(r"\{([^}]*)\}")


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
        return render(self.construction.english, self.slots, "english", form)

    def german(self, form: str) -> str:
        return render(self.construction.german, self.slots, "german", form)


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
    own_depth: int
    """1 if it puts a clause into another."""

    @property
    def nests(self) -> bool:
        """Whether other constructions can stand inside."""
        return any(options.get("nest") for options in self.slots.values())

    @classmethod
    def parse(cls, value: dict[str, Any]) -> Construction:
        """Read an entry of the grammar."""
        return cls(
            value["name"], float(value["weight"]), value["en"], value["de"],
            value.get("slots", {}), tuple(value.get("tenses", ({},))),
            bool(value.get("embeddable", False)),
            int(":last}" in value["de"] or ":zu}" in value["de"]),
        )  # fmt: skip


@dataclass
class VocativeSlot:
    """Someone spoken to, and how: du, Sie or ihr."""

    nominal: Nominal
    pronoun: Pronoun

    def english(self, form: str) -> str:
        return self.nominal.english()

    def german(self, form: str) -> str:
        return self.nominal.german("nom")[0]


def main_clause(slot: Slot) -> Clause:
    """The clause that a slot's word order is about."""
    while isinstance(slot, ConstructionSlot):
        slot = slot.slots["a"]
    if not isinstance(slot, ClauseSlot):
        raise NothingFitsError
    return slot.clause


def nesting(slot: Slot) -> int:
    """How deep clauses are nested in a slot."""
    if isinstance(slot, ConstructionSlot):
        return slot.construction.own_depth + max(nesting(inner) for inner in slot.slots.values())
    if isinstance(slot, ClauseSlot):
        return _clause_depth(slot.clause)
    return 0


def _clause_depth(clause: Clause) -> int:
    nominals = [clause.subject, *(nominal for _, nominal in clause.complements)]
    depths = [
        1 + _clause_depth(n.relative) for n in nominals if isinstance(n, NounPhrase) and n.relative
    ]
    return max(depths, default=0)


_GERMAN_INLINE: Final = {
    name: GermanVerb.parse(name, forms)
    for name, forms in {
        "liegen": "liegt lag gelegen", "stehen": "steht stand gestanden",
        "sitzen": "sitzt saß gesessen", "kosten": "",
        "beginnen": "beginnt begann begonnen", "enden": "", "fahren": "fährt fuhr gefahren",
        "kommen": "kommt kam gekommen",
    }.items()
} | german_auxiliaries()  # fmt: skip


def render(template: str, slots: dict[str, Slot], language: str, form: str) -> str:
    """A template with its slots filled; ``form`` is that of slot a, if it stands there plain."""

    def fill(match: re.Match[str]) -> str:
        name, _, own = match[1].partition(":")
        if name not in slots:
            return _inline(name, slots[own], language)
        slot = slots[name]
        if isinstance(slot, TextSlot) and own and own in slots | {"prefix": None}:
            return _agreeing(slot, own, slots, language)
        own = own or (form if name == "a" else "")
        return slot.english(own) if language == "english" else slot.german(own)

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


def sentence(text: str) -> str:
    """Put together words and punctuation, and begin sentences with a capital."""
    if not text.rstrip().endswith((".", "?", "!")):
        text = f"{text} ."
    text = re.sub(r"(\s*,)+", ",", text)
    text = _BARE_INFINITIVE.sub(r" \1", text)
    text = re.sub(r",?\s*([.?!])", r"\1", text)
    text = re.sub(r"\s+", " ", text.replace(",", ", ")).strip()
    text = re.sub(r"(\d), (\d)", r"\1,\2", text)
    return re.sub(r"(^|[.?!] )(\w)", lambda match: match[1] + match[2].upper(), text)
