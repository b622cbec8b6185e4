"""Learning the tokenizers of a bitext, once: the result is kept in the cache."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Final

import numpy as np

from nmt.files import build_once
from nmt.tokenization.huggingface import HuggingFaceTokenizer
from nmt.tokenization.pair import TokenizerPair
from nmt.tokenization.protocol import Tokenizer
from nmt.tokenization.sentencepiece_tokenizer import SentencePieceTokenizer
from nmt.tokenization.settings import (
    HuggingFaceTokenizerSettings,
    SentencePieceSettings,
    TokenizerSettings,
    WordSettings,
)
from nmt.tokenization.words import WordTokenizer

_LEARNING_VERSION: Final = 2
"""Raised when the same lines and settings give another tokenizer than before."""


class SampledLines:
    """At most ``size`` lines of a longer sequence, drawn evenly and kept in order.

    Holds positions, not lines: iterating reads the lines from ``lines`` again, one at a time.
    """

    def __init__(self, lines: Sequence[str], size: int, seed: int) -> None:
        """Draw the positions; the same for the same length, size and seed."""
        self._lines = lines
        self._positions: np.ndarray | None = None
        if len(lines) > size:
            drawn = np.random.default_rng(seed).choice(len(lines), size, replace=False)
            self._positions = np.sort(drawn)

    def __iter__(self) -> Iterator[str]:
        if self._positions is None:
            return iter(self._lines)
        return (self._lines[int(position)] for position in self._positions)

    def content_hash(self) -> str:
        """SHA-256 (hex) of the lines."""
        digest = hashlib.sha256()
        for line in self:
            digest.update(line.encode("utf-8"))
            digest.update(b"\n")
        return digest.hexdigest()


def learn_tokenizers(
    settings: TokenizerSettings,
    source: Sequence[str],
    target: Sequence[str],
    *,
    cache: Path | None,
    seed: int = 1,
    source_language: str = "en",
    target_language: str = "en",
) -> TokenizerPair:
    """Learn from the two sides of a bitext, or take from ``cache`` what was learned from the same.

    Learns from at most ``settings.max_lines`` lines a side, drawn by ``seed``. ``source`` and
    ``target`` are only indexed and iterated, so they may be views of files; they are gone through
    twice where there is a cache. The languages matter to words only (abbreviations, apostrophes).
    The result depends on nothing else: not on the machine, nor on its number of cores.

    Raises UserError when the text is empty or the vocabulary too small for it.
    """
    sides = [SampledLines(lines, settings.max_lines, seed) for lines in (source, target)]
    languages = [source_language, target_language]
    if cache is None:
        return _learn(settings, sides, languages)
    learned: list[TokenizerPair] = []

    def build(folder: Path) -> None:
        learned.append(_learn(settings, sides, languages))
        learned[0].save(folder)

    inputs = {
        "version": _LEARNING_VERSION,
        # How often segmentations are sampled in training has no part in what is learned.
        "settings": settings.model_dump(mode="json", exclude={"sampling"}),
        "languages": languages if isinstance(settings, WordSettings) else None,
        "lines": [side.content_hash() for side in sides],
    }
    folder = build_once(cache, "tokenizers", inputs, build)
    return learned[0] if learned else TokenizerPair.load(folder)


def _learn(
    settings: TokenizerSettings, sides: list[SampledLines], languages: list[str]
) -> TokenizerPair:
    if settings.joint:
        tokenizer = _learn_one(settings, chain(*sides), languages[0])
        return TokenizerPair(tokenizer, tokenizer)
    source, target = (
        _learn_one(settings, side, language)
        for side, language in zip(sides, languages, strict=True)
    )
    return TokenizerPair(source, target)


def _learn_one(settings: TokenizerSettings, lines: Iterable[str], language: str) -> Tokenizer:
    match settings:
        case SentencePieceSettings():
            return SentencePieceTokenizer.learn(settings, lines)
        case HuggingFaceTokenizerSettings():
            return HuggingFaceTokenizer.learn(settings, lines)
        case WordSettings():
            return WordTokenizer.learn(settings, lines, language)
