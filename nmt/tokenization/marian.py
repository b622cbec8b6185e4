"""SentencePiece as Marian's models use it: pieces by one model, their ids by a vocabulary.

OPUS-MT's models (Tiedemann and Thottingal 2020) have a SentencePiece model for each language and
one vocabulary of the pieces of both, without bytes to fall back to.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from sentencepiece import SentencePieceProcessor

from nmt.errors import UserError
from nmt.tokenization.protocol import NUM_CONTROL_IDS, UNK_ID
from nmt.tokenization.storage import describe, save_files
from nmt.tokenization.text import normalize_text

KIND: Final = "marian"
_MODEL_FILE: Final = "sentencepiece.model"
_VOCABULARY_FILE: Final = "vocabulary.json"


class MarianTokenizer:
    """Pieces by a SentencePiece model, ids by a vocabulary that other pieces may be in as well.

    It is a tokenizer as the protocol ``Tokenizer`` says, but for what such models cannot do: a
    piece that is not in the vocabulary becomes UNK, and is lost; text comes back as SentencePiece
    normalises it (mostly NFKC); and there is no sampling. Text may begin with a piece such as
    ``>>deu<<`` that says into which language to translate.
    """

    def __init__(self, model: bytes, vocabulary: Sequence[str]) -> None:
        """Wrap a serialised SentencePiece model.

        Args:
            model: its bytes.
            vocabulary: pieces by their ids, the first four those of the control symbols.
        """
        self._model = model
        self._vocabulary = list(vocabulary)
        self._processor = SentencePieceProcessor(model_proto=model)
        self._ids = {
            piece: number
            for number, piece in enumerate(self._vocabulary)
            if number >= NUM_CONTROL_IDS
        }
        self._files = {
            _MODEL_FILE: model,
            _VOCABULARY_FILE: json.dumps(self._vocabulary, ensure_ascii=False).encode("utf-8"),
        }
        self._description = describe(KIND, {"vocabulary_size": len(self._vocabulary)}, self._files)

    @classmethod
    def from_files(
        cls, description: Mapping[str, Any], files: Mapping[str, bytes]
    ) -> MarianTokenizer:
        """What ``save`` wrote, read and checked by ``load_files``."""
        return cls(files[_MODEL_FILE], json.loads(files[_VOCABULARY_FILE]))

    def save(self, folder: Path) -> None:
        """Write ``tokenizer.json``, ``sentencepiece.model`` and ``vocabulary.json``."""
        save_files(folder, self._description, self._files)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._model, self._vocabulary)

    @property
    def vocabulary_size(self) -> int:
        return len(self._vocabulary)

    @property
    def content_hash(self) -> str:
        return str(self._description["content_hash"])

    @property
    def vocabulary(self) -> list[str]:
        """Every piece, by its id."""
        return list(self._vocabulary)

    @property
    def serialized(self) -> bytes:
        """The model as SentencePiece itself reads it."""
        return self._model

    def normalize(self, text: str) -> str:
        return normalize_text(self._processor.Decode(self._processor.Encode(normalize_text(text))))

    def encode(self, lines: Sequence[str]) -> list[list[int]]:
        split = [_split_language(normalize_text(line)) for line in lines]
        texts = self._processor.Encode([text for _, text in split], out_type=str, num_threads=1)
        return [
            [self._ids.get(piece, UNK_ID) for piece in (*language, *pieces)]
            for (language, _), pieces in zip(split, texts, strict=True)
        ]

    def encode_sampled(self, lines: Sequence[str], *, rate: float, seed: int) -> list[list[int]]:
        """Only a rate of 0: there is nothing to sample from. Raises UserError for another."""
        if rate == 0:
            return self.encode(lines)
        raise UserError(
            "an imported tokenizer cannot sample segmentations",
            mend="set tokenizer.sampling to 0",
        )

    def decode(self, rows: Sequence[Sequence[int]]) -> list[str]:
        if not rows:
            return []
        pieces = [
            [self._vocabulary[piece] for piece in row if piece >= NUM_CONTROL_IDS] for row in rows
        ]
        return [normalize_text(text) for text in self._processor.DecodePieces(pieces)]

    def pieces(self, line: str) -> list[str]:
        return [self._vocabulary[piece] for piece in self.encode([line])[0]]


def _split_language(text: str) -> tuple[tuple[str, ...], str]:
    """A piece such as ``>>deu<<`` at the beginning, and the rest."""
    if text.startswith(">>") and (end := text.find("<<")) > 0:
        return (text[: end + 2],), text[end + 2 :]
    return (), text
