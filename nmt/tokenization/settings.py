"""Settings of a tokenizer: how text becomes pieces."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from nmt.settings import Settings


class SentencePieceSettings(Settings):
    """Subword pieces by SentencePiece (Kudo and Richardson 2018), with byte fallback."""

    kind: Literal["sentencepiece"] = "sentencepiece"
    """SentencePiece."""
    algorithm: Literal["unigram", "bpe"] = "unigram"
    """Unigram language model (Kudo 2018) or byte pair encoding (Sennrich et al. 2016)."""
    vocabulary_size: int = Field(default=8000, ge=300)
    """Number of pieces, special symbols and the 256 bytes included."""
    joint: bool = True
    """One vocabulary for both languages; otherwise one for each, of this size."""
    character_coverage: float = Field(default=0.9995, gt=0.9, le=1)
    """Share of the characters of the training text that get a piece of their own."""
    sampling: float = Field(default=0.0, ge=0, le=1)
    """Subword regularisation in training: BPE-dropout rate, or 1/temperature for unigram; 0 is off."""


class HuggingFaceTokenizerSettings(Settings):
    """Subword pieces by the Hugging Face ``tokenizers`` library."""

    kind: Literal["huggingface"] = "huggingface"
    """Hugging Face tokenizers."""
    algorithm: Literal["byte-bpe", "wordpiece"] = "byte-bpe"
    """Byte-level byte pair encoding (Radford et al. 2019) or WordPiece (Wu et al. 2016)."""
    vocabulary_size: int = Field(default=8000, ge=300)
    """Number of pieces, special symbols included."""
    joint: bool = True
    """One vocabulary for both languages; otherwise one for each, of this size."""
    sampling: float = Field(default=0.0, ge=0, lt=1)
    """BPE-dropout rate in training (Provilkov et al. 2020); 0 is off. Not for WordPiece."""


class WordSettings(Settings):
    """Words by Moses conventions, with truecasing; reversible."""

    kind: Literal["words"] = "words"
    """Words and punctuation marks."""
    truecase: bool = True
    """Write the first word of a sentence in its most frequent form within sentences."""
    vocabulary_size: int | None = Field(default=None, ge=300)
    """Most frequent words kept; none keeps all."""
    joint: Literal[False] = False
    """Words of the two languages are always apart."""


TokenizerSettings = Annotated[
    SentencePieceSettings | HuggingFaceTokenizerSettings | WordSettings,
    Field(discriminator="kind"),
]
