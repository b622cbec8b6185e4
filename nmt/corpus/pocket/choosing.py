"""Which verbs fit where, and which words do not go together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from nmt.corpus.pocket.clauses import Adverbial
from nmt.corpus.pocket.lexicon import Verb
from nmt.corpus.pocket.nominals import PERSONAL
from nmt.corpus.pocket.phrases import Gap, Literal, Name, Nominal, NounPhrase, Pronoun

_DYNAMIC: Final = frozenset({"progressive", "was-doing", "since"})
_REPEATED: Final = frozenset({"present", "plain"})
_MODAL: Final = frozenset({"modal", "past-modal", "can", "can-past", "need", "duty", "must"})
_ONCE: Final = frozenset({"past", "perfect", "pluperfect", "narrative", "unreal-past"})
"""Tenses of what happens but once."""


@dataclass(frozen=True)
class ClauseSpec:
    """What a construction asks of a clause."""

    subject: Nominal | None = None
    subject_group: str = ""
    verb: str = ""
    """Kind of clause it takes (that, zu ...) or ``be``; empty for any other verb."""
    tense: str = ""
    adverbs: tuple[str, ...] = ("time", "often", "manner", "place", "aspect", "sentence")
    negated: float = 0.05
    passive: bool = False
    dynamic: bool = False
    """Only verbs for what one does."""
    imperative: bool = False
    reasoned: bool = False
    """Only verbs that one does to a thing because of how it is."""
    flag: str = ""
    """Only verbs with this flag."""
    unlike_flag: str = ""
    """Only verbs without this flag."""
    event: bool = False
    """Only verbs for what happens."""
    question: bool = False
    """A question: what I did need not be asked."""
    far: bool = False
    """Said of a time too far away, or too long, for everyday verbs and for how one does it."""
    not_reflexive: bool = False
    done: bool = False
    """Only verbs for what one has done by others."""
    needs: str = ""
    """``object`` or a place, to be asked for."""
    definite_object: bool = False
    depth: int = 0
    """Levels of clauses that may still be put inside."""
    extra: tuple[Adverbial, ...] = field(default=())


class NothingFitsError(Exception):
    """The words drawn so far allow no sentence; another is drawn."""


def allows(verb: Verb, spec: ClauseSpec, tense: str) -> bool:
    flags = verb.flags
    if spec.passive and ("nopass" in flags or not _passive(verb)):
        return False
    stative = "stative" in flags
    acts = not stative and "noimp" not in flags
    wrong = (
        (tense in _DYNAMIC and (stative or "noprog" in flags) and spec.flag != "years")
        or (tense in _REPEATED and not stative and ("once" in flags or "nohabit" in flags))
        or ("once" in flags and tense not in _ONCE)
        or (tense in _MODAL and not acts and spec.verb != "be")
        or (tense == "state" and (not stative or "noreason" in flags))
        or (tense == "future" and stative and spec.verb != "be")
        or (spec.event and stative)
        or (spec.far and "daily" in flags)
        or (spec.unlike_flag != "" and spec.unlike_flag in flags)
        or (spec.flag != "" and spec.flag not in flags)
        or (tense == "perfect" and stative)
        or (tense == "progressive" and spec.passive and verb.roles[0].group in PERSONAL)
        or (spec.dynamic and (not acts or "noprog" in flags) and spec.flag != "years")
        or (spec.imperative and (not acts or verb.subject not in PERSONAL))
        or (spec.subject_group != "" and verb.subject not in PERSONAL and verb.subject != "any")
        or (spec.not_reflexive and verb.german.reflexive != "")
        or (spec.needs == "object" and not _askable(verb))
        or (spec.needs == "place" and not any(role.english in ("@", ">") for role in verb.roles))
        or (spec.done and verb.manner != "work" and "done" not in flags)
        or (spec.done and (not _passive(verb) or "nopass" in flags or len(verb.roles) > 1))
        or (
            spec.reasoned
            and not (
                verb.reasons and not verb.roles[0].english and verb.roles[0].group not in PERSONAL
            )
        )
        or (
            "swap" in flags
            and (
                isinstance(spec.subject, Literal)
                or spec.imperative
                or spec.dynamic
                or spec.needs != ""
                or spec.reasoned
            )
        )
        or (verb.subject_case != "nom" and tense in ("progressive", "modal"))
    )
    return not wrong


def _passive(verb: Verb) -> bool:
    """Whether a verb has a passive: its first complement is an accusative object."""
    return (
        bool(verb.roles)
        and verb.roles[0].case == "acc"
        and not (verb.roles[0].preposition or verb.roles[0].english or verb.german.reflexive)
    )


def _askable(verb: Verb) -> bool:
    """Whether one can ask for its first complement with who or what."""
    if not verb.roles:
        return False
    role = verb.roles[0]
    return (
        role.english not in ("@", ">", "<")
        and role.style not in ("own", "ownsg", "ownpl", "idiom", "inst")
        and not role.optional
        and not is_indirect(verb, 0)
    )


def is_indirect(verb: Verb, index: int) -> bool:
    """Whether a complement is the first of two objects: English asks "to whom" for it."""
    if index > 0 or len(verb.roles) < 2:
        return False
    return not any(role.english or role.preposition for role in verb.roles[:2])


def same(first: Nominal, second: Nominal) -> bool:
    """Whether two nominals of one clause are likely the same person."""
    if isinstance(first, NounPhrase) and isinstance(second, NounPhrase):
        return first.noun is second.noun
    if isinstance(first, Name) and isinstance(second, Name):
        return first.english_text == second.english_text
    if isinstance(first, Gap):
        return same(first.antecedent, second)
    if isinstance(second, Gap):
        return same(first, second.antecedent)
    return (
        isinstance(first, Pronoun) and isinstance(second, Pronoun)
        and first.english_pronoun == second.english_pronoun
    )  # fmt: skip
