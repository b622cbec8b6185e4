"""The tokenizers of the two sides of a bitext, which may be one and the same."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nmt.errors import UserError
from nmt.files import hash_value
from nmt.tokenization.huggingface import HuggingFaceTokenizer
from nmt.tokenization.marian import MarianTokenizer
from nmt.tokenization.protocol import Tokenizer
from nmt.tokenization.sentencepiece_tokenizer import SentencePieceTokenizer
from nmt.tokenization.storage import DESCRIPTION_FILE, load_files
from nmt.tokenization.words import WordTokenizer

_JOINT: Final = "joint"
_SOURCE: Final = "source"
_TARGET: Final = "target"


@dataclass(frozen=True)
class TokenizerPair:
    """A tokenizer for each side; with a joint vocabulary both are the same object."""

    source: Tokenizer
    target: Tokenizer

    @property
    def joint(self) -> bool:
        """Whether both sides share one tokenizer."""
        return self.source is self.target

    @property
    def content_hash(self) -> str:
        """SHA-256 (hex) over everything that determines the output of either tokenizer."""
        return hash_value([self.source.content_hash, self.target.content_hash])

    def save(self, folder: Path) -> None:
        """Write ``folder/joint``, or ``folder/source`` and ``folder/target``."""
        if self.joint:
            self.source.save(folder / _JOINT)
        else:
            self.source.save(folder / _SOURCE)
            self.target.save(folder / _TARGET)

    @classmethod
    def load(cls, folder: Path) -> TokenizerPair:
        """Read what ``save`` wrote. Raises UserError when it is incomplete or was changed."""
        if (folder / _JOINT).exists():
            tokenizer = load_tokenizer(folder / _JOINT)
            return cls(tokenizer, tokenizer)
        return cls(load_tokenizer(folder / _SOURCE), load_tokenizer(folder / _TARGET))


def load_tokenizer(folder: Path) -> Tokenizer:
    """Open a tokenizer's folder and check it against the hashes that it was saved with.

    Raises UserError when a file is missing, truncated or changed.
    """
    description, files = load_files(folder)
    match description["kind"]:
        case "sentencepiece":
            return SentencePieceTokenizer.from_files(description, files)
        case "huggingface":
            return HuggingFaceTokenizer.from_files(description, files)
        case "words":
            return WordTokenizer.from_files(description, files)
        case "marian":
            return MarianTokenizer.from_files(description, files)
        case kind:
            raise UserError(
                f"this version of nmt has no tokenizer of kind {kind!r}",
                where=str(folder / DESCRIPTION_FILE),
            )
