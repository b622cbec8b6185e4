"""Hypotheses to try extra models on: the n-best lists of all rounds of tuning, each kept once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nmt.corpus import TextPairs
from nmt.statistical.features import FIRST_WEIGHTS, UNKNOWN_WORDS
from nmt.statistical.phrases.arrays import PhraseArrays
from nmt.statistical.search.decoder import Decoder
from nmt.statistical.sentences import Sentences
from nmt.statistical.text import Words
from nmt.statistical.tuning.bleu import bleu_statistics
from nmt.statistical.tuning.nbest import NBest, encode_all_words
from nmt.statistical.tuning.pool import TuningProblem, hash_hypotheses
from scripts.extra_models_measurement import Links

Floats = NDArray[np.float64]

NBEST = 300


@dataclass(frozen=True)
class Pool:
    """Different hypotheses of S sentences, H in all, with what extra models look at."""

    source: Sentences
    features: Floats
    """[F, H] The system's own."""
    hypotheses: Sentences
    """A copied word has the id that the reference has for it, beyond the vocabulary."""
    links: Links
    statistics: NDArray[np.int32]
    """[H, 9]"""
    sentence_offsets: NDArray[np.int64]

    @property
    def sentence(self) -> NDArray[np.int64]:
        """[H] The sentence of each hypothesis."""
        return np.repeat(np.arange(len(self.source)), np.diff(self.sentence_offsets))

    def problem(self, extra: Sequence[Floats], chosen: NDArray[np.int64]) -> TuningProblem:
        """The choice of weights on some of the sentences."""
        sizes = np.diff(self.sentence_offsets)[chosen]
        rows = _ranges(self.sentence_offsets[chosen], sizes)
        tuned = np.delete(self.features, UNKNOWN_WORDS, axis=0)
        return TuningProblem(
            np.ascontiguousarray(np.vstack([tuned, *extra])[:, rows]),
            FIRST_WEIGHTS[UNKNOWN_WORDS] * self.features[UNKNOWN_WORDS, rows],
            self.statistics[rows],
            np.concatenate([[0], np.cumsum(sizes)]),
        )


def _ranges(begins: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """The numbers from each begin on, end to end."""
    ends = np.cumsum(sizes)
    return np.repeat(begins - (ends - sizes), sizes) + np.arange(ends[-1])


class Lists:
    """Decodes the sentences of a set and keeps all lists."""

    def __init__(
        self, decoder: Decoder, phrases: PhraseArrays, source: Words, target: Words,
        pairs: TextPairs,
    ) -> None:  # fmt: skip
        words, self.source = source.encode(list(pairs.source))
        target_words, _ = target.encode(list(pairs.target))
        encoded = encode_all_words(target.vocabulary, target_words, words)
        self.references, self._copies = encoded
        self._decoder, self._phrases = decoder, phrases
        self._parts: list[tuple[NBest, Links]] = []

    def decode(self, weights: Floats) -> NBest:
        """The n-best lists with these weights, which are kept."""
        found = self._decoder.with_weights(weights).nbest(self.source, NBEST)
        nbest = NBest(
            found.features, found.words, found.word_offsets, found.sentence_offsets
        ).with_copies(self._copies)
        self._parts.append((nbest, Links.of_nbest(found, self._phrases)))
        return nbest

    def pool(self) -> Pool:
        """The hypotheses of all lists, each once: those that differ in words or features."""
        parts = [nbest for nbest, _ in self._parts]
        links = [links for _, links in self._parts]
        features = np.concatenate([nbest.features for nbest in parts])
        words, word_offsets = _joined([(nbest.words, nbest.word_offsets) for nbest in parts])
        link_source, _ = _joined([(part.source, part.offsets) for part in links])
        link_target, link_offsets = _joined([(part.target, part.offsets) for part in links])
        sentence = np.concatenate(
            [np.repeat(np.arange(len(n)), np.diff(n.sentence_offsets)) for n in parts]
        )
        keys = hash_hypotheses(words, word_offsets, features)
        mixed = keys + sentence.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        _, first = np.unique(mixed, return_index=True)
        kept = first[np.lexsort((first, sentence[first]))]
        sizes = np.bincount(sentence[kept], minlength=len(self.source))
        word_rows = _ranges(word_offsets[kept], np.diff(word_offsets)[kept])
        link_rows = _ranges(link_offsets[kept], np.diff(link_offsets)[kept])
        hypotheses = Sentences.of_lengths(words[word_rows], np.diff(word_offsets)[kept])
        sentence_offsets = np.concatenate([[0], np.cumsum(sizes)])
        nbest = NBest(features[kept], hypotheses.words, hypotheses.offsets, sentence_offsets)
        return Pool(
            self.source,
            np.ascontiguousarray(nbest.features.T),
            hypotheses,
            Links(
                link_source[link_rows], link_target[link_rows],
                np.concatenate([[0], np.cumsum(np.diff(link_offsets)[kept])]),
            ),
            bleu_statistics(nbest, [self.references]),
            sentence_offsets,
        )  # fmt: skip


def _joined(
    parts: Sequence[tuple[NDArray[np.int32], NDArray[np.int64]]],
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Ragged arrays end to end."""
    sizes = np.concatenate([np.diff(offsets) for _, offsets in parts])
    return np.concatenate([flat for flat, _ in parts]), np.concatenate([[0], np.cumsum(sizes)])
