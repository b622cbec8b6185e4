"""What a clause is made of, in neither language's order."""

from __future__ import annotations

from dataclasses import dataclass, field

from nmt.corpus.pocket.lexicon import Role, Verb
from nmt.corpus.pocket.phrases import Nominal


@dataclass(frozen=True)
class Adverbial:
    """An adverb or prepositional phrase in a clause."""

    english: str
    german: str
    kind: str


@dataclass(frozen=True)
class Modal:
    """A modal verb: ``have to``/müssen."""

    english: str
    """Base form; ``would like to`` and auxiliaries (can, must, should) have only this one."""
    german: str
    tense: str
    """present, preterite or subjunctive, of the German."""
    negatable: bool


@dataclass
class ClauseParts:
    """A verb with everything that belongs to it."""

    verb: Verb
    subject: Nominal
    complements: list[tuple[Role, Nominal]] = field(default_factory=list)
    tense: str = "present"
    """present, progressive, past, narrative, was-doing, perfect, pluperfect, future, conditional,
    unreal, conditional-perfect, unreal-past."""
    modal: Modal | None = None
    negated: bool = False
    passive: bool = False
    adverbials: list[Adverbial] = field(default_factory=list)
    kein: bool = False
    """Negated through its object: kein."""
    relative_word: str = ""
    """``that`` before an English relative clause that could do without."""
    instead: str = ""
    """English only: ``like to``, ``prefer to``, ``used to`` before the verb."""


def join(*parts: str) -> str:
    """The parts that are not empty, with blanks between them."""
    return " ".join(part for part in parts if part)
