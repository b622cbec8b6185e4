"""Settings of a word-by-word system."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from nmt.settings import Settings
from nmt.statistical.language_model.settings import LanguageModelSettings


class WordByWordSearchSettings(Settings):
    """How a word-by-word system chooses the words.

    The weight was chosen among 0.2, 0.3, ... 0.6 on the validation sets of Multi30k, in both
    directions, and of Tatoeba: it is best or within 0.4 BLEU of the best on each.
    """

    beam: int = Field(default=40, ge=1)
    """Hypotheses kept after each word."""
    language_weight: float = Field(default=0.4, ge=0)
    """What the language model's logarithms count, if those of the translation model count 1."""


class WordByWordSettings(Settings):
    """Each word in its place: IBM Model 1 (Brown et al. 1993) and a language model."""

    kind: Literal["word-by-word"] = "word-by-word"
    """A word-by-word system."""
    truecase: bool = True
    """Write the first word of a sentence in its most frequent form within sentences."""
    iterations: int = Field(default=5, ge=1, le=100)
    """Rounds of EM by which Model 1 is trained."""
    max_translations: int = Field(default=20, ge=1, le=1000)
    """Translations kept for each source word, the most probable ones."""
    language_model: LanguageModelSettings = LanguageModelSettings()
    """The language model of the target side."""
    search: WordByWordSearchSettings = WordByWordSearchSettings()
    """How it translates unless the command says otherwise."""
