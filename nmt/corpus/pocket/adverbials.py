"""Drawing adverbials: when, how often, how, and where."""

from __future__ import annotations

from typing import Final

from nmt.corpus.pocket.choosing import ClauseSpec
from nmt.corpus.pocket.clauses import Adverbial, Clause
from nmt.corpus.pocket.lexicon import Adverb, Lexicon
from nmt.corpus.pocket.nominals import Draw, NominalSampler
from nmt.corpus.pocket.numbers import clock
from nmt.corpus.pocket.places import place_english, place_german

_TIME_TAG: Final = {
    "past": "past", "progressive": "progressive", "future": "future", "modal": "modal",
    "present": "habit",
}  # fmt: skip
_UNINTENDED: Final = frozenset({"accident", "chance", "sudden"})
"""Manners of what one does not mean to do."""
_INDOORS: Final = frozenset({
    "kitchen", "room", "home", "study", "workplace_in", "bathroom", "workshop_like", "office",
})  # fmt: skip
"""Groups of places; verbs that have them are done upstairs, those that have not outside."""
TOLD: Final = frozenset({"narrative", "was-doing", "pluperfect"})
"""Tenses of stories."""
PAST: Final = frozenset({"past", "perfect", "unreal-past", "conditional-perfect"})
"""Tenses of what has happened."""


class AdverbialSampler:
    """Draws adverbials that go with a clause."""

    def __init__(self, lexicon: Lexicon, draw: Draw, nominals: NominalSampler) -> None:
        self.draw = draw
        self.nominals = nominals
        self._adverbs: dict[str, list[Adverb]] = {}
        for adverb in lexicon.adverbs:
            for tag in (adverb.kind, *(f"{adverb.kind} {tag}" for tag in sorted(adverb.tags))):
                self._adverbs.setdefault(tag, []).append(adverb)
        self._far = {adverb.english for adverb in lexicon.adverbs if "far" in adverb.tags}
        self.said_when = False
        """Whether the sentence says already when; to be set False before the next."""

    def adverb(self, tag: str) -> Adverb:
        """An adverb of a kind, such as ``time past``."""
        return self.draw.one(self._adverbs[tag])

    def of(self, clause: Clause, spec: ClauseSpec) -> list[Adverbial]:
        """Adverbials for a clause, in the order in which English says them."""
        draw, verb = self.draw, clause.verb
        found: list[Adverbial] = []
        stative = "stative" in verb.flags
        tense = clause.tense

        def add(adverb: Adverb) -> None:
            if all(adverb.german != other.german for other in found):
                found.append(Adverbial(adverb.english, adverb.german, adverb.kind))

        is_everyday = "daily" in verb.flags
        is_far = spec.far
        times = "time" in spec.adverbs and not self.said_when and not stative
        if tense == "present" and not stative and not clause.negated and not spec.passive:
            if times and "season" in verb.flags and draw.chance(0.75):
                add(self.adverb("time season"))
            elif "often" in spec.adverbs and draw.chance(0.55):
                add(self.adverb("often habit"))
            elif times:
                add(self._time("habit", is_everyday, clause))
        elif times and tense in _TIME_TAG and draw.chance(0.4):
            if verb.at_clock and tense in ("past", "future") and draw.chance(0.6):
                found.append(self.clock_time())
            else:
                add(self._time(_TIME_TAG[tense], is_everyday, clause))
        if any(adverbial.kind == "time" for adverbial in found):
            self.said_when = True
            is_far |= found[-1].english in self._far
        if (
            "aspect" in spec.adverbs
            and not clause.negated
            and tense == "perfect"
            and not {"once", "noimp"} <= verb.flags
            and draw.chance(0.55)
        ):
            add(self.adverb("aspect perfect"))
        may_doubt = tense == "future" and not clause.negated
        if "sentence" in spec.adverbs and may_doubt and draw.chance(0.25):
            add(self.adverb("sentence mid"))
        may_say_how = verb.manner and not clause.negated and not is_far
        may_say_how = may_say_how and all(adverbial.kind != "aspect" for adverbial in found)
        if tense in ("future", "modal") and any(a.kind == "time" for a in found):
            may_say_how = False
        if verb.manner in _UNINTENDED and tense not in PAST | TOLD:
            may_say_how = False
        if "manner" in spec.adverbs and may_say_how and draw.chance(0.5):
            tag = f"manner {verb.manner}"
            if tag in self._adverbs and not any(a.kind == "often" for a in found):
                add(self.adverb(tag))
        if "place" in spec.adverbs and verb.places and not stative and draw.chance(0.35):
            if draw.chance(0.3):
                indoor = set(verb.places) & _INDOORS
                add(self.adverb("place indoor" if indoor else "place outdoor"))
                return found
            place = self.nominals.place("+".join(verb.places), "@")
            found.append(Adverbial(place_english("@", place), place_german("@", place)[0], "place"))
        return found

    def _time(self, tag: str, is_everyday: bool, clause: Clause) -> Adverb:
        """An adverb of time; for everyday verbs none far away, and nothing is not at once."""
        while True:
            tags = (adverb := self.adverb(f"time {tag}")).tags
            if not (is_everyday and "far" in tags) and not (clause.negated and "mid-only" in tags):
                return adverb

    def clock_time(self) -> Adverbial:
        """At half past seven."""
        minute = 5 * self.draw.random.randrange(12)
        hour = 1 + self.draw.random.randrange(12)
        if minute in (20, 25, 35, 40):
            minute = 30
        english, german = clock(hour, minute)
        return Adverbial(f"at {english}", f"um {german}", "time")
