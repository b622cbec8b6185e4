"""How a translation came about: its phrases, jumps and features, as text and as JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from nmt.statistical.features import (
    CLASS_LANGUAGE_MODEL,
    LANGUAGE_MODEL,
    NAMES,
    NUM_REORDERING,
    NUM_TRANSLATION,
    REORDERING,
    TRANSLATION,
)
from nmt.statistical.search.decoder import Decoder
from nmt.statistical.search.results import COPIED_ENTRY, Derivation

_GROUPS: Final = {
    "translation": range(TRANSLATION, TRANSLATION + NUM_TRANSLATION),
    "language": (LANGUAGE_MODEL, CLASS_LANGUAGE_MODEL),
    "reordering": range(REORDERING, REORDERING + NUM_REORDERING),
}
"""Features that are added up in text; all others are "other"."""


@dataclass(frozen=True, slots=True)
class ExplainedPhrase:
    """A phrase of a translation, with its share of the features."""

    source_begin: int
    source_end: int
    target_begin: int
    target_end: int
    source: tuple[str, ...]
    target: tuple[str, ...]
    copied: bool
    """Whether the phrase table did not know the source word."""
    links: tuple[tuple[int, int], ...]
    """Word alignment: (source position, target position) in the sentences."""
    jump: int
    """Source words from the end of the phrase before to the beginning of this one; 0 if it is next,
    negative backwards."""
    orientation: str
    """``monotone``, ``swap`` or ``discontinuous``, relative to the phrase before."""
    features: NDArray[np.float64]
    """[F]"""


@dataclass(frozen=True, slots=True)
class Explanation:
    """A translation, phrase by phrase."""

    source: tuple[str, ...]
    target: tuple[str, ...]
    phrases: tuple[ExplainedPhrase, ...]
    """In the order of the target."""
    weights: NDArray[np.float64]
    """[F]"""

    @property
    def features(self) -> NDArray[np.float64]:
        """[F] The features of the whole."""
        features = np.zeros(len(self.weights))
        for phrase in self.phrases:
            features += phrase.features
        return features

    @property
    def score(self) -> float:
        """Weights times features."""
        return float(self.weights @ self.features)

    def to_json(self) -> dict[str, Any]:
        """As JSON values; the score is the sum of weight times value over the features."""
        return {
            "source": list(self.source),
            "target": list(self.target),
            "score": self.score,
            "features": [
                {"name": name, "weight": weight, "value": value}
                for name, weight, value in zip(
                    NAMES, self.weights.tolist(), self.features.tolist(), strict=True
                )
            ],
            "phrases": [
                {
                    "source": list(phrase.source),
                    "source_span": [phrase.source_begin, phrase.source_end],
                    "target": list(phrase.target),
                    "target_span": [phrase.target_begin, phrase.target_end],
                    "copied": phrase.copied,
                    "links": [list(link) for link in phrase.links],
                    "jump": phrase.jump,
                    "orientation": phrase.orientation,
                    "score": float(self.weights @ phrase.features),
                    "features": dict(zip(NAMES, phrase.features.tolist(), strict=True)),
                }
                for phrase in self.phrases
            ],
        }

    def __str__(self) -> str:
        """Two tables: the phrases with their weighted scores, and the features."""
        lines = [" ".join(self.source), " ".join(self.target), f"score {self.score:.4f}", ""]
        rows = [("span", "source", "target", "jump", "orientation", "score", *_GROUPS, "other")]
        for phrase in self.phrases:
            weighted = self.weights * phrase.features
            parts = [sum(weighted[n] for n in group) for group in _GROUPS.values()]
            numbers = [weighted.sum(), *parts, weighted.sum() - sum(parts)]
            rows.append(
                (
                    f"{phrase.source_begin}-{phrase.source_end - 1}",
                    " ".join(phrase.source),
                    " ".join(phrase.target) + (" (copied)" if phrase.copied else ""),
                    f"{phrase.jump:+d}" if phrase.jump else "0",
                    phrase.orientation,
                    *(f"{number:.3f}" for number in numbers),
                )
            )
        lines += [*_columns(rows, left=(1, 2, 4)), ""]
        rows = [("feature", "weight", "value", "weight x value")]
        for name, weight, value in zip(NAMES, self.weights, self.features, strict=True):
            rows.append((name, f"{weight:.4f}", f"{value:.4f}", f"{weight * value:.4f}"))
        return "\n".join([*lines, *_columns(rows, left=(0,))])


def explain(
    decoder: Decoder,
    derivation: Derivation,
    source: Sequence[str],
    word_of: Callable[[int], str],
) -> Explanation:
    """Tell how a derivation came about.

    Args:
        decoder: the decoder that found it.
        derivation: the translation.
        source: the words of the source sentence.
        word_of: the target word of an id (``Vocabulary.word``).
    """
    explained = []
    target: list[str] = []
    last_begin, last_end = -1, 0
    for phrase, features in zip(
        derivation.phrases, decoder.phrase_features(derivation), strict=True
    ):
        begin = len(target)
        words = tuple(word_of(word) if word >= 0 else source[~word] for word in phrase.words)
        target += words
        orientation = "discontinuous"
        if phrase.begin == last_end:
            orientation = "monotone"
        elif phrase.end == last_begin:
            orientation = "swap"
        explained.append(
            ExplainedPhrase(
                source_begin=phrase.begin,
                source_end=phrase.end,
                target_begin=begin,
                target_end=len(target),
                source=tuple(source[phrase.begin : phrase.end]),
                target=words,
                copied=phrase.entry == COPIED_ENTRY,
                links=tuple((phrase.begin + s, begin + t) for s, t in phrase.links),
                jump=phrase.begin - last_end,
                orientation=orientation,
                features=features,
            )
        )
        last_begin, last_end = phrase.begin, phrase.end
    return Explanation(tuple(source), tuple(target), tuple(explained), decoder.weights)


def _columns(rows: Sequence[Sequence[str]], left: Sequence[int]) -> list[str]:
    """Lines of a table: the columns named are aligned to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if number in left else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
