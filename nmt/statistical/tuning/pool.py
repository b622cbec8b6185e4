"""The hypotheses of all rounds, each once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from nmt.statistical.sentences import Sentences
from nmt.statistical.tuning.bleu import bleu_statistics, corpus_bleu
from nmt.statistical.tuning.nbest import NBest

_GRID: Final = 1000.0
"""Feature values that round to the same multiple of 1/1000 are the same: a derivation that search
finds on two ways has sums that differ in the last bits."""


def unit(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """The weights on the scale where their absolute values sum to 1; the ranking is the same."""
    scaled: NDArray[np.float64] = weights / np.abs(weights).sum()
    return scaled


class TuningProblem(NamedTuple):
    """What an optimiser sees: hypotheses as points in the space of the T weights to be tuned."""

    features: NDArray[np.float64]
    """[T, H] Feature values; a feature's side by side."""
    base: NDArray[np.float64]
    """[H] What the features whose weights stay add to each score."""
    statistics: NDArray[np.int32]
    """[H, 9] See `bleu_statistics`."""
    sentence_offsets: NDArray[np.int64]
    """[S+1] Where the hypotheses of each sentence begin."""

    def bleu(self, weights: NDArray[np.float64]) -> float:
        """Corpus BLEU of the hypotheses that the weights [T] rank best."""
        best = best_hypotheses(self.base + weights @ self.features, self.sentence_offsets)
        return float(corpus_bleu(self.statistics[best].sum(axis=0, dtype=np.int64)))


@dataclass(frozen=True)
class HypothesisPool:
    """Different hypotheses of S sentences, H in all; the same words with other features differ."""

    keys: NDArray[np.uint64]
    """[H] A hash of words and features: 64 bits, so that two of a sentence's hypotheses are taken
    for one with a probability of 1e-13 even in lists of a thousand."""
    features: NDArray[np.float64]
    """[F, H]"""
    statistics: NDArray[np.int32]
    """[H, 9] See `bleu_statistics`."""
    sentence_offsets: NDArray[np.int64]
    """[S+1]"""

    @classmethod
    def of(cls, nbest: NBest, references: Sequence[Sentences]) -> HypothesisPool:
        """The hypotheses of an n-best list."""
        features = np.require(nbest.features, np.float64, ["C", "W"])
        assert np.isfinite(features).all()
        words = np.require(nbest.words, np.int32, ["C", "W"])
        keys = hash_hypotheses(
            words, np.require(nbest.word_offsets, np.int64, ["C", "W"]), features
        )
        statistics = bleu_statistics(nbest, references)
        offsets = np.array(nbest.sentence_offsets, np.int64)
        return cls(keys, np.ascontiguousarray(features.T), statistics, offsets)._unique(offsets)

    def __len__(self) -> int:
        """Number of hypotheses."""
        return len(self.keys)

    def merged(self, other: HypothesisPool) -> HypothesisPool:
        """These hypotheses and then the other's that are new, sentence by sentence."""
        sentence = np.concatenate([_sentences_of(self), _sentences_of(other)])
        order = np.argsort(sentence, kind="stable")
        return HypothesisPool(
            np.concatenate([self.keys, other.keys])[order],
            np.concatenate([self.features, other.features], axis=1)[:, order],
            np.concatenate([self.statistics, other.statistics])[order],
            self.sentence_offsets,
        )._unique(self.sentence_offsets + other.sentence_offsets)

    def _unique(self, sentence_offsets: NDArray[np.int64]) -> HypothesisPool:
        """The first of those with equal keys in each sentence."""
        num_sentences = len(sentence_offsets) - 1
        sentence = np.repeat(np.arange(num_sentences), np.diff(sentence_offsets))
        order = np.lexsort((self.keys, sentence))
        first = np.ones(len(order), bool)
        first[1:] = (np.diff(self.keys[order]) != 0) | (np.diff(sentence[order]) != 0)
        kept = np.sort(order[first])
        offsets = np.zeros(num_sentences + 1, np.int64)
        np.cumsum(np.bincount(sentence[kept], minlength=num_sentences), out=offsets[1:])
        return HypothesisPool(
            self.keys[kept],
            np.ascontiguousarray(self.features[:, kept]),
            self.statistics[kept],
            offsets,
        )

    def problem(self, tuned: NDArray[np.bool_], weights: NDArray[np.float64]) -> TuningProblem:
        """The choice of the ``tuned`` [F] among the weights [F]; the others stay as given."""
        return TuningProblem(
            np.ascontiguousarray(self.features[tuned]),
            weights[~tuned] @ self.features[~tuned],
            self.statistics,
            self.sentence_offsets,
        )

    def save(self, folder: Path) -> None:
        """Write the arrays, one ``.npy`` file each."""
        for name in self.__dataclass_fields__:
            np.save(folder / f"{name}.npy", getattr(self, name), allow_pickle=False)

    @classmethod
    def open(cls, folder: Path) -> HypothesisPool:
        """Read what ``save`` wrote."""
        paths = (folder / f"{name}.npy" for name in cls.__dataclass_fields__)
        return cls(*(np.load(path, allow_pickle=False) for path in paths))


def _sentences_of(pool: HypothesisPool) -> NDArray[np.int64]:
    return np.repeat(np.arange(len(pool.sentence_offsets) - 1), np.diff(pool.sentence_offsets))


@njit(inline="always")
def _mixed(key: Any, value: Any) -> Any:
    """A hash of a hash and another number (a step of SplitMix64; Steele, Lea and Flood 2014)."""
    key = (key ^ value) + np.uint64(0x9E3779B97F4A7C15)
    key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return key ^ (key >> np.uint64(31))


@njit(cache=True, nogil=True)
def hash_hypotheses(words: Any, word_offsets: Any, features: Any) -> Any:
    """A key [H] of the words and, rounded, the features [H, F] of each hypothesis."""
    keys = np.empty(len(features), np.uint64)
    for h in range(len(features)):
        key = _mixed(np.uint64(word_offsets[h + 1] - word_offsets[h]), np.uint64(0))
        for position in range(word_offsets[h], word_offsets[h + 1]):
            key = _mixed(key, np.uint64(np.uint32(words[position])))
        for j in range(features.shape[1]):
            key = _mixed(key, np.uint64(np.int64(np.floor(features[h, j] * _GRID + 0.5))))
        keys[h] = key
    return keys


@njit(cache=True, nogil=True)
def best_hypotheses(scores: Any, sentence_offsets: Any) -> Any:
    """The hypothesis [S] with the best score in each sentence; of equals the first."""
    best = np.empty(len(sentence_offsets) - 1, np.int64)
    for s in range(len(best)):
        best[s] = sentence_offsets[s]
        for h in range(sentence_offsets[s], sentence_offsets[s + 1]):
            if scores[h] > scores[best[s]]:
                best[s] = h
    return best
