"""A clause in German.

German has fields (Drach 1937): what stands first, the finite verb, the middle field with its own
order, and the rest of the verb at the end; the finite verb is second, first, or last.
"""

from __future__ import annotations

from typing import Final

from nmt.corpus.pocket.clause_parts import ClauseParts, join
from nmt.corpus.pocket.german import PERSONS, GermanVerb, relative_pronoun
from nmt.corpus.pocket.lexicon import Role, german_auxiliaries
from nmt.corpus.pocket.phrases import Gap, Nominal, NounPhrase, person, prepositional, reflexive
from nmt.corpus.pocket.places import german_preposition, place_german

_AUXILIARIES: Final[dict[str, GermanVerb]] = german_auxiliaries()

# Order of the middle field. Negation stands at _NOT; what follows it is closer to the verb.
_SUBJECT, _PRONOUN_ACC, _PRONOUN_DAT, _SENTENCE, _TIME, _OFTEN, _DATIVE, _OBJECT = range(8)
_BEFORE_SUBJECT: Final = -1
"""Of reflexive pronouns, and of whom something pleases: weil sich der Mann freut, weil ihm der Hut
gefällt."""
_NOT, _MANNER, _PLACE, _INDEFINITE, _PREPOSITIONAL, _PREDICATE = range(8, 14)
_RANK: Final = {
    "time": _TIME, "sentence": _SENTENCE, "often": _OFTEN, "aspect": _OFTEN, "yet": _OFTEN,
    "manner": _MANNER, "place": _PLACE, "link": _SENTENCE, "predicate": _PREDICATE,
    "gladly": _OFTEN,
}  # fmt: skip


class GermanClause(ClauseParts):
    """The German side of a clause."""

    def german(self, order: str = "main") -> str:
        """The German clause.

        ``main`` (subject first), ``first`` (finite verb first: questions, and after what the
        sentence begins with), ``last``, ``vp`` (without subject), ``zu``, ``bare`` (infinitives),
        ``imperative-du``, ``imperative-ihr``, ``imperative-Sie``.
        """
        if order.startswith("imperative"):
            return self._german_imperative(order.removeprefix("imperative-"))
        finite, closing = self._german_verbs()
        items = sorted(self._middle(), key=lambda item: item[0])
        subject = self._german_subject()
        fields = sorted([(_SUBJECT, *subject), *items], key=lambda item: item[0])
        if order in ("zu", "bare"):
            verb = self.verb.german
            end = verb.zu_infinitive if order == "zu" else verb.full_infinitive
            if self.passive:
                end = f"{verb.participle} {'zu ' if order == 'zu' else ''}werden"
            return _field(items, [self._before(), end])
        if order == "last":
            prefixed = self.verb.german.prefix if self._is_simple() else ""
            rest = closing[:-1] if prefixed else closing
            return _field(fields, [*rest, prefixed + finite])
        if order == "first":
            return join(finite, _field(fields, closing))
        text, tail = subject if order == "main" else ("", "")
        if tail:
            text = f"{text} , {tail} ,"
        return join(text, finite, _field(items, closing))

    def _german_subject(self) -> tuple[str, str]:
        return self._nominative().german("nom")

    def _nominative(self) -> Nominal:
        """The German subject; that of "mir gefällt" is English's object."""
        if self.passive:
            return self.complements[0][1]
        for role, nominal in self.complements:
            if role.case == "nom":
                return nominal
        return self.subject

    def _is_simple(self) -> bool:
        """Whether the verb's own form is the finite one."""
        simple = ("present", "progressive", "since", "narrative", "was-doing")
        if self.tense == "past" and self._past_is_preterite():
            return not self.modal and not self.passive
        if self.tense == "unreal" and self.verb.german.subjunctive:
            return not self.modal and not self.passive
        return not self.modal and not self.passive and self.tense in simple

    def _before(self) -> str:
        """The words before the verb that belong to it: Schlittschuh laufen, recht haben."""
        return "" if "way" in self.verb.flags or self.verb.kein else self.verb.german.before

    def _past_is_preterite(self) -> bool:
        return "pret" in self.verb.flags or self.verb.german.infinitive in ("sein", "haben")

    def _german_verbs(self) -> tuple[str, list[str]]:
        """The finite verb without prefix, and what stands at the end, prefix included."""
        verb = self.verb.german
        who = person(self._nominative().german_pronoun)
        assert who in PERSONS
        before = [self._before()]
        auxiliary = "sein" if self.passive else self.verb.auxiliary
        participle = [f"{verb.participle} worden" if self.passive else verb.participle]
        infinitive = [f"{verb.participle} werden" if self.passive else verb.full_infinitive]
        if self.modal:
            table = getattr(_AUXILIARIES[self.modal.german], self.modal.tense)
            return table[who], before + infinitive
        # The verb that carries a simple tense, and what it leaves at the end.
        carrier = _AUXILIARIES["werden"] if self.passive else verb
        left = [verb.participle] if self.passive else [verb.prefix]
        match self.tense:
            case "present" | "progressive" | "since":
                return carrier.present[who], before + left
            case "narrative" | "was-doing":
                return carrier.preterite[who], before + left
            case "past" if self.passive or self._past_is_preterite():
                return carrier.preterite[who], before + left
            case "past" | "perfect":
                return _AUXILIARIES[auxiliary].present[who], before + participle
            case "pluperfect":
                return _AUXILIARIES[auxiliary].preterite[who], before + participle
            case "unreal-past" | "conditional-perfect":
                return _AUXILIARIES[auxiliary].subjunctive[who], before + participle
            case "future":
                return _AUXILIARIES["werden"].present[who], before + infinitive
            case "conditional" | "unreal" if verb.subjunctive and not self.passive:
                return verb.subjunctive[who], before + left
            case "conditional" | "unreal":
                return _AUXILIARIES["werden"].subjunctive[who], before + infinitive
        raise ValueError(self.tense)

    def _middle(self) -> list[tuple[int, str, str]]:
        """The middle field without subject: rank, text, relative clause."""
        items: list[tuple[int, str, str]] = []
        verb = self.verb.german
        if verb.reflexive and not self.passive:
            pronoun = reflexive(self._nominative().german_pronoun, verb.reflexive)
            before_subject = not self._nominative().is_pronoun
            items.append((_BEFORE_SUBJECT if before_subject else _PRONOUN_ACC, pronoun, ""))
        nominals = list(self.complements)
        if self.passive:
            nominals = nominals[1:]
        if self.verb.subject_case != "nom":
            nominals.append((Role("", "", "", self.verb.subject_case, "", False), self.subject))
        for role, nominal in nominals:
            if role.case == "nom" or isinstance(nominal, Gap):
                continue
            if role.english in ("@", ">", "<"):
                items.append((_PREPOSITIONAL, *place_german(role.english, nominal)))
            elif role.preposition:
                items.append((_PREPOSITIONAL, *prepositional(role.preposition, role.case, nominal)))
            else:
                rank = _object_rank(role, nominal)
                if nominal is self.subject and nominal.is_pronoun:
                    rank = _BEFORE_SUBJECT
                items.append((rank, *nominal.german(role.case)))
        if "way" in self.verb.flags:
            items.append((_PLACE, verb.before, ""))
        if self.verb.kein:
            before = f"{self.verb.kein} {verb.before}" if self.negated else verb.before
            items.append((_INDEFINITE, before, ""))
        for adverbial in self.adverbials:
            items.append((_RANK[adverbial.kind], adverbial.german, ""))
        if self.negated and not self.kein and not self.verb.kein:
            items.append((_NOT, "nicht", ""))
        return items

    def _german_imperative(self, who: str) -> str:
        verb = self.verb.german
        items = sorted(self._middle(), key=lambda item: item[0])
        closing = [self._before(), verb.prefix]
        if who == "du":
            finite = verb.imperative
        elif who == "ihr":
            finite = verb.present["ihr"]
        else:
            finite = f"{'seien' if verb.infinitive == 'sein' else verb.infinitive} Sie"
        return join(finite, _field(items, closing))

    def german_relative(self, antecedent: NounPhrase) -> str:
        """The relative clause: its pronoun in the case of the gap, the verb last."""
        nominative = self._nominative()
        gender = antecedent.gender
        if isinstance(nominative, Gap):
            return join(relative_pronoun(gender, "nom"), self.german("last"))
        for role, nominal in self.complements:
            if not isinstance(nominal, Gap):
                continue
            if role.english in ("@", ">", "<"):
                preposition, case = german_preposition(role.english, antecedent)
                pronoun = join(preposition, relative_pronoun(gender, case))
            else:
                pronoun = join(role.preposition, relative_pronoun(gender, role.case))
            return join(pronoun, self.german("last"))
        assert isinstance(self.subject, Gap)
        pronoun = relative_pronoun(gender, self.verb.subject_case)
        return join(pronoun, self.german("last"))


def _object_rank(role: Role, nominal: Nominal) -> int:
    if nominal.is_pronoun:
        return _PRONOUN_DAT if role.case == "dat" else _PRONOUN_ACC
    if role.style in ("idiom", "inst"):
        return _PREDICATE
    if role.case == "dat":
        return _DATIVE
    return _OBJECT if nominal.is_definite else _INDEFINITE


def _field(items: list[tuple[int, str, str]], closing: list[str]) -> str:
    """The middle field and the end; the last item's relative clause comes after the verb."""
    words = []
    late = ""
    present = [item for item in items if item[1]]
    for index, (rank, text, tail) in enumerate(present):
        words.append(text)
        if tail and index == len(present) - 1 and rank != _SUBJECT:
            late = f", {tail} ,"
        elif tail:
            words.append(f", {tail} ,")
    return join(*words, *closing, late)
