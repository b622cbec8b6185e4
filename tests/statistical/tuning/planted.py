"""Small tuning problems whose answer is known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nmt.statistical.sentences import Sentences
from nmt.statistical.tuning.nbest import NBest
from nmt.statistical.tuning.pool import HypothesisPool, TuningProblem


def make_sentences(lines: list[list[int]]) -> Sentences:
    """Sentences of these ids."""
    flat = np.array([word for line in lines for word in line], np.int32)
    return Sentences.of_lengths(flat, np.array([len(line) for line in lines], np.int64))


def make_nbest(lists: list[list[tuple[list[int], list[float]]]]) -> NBest:
    """An n-best list for each sentence, of pairs of words and features."""
    words = make_sentences([words for hypotheses in lists for words, _ in hypotheses])
    features = [values for hypotheses in lists for _, values in hypotheses]
    lengths = np.array([len(hypotheses) for hypotheses in lists], np.int64)
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    return NBest(np.array(features, np.float64), words.words, words.offsets, offsets)


class Planted:
    """A decoder that ranks candidates; hidden weights put those with the fewest wrong words first.

    A candidate is its sentence's reference with some words exchanged. Its score under the hidden
    weights is minus their number; the rest of its features is noise. The decoder lists all
    candidates, best first, and returns the first ``nbest``.
    """

    def __init__(self, hidden: list[float], *, sentences: int, candidates: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.hidden = np.array(hidden)
        self.references = make_sentences(
            [rng.integers(3, 50, rng.integers(6, 12)).tolist() for _ in range(sentences)]
        )
        self.lists: list[list[tuple[list[int], list[float]]]] = []
        for reference in self.references:
            hypotheses = []
            for _ in range(candidates):
                words = reference.copy()
                wrong = rng.permutation(len(words))[: rng.integers(0, len(words))]
                words[wrong] += 1000
                noise = rng.normal(size=len(hidden))
                excess = -len(wrong) - noise @ self.hidden
                features = noise + excess * self.hidden / (self.hidden @ self.hidden)
                hypotheses.append((words.tolist(), features.tolist()))
            self.lists.append(hypotheses)

    def decode(self, weights: NDArray[np.float64], nbest: int = 1000) -> NBest:
        """The best candidates under the weights."""
        return make_nbest(
            [
                sorted(hypotheses, key=lambda pair: -float(np.dot(weights, pair[1])))[:nbest]
                for hypotheses in self.lists
            ]
        )

    def problem(self) -> TuningProblem:
        """All candidates, all weights to be tuned."""
        tuned = np.ones(len(self.hidden), bool)
        pool = HypothesisPool.of(self.decode(self.hidden), [self.references])
        return pool.problem(tuned, self.hidden)

    @property
    def best_bleu(self) -> float:
        """BLEU with the hidden weights."""
        return self.problem().bleu(self.hidden)
