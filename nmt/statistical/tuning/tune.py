"""Tuning of the weights: translate the validation set, look for better weights, and again."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nmt.statistical.features import UNKNOWN_WORDS
from nmt.statistical.sentences import Sentences
from nmt.statistical.tuning.bleu import corpus_bleu
from nmt.statistical.tuning.mert import mert
from nmt.statistical.tuning.mira import mira
from nmt.statistical.tuning.nbest import NBest
from nmt.statistical.tuning.pool import HypothesisPool, TuningProblem, unit
from nmt.statistical.tuning.rounds import Round, TuningState
from nmt.statistical.tuning.settings import TuningSettings

Decode = Callable[[NDArray[np.float64]], NBest]
"""Translates the validation set with weights [F]."""


@dataclass(frozen=True)
class TuningResult:
    """The weights whose translation of the validation set had the best BLEU."""

    weights: NDArray[np.float64]
    """[F]"""
    rounds: tuple[Round, ...]
    """All rounds; none if nothing was to be tuned."""

    @property
    def best(self) -> Round | None:
        """The round that the weights are from."""
        return _best(self.rounds) if self.rounds else None


def tune(
    decode: Decode,
    references: Sequence[Sentences],
    first_weights: NDArray[np.float64],
    settings: TuningSettings,
    *,
    report: Callable[[str], None],
    state: Path | None = None,
    frozen: Sequence[int] = (UNKNOWN_WORDS,),
) -> TuningResult:
    """Tune the weights [F] for BLEU on the validation set.

    A round translates the validation set, adds the n-best lists to those of all rounds before, and
    looks for weights that rank better hypotheses first. Tuning ends when no new hypothesis turns
    up, the weights hardly change, BLEU has not risen for ``settings.patience`` rounds, or after
    ``settings.max_rounds``.

    Args:
        decode: called once a round; one n-best list for each reference sentence.
        references: one set of references, or several. See `encode_all_words` for their ids.
        first_weights: where to begin. All weights of a run have absolute values with the same sum
            (those in ``frozen`` left out), as a ranking does not depend on their scale, but
            thresholds of search may.
        settings: algorithm and limits.
        report: called after each round with a line for the log: the `Round` in words.
        state: folder that keeps the rounds, so that the same call after a kill loses one at most
            and ends with the same weights; of no use once this returns.
        frozen: features whose weights stay as they are.

    Raises UserError if ``state`` is that of another tuning or cannot be written.
    """
    first_weights = np.array(first_weights, np.float64)
    if settings.algorithm == "none":
        return TuningResult(first_weights, ())
    tuned = np.ones(len(first_weights), bool)
    tuned[list(frozen)] = False
    scale = np.abs(first_weights[tuned]).sum()
    assert scale > 0, "first weights that are all zero have no direction"

    kept = None
    rounds: list[Round] = []
    pool: HypothesisPool | None = None
    if state is not None:
        kept = TuningState(state, settings, references, first_weights, frozen)
        for done, hypotheses in kept.load():
            rounds.append(done)
            pool = pool.merged(hypotheses) if pool else hypotheses

    while not rounds or rounds[-1].next_weights is not None:
        weights = np.array(rounds[-1].next_weights) if rounds else first_weights
        started = time.perf_counter()
        nbest = decode(weights.copy())
        decoded = time.perf_counter()
        hypotheses = HypothesisPool.of(nbest, references)
        num_before = len(pool) if pool else 0
        pool = pool.merged(hypotheses) if pool else hypotheses
        bleu = _decoded_bleu(hypotheses)
        stopped = _reason_to_stop(rounds, bleu, len(pool) - num_before, settings)
        next_weights, next_bleu = None, None
        if stopped is None:
            problem = pool.problem(tuned, weights)
            last = unit(weights[tuned])
            found = _optimise(problem, last, settings, len(rounds))
            if np.abs(found - last).max() < settings.tolerance:
                stopped = "the weights hardly change"
            else:
                next_bleu = problem.bleu(found)
                next_weights = weights.copy()
                next_weights[tuned] = scale * found
        done = Round(
            number=len(rounds) + 1,
            weights=tuple(weights.tolist()),
            bleu=bleu,
            num_hypotheses=len(pool),
            num_new=len(pool) - num_before,
            decode_seconds=decoded - started,
            tune_seconds=time.perf_counter() - decoded,
            next_weights=None if next_weights is None else tuple(next_weights.tolist()),
            next_bleu=next_bleu,
            stopped=stopped,
        )
        if kept is not None:
            kept.save(done, hypotheses)
        rounds.append(done)
        report(str(done))
    return TuningResult(np.array(_best(rounds).weights), tuple(rounds))


def _decoded_bleu(hypotheses: HypothesisPool) -> float:
    """BLEU of a round's translation: of the first hypothesis of each sentence."""
    first = hypotheses.statistics[hypotheses.sentence_offsets[:-1]]
    return float(corpus_bleu(first.sum(axis=0, dtype=np.int64)))


def _optimise(
    problem: TuningProblem, last: NDArray[np.float64], settings: TuningSettings, index: int
) -> NDArray[np.float64]:
    """The weights for the next round; ``last`` and result have absolute values that sum to 1."""
    rng = np.random.default_rng([settings.seed, index])
    optimiser = mira if settings.algorithm == "mira" else mert
    found = unit(optimiser(problem, last, settings, rng))
    return unit(settings.keep * last + (1 - settings.keep) * found)


def _best(rounds: Sequence[Round]) -> Round:
    """The round with the best BLEU; of equals the first."""
    return max(rounds, key=lambda done: done.bleu)


def _reason_to_stop(
    rounds: Sequence[Round], bleu: float, num_new: int, settings: TuningSettings
) -> str | None:
    """Why not to look for other weights after the round that follows ``rounds``, in words."""
    number = len(rounds) + 1
    if num_new == 0:
        return "no new hypothesis"
    if number >= settings.max_rounds:
        return "the last round allowed"
    bleus = [*(done.bleu for done in rounds), bleu]
    since_best = len(bleus) - 1 - bleus.index(max(bleus))
    if since_best >= settings.patience:
        return f"no better BLEU for {since_best} rounds"
    return None
