"""Words for the statistical wing: Moses' conventions, truecasing, and no loss."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from nmt.corpus.languages import is_unspaced
from nmt.errors import UserError
from nmt.tokenization.moses import GAP_OF_MARK, WordSplitter
from nmt.tokenization.protocol import NUM_CONTROL_IDS
from nmt.tokenization.settings import WordSettings
from nmt.tokenization.storage import describe, save_files
from nmt.tokenization.text import normalize_text
from nmt.tokenization.truecasing import AS_IS_MARK, SentenceStarts, Truecaser
from nmt.tokenization.unspaced import UnspacedSplitter

KIND: Final = "words"
_WORDS_FILE: Final = "words.txt"
_SMALL_WORDS_FILE: Final = "truecase.txt"
_UNSPACED_FILE: Final = "unspaced.model"

# A word outside the vocabulary is spelled: the ids of its bytes in UTF-8, then that of the space,
# which no word contains.
_FIRST_BYTE_ID: Final = NUM_CONTROL_IDS
FIRST_WORD_ID: Final = _FIRST_BYTE_ID + 256
"""The id of the most frequent word."""
SPELLING_END_ID: Final = _FIRST_BYTE_ID + ord(" ")
"""Ends a word that is spelled."""

# Marks that are in the text itself travel as escape sequences, which begin with a noncharacter.
_ESCAPE: Final = "\ufffe"
_RESERVED: Final = [_ESCAPE, *GAP_OF_MARK, AS_IS_MARK]
_TO_ESCAPED: Final = str.maketrans({c: _ESCAPE + str(n) for n, c in enumerate(_RESERVED)})
_TO_ESCAPE: Final = re.compile(f"[{''.join(_RESERVED)}]")
_ESCAPED: Final = re.compile(f"{_ESCAPE}[0-{len(_RESERVED) - 1}]")


class WordTokenizer:
    """Words and punctuation marks of one language; see the protocol ``Tokenizer``.

    ``tokenize`` and ``detokenize`` are for systems that work on words as strings: tokens are
    without spaces, so a line of them joined by single spaces can be split again.
    """

    def __init__(
        self,
        words: Sequence[str],
        small_words: Iterable[str] | None,
        language: str,
        unspaced: bytes | None = None,
    ) -> None:
        """Take the vocabulary by rank, and what the truecaser knows (none: no truecasing).

        ``unspaced`` is the model by which a language without blanks is cut; without one, each
        character of such text is a word.
        """
        self.words = list(words)
        self.language = language
        self._small_words = None if small_words is None else sorted(small_words)
        self._truecaser = None if small_words is None else Truecaser(self._small_words or ())
        self._splitter = WordSplitter(language)
        self._unspaced = None if unspaced is None else UnspacedSplitter(unspaced)
        self._id_of_word = {word: FIRST_WORD_ID + n for n, word in enumerate(self.words)}
        self._files = {_WORDS_FILE: _lines(self.words)}
        if self._small_words is not None:
            self._files[_SMALL_WORDS_FILE] = _lines(self._small_words)
        if unspaced is not None:
            self._files[_UNSPACED_FILE] = unspaced
        self._description = describe(KIND, {"language": language}, self._files)

    @classmethod
    def learn(cls, settings: WordSettings, lines: Iterable[str], language: str) -> WordTokenizer:
        """Learn the vocabulary, most frequent words first, and the truecaser.

        Goes through the lines once, but twice more in a language without blanks, whose words are
        learned first. Where most sentences begin with a small letter, the text is not cased, and
        nothing is truecased. Raises UserError if there is no text.
        """
        splitter = WordSplitter(language)
        unspaced = None
        if is_unspaced(language):
            unspaced = UnspacedSplitter.learn(lines, splitter)
        first_words: Counter[tuple[str, str]] = Counter()
        other_words: Counter[tuple[str, str]] = Counter()
        for line in lines:
            tokens = _split(splitter, unspaced, line)
            starts = SentenceStarts()
            for mark, (_, token) in zip(splitter.mark(tokens), tokens, strict=True):
                counts = first_words if starts.begins(token) else other_words
                counts[mark, token] += 1
        if not first_words and not other_words:
            raise UserError("there is no text to learn words from", mend="check the corpus")
        truecaser = None
        small = sum(count for (_, word), count in first_words.items() if word[0].islower())
        if settings.truecase and 2 * small < first_words.total():
            within: Counter[str] = Counter()
            for (_, word), count in other_words.items():
                within[word] += count
            truecaser = Truecaser.learn(within)
        vocabulary: Counter[str] = Counter()
        for (mark, word), count in first_words.items():
            vocabulary[mark + (truecaser.lower(word) if truecaser else word)] += count
        for (mark, word), count in other_words.items():
            vocabulary[mark + word] += count
        ranked = sorted(vocabulary, key=lambda word: (-vocabulary[word], word))
        if settings.vocabulary_size is not None:
            ranked = ranked[: max(0, settings.vocabulary_size - FIRST_WORD_ID)]
        return cls(
            ranked,
            truecaser.small_words if truecaser else None,
            language,
            unspaced.model if unspaced else None,
        )

    @classmethod
    def from_files(
        cls, description: Mapping[str, Any], files: Mapping[str, bytes]
    ) -> WordTokenizer:
        """What ``save`` wrote, read and checked by ``load_files``."""
        small_words = files.get(_SMALL_WORDS_FILE)
        return cls(
            _from_lines(files[_WORDS_FILE]),
            None if small_words is None else _from_lines(small_words),
            description["language"],
            files.get(_UNSPACED_FILE),
        )

    def save(self, folder: Path) -> None:
        """Write ``tokenizer.json``, ``words.txt``, and ``truecase.txt`` and ``unspaced.model``.

        The latter two only with a truecaser, and for a language without blanks.
        """
        save_files(folder, self._description, self._files)

    def __reduce__(self) -> tuple[Any, ...]:
        unspaced = None if self._unspaced is None else self._unspaced.model
        return type(self), (self.words, self._small_words, self.language, unspaced)

    def tokenize(self, line: str) -> list[str]:
        """The words of a line, truecased; marked where the text departs from the conventions."""
        tokens = _split(self._splitter, self._unspaced, line)
        marks = self._splitter.mark(tokens)
        if self._truecaser is None:
            return [mark + token for mark, (_, token) in zip(marks, tokens, strict=True)]
        starts = SentenceStarts()
        lower = self._truecaser.lower
        return [
            mark + (lower(token) if starts.begins(token) else token)
            for mark, (_, token) in zip(marks, tokens, strict=True)
        ]

    def detokenize(self, tokens: Iterable[str]) -> str:
        """The text of words, with capital letters where sentences begin; undoes ``tokenize``.

        Any words will do: those that a system puts together follow the conventions of the language.
        """
        starts = SentenceStarts()
        restored = []
        for token in tokens:
            mark = token[:1] if token[:1] in GAP_OF_MARK else ""
            word = token[len(mark) :]
            if self._truecaser is not None and starts.begins(word):
                word = self._truecaser.restore(word)
            if word := word.removeprefix(AS_IS_MARK):
                restored.append((mark, word))
        return normalize_text(_unescape(self._splitter.join(restored)))

    @property
    def vocabulary_size(self) -> int:
        return FIRST_WORD_ID + len(self.words)

    @property
    def content_hash(self) -> str:
        return str(self._description["content_hash"])

    def normalize(self, text: str) -> str:
        return normalize_text(text)

    def encode(self, lines: Sequence[str]) -> list[list[int]]:
        return [self._ids(self.tokenize(line)) for line in lines]

    def encode_sampled(self, lines: Sequence[str], *, rate: float, seed: int) -> list[list[int]]:
        """``encode``; raises UserError for a rate other than 0: words have only one form."""
        if rate:
            raise UserError("words cannot be sampled", mend="take a subword tokenizer")
        return self.encode(lines)

    def decode(self, rows: Sequence[Sequence[int]]) -> list[str]:
        return [self.detokenize(self._tokens(row)) for row in rows]

    def pieces(self, line: str) -> list[str]:
        return self.tokenize(line)

    def _ids(self, tokens: Iterable[str]) -> list[int]:
        row = []
        for token in tokens:
            known = self._id_of_word.get(token)
            if known is not None:
                row.append(known)
            else:
                row += [_FIRST_BYTE_ID + byte for byte in (token + " ").encode("utf-8")]
        return row

    def _tokens(self, row: Iterable[int]) -> list[str]:
        tokens: list[str] = []
        spelling = bytearray()

        def end_spelling() -> None:
            if spelling:
                tokens.append(normalize_text(spelling.decode("utf-8", "replace")))
                spelling.clear()

        for number in row:
            if number >= FIRST_WORD_ID:
                end_spelling()
                tokens.append(self.words[number - FIRST_WORD_ID])
            elif number == SPELLING_END_ID:
                end_spelling()
            elif number >= _FIRST_BYTE_ID:
                spelling.append(number - _FIRST_BYTE_ID)
        end_spelling()
        return tokens


def _split(
    splitter: WordSplitter, unspaced: UnspacedSplitter | None, line: str
) -> list[tuple[str, str]]:
    """The words of a line, each with the gap before it."""
    tokens = splitter.split(_escape(normalize_text(line)))
    return tokens if unspaced is None else unspaced.split(tokens)


def _escape(text: str) -> str:
    return text.translate(_TO_ESCAPED) if _TO_ESCAPE.search(text) else text


def _unescape(text: str) -> str:
    if _ESCAPE in text:
        return _ESCAPED.sub(lambda match: _RESERVED[int(match[0][1])], text)
    return text


def _lines(words: Iterable[str]) -> bytes:
    return "".join(word + "\n" for word in words).encode("utf-8")


def _from_lines(content: bytes) -> list[str]:
    return content.decode("utf-8").split("\n")[:-1]
