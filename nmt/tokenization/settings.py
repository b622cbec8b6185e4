"""Settings of a tokenizer: how text becomes pieces."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field

from nmt.settings import Contradiction, Settings


class _LearnedSettings(Settings):
    max_lines: int = Field(default=1_000_000, ge=1)
    """Most lines of each language to learn from; of a longer corpus, so many are drawn."""


class SentencePieceSettings(_LearnedSettings):
    """Subword pieces by SentencePiece (Kudo and Richardson 2018), with byte fallback."""

    kind: Literal["sentencepiece"] = "sentencepiece"
    """SentencePiece."""
    algorithm: Literal["unigram", "bpe"] = "unigram"
    """Unigram language model (Kudo 2018) or byte pair encoding (Sennrich et al. 2016)."""
    vocabulary_size: int = Field(default=8000, ge=300)
    """Number of pieces, special symbols and the 256 bytes included; fewer if the text has fewer."""
    joint: bool = True
    """One vocabulary for both languages; otherwise one for each, of this size."""
    character_coverage: float = Field(default=0.9995, gt=0.9, le=1)
    """Share of the characters of the training text that get a piece of their own."""
    sampling: float = Field(default=0.0, ge=0, le=1)
    """Subword regularisation in training: BPE-dropout rate, or unigram 1/temperature; 0 is off."""


class HuggingFaceTokenizerSettings(_LearnedSettings):
    """Subword pieces by the Hugging Face ``tokenizers`` library, over bytes."""

    kind: Literal["huggingface"] = "huggingface"
    """Hugging Face tokenizers."""
    algorithm: Literal["byte-bpe", "wordpiece"] = "byte-bpe"
    """Byte-level byte pair encoding (Radford et al. 2019) or WordPiece (Wu et al. 2016)."""
    vocabulary_size: int = Field(default=8000, ge=300)
    """Number of pieces, special symbols included; fewer if the text has fewer."""
    joint: bool = True
    """One vocabulary for both languages; otherwise one for each, of this size."""
    sampling: float = Field(default=0.0, ge=0, lt=1)
    """BPE-dropout rate in training (Provilkov et al. 2020); 0 is off. Not for WordPiece."""

    def contradictions(self) -> Iterable[Contradiction]:
        """Sampling, which WordPiece has none of, and a vocabulary too small for its bytes."""
        if self.algorithm == "wordpiece":
            if self.sampling > 0:
                yield Contradiction(
                    "WordPiece has no sampling",
                    ("sampling", "algorithm"),
                    "take algorithm: byte-bpe, or sampling: 0",
                )
            if self.vocabulary_size < 600:
                yield Contradiction(
                    f"a vocabulary of {self.vocabulary_size} is too small for WordPiece, where "
                    "single bytes and control symbols take 516 pieces",
                    ("vocabulary_size", "algorithm"),
                    "set vocabulary_size to 600 or more",
                )


class WordSettings(_LearnedSettings):
    """Words by Moses conventions, with truecasing; reversible."""

    kind: Literal["words"] = "words"
    """Words and punctuation marks."""
    truecase: bool = True
    """Write the first word of a sentence in its most frequent form within sentences."""
    vocabulary_size: int | None = Field(default=None, ge=300)
    """Most frequent words kept; null keeps all."""
    joint: Literal[False] = False
    """Words of the two languages are always apart."""


TokenizerSettings = Annotated[
    SentencePieceSettings | HuggingFaceTokenizerSettings | WordSettings,
    Field(discriminator="kind"),
]
