"""Words of languages that write no blanks between them, such as Japanese and Thai.

What lies between punctuation marks is cut by a unigram language model (Kudo 2018) learned from the
text itself: no dictionary, and the same for every such language.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from sentencepiece import SentencePieceProcessor, SentencePieceTrainer

from nmt.tokenization.moses import WordSplitter, is_unspaced_character
from nmt.tokenization.text import normalize_text

_NUM_WORDS: Final = 2000
"""Words besides single characters. English to Japanese from 50,000 pairs, phrase-based, in BLEU by
characters: 36.1 with 2,000 words, 35.2 with 6,000, and 33.5 with none."""
_MAX_CHARACTERS: Final = 8
"""Longest word; longer ones are phrases, which a statistical system finds by itself."""
_COVERAGE: Final = 0.9995
"""Share of the characters that can be part of a word; the others stand alone."""
_LEARNING_THREADS: Final = 8
"""Fixed, for the result depends on it."""

Tokens = Sequence[tuple[str, str]]
"""Tokens of a `WordSplitter`, each with the gap before it."""


class UnspacedSplitter:
    """Puts characters together to words."""

    def __init__(self, model: bytes) -> None:
        """Wrap a serialised SentencePiece model that ``learn`` made."""
        self.model = model
        self._processor = SentencePieceProcessor(model_proto=model)

    @classmethod
    def learn(cls, lines: Iterable[str], splitter: WordSplitter) -> UnspacedSplitter | None:
        """Learn words from lines, which are gone through twice; None if there are none.

        ``splitter`` cuts the lines at punctuation marks, and into characters.
        """
        characters = {character for line in lines for character in line}
        num_characters = sum(map(is_unspaced_character, characters))
        if num_characters == 0:
            return None
        runs = (
            text
            for line in lines
            for _, text, inside in _joined(splitter.split(normalize_text(line)))
            if inside
        )
        model = io.BytesIO()
        SentencePieceTrainer.Train(
            sentence_iterator=runs,
            model_writer=model,
            model_type="unigram",
            vocab_size=_NUM_WORDS + num_characters,
            hard_vocab_limit=False,
            character_coverage=_COVERAGE,
            max_sentencepiece_length=_MAX_CHARACTERS,
            normalization_rule_name="identity",
            add_dummy_prefix=False,
            bos_id=-1,
            eos_id=-1,
            num_threads=_LEARNING_THREADS,
            minloglevel=3,
        )
        return cls(model.getvalue())

    def split(self, tokens: Tokens) -> list[tuple[str, str]]:
        """The tokens, with words for characters; gaps and text stay as they are."""
        result: list[tuple[str, str]] = []
        for gap, text, inside in _joined(tokens):
            if inside:
                first, *rest = self._processor.EncodeAsPieces(text)
                result.append((gap, first))
                result.extend(("", word) for word in rest)
            else:
                result.append((gap, text))
        return result


def _joined(tokens: Tokens) -> Iterator[tuple[str, str, bool]]:
    """The tokens with their gaps, characters without a gap as one; and whether they are such."""
    run, gap_of_run = "", ""
    for gap, token in tokens:
        inside = is_unspaced_character(token)
        if run and (gap or not inside):
            yield gap_of_run, run, True
            run = ""
        if not inside:
            yield gap, token, False
            continue
        if not run:
            gap_of_run = gap
        run += token
    if run:
        yield gap_of_run, run, True
