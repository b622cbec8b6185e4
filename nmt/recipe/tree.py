"""The recipe: one typed tree that says what is trained on what, and how it is scored."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from nmt.corpus.settings import CorpusSettings
from nmt.recipe.systems import SystemSettings
from nmt.settings import Settings
from nmt.tokenization.settings import TokenizerSettings, WordSettings


class EvaluationSettings(Settings):
    """How test output is scored."""

    metrics: list[Literal["bleu", "chrf", "ter"]] = Field(default=["bleu", "chrf"], min_length=1)
    """Metrics, by sacreBLEU (Post 2018), with their signatures."""
    bleu_tokenizer: Literal["13a", "intl", "char", "zh", "ja-mecab", "ko-mecab", "flores200", "none"] = "13a"
    """Tokenizer inside BLEU; 13a is WMT's."""
    lowercase: bool = False
    """Score without regard to case."""


class Recipe(Settings):
    """What is trained on what."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    """Name of the run and its folder; the file's name unless given."""
    description: str = ""
    """What the recipe is for, in a sentence."""
    corpus: CorpusSettings
    """The bitext."""
    tokenizer: TokenizerSettings
    """How text becomes pieces, for neural systems."""
    systems: dict[str, SystemSettings] = Field(min_length=1)
    """Named systems, each trained on the corpus."""
    evaluation: EvaluationSettings = EvaluationSettings()
    """How test output is scored."""

    @model_validator(mode="after")
    def _agree(self) -> Recipe:
        if isinstance(self.tokenizer, WordSettings):
            raise ValueError("tokenizer.kind: words is for statistical systems")
        if not self.tokenizer.joint:
            for name, system in self.systems.items():
                if system.tied_embeddings == "all":
                    raise ValueError(
                        f"systems.{name}.tied_embeddings: all needs tokenizer.joint: true "
                        "(or set it to decoder)"
                    )
        return self
