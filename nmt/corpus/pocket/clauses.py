"""Clauses: who does what when, put into the word order of either language.

English has one order and moves its auxiliaries. German has fields (Drach 1937): what stands first,
the finite verb, the middle field with its own order, and the rest of the verb at the end; the finite
verb is second, first, or last.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from nmt.corpus.pocket import english
from nmt.corpus.pocket.german import PERSONS, GermanVerb, relative_pronoun
from nmt.corpus.pocket.lexicon import Role, Verb, german_auxiliaries
from nmt.corpus.pocket.phrases import Gap, Nominal, NounPhrase, Pronoun, person, prepositional, reflexive
from nmt.corpus.pocket.places import german_preposition, place_english, place_german

_AUXILIARIES: Final[dict[str, GermanVerb]] = german_auxiliaries()

# Order of the middle field. Negation stands at _NOT; what follows it is closer to the verb.
_SUBJECT, _PRONOUN_ACC, _PRONOUN_DAT, _TIME, _SENTENCE, _OFTEN, _DATIVE, _OBJECT = range(8)
_NOT, _MANNER, _PLACE, _INDEFINITE, _PREPOSITIONAL, _PREDICATE = range(8, 14)
_RANK: Final = {
    "time": _TIME, "sentence": _SENTENCE, "often": _OFTEN, "aspect": _OFTEN, "yet": _OFTEN,
    "manner": _MANNER, "place": _PLACE, "link": _SENTENCE, "predicate": _PREDICATE,
    "gladly": _SENTENCE,
}  # fmt: skip


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
class Clause:
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

    # English

    def english(self, order: str = "statement") -> str:
        """The English clause: statement, question, vp (no subject), to, ing, bare, imperative."""
        who = self.subject.english_pronoun
        if order.startswith("object-"):
            inner = self.english(order.removeprefix("object-"))
            return _join(self.subject.english(), inner)
        if order == "done":
            participle = self.verb.english.participle
            return _join(self.complements[0][1].english(), participle, self.verb.english.particle)
        if order in ("to", "ing", "bare", "imperative"):
            base = "be" if self.passive else self.verb.english.base
            verb = self.verb.english.gerund if order == "ing" else base
            words = [verb, *([self.verb.english.participle] if self.passive else [])]
            negation = "not" if self.negated else ""
            if order == "imperative":
                negation = "don't" if self.negated else ""
            return _join(negation, "to" if order == "to" else "", *words, self._english_rest())
        finite, rest, is_auxiliary = self._english_verbs(who)
        if not is_auxiliary and (self.negated or order == "question"):
            finite, rest = self._do(who, finite), [self._base(), *rest]
            is_auxiliary = True
        before, after = self._middle_adverbs()
        if self.negated:
            finite = english.negated(finite)
        subject = self.subject.english("subject")
        if order == "question":
            if finite.endswith(" not"):
                finite, subject = finite[:-4], f"{subject} not"
            return _join(finite, subject, *before, *after, *rest, self._english_rest())
        if order == "vp":
            subject = ""
        verbs = [finite, *before, *after, *rest] if is_auxiliary else [*before, *after, finite, *rest]
        if before and is_auxiliary and self.negated:
            verbs = [*before, finite, *after, *rest]
        return _join(subject, *verbs, self._english_rest())

    def _base(self) -> str:
        if self.modal:
            return self.modal.english.split()[0]
        return self.verb.english.base

    def _do(self, who: str, finite: str) -> str:
        past = self.tense in ("past", "narrative", "unreal") or (
            self.modal is not None and self.modal.tense == "preterite" and " " in self.modal.english
        )
        if past:
            return "did"
        return "does" if who in english.THIRD_PERSON else "do"

    def _english_verbs(self, who: str) -> tuple[str, list[str], bool]:
        """The finite verb, the rest of the verbs, and whether the first is an auxiliary."""
        verb = self.verb.english
        base, participle = [verb.base], verb.participle
        if self.passive:
            base, participle = ["be", verb.participle], f"been {verb.participle}"
        if self.instead:
            first, rest = self.instead.split()
            singular = who in english.THIRD_PERSON and first != "used"
            return f"{first}s" if singular else first, [rest, *base], False
        if self.modal:
            return self._english_modal(who, base)
        is_be = verb.base == "be" or self.passive
        be = english.BE_PRESENT.get(who, "are")
        was = english.BE_PAST.get(who, "were")
        doing = f"being {verb.participle}" if self.passive else verb.gerund
        has = "has" if who in english.THIRD_PERSON else "have"
        match self.tense:
            case "present":
                lexical = be if is_be else verb.present(who)
                return lexical, [verb.participle] if self.passive else [], is_be
            case "past" | "narrative" | "unreal":
                lexical = was if is_be else verb.past
                if self.tense == "unreal" and verb.base == "be":
                    lexical = "were"
                return lexical, [verb.participle] if self.passive else [], is_be
            case "progressive":
                return be, [doing], True
            case "was-doing":
                return was, [doing], True
            case "since":
                return has, ["been", verb.gerund], True
            case "perfect":
                return has, [participle], True
            case "pluperfect" | "unreal-past":
                return "had", [participle], True
            case "future":
                return "will", base, True
            case "conditional":
                return "would", base, True
            case "conditional-perfect":
                return "would", ["have", participle], True
        raise ValueError(self.tense)

    def _english_modal(self, who: str, base: list[str]) -> tuple[str, list[str], bool]:
        assert self.modal is not None
        modal, past = self.modal.english, self.modal.tense == "preterite"
        singular = who in english.THIRD_PERSON
        first, _, rest = modal.partition(" ")
        if first == "be":
            table = english.BE_PAST if past else english.BE_PRESENT
            return table.get(who, "were" if past else "are"), [rest, *base], True
        if first == "have":
            finite = "had" if past else "has" if singular else "have"
            return finite, [rest, *base], False
        if first == "want":
            return "wanted" if past else "wants" if singular else "want", [rest, *base], False
        return first, [word for word in (rest, *base) if word], True

    def _middle_adverbs(self) -> tuple[list[str], list[str]]:
        before = [a.english for a in self.adverbials if a.kind == "sentence"]
        after = [a.english for a in self.adverbials if a.kind in ("often", "aspect")]
        return before, after

    def _english_rest(self) -> str:
        """What follows the verbs: complements, then manner, place and time."""
        verb = self.verb.english
        words: list[str] = [verb.after]
        predicates = [a.english for a in self.adverbials if a.kind == "predicate"]
        manner = [a.english for a in self.adverbials if a.kind == "manner"]
        objects, others = [], []
        for role, nominal in self.complements:
            if role.english in ("@", ">", "<"):
                others.append(place_english(role.english, nominal))
            elif role.english:
                others.append(_join(role.english, nominal.english()))
            else:
                objects.append(nominal)
        if self.passive:
            objects = objects[1:]
        texts = [nominal.english() for nominal in objects]
        if verb.particle:
            late = objects and (objects[0].is_pronoun or isinstance(objects[0], Gap))
            texts = [*texts, verb.particle] if late else [verb.particle, *texts]
        words += [*predicates, *texts, *manner, *others]
        for kind in ("place", "time", "yet"):
            words += [a.english for a in self.adverbials if a.kind == kind]
        return _join(*words)

    def english_relative(self, antecedent: Nominal) -> str:
        """The relative clause whose gap is this clause's subject or one of its complements."""
        human = antecedent.is_human
        if isinstance(self.subject, Gap):
            return _join("who" if human else "that", self.english("vp"))
        for role, nominal in self.complements:
            if isinstance(nominal, Gap) and role.english == "@":
                return _join("where", self.english())
        return _join(self.relative_word, self.english())

    # German

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
        if order in ("zu", "bare"):
            verb = self.verb.german
            end = verb.zu_infinitive if order == "zu" else verb.full_infinitive
            if self.passive:
                end = f"{verb.participle} {'zu ' if order == 'zu' else ''}werden"
            return _field(items, [self._before(), end])
        if order == "last":
            prefixed = self.verb.german.prefix if self._is_simple() else ""
            rest = closing[:-1] if prefixed else closing
            return _field([(_SUBJECT, *subject), *items], [*rest, prefixed + finite])
        if order == "first":
            return _join(finite, _field([(_SUBJECT, *subject), *items], closing))
        text, tail = subject if order == "main" else ("", "")
        if tail:
            text = f"{text} , {tail} ,"
        return _join(text, finite, _field(items, closing))

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
        """The words before the verb: Rad, keinen Hunger."""
        if self.negated and self.verb.kein:
            return f"{self.verb.kein} {self.verb.german.before}"
        return self.verb.german.before

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
            items.append((_PRONOUN_ACC, pronoun, ""))
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
                items.append((_object_rank(role, nominal), *nominal.german(role.case)))
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
        return _join(finite, _field(items, closing))

    def german_relative(self, antecedent: NounPhrase) -> str:
        """The relative clause: its pronoun in the case of the gap, the verb last."""
        nominative = self._nominative()
        gender = antecedent.gender
        if isinstance(nominative, Gap):
            return _join(relative_pronoun(gender, "nom"), self.german("last"))
        for role, nominal in self.complements:
            if not isinstance(nominal, Gap):
                continue
            if role.english in ("@", ">", "<"):
                preposition, case = german_preposition(role.english, antecedent)
                pronoun = _join(preposition, relative_pronoun(gender, case))
            else:
                pronoun = _join(role.preposition, relative_pronoun(gender, role.case))
            return _join(pronoun, self.german("last"))
        assert isinstance(self.subject, Gap)
        pronoun = relative_pronoun(gender, self.verb.subject_case)
        return _join(pronoun, self.german("last"))


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
    return _join(*words, *closing, late)


def _join(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def as_pronoun(nominal: Nominal) -> Pronoun:
    """The pronoun that takes up a nominal."""
    return Pronoun(nominal.english_pronoun, nominal.german_pronoun, nominal.is_human)
