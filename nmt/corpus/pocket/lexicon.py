"""The words of the pocket corpus: what they mean in both languages, and what they go with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from nmt.corpus.pocket import english, german
from nmt.corpus.pocket.english import EnglishVerb
from nmt.corpus.pocket.german import GermanVerb
from nmt.corpus.pocket.tables import read_table, read_yaml

NONE: Final = "0"
"""In a plural's place: there is none (milk)."""
ALWAYS: Final = "!"
"""In a plural's place: there is nothing else (scissors)."""


@dataclass(frozen=True, eq=False)
class Noun:
    """A noun; its two languages may disagree in number: scissors are one Schere."""

    english_singular: str
    english_plural: str
    german_singular: str
    german_plural: str
    gender: str
    """m, f, or n."""
    natural_gender: str
    """m, f, or empty: he, she or it."""
    feminine: tuple[str, str] | None
    """A job's feminine in English and German."""
    is_weak: bool
    """Masculine that ends in -n in all cases but the first."""
    only_singular: bool
    classes: frozenset[str]
    is_human: bool
    german_genitive: str

    @property
    def countable(self) -> bool:
        """Whether English counts it."""
        return self.english_plural not in (NONE, ALWAYS)

    @property
    def is_pair(self) -> bool:
        """Whether English has only a plural where German counts: scissors, glasses."""
        return self.english_plural == ALWAYS and self.german_plural not in (NONE, ALWAYS)

    @property
    def has_plural(self) -> bool:
        """Whether it can be put into the plural in both languages at once."""
        return (
            self.countable and self.german_plural not in (NONE, ALWAYS) and not self.only_singular
        )

    def english_number(self, plural: bool) -> str:
        """``singular`` or ``plural``, as English has it."""
        return "plural" if self.english_plural == ALWAYS or plural else "singular"

    def german_number(self, plural: bool) -> str:
        """``singular`` or ``plural``, as German has it."""
        return "plural" if self.german_plural == ALWAYS or plural else "singular"

    def english(self, plural: bool, feminine: bool = False) -> str:
        """Its English form."""
        singular = self.feminine[0] if feminine and self.feminine else self.english_singular
        if not plural or not self.countable:
            return singular
        return english.plural(singular) if feminine else self.english_plural

    def german(self, plural: bool, case: str, feminine: bool = False) -> str:
        """Its German form in a case; ``plural`` is the German number."""
        if feminine and self.feminine:
            return self.feminine[1] + ("nen" if plural else "")
        if plural:
            form = self.german_singular if self.german_plural == ALWAYS else self.german_plural
            return german.dative_plural(form) if case == "dat" else form
        if case == "gen" and self.german_genitive:
            return self.german_genitive
        return self._weak_form if self.is_weak and case != "nom" else self.german_singular

    @cached_property
    def _weak_form(self) -> str:
        singular = self.german_singular
        short = singular.endswith("e") or singular in ("Herr", "Bauer", "Nachbar")
        return singular + ("n" if short else "en")


@dataclass(frozen=True, eq=False)
class Adjective:
    """An adjective in three degrees."""

    english_degrees: tuple[str, ...]
    german_degrees: tuple[str, ...]
    groups: tuple[str, ...]
    only_attributive: bool = False
    """Whether it only stands before nouns: daily."""

    @property
    def comparable(self) -> bool:
        """Whether it has a comparative."""
        return len(self.english_degrees) == 3

    def english_degree(self, degree: str) -> str:
        """positive, comparative or superlative in English."""
        return self.english_degrees[_DEGREES.index(degree)]

    def german_degree(self, degree: str) -> str:
        """positive, comparative or superlative in German, without ending."""
        return self.german_degrees[_DEGREES.index(degree)]


_DEGREES: Final = ("positive", "comparative", "superlative")


@dataclass(frozen=True, eq=False)
class Adverb:
    """An adverb or adverbial phrase."""

    english: str
    german: str
    kind: str
    """time, often, aspect, sentence, link, place, degree, manner and so on."""
    tags: frozenset[str]


@dataclass(frozen=True)
class Role:
    """A complement of a verb: which nouns fill it, and how both languages mark it."""

    group: str
    english: str
    """Preposition, or empty for an object; @, > and < for the place's own (where, to, from)."""
    preposition: str
    """German preposition, or empty."""
    case: str
    style: str
    """Which determiners it takes: empty for any; def, indef, bare, own and so on."""
    optional: bool


@dataclass(frozen=True, eq=False)
class Verb:
    """A verb with its complements."""

    english: EnglishVerb
    german: GermanVerb
    auxiliary: str
    subject: str
    """Group of nouns."""
    subject_case: str
    """How German marks the English subject: nom, or dat of "mir gefällt"."""
    roles: tuple[Role, ...]
    clauses: frozenset[str]
    """that, whether, wh, zu, ing: what kind of clause it takes."""
    flags: frozenset[str]
    manner: str
    places: tuple[str, ...]
    at_clock: bool
    """Whether it happens at a time of day."""
    kein: str
    """Negates the noun that belongs to it: keinen Hunger haben."""
    reasons: frozenset[str]
    """English adjectives: what its object is like when one does it because the object is so."""
    name: str


class Lexicon:
    """All words, and the groups they belong to."""

    def __init__(self, folder: Path) -> None:
        """Read the tables of a folder."""
        self.groups: dict[str, list[str]] = read_yaml(folder / "classes.yaml")
        self.nouns = [self._noun(row) for row in read_table(folder / "nouns.tsv")]
        self._members: dict[str, list[Noun]] = {}
        self.adjectives = [_adjective(row) for row in read_table(folder / "adjectives.tsv")]
        self.adverbs = [
            Adverb(row["english"], row["german"], row["kind"], frozenset(row["tags"].split()))
            for row in read_table(folder / "adverbs.tsv")
        ]
        self.verbs = [_verb(row) for row in read_table(folder / "verbs.tsv")]
        self.names = read_table(folder / "names.tsv")
        self.grammar: dict[str, Any] = read_yaml(folder / "grammar.yaml")
        self._described_by: dict[Adjective, list[Noun]] = {}
        self._adjectives_of: dict[Noun, list[Adjective]] = {noun: [] for noun in self.nouns}
        for adjective in self.adjectives:
            for noun in dict.fromkeys(n for group in adjective.groups for n in self.members(group)):
                self._adjectives_of[noun].append(adjective)
                self._described_by.setdefault(adjective, []).append(noun)
        lists = self._adjectives_of
        self._describable = [noun for noun in self.nouns if lists[noun]]
        self._comparable = [noun for noun in self.nouns if any(a.comparable for a in lists[noun])]

    def _noun(self, row: dict[str, str]) -> Noun:
        singular, how = row["english"], row["english_plural"]
        extra = dict(part.partition("=")[::2] for part in row["notes"].split())
        classes = frozenset(row["classes"].split())
        feminine = None
        if "job" in classes:
            german_feminine = extra.get("fem", f"{row['german'].removesuffix('e')}in")
            feminine = (extra.get("en_fem", singular), german_feminine)
        plural = how if how in (NONE, ALWAYS) else how or english.plural(singular)
        german_how = row["german_plural"]
        german_plural = german_how
        if german_how not in (NONE, ALWAYS):
            german_plural = german.noun_plural(row["german"], german_how)
        genitive = extra.get("gen", "")
        if not genitive and row["gender"] in "mn" and "weak" not in extra:
            genitive = german.genitive(row["german"])
        return Noun(
            singular, plural, row["german"], german_plural, row["gender"], extra.get("nat", ""),
            feminine, "weak" in extra, "sg" in extra, classes,
            bool(classes & {"kin", "spouse", "adult", "young", "infant", "job", "artist", "crowd"}),
            genitive,
        )  # fmt: skip

    def members(self, groups: str) -> list[Noun]:
        """The nouns of a group, or of several joined by ``+``."""
        if groups not in self._members:
            found: dict[Noun, None] = {}
            for group in groups.split("+"):
                found |= dict.fromkeys(self._expand(group))
            if not found:
                raise ValueError(f"no nouns in {groups}")
            self._members[groups] = list(found)
        return self._members[groups]

    def _expand(self, group: str) -> Iterable[Noun]:
        if group[0].isupper():
            lemma, _, meaning = group.partition(".")
            found = [
                noun
                for noun in self.nouns
                if noun.german_singular == lemma and meaning in ("", noun.english_singular)
            ]
            if len(found) != 1:
                raise ValueError(f"{len(found)} nouns are {group}: write {lemma}.ENGLISH")
            return found
        direct = [noun for noun in self.nouns if group in noun.classes]
        for member in self.groups.get(group, ()):
            if member != group:
                direct += self._expand(member)
        if not direct:
            raise ValueError(f"no nouns in {group}")
        return direct

    def describable(self, compared: bool) -> list[Noun]:
        """The nouns that have adjectives; if ``compared``, adjectives with a comparative."""
        return self._comparable if compared else self._describable

    def described_by(self, adjective: Adjective) -> list[Noun]:
        """The nouns that an adjective goes with."""
        return self._described_by[adjective]

    def adjectives_of(self, noun: Noun) -> list[Adjective]:
        """The adjectives that go with a noun."""
        return self._adjectives_of[noun]


def _adjective(row: dict[str, str]) -> Adjective:
    english_degrees: tuple[str, ...] = (row["english"],)
    german_degrees: tuple[str, ...] = (row["german"],)
    how = row["english_comparison"]
    if how not in ("-", "attr") and row["german_comparison"] != "-":
        english_degrees += english.comparison(row["english"], how)
        german_degrees += german.comparison(row["german"], row["german_comparison"])
    return Adjective(english_degrees, german_degrees, tuple(row["groups"].split()), how == "attr")


def _verb(row: dict[str, str]) -> Verb:
    subject, _, case = row["subject"].partition("=")
    roles, clauses = [], set()
    for part in row["complements"].split():
        if ":" in part:
            roles.append(_role(part))
        else:
            clauses.add(part)
    flags = row["flags"].split()
    valued = dict(flag.split("=") for flag in flags if "=" in flag)
    return Verb(
        EnglishVerb.parse(row["english"], row["english_forms"]),
        GermanVerb.parse(row["german"], row["german_forms"]),
        {"h": "haben", "s": "sein"}[row["auxiliary"]],
        subject,
        case or "nom",
        tuple(roles),
        frozenset(clauses),
        frozenset(flag for flag in flags if "=" not in flag),
        valued.get("m", ""),
        tuple(valued["p"].split("+")) if "p" in valued else (),
        "t" in valued,
        valued.get("kein", ""),
        frozenset(valued["why"].split("+") if "why" in valued else ()),
        f"{row['english']} {row['german']}",
    )


def _role(text: str) -> Role:
    """Read ``group:for=auf+acc!def``, ``group:=dat``, ``group:@``; in brackets if optional."""
    optional = text.startswith("(")
    text = text.strip("()")
    text, _, style = text.partition("!")
    group, _, marks = text.partition(":")
    if marks in ("@", ">", "<"):
        return Role(group, marks, "", "", style, optional)
    english_preposition, _, german_mark = marks.partition("=")
    preposition, _, case = german_mark.rpartition("+")
    return Role(group, english_preposition, preposition, case, style, optional)


def german_auxiliaries() -> dict[str, GermanVerb]:
    """sein, haben, werden and the modal verbs."""
    forms = {
        "sein": "ist war gewesen", "haben": "hat hatte gehabt", "werden": "wird wurde geworden",
        "können": "kann konnte gekonnt", "müssen": "muss musste gemusst",
        "dürfen": "darf durfte gedurft", "sollen": "soll sollte gesollt",
        "wollen": "will wollte gewollt", "mögen": "mag mochte gemocht",
        "lassen": "lässt ließ gelassen",
    }  # fmt: skip
    return {name: GermanVerb.parse(name, parts) for name, parts in forms.items()}
