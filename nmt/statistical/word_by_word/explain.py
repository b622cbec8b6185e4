"""How a word-by-word translation came about: each word with its probabilities, text and JSON."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from nmt.statistical.features import LANGUAGE_MODEL
from nmt.statistical.search.decoder import Decoder
from nmt.statistical.search.results import COPIED_ENTRY, Derivation
from nmt.statistical.word_by_word.table import WORD_TRANSLATION


@dataclass(frozen=True, slots=True)
class ExplainedWord:
    """A source word and what it became."""

    source: str
    target: str
    copied: bool
    """Whether the translation model did not know the source word."""
    translation: float
    """ln t(target | source); 0 if it was copied."""
    language_model: float
    """ln p(target | words before); that of the last word holds the end of the sentence too."""


@dataclass(frozen=True, slots=True)
class WordExplanation:
    """A translation, word by word."""

    words: tuple[ExplainedWord, ...]
    language_weight: float
    """What ``language_model`` counts, if ``translation`` counts 1."""

    @property
    def score(self) -> float:
        """The sum over all words."""
        return sum(map(self._score, self.words))

    def _score(self, word: ExplainedWord) -> float:
        return word.translation + self.language_weight * word.language_model

    def to_json(self) -> dict[str, Any]:
        """As JSON values, of the form that phrase-based explanations have; phrases are words."""
        weights = {"translation": 1.0, "language_model": self.language_weight}
        return {
            "source": [word.source for word in self.words],
            "target": [word.target for word in self.words],
            "score": self.score,
            "features": [
                {
                    "name": name,
                    "weight": weight,
                    "value": sum(getattr(word, name) for word in self.words),
                }
                for name, weight in weights.items()
            ],
            "phrases": [
                {
                    "source": [word.source],
                    "source_span": [n, n + 1],
                    "target": [word.target],
                    "target_span": [n, n + 1],
                    "copied": word.copied,
                    "links": [[n, n]],
                    "score": self._score(word),
                    "features": {name: getattr(word, name) for name in weights},
                }
                for n, word in enumerate(self.words)
            ],
        }

    def __str__(self) -> str:
        """A table: the words, t(target | source), and the two logarithms that make the score."""
        rows = [("source", "target")]
        rows += [(one.source, one.target + " (copied)" * one.copied) for one in self.words]
        numbers = [f"{'probability':>11}  {'translation':>11}  {'language':>8}  {'score':>8}"]
        for word in self.words:
            probability = "-" if word.copied else f"{math.exp(word.translation):.4f}"
            language = self.language_weight * word.language_model
            numbers.append(
                f"{probability:>11}  {word.translation:>11.3f}  {language:>8.3f}"
                f"  {self._score(word):>8.3f}"
            )
        source_width, target_width = (max(map(len, column)) for column in zip(*rows, strict=True))
        lines = [
            f"{source:<{source_width}}  {target:<{target_width}}  {columns}"
            for (source, target), columns in zip(rows, numbers, strict=True)
        ]
        source, target = (" ".join(words) for words in zip(*rows[1:], strict=True))
        return "\n".join([source, target, f"score {self.score:.4f}", "", *lines])


def explain_words(
    decoder: Decoder,
    derivation: Derivation,
    source: Sequence[str],
    word_of: Callable[[int], str],
) -> WordExplanation:
    """Tell how a derivation came about.

    Args:
        decoder: the decoder that found it.
        derivation: the translation, a phrase a word.
        source: the words of the source sentence.
        word_of: the target word of an id (``Vocabulary.word``).
    """
    features = decoder.phrase_features(derivation)
    words = (
        ExplainedWord(
            source=word,
            target=word_of(number) if number >= 0 else word,
            copied=phrase.entry == COPIED_ENTRY,
            translation=float(row[WORD_TRANSLATION]),
            language_model=float(row[LANGUAGE_MODEL]),
        )
        for word, phrase, number, row in zip(
            source, derivation.phrases, derivation.words, features, strict=True
        )
    )
    return WordExplanation(tuple(words), float(decoder.weights[LANGUAGE_MODEL]))
