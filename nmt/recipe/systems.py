"""The systems that a recipe can train."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field

from nmt.recipe.ensemble import EnsembleSettings
from nmt.recipe.phrase_based import PhraseBasedSettings
from nmt.recipe.recurrent import RecurrentSettings
from nmt.recipe.transformer import TransformerSettings
from nmt.recipe.word_by_word import WordByWordSettings

NeuralSettings: TypeAlias = TransformerSettings | RecurrentSettings
"""Those of systems that work on the tokenizer's pieces, and are trained by gradients."""

SystemSettings = Annotated[
    NeuralSettings | EnsembleSettings | PhraseBasedSettings | WordByWordSettings,
    Field(discriminator="kind"),
]
"""Each kind of system is a member of this union, told apart by its ``kind``."""
