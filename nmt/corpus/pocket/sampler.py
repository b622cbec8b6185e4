"""Drawing clauses at random: a verb, what fills its roles, a tense, and adverbs that go with it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, Final

from nmt.corpus.pocket.adverbials import PAST, TOLD, AdverbialSampler
from nmt.corpus.pocket.choosing import (
    ClauseSpec,
    NothingFitsError,
    allows,
    is_indirect,
    same,
)
from nmt.corpus.pocket.clauses import Adverbial, Clause, Modal
from nmt.corpus.pocket.lexicon import Adjective, Lexicon, Noun, Role, Verb
from nmt.corpus.pocket.nominals import (
    MANY,
    PERSONAL,
    Draw,
    NominalSampler,
    is_generic,
    is_reserved,
)
from nmt.corpus.pocket.phrases import Determiner, Gap, Nominal, NounPhrase, Pronoun

_TENSES: Final = (
    (3.0, "present"), (2.5, "progressive"), (6.0, "past"), (2.0, "perfect"), (1.5, "future"),
    (3.5, "modal"), (1.0, "past-modal"),
)  # fmt: skip
_GRAMMATICAL: Final = {"plain": "present", "state": "present"}
"""Tenses that differ from others only in the adverbs that they ask for."""
_KNOWN: Final = frozenset({"the", "this", "possessive"})
"""Determiners of what can be the most of its kind."""
_RELATIVE_TENSES: Final = {
    True: ((5, "past"), (2, "perfect"), (2, "progressive"), (2, "modal")),
    False: ((6, "past"), (2, "perfect"), (2, "modal")),
}
"""Tenses of relative clauses whose pronoun is the subject (True) or something else."""
_TAKE_RELATIVES: Final = frozenset({"the", "a", "this", "many", "number", "all"})
"""Determiners of nouns that relative clauses are hung on."""
_MODALS: Final = {
    "can-past": Modal("could", "können", "preterite", True),
    "can": Modal("can", "können", "present", True),
}


class ClauseSampler:
    """Draws clauses."""

    def __init__(self, lexicon: Lexicon, draw: Draw, grammar: dict[str, Any]) -> None:
        self.lexicon = lexicon
        self.draw = draw
        self.nominals = NominalSampler(lexicon, draw)
        self._modals = [Modal(**modal) for modal in grammar["modals"]]
        self._past_modals = [Modal(**modal) for modal in grammar["past_modals"]]
        wishes = ("have to", "want to", "would like to")
        self._needs = [m for m in self._modals if m.english in wishes]
        self._musts = [m for m in self._modals if m.english in ("must", "have to", "should")]
        self._duties = [m for m in self._modals if m.english not in (*wishes, "could")]
        self._relative_modals = [m for m in self._modals if m.english in ("can", "must", "want to")]
        self.adverbials = AdverbialSampler(lexicon, draw, self.nominals)
        plain = [verb for verb in lexicon.verbs if not verb.clauses]
        self._verbs: dict[str, list[Verb]] = {"": plain}
        for verb in lexicon.verbs:
            for kind in verb.clauses:
                self._verbs.setdefault(kind, []).append(verb)
        self.last_adjective: Adjective | None = None
        """The adjective of the last predicate."""

    @cached_property
    def _verbs_of(self) -> dict[tuple[Noun, str], list[Verb]]:
        """The verbs of each kind that a noun can be the subject of."""
        found: dict[tuple[Noun, str], list[Verb]] = {}
        for kind, verbs in self._verbs.items():
            for verb in verbs:
                if verb.subject == "any":
                    continue
                for noun in self.lexicon.members(verb.subject):
                    found.setdefault((noun, kind), []).append(verb)
        return found

    @cached_property
    def _gaps_of(self) -> dict[Noun, list[tuple[Verb, int]]]:
        """The verbs and roles that a noun can fill; -1 is the subject."""
        found: dict[Noun, list[tuple[Verb, int]]] = {}
        for verb in self._verbs[""]:
            if (
                verb.subject == "any"
                or "swap" in verb.flags
                or "once" in verb.flags
                or "nogap" in verb.flags
            ):
                continue
            for noun in self.lexicon.members(verb.subject):
                found.setdefault(noun, []).append((verb, -1))
            for index, role in enumerate(verb.roles):
                if (
                    role.optional
                    or is_indirect(verb, index)
                    or role.english in (">", "<")
                    or role.style in ("own", "ownsg", "ownpl", "idiom", "inst", "bare")
                ):
                    continue
                for noun in self.lexicon.members(role.group):
                    found.setdefault(noun, []).append((verb, index))
        return found

    def adjective_predicate(
        self, subject: Nominal, degree: str, among: Collection[str] = (), *, plain: bool = False
    ) -> Adverbial:
        """An adjective that can be said of a subject; if ``among`` names any, one of them.

        If ``plain``, without very and the like.
        """
        noun = self._noun_of(subject)
        if isinstance(subject, NounPhrase):
            subject.adjectives.clear()
            if degree == "superlative" and subject.determiner.kind not in _KNOWN:
                raise NothingFitsError
        adjective = self.nominals.adjective(
            noun,
            lambda a: (
                (degree == "positive" or a.comparable)
                and not a.only_attributive
                and (not among or a.english_degrees[0] in among)
            ),
        )
        if adjective is None:
            raise NothingFitsError
        self.last_adjective = adjective
        form = "positive" if degree == "equal" else degree
        english, german = adjective.english_degree(form), adjective.german_degree(form)
        if degree == "superlative":
            return Adverbial(f"the {english}", f"am {german}en", "predicate")
        if degree == "positive" and adjective.comparable and not plain and self.draw.chance(0.35):
            adverb = self.adverbials.adverb("degree")
            english, german = f"{adverb.english} {english}", f"{adverb.german} {german}"
        return Adverbial(english, german, "predicate")

    def _noun_of(self, nominal: Nominal) -> Noun:
        """A noun with whose words a nominal goes: for people's names and pronouns, man or woman."""
        if isinstance(nominal, NounPhrase):
            return nominal.noun
        if isinstance(nominal, Gap):
            return self._noun_of(nominal.antecedent)
        if isinstance(nominal, Pronoun) and nominal.noun is not None:
            return nominal.noun
        man, woman = self.lexicon.members("Mann.man")[0], self.lexicon.members("Frau.woman")[0]
        return woman if nominal.english_pronoun == "she" else man

    def clause(self, spec: ClauseSpec) -> Clause:
        """A clause; raises NothingFitsError if the words drawn do not go together."""
        tense = spec.tense or self.draw.weighted(_TENSES)
        verb = self._verb(spec, tense)
        subject = spec.subject
        if subject is None:
            group = (
                spec.subject_group
                if spec.subject_group and verb.subject in PERSONAL
                else verb.subject
            )
            subject = self.nominals.subject(group)
            if "nosubjindef" in verb.flags and not subject.is_definite:
                raise NothingFitsError
        clause = Clause(verb, subject, tense=tense, passive=spec.passive)
        if tense in _MODALS:
            clause.modal = _MODALS[tense]
        elif tense == "need":
            clause.modal = self.draw.one(self._needs)
        elif tense == "must":
            clause.modal = self.draw.one(self._musts)
        elif tense == "duty":
            clause.modal = self.draw.one(self._duties)
        elif tense == "modal":
            clause.modal = self.draw.one(self._modals)
        elif tense == "past-modal":
            clause.modal = self.draw.one(self._past_modals)
        if spec.passive and clause.modal and clause.modal.german in ("wollen", "mögen"):
            raise NothingFitsError
        if spec.question:
            self._check_question(clause)
        clause.complements = self._complements(spec, verb, subject)
        if spec.passive:
            clause.subject = clause.complements[0][1]
            clause.complements[0] = (replace(clause.complements[0][0]), clause.subject)
        self._negate(clause, spec)
        clause.adverbials = [*spec.extra, *self.adverbials.of(clause, spec)]
        clause.tense = _GRAMMATICAL.get(tense, tense)
        if spec.depth > 0:
            self._put_relative(clause, spec.depth)
        return clause

    def _check_question(self, clause: Clause) -> None:
        """May I? Must you? is rude, and what I did I need not ask."""
        is_first = clause.subject.english_pronoun in ("I", "we")
        modal = clause.modal.english if clause.modal else ""
        is_you = clause.subject.english_pronoun == "you"
        if modal == "must" or (modal == "may" and not is_first) or (modal == "should" and is_you):
            raise NothingFitsError
        if is_first and (not modal or "want" in modal or "would" in modal):
            raise NothingFitsError

    def _verb(self, spec: ClauseSpec, tense: str) -> Verb:
        kind = {"be": "light"}.get(spec.verb, spec.verb)
        options: Sequence[Verb] = self._verbs[kind]
        if spec.subject is not None and kind != "light":
            options = self._verbs_of.get((self._noun_of(spec.subject), kind), ())
        for _ in range(12):
            if not options:
                break
            verb = self.draw.one(options)
            if allows(verb, spec, tense):
                return verb
        raise NothingFitsError

    def _complements(
        self, spec: ClauseSpec, verb: Verb, subject: Nominal
    ) -> list[tuple[Role, Nominal]]:
        found: list[tuple[Role, Nominal]] = []
        for index, role in enumerate(verb.roles):
            if role.optional and (spec.passive or self.draw.chance(0.6)):
                continue
            style_role = role
            if spec.definite_object and index == 0 and role.style in ("", "indef"):
                style_role = replace(role, style="def")
            if spec.flag == "hobby" and role.style in ("", "indef") and not role.english:
                style_role = replace(role, style="bare")
            nominal = self.nominals.complement(
                style_role, None if spec.passive else subject, verb.name
            )
            if same(nominal, subject):
                raise NothingFitsError
            found.append((role, nominal))
        names = [nominal.english() for _, nominal in found if nominal.is_human]
        if len(names) != len(set(names)):
            raise NothingFitsError
        return found

    def _negate(self, clause: Clause, spec: ClauseSpec) -> None:
        """Negate the clause with some probability, by kein where its object is indefinite."""
        if not self.draw.chance(spec.negated):
            return
        nominals = [clause.subject, *(nominal for _, nominal in clause.complements)]
        kinds = [n.determiner.kind for n in nominals if isinstance(n, NounPhrase)]
        must = spec.negated == 1
        if clause.modal is not None and not clause.modal.negatable:
            clause.modal = self._modals[0] if must else clause.modal
            if not must:
                return
        if set(kinds) & {"some", "many", "several", "few", "number", "every", "all", "both"} or (
            clause.subject.is_definite is False
        ):
            if must:
                raise NothingFitsError
            return
        clause.negated = True
        for role, nominal in clause.complements:
            if not isinstance(nominal, NounPhrase) or role.case != "acc" or role.preposition:
                continue
            if nominal.determiner.kind in ("a", "bare") and role.style not in ("idiom", "inst"):
                kind = "any" if nominal.determiner.kind == "bare" else "not-a"
                kind = "none" if is_generic(nominal.noun) else kind
                nominal.determiner = Determiner(kind)
                clause.kein = True

    # Relative clauses

    def _put_relative(self, clause: Clause, depth: int) -> None:
        """Hang a relative clause on the subject or the last complement, with some probability."""
        rate = 0.10 if depth == 1 else 0.22
        ends = not clause.adverbials and not clause.verb.english.particle
        if clause.complements and ends and self.draw.chance(rate):
            self._relative(clause.complements[-1][1], depth, clause)
        elif not clause.passive and self.draw.chance(rate * 0.6):
            self._relative(clause.subject, depth, clause)

    def _relative(self, nominal: Nominal, depth: int, outer: Clause) -> None:
        if isinstance(nominal, NounPhrase) and nominal.determiner.kind in _TAKE_RELATIVES:
            nominal.relative = self.relative_clause(nominal, depth - 1, outer)

    def relative_clause(self, antecedent: NounPhrase, depth: int, outer: Clause) -> Clause | None:
        """A relative clause for a noun, in a tense that goes with the outer clause's."""
        options = self._gaps_of.get(antecedent.noun)
        if not options:
            return None
        for _ in range(6):
            verb, index = self.draw.one(options)
            stative = "stative" in verb.flags
            if outer.tense in TOLD:
                tense = "narrative"
            elif outer.tense in PAST:
                tense = "past"
            elif stative:
                tense = self.draw.one(("plain", "plain", "past"))
            else:
                tense = self.draw.weighted(_RELATIVE_TENSES[index < 0])
            if verb is outer.verb or not allows(verb, ClauseSpec(), tense):
                continue
            try:
                return self._fill_relative(antecedent, verb, index, tense, depth)
            except NothingFitsError:
                continue
        return None

    def _fill_relative(
        self, antecedent: NounPhrase, verb: Verb, index: int, tense: str, depth: int
    ) -> Clause:
        gap = Gap(antecedent)
        subject = gap if index < 0 else self.nominals.subject(verb.subject)
        clause = Clause(verb, subject, tense=_GRAMMATICAL.get(tense, tense))
        if tense == "modal":
            clause.modal = self.draw.one(self._relative_modals)
        for number, role in enumerate(verb.roles):
            if number == index:
                clause.complements.append((role, gap))
            elif not role.optional:
                nominal = self.nominals.complement(role, subject, verb.name)
                if same(nominal, subject):
                    raise NothingFitsError
                clause.complements.append((role, nominal))
        if same(antecedent, subject):
            raise NothingFitsError
        if index >= 0 and self.draw.chance(0.4):
            clause.relative_word = "that"
        if depth > 0 and self.draw.chance(0.5) and clause.complements and index < 0:
            self._relative(clause.complements[-1][1], depth, clause)
        group = verb.subject if index < 0 else verb.roles[index].group
        if len(self.lexicon.members(group)) >= MANY:
            self.nominals.reserved += is_reserved(verb.name, antecedent.noun.german_singular)
        return clause
