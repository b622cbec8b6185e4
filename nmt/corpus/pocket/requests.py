"""What the grammar asks of a clause: its subject, its predicate, what is asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from nmt.corpus.pocket import english, numbers
from nmt.corpus.pocket.choosing import ClauseSpec, NothingFitsError, same
from nmt.corpus.pocket.clauses import Adverbial, Clause, as_pronoun
from nmt.corpus.pocket.phrases import (
    Determiner,
    Gap,
    Literal,
    Nominal,
    NounPhrase,
    Pronoun,
    prepositional,
)
from nmt.corpus.pocket.sampler import ClauseSampler
from nmt.corpus.pocket.templates import (
    ClauseSlot,
    NominalSlot,
    Slot,
    VocativeSlot,
    main_clause,
)

_NEVER_WHICH: Final = frozenset({"kin", "spouse", "ache", "ache2", "limb", "eye", "teeth", "body"})
"""Classes of nouns that one does not ask "which" of."""


class ClauseRequests:
    """Turns the options of a clause's slot into a clause."""

    def __init__(self, clauses: ClauseSampler) -> None:
        self.clauses = clauses
        self.nominals = clauses.nominals
        self.lexicon = clauses.lexicon
        self.draw = clauses.draw

    def spec(
        self, options: dict[str, Any], tense: str, slots: dict[str, Slot], depth: int
    ) -> ClauseSpec:
        verb = options.get("verb", "")
        asked = options.get("ask", "object" if "topic" in options else "")
        spec = ClauseSpec(
            verb=verb, tense=tense, passive=options.get("passive", False),
            dynamic=options.get("action", False) or options.get("infinitive", False),
            imperative=options.get("imperative", False), reasoned=options.get("reasoned", False),
            flag=options.get("flag", ""), unlike_flag=options.get("unlike_flag", ""),
            event=options.get("event", False),
            question=options.get("question", False), far=options.get("far", False),
            not_reflexive=options.get("not_reflexive", False), done=options.get("done", False),
            needs="place" if asked == "place" else "object" if asked else "",
            definite_object=options.get("topic", False) or options.get("reasoned", False),
            depth=0 if asked or "no_relative" in options or "instead" in options else depth,
        )  # fmt: skip
        if "adverbs" in options:
            spec = replace(spec, adverbs=tuple(options["adverbs"]))
        if "negated" in options:
            spec = replace(spec, negated=float(options["negated"]))
        if "negated" not in options and (
            asked or options.get("infinitive") or verb in ("wh", "that", "wonder")
        ):
            spec = replace(spec, negated=0.0)
        if "with" in options:
            spec = replace(spec, extra=(self._extra(options["with"], slots),))
        if "lasts" in options:
            unit = slots[options["lasts"]].english("").split()[-1]
            spec = replace(spec, flag="hours" if unit == "hours" else "years")
        if verb == "be" and "subject" not in options:
            return replace(spec, subject=self._subject_with_adjectives(options["predicate"]))
        if options.get("subject"):
            spec = self._with_subject(spec, options["subject"], slots)
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
        compared = predicate in ("comparative", "equal", "superlative")
        noun = self.draw.one(self.lexicon.describable(compared))
        if compared and "body" in noun.classes:
            raise NothingFitsError
        return self.nominals.noun_phrase(noun, "def")

    def _with_subject(self, spec: ClauseSpec, value: Any, slots: dict[str, Slot]) -> ClauseSpec:
        if isinstance(value, str):
            if value == "single person":
                return replace(spec, subject=self.nominals.single_person())
            if value == "who":
                return replace(
                    spec, subject=Literal("who", {"nom": "wer"}, "he", "er", True), negated=0.0
                )
            if spec.verb == "be":
                return replace(spec, subject=self.nominals.subject(value))
            return replace(spec, subject_group=value)
        if isinstance(value, list):
            return replace(spec, subject=pronoun_of(self.draw.one(value)))
        ((how, where),) = value.items()
        name, _, part = where.partition(".")
        slot = slots[name]
        if how == "slot":
            assert isinstance(slot, NominalSlot)
            return replace(spec, subject=slot.nominal)
        if isinstance(slot, VocativeSlot):
            return replace(spec, subject=slot.pronoun)
        antecedent = main_clause(slot).subject
        if part == "object":
            antecedent = main_clause(slot).complements[0][1]
            if antecedent.is_human or not isinstance(antecedent, NounPhrase):
                raise NothingFitsError
            antecedent.adjectives.clear()
        if how == "same":
            return replace(spec, subject=antecedent)
        if how == "perhaps_pronoun" and (not antecedent.is_human or self.draw.chance(0.5)):
            return replace(spec, subject_group="human") if antecedent.is_human else spec
        return replace(spec, subject=_taken_up(antecedent))

    def predicate(self, kind: Any, clause: Clause, slots: dict[str, Slot]) -> Adverbial:
        subject = clause.subject
        if isinstance(kind, list):
            text, german_text = self.draw.one(kind)
            return Adverbial(text, german_text, "predicate")
        if kind == "job":
            noun = self.draw.one(self.lexicon.members("job"))
            feminine = subject.english_pronoun == "she"
            name = noun.english(False, feminine)
            return Adverbial(
                f"{english.article(name)} {name}", noun.german(False, "nom", feminine), "predicate"
            )
        if kind == "age":
            age = self.age(subject)
            return Adverbial(
                f"{numbers.english_number(age)} years old",
                f"{numbers.german_number(age)} Jahre alt",
                "predicate",
            )
        if kind == "adjective":
            return self.clauses.adjective_predicate(subject, "positive", plain=clause.negated)
        if kind == "reason":
            reasons = main_clause(slots["a"]).verb.reasons
            return self.clauses.adjective_predicate(subject, "positive", reasons)
        if kind == "superlative":
            return self.clauses.adjective_predicate(subject, "superlative")
        degree = "comparative" if kind == "comparative" else "equal"
        adjective = self.clauses.adjective_predicate(subject, degree)
        other = self._compared(subject)
        if kind == "comparative":
            much = ("", "")
            if not clause.negated and self.draw.chance(0.35):
                adverb = self.clauses.adverbials.adverb("more")
                much = (f"{adverb.english} ", f"{adverb.german} ")
            return Adverbial(
                f"{much[0]}{adjective.english} than {other.english('subject')}",
                f"{much[1]}{adjective.german} als {other.german('nom')[0]}", "predicate",
            )  # fmt: skip
        return Adverbial(
            f"as {adjective.english} as {other.english('subject')}",
            f"so {adjective.german} wie {other.german('nom')[0]}", "predicate",
        )  # fmt: skip

    def age(self, subject: Nominal) -> int:
        """A likely age for someone."""
        lemma = subject.noun.german_singular if isinstance(subject, NounPhrase) else ""
        low, high = {
            "Großmutter": (60, 95), "Großvater": (60, 95), "Mutter": (35, 70), "Vater": (35, 70),
            "Onkel": (25, 70), "Tante": (25, 70), "Neffe": (2, 25), "Nichte": (2, 25),
            "Sohn": (2, 30), "Tochter": (2, 30), "Mann": (20, 80), "Frau": (20, 80),
        }.get(lemma, (4, 60))  # fmt: skip
        return low + self.draw.random.randrange(high - low)

    def _compared(self, subject: Nominal) -> Nominal:
        """What a subject is compared with: something that the same adjective goes with."""
        if subject.is_human:
            other = self.nominals.subject("human")
            if other.is_pronoun:
                other = self.nominals.first_name()
        else:
            adjective = self.clauses.last_adjective
            assert adjective is not None
            assert isinstance(subject, NounPhrase)
            subject.adjectives.clear()
            groups = [self.lexicon.members(group) for group in adjective.groups]
            nouns = [
                n for group in groups if subject.noun in group for n in group
                if not n.is_human and n.classes & subject.noun.classes
            ]  # fmt: skip
            other = self.nominals.noun_phrase(self.draw.one(nouns), "def")
        if isinstance(other, NounPhrase):
            other.adjectives.clear()
        if other.english() == subject.english() or same(other, subject):
            raise NothingFitsError
        return other

    def topic(self, clause: Clause) -> Slot:
        role, nominal = clause.complements[0]
        if not isinstance(nominal, NounPhrase) or role.english or role.preposition:
            raise NothingFitsError
        nominal.determiner = Determiner("this")
        nominal.__post_init__()
        clause.complements[0] = (role, Gap(nominal))
        return ClauseSlot(clause, (nominal.english(), nominal.german(role.case)[0]))

    def asked(self, clause: Clause, what: str) -> Slot:
        """Ask for the first complement: who, what, which, how many, where."""
        places = [i for i, (role, _) in enumerate(clause.complements) if role.english in ("@", ">")]
        index = places[0] if what == "place" and places else 0
        role, nominal = clause.complements[index]
        clause.complements[index] = (role, Gap(nominal))
        if what == "place":
            return ClauseSlot(clause, ("where", "wo" if role.english == "@" else "wohin"))
        if what == "which":
            if (
                not isinstance(nominal, NounPhrase)
                or role.preposition
                or role.english
                or not nominal.noun.countable
                or nominal.noun.classes & _NEVER_WHICH
            ):
                raise NothingFitsError
            plural = nominal.noun.has_plural and self.draw.chance(0.6)
            asked = NounPhrase(nominal.noun, Determiner("which"), plural)
            if plural and self.draw.chance(0.6):
                asked = NounPhrase(nominal.noun, Determiner("how-many"), True)
            return ClauseSlot(clause, (asked.english(), asked.german(role.case)[0]))
        if nominal.is_human:
            word = {"acc": "wen", "dat": "wem"}[role.case]
            return ClauseSlot(clause, ("who", f"{role.preposition} {word}".strip()))
        if role.preposition in ("zu", "in", "aus"):
            raise NothingFitsError
        if role.preposition:
            thing = Pronoun("it", "es", False)
            return ClauseSlot(
                clause, ("what", "wo" + prepositional(role.preposition, role.case, thing)[0][2:])
            )
        if role.case != "acc":
            raise NothingFitsError
        return ClauseSlot(clause, ("what", "was"))


def _taken_up(antecedent: Nominal) -> Pronoun:
    pronoun = as_pronoun(antecedent)
    if isinstance(antecedent, NounPhrase | Pronoun):
        pronoun.noun = antecedent.noun
    return pronoun


def pronoun_of(german_pronoun: str) -> Pronoun:
    english_pronoun = {"I": "I", "we": "we", "he": "he", "she": "she", "they": "they"}.get(
        german_pronoun, "you"
    )
    german_of = {"I": "ich", "we": "wir", "he": "er", "she": "sie", "they": "sie_plural"}
    return Pronoun(english_pronoun, german_of.get(german_pronoun, german_pronoun))
