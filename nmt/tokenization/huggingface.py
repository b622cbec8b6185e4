"""Byte-level BPE and WordPiece by the Hugging Face ``tokenizers`` library, made lossless."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import tokenizers
from tokenizers import Regex, models, pre_tokenizers, trainers

from nmt.errors import UserError
from nmt.tokenization.protocol import NUM_CONTROL_IDS
from nmt.tokenization.sampling import BpeSampler
from nmt.tokenization.sampling_loops import BARRIER
from nmt.tokenization.settings import HuggingFaceTokenizerSettings
from nmt.tokenization.storage import describe, save_files
from nmt.tokenization.text import normalize_text

KIND: Final = "huggingface"
_MODEL_FILE: Final = "huggingface.json"

# The control symbols have names with a space, in the order of their ids. The byte alphabet writes
# the space as another character, so that neither text nor merges can arrive at these names.
_CONTROL_NAMES: Final = ["<pad >", "<s >", "</s >", "<unk >"]
# Marks a WordPiece that continues a word; BERT's ## could also come from the text, this cannot.
_CONTINUING: Final = "\u2040"
# WordPiece matches in time cubic in the length of a word, and gives up at 100 characters.
_WORDPIECE_MAX_BYTES: Final = 40

_log = logging.getLogger(__name__)


class HuggingFaceTokenizer:
    """Pieces over bytes, each written as a character (Radford et al. 2019), so none is unknown.

    A space is the first byte of the word after it, and text begins with one. WordPiece has every
    byte twice, at the start and in the rest of a word. See the protocol ``Tokenizer``.
    """

    def __init__(self, model: bytes, algorithm: str) -> None:
        """Wrap a serialised tokenizer that ``learn`` made."""
        self._model = model
        self._algorithm = algorithm
        self._tokenizer = tokenizers.Tokenizer.from_str(model.decode("utf-8"))
        self._description = describe(
            KIND,
            {"algorithm": algorithm, "vocabulary_size": self.vocabulary_size},
            {_MODEL_FILE: model},
        )
        self._bytes_of_piece = [self._piece_bytes(i) for i in range(self.vocabulary_size)]
        self._sampler: BpeSampler | None = None

    @classmethod
    def learn(
        cls, settings: HuggingFaceTokenizerSettings, lines: Iterable[str]
    ) -> HuggingFaceTokenizer:
        """Learn the pieces of some lines; the lines are read once, and not kept as strings.

        A text too small for ``vocabulary_size`` pieces gives as many as there are, and a warning in
        the log. Raises UserError if there is no text.
        """
        wordpiece = settings.algorithm == "wordpiece"
        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
        model: models.Model
        trainer: trainers.Trainer
        if wordpiece:
            model = _wordpiece({name: i for i, name in enumerate(_CONTROL_NAMES)})
            trainer = trainers.WordPieceTrainer(
                vocab_size=settings.vocabulary_size,
                # Given here, because the trainer would number them in a random order.
                special_tokens=_CONTROL_NAMES + [_CONTINUING + byte for byte in alphabet],
                initial_alphabet=alphabet,
                continuing_subword_prefix=_CONTINUING,
                show_progress=False,
            )
        else:
            model = models.BPE()
            trainer = trainers.BpeTrainer(
                vocab_size=settings.vocabulary_size,
                special_tokens=_CONTROL_NAMES,
                initial_alphabet=alphabet,
                show_progress=False,
            )
        learned = _with_words(model, wordpiece)
        learned.train_from_iterator(_text(lines), trainer)

        # Without "added tokens": those would be looked for in the text.
        learned_model = json.loads(learned.to_str())["model"]
        if wordpiece:
            model = _wordpiece(learned_model["vocab"])
        else:
            merges = [tuple(pair) for pair in learned_model["merges"]]
            model = models.BPE(vocab=learned_model["vocab"], merges=merges)
        final = _with_words(model, wordpiece)
        tokenizer = cls(final.to_str().encode("utf-8"), settings.algorithm)
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
    ) -> HuggingFaceTokenizer:
        """What ``save`` wrote, read and checked by ``load_files``."""
        return cls(files[_MODEL_FILE], description["algorithm"])

    def save(self, folder: Path) -> None:
        """Write ``tokenizer.json`` and ``huggingface.json``, which that library opens too."""
        save_files(folder, self._description, {_MODEL_FILE: self._model})

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._model, self._algorithm)

    @property
    def vocabulary_size(self) -> int:
        return self._tokenizer.get_vocab_size()

    @property
    def content_hash(self) -> str:
        return str(self._description["content_hash"])

    def normalize(self, text: str) -> str:
        return normalize_text(text)

    def encode(self, lines: Sequence[str]) -> list[list[int]]:
        # Line by line: the library's batches start threads of their own.
        encode = self._tokenizer.encode
        return [encode(normalize_text(line), add_special_tokens=False).ids for line in lines]

    def encode_sampled(self, lines: Sequence[str], *, rate: float, seed: int) -> list[list[int]]:
        """Draw segmentations by BPE-dropout (Provilkov et al. 2020).

        Raises UserError for WordPiece, whose pieces are not made of merges.
        """
        if rate == 0:
            return self.encode(lines)
        if self._algorithm == "wordpiece":
            raise UserError(
                "WordPiece has no sampling", mend="take algorithm: byte-bpe, or sampling: 0"
            )
        if self._sampler is None:
            self._sampler = self._make_sampler()
        words = (_chunks(normalize_text(line)) for line in lines)
        return self._sampler.sample(words, rate=rate, seed=seed)

    def decode(self, rows: Sequence[Sequence[int]]) -> list[str]:
        table = self._bytes_of_piece
        return [
            normalize_text(b"".join([table[piece] for piece in row]).decode("utf-8", "replace"))
            for row in rows
        ]

    @property
    def vocabulary(self) -> list[str]:
        """Every piece, by its id, as the ``tokenizers`` library writes it."""
        return [str(self._tokenizer.id_to_token(piece)) for piece in range(self.vocabulary_size)]

    @property
    def piece_bytes(self) -> list[bytes]:
        """The bytes of text that each piece stands for, by its id."""
        return list(self._bytes_of_piece)

    def pieces(self, line: str) -> list[str]:
        shown = []
        for piece in self.encode([line])[0]:
            text = self._bytes_of_piece[piece].decode("utf-8", "backslashreplace")
            continues = self._name(piece).startswith(_CONTINUING)
            shown.append("##" + text if continues else text.replace(" ", "\u2581"))
        return shown

    def _name(self, piece: int) -> str:
        name = self._tokenizer.id_to_token(piece)
        assert name is not None
        return name

    def _piece_bytes(self, piece: int) -> bytes:
        if piece < NUM_CONTROL_IDS:
            return b""
        return bytes(_BYTE_OF_CHARACTER[c] for c in self._name(piece).removeprefix(_CONTINUING))

    def _make_sampler(self) -> BpeSampler:
        vocabulary = self._tokenizer.get_vocab(with_added_tokens=False)
        split = pre_tokenizers.ByteLevel(add_prefix_space=True).pre_tokenize_str
        merges = json.loads(self._model)["model"]["merges"]

        def symbols(chunk: str) -> list[int]:
            result: list[int] = []
            for word, _ in split(chunk):
                if result:
                    result.append(BARRIER)
                result.extend(vocabulary[character] for character in word)
            return result

        return BpeSampler(
            symbols,
            (
                (vocabulary[left], vocabulary[right], rank, vocabulary[left + right])
                for rank, (left, right) in enumerate(merges)
            ),
        )


def _wordpiece(vocabulary: dict[str, int]) -> models.WordPiece:
    return models.WordPiece(
        vocab=vocabulary, unk_token=_CONTROL_NAMES[3], continuing_subword_prefix=_CONTINUING
    )


def _with_words(model: models.Model, wordpiece: bool) -> tokenizers.Tokenizer:
    """A tokenizer that cuts text into words, written in the byte alphabet, before ``model``."""
    tokenizer = tokenizers.Tokenizer(model)
    words: pre_tokenizers.PreTokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    if wordpiece:
        short = pre_tokenizers.Split(Regex(f".{{1,{_WORDPIECE_MAX_BYTES}}}"), "isolated")
        words = pre_tokenizers.Sequence([words, short])
    tokenizer.pre_tokenizer = words
    return tokenizer


def _chunks(text: str) -> list[str]:
    """Text cut before each space; the library finds the same words in the chunks as in it."""
    return [" " + chunk for chunk in text.split(" ")] if text else []


def _text(lines: Iterable[str]) -> Iterator[str]:
    """Normalised lines; raises UserError if all are blank."""
    empty = True
    for line in lines:
        text = normalize_text(line)
        empty = empty and not text
        yield text
    if empty:
        raise UserError("there is no text to learn a tokenizer from", mend="check the corpus")


def _byte_of_character() -> dict[str, int]:
    """The byte alphabet of GPT-2: printable Latin-1 stands for itself, the rest from U+0100 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {
        chr(0x100 + n): byte for n, byte in enumerate(others)
    }


_BYTE_OF_CHARACTER: Final = _byte_of_character()
