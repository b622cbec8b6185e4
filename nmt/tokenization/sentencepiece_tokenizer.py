"""SentencePiece (Kudo and Richardson 2018), made lossless for every text."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from sentencepiece import SentencePieceProcessor, SentencePieceTrainer

from nmt.errors import UserError
from nmt.tokenization.protocol import BOS_ID, EOS_ID, NUM_CONTROL_IDS, PAD_ID, UNK_ID
from nmt.tokenization.sampling import BpeSampler, Sampler, UnigramSampler
from nmt.tokenization.settings import SentencePieceSettings
from nmt.tokenization.storage import describe, save_files
from nmt.tokenization.text import normalize_text

KIND: Final = "sentencepiece"
_MODEL_FILE: Final = "sentencepiece.model"
_SPACE_MARK: Final = "\u2581"

# SentencePiece writes a space as U+2581, so a U+2581 in the text would come back as a space. It
# travels as an escape sequence that starts with a noncharacter, which text hardly ever contains;
# where it does, the noncharacter is escaped too.
_ESCAPE: Final = "\ufffe"
_TO_ESCAPED: Final = str.maketrans({_ESCAPE: _ESCAPE + "0", _SPACE_MARK: _ESCAPE + "1"})
_ESCAPED: Final = re.compile(_ESCAPE + "[01]")
_FROM_ESCAPED: Final = {_ESCAPE + "0": _ESCAPE, _ESCAPE + "1": _SPACE_MARK}

# Sums over the threads' shares differ in their last bits with the number of threads, and with them
# the pieces; a fixed number makes the same tokenizer on every machine.
_LEARNING_THREADS: Final = 8
_MAX_LINE_BYTES: Final = 65536

_log = logging.getLogger(__name__)


class SentencePieceTokenizer:
    """Pieces by a SentencePiece model with byte fallback; see the protocol ``Tokenizer``."""

    def __init__(self, model: bytes, algorithm: str) -> None:
        """Wrap a serialised SentencePiece model that ``learn`` made."""
        self._model = model
        self._algorithm = algorithm
        self._processor = SentencePieceProcessor(model_proto=model)
        self._description = describe(
            KIND,
            {"algorithm": algorithm, "vocabulary_size": self.vocabulary_size},
            {_MODEL_FILE: model},
        )
        self._sampler: Sampler | None = None

    @classmethod
    def learn(cls, settings: SentencePieceSettings, lines: Iterable[str]) -> SentencePieceTokenizer:
        """Learn the pieces of some lines; the lines are read once, and not kept as strings.

        A text too small for ``vocabulary_size`` pieces gives as many as there are, and a warning in
        the log. Raises UserError if the vocabulary cannot even hold the characters.
        """
        model = io.BytesIO()
        try:
            SentencePieceTrainer.Train(
                sentence_iterator=(_escape(normalize_text(line)) for line in lines),
                model_writer=model,
                model_type=settings.algorithm,
                vocab_size=settings.vocabulary_size,
                hard_vocab_limit=False,
                character_coverage=settings.character_coverage,
                byte_fallback=True,
                normalization_rule_name="identity",
                max_sentence_length=_MAX_LINE_BYTES,
                pad_id=PAD_ID,
                bos_id=BOS_ID,
                eos_id=EOS_ID,
                unk_id=UNK_ID,
                num_threads=_LEARNING_THREADS,
                minloglevel=3,
            )
        except RuntimeError as error:
            raise _explain(error, settings) from error
        tokenizer = cls(model.getvalue(), settings.algorithm)
        if tokenizer.vocabulary_size < settings.vocabulary_size:
            _log.warning(
                "tokenizer.vocabulary_size: the text has only %d different pieces, not %d; "
                "the vocabulary is smaller than asked for",
                tokenizer.vocabulary_size,
                settings.vocabulary_size,
            )
        return tokenizer

    @classmethod
    def from_files(
        cls, description: Mapping[str, Any], files: Mapping[str, bytes]
    ) -> SentencePieceTokenizer:
        """What ``save`` wrote, read and checked by ``load_files``."""
        return cls(files[_MODEL_FILE], description["algorithm"])

    def save(self, folder: Path) -> None:
        """Write ``tokenizer.json`` and ``sentencepiece.model``."""
        save_files(folder, self._description, {_MODEL_FILE: self._model})

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._model, self._algorithm)

    @property
    def vocabulary_size(self) -> int:
        return int(self._processor.GetPieceSize())

    @property
    def content_hash(self) -> str:
        return str(self._description["content_hash"])

    def normalize(self, text: str) -> str:
        return normalize_text(text)

    def encode(self, lines: Sequence[str]) -> list[list[int]]:
        prepared = [_escape(normalize_text(line)) for line in lines]
        rows: list[list[int]] = self._processor.Encode(prepared, out_type=int, num_threads=1)
        return rows

    def encode_sampled(self, lines: Sequence[str], *, rate: float, seed: int) -> list[list[int]]:
        """Draw segmentations: BPE-dropout (Provilkov et al. 2020) or unigram sampling (Kudo 2018).

        ``rate`` is the probability of dropping a merge (BPE) or the inverse temperature alpha of
        the distribution over segmentations (unigram: the nearer to 0, the more even).
        """
        if rate == 0:
            return self.encode(lines)
        if self._sampler is None:
            self._sampler = self._make_sampler()
        words = [_words(_escape(normalize_text(line))) for line in lines]
        return self._sampler.sample(words, rate=rate, seed=seed)

    def decode(self, rows: Sequence[Sequence[int]]) -> list[str]:
        if not rows:
            return []
        kept = [[int(piece) for piece in row if piece >= NUM_CONTROL_IDS] for row in rows]
        texts = self._processor.Decode(kept, num_threads=1)
        return [normalize_text(_unescape(text)) for text in texts]

    @property
    def vocabulary(self) -> list[str]:
        """Every piece, by its id: control symbols first, then those that SentencePiece writes."""
        return [self._processor.IdToPiece(piece) for piece in range(self.vocabulary_size)]

    @property
    def serialized(self) -> bytes:
        """The model as SentencePiece itself reads it."""
        return self._model

    def pieces(self, line: str) -> list[str]:
        return [self._processor.IdToPiece(piece) for piece in self.encode([line])[0]]

    def _make_sampler(self) -> Sampler:
        processor = self._processor
        byte_ids = [processor.PieceToId(f"<0x{byte:02X}>") for byte in range(256)]
        scores = {
            processor.IdToPiece(piece): (piece, processor.GetScore(piece))
            for piece in range(NUM_CONTROL_IDS, self.vocabulary_size)
            if not processor.IsByte(piece)
        }
        if self._algorithm == "unigram":
            return UnigramSampler(scores, byte_ids)

        def symbols(word: str) -> list[int]:
            result = []
            for character in word:
                if found := scores.get(character):
                    result.append(found[0])
                else:
                    result.extend(byte_ids[byte] for byte in character.encode("utf-8"))
            return result

        return BpeSampler(symbols, _merges(scores))


def _merges(scores: Mapping[str, tuple[int, float]]) -> Iterator[tuple[int, int, int, int]]:
    """Every pair of pieces that together are a piece: left, right, rank, merged."""
    for piece, (merged, score) in scores.items():
        for cut in range(1, len(piece)):
            left, right = scores.get(piece[:cut]), scores.get(piece[cut:])
            if left and right:
                yield left[0], right[0], int(-score), merged


def _words(text: str) -> list[str]:
    """The stretches that no piece crosses, as SentencePiece marks them."""
    return [_SPACE_MARK + word for word in text.split(" ")] if text else []


def _escape(text: str) -> str:
    if _SPACE_MARK in text or _ESCAPE in text:
        return text.translate(_TO_ESCAPED)
    return text


def _unescape(text: str) -> str:
    if _ESCAPE in text:
        return _ESCAPED.sub(lambda match: _FROM_ESCAPED[match[0]], text)
    return text


def _explain(error: RuntimeError, settings: SentencePieceSettings) -> Exception:
    """Sentences for what a user can cause; anything else is returned as it came."""
    message = str(error)
    if found := re.search(r"smaller than required_chars\. \d+ vs (\d+)", message):
        return UserError(
            f"tokenizer.vocabulary_size: {settings.vocabulary_size} is too small: the characters "
            f"of the text, the 256 bytes and the control symbols already take {found[1]}",
            mend=f"set it to {found[1]} or more, or lower tokenizer.character_coverage",
        )
    if "!sentences_.empty()" in message:
        return UserError("there is no text to learn a tokenizer from", mend="check the corpus")
    return error
