"""A clause in English: one order of words, and auxiliaries that move."""

from __future__ import annotations

from nmt.corpus.pocket import english
from nmt.corpus.pocket.clause_parts import ClauseParts, join
from nmt.corpus.pocket.phrases import Gap, Nominal
from nmt.corpus.pocket.places import place_english


class EnglishClause(ClauseParts):
    """The English side of a clause."""

    def english(self, order: str = "statement") -> str:
        """The English clause: statement, question, vp (no subject), to, ing, bare, imperative."""
        who = self.subject.english_pronoun
        if order.startswith("object-"):
            inner = self.english(order.removeprefix("object-"))
            return join(self.subject.english(), inner)
        if order == "done":
            participle = self.verb.english.participle
            return join(self.complements[0][1].english(), participle, self.verb.english.particle)
        if order in ("to", "ing", "bare", "imperative"):
            base = "be" if self.passive else self.verb.english.base
            verb = self.verb.english.gerund if order == "ing" else base
            words = [verb, *([self.verb.english.participle] if self.passive else [])]
            negation = "not" if self.negated else ""
            if order == "imperative":
                negation = "don't" if self.negated else ""
            return join(negation, "to" if order == "to" else "", *words, self._english_rest())
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
            return join(finite, subject, *before, *after, *rest, self._english_rest())
        if order == "vp":
            subject = ""
        verbs = (
            [finite, *before, *after, *rest] if is_auxiliary else [*before, *after, finite, *rest]
        )
        if before and is_auxiliary and self.negated:
            verbs = [*before, finite, *after, *rest]
        return join(subject, *verbs, self._english_rest())

    def _base(self) -> str:
        """The base form of what "do" takes the place of: doesn't have to, didn't use to."""
        if self.instead:
            return {"used": "use"}.get(self.instead.split()[0], self.instead.split()[0])
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
                others.append(join(role.english, nominal.english()))
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
        return join(*words)

    def english_relative(self, antecedent: Nominal) -> str:
        """The relative clause whose gap is this clause's subject or one of its complements."""
        human = antecedent.is_human
        if isinstance(self.subject, Gap):
            return join("who" if human else "that", self.english("vp"))
        for role, nominal in self.complements:
            if isinstance(nominal, Gap) and role.english == "@":
                return join("where", self.english())
        return join(self.relative_word, self.english())
