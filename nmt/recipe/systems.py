"""The systems that a recipe can train."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from nmt.recipe.phrase_based import PhraseBasedSettings
from nmt.recipe.transformer import TransformerSettings

SystemSettings = Annotated[TransformerSettings | PhraseBasedSettings, Field(discriminator="kind")]
"""Each kind of system is a member of this union, told apart by its ``kind``."""
