"""Clauses: who does what when, in both languages."""

from __future__ import annotations

from nmt.corpus.pocket.clause_parts import Adverbial, Modal
from nmt.corpus.pocket.english_clause import EnglishClause
from nmt.corpus.pocket.german_clause import GermanClause
from nmt.corpus.pocket.phrases import Nominal, Pronoun

__all__ = ["Adverbial", "Clause", "Modal", "as_pronoun"]


class Clause(EnglishClause, GermanClause):
    """A verb with everything that belongs to it."""


def as_pronoun(nominal: Nominal) -> Pronoun:
    """The pronoun that takes up a nominal."""
    return Pronoun(nominal.english_pronoun, nominal.german_pronoun, nominal.is_human)
