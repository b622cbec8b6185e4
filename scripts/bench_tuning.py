"""CPU time of a round of tuning, and BLEU beside sacreBLEU's, on made-up n-best lists of real size.

    python -m scripts.bench_tuning [--sentences 1014] [--nbest 100] [--rounds 5]
    python -m scripts.bench_tuning --lists FOLDER
    python -m scripts.bench_tuning --show scripts/results/bench_tuning.json

Every sentence has a pool of candidates: its reference with words changed, left out and put in. A
candidate's features are noise, and only their sum under hidden weights tells how good it is. The
"decoder" returns the best of the pool under the weights it is given, so that, as with a real one,
each round brings hypotheses that the rounds before did not. All on one core, in one process; the
compilation of the loops is left out and told apart. ``--lists`` takes real n-best lists instead:
the state that a training keeps in ``training/tuning-*``; both optimisers are run on the lists of
its first round, of its first two, and so on, which writes no result.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sacrebleu.metrics.bleu import BLEU

from nmt.statistical.features import FIRST_WEIGHTS, NAMES, UNKNOWN_WORDS
from nmt.statistical.sentences import Sentences
from nmt.statistical.tuning.bleu import bleu_statistics, corpus_bleu
from nmt.statistical.tuning.mert import mert
from nmt.statistical.tuning.mira import mira
from nmt.statistical.tuning.nbest import NBest
from nmt.statistical.tuning.pool import HypothesisPool, unit
from nmt.statistical.tuning.settings import TuningSettings
from nmt.statistical.tuning.tune import tune
from scripts.benchmark import LoadMeter, describe, format_table, machine
from scripts.benchmark_command import command_line, run_benchmark

_POOL = 3
"""Candidates of a sentence, as a multiple of the n-best list."""
_VOCABULARY = 10_000
_MEAN_WORDS = 12


class Instance:
    """A tuning problem with hidden weights; F features, S sentences, P candidates of each."""

    def __init__(self, num_sentences: int, pool_size: int, seed: int) -> None:
        """Draw references and candidates."""
        rng = np.random.default_rng(seed)
        self.hidden = rng.normal(size=len(NAMES)) * 0.2 + FIRST_WEIGHTS / 2
        lengths = np.maximum(rng.poisson(_MEAN_WORDS, num_sentences), 2)
        self.references = Sentences.of_lengths(
            rng.zipf(1.3, lengths.sum()).clip(max=_VOCABULARY).astype(np.int32) + 2, lengths
        )
        self.candidates = [
            [_changed(reference, rng) for _ in range(pool_size)] for reference in self.references
        ]
        self.features = rng.normal(size=(num_sentences, pool_size, len(NAMES)))
        self.features[:, :, UNKNOWN_WORDS] = 0
        hidden = self.hidden * (np.arange(len(NAMES)) != UNKNOWN_WORDS)
        for s, (reference, candidates) in enumerate(
            zip(self.references, self.candidates, strict=True)
        ):
            quality = np.array([_overlap(words, reference) for words in candidates])
            # Move each point along the hidden weights to where its score is its quality and noise.
            noisy = quality + rng.normal(scale=0.3, size=pool_size)
            excess = 3 * noisy - self.features[s] @ hidden
            self.features[s] += excess[:, None] * hidden / (hidden @ hidden)

    def decode(self, weights: NDArray[np.float64], nbest: int) -> NBest:
        """The best candidates of each sentence under the weights."""
        order = np.argsort(-(self.features @ weights), axis=1, kind="stable")[:, :nbest]
        chosen = [self.candidates[s][c] for s in range(len(order)) for c in order[s]]
        flat = Sentences.of_lengths(
            np.concatenate(chosen), np.array([len(words) for words in chosen], np.int64)
        )
        features = np.take_along_axis(self.features, order[:, :, None], axis=1)
        return NBest(
            features=features.reshape(-1, len(NAMES)),
            words=flat.words,
            word_offsets=flat.offsets,
            sentence_offsets=np.arange(len(order) + 1, dtype=np.int64) * order.shape[1],
        )


def _changed(reference: NDArray[np.int32], rng: np.random.Generator) -> NDArray[np.int32]:
    """A candidate: some words of the reference are replaced, left out or doubled."""
    kind = rng.random(len(reference))
    rate = rng.uniform(0.3, 1.0)
    other = rng.integers(3, _VOCABULARY, len(reference), dtype=np.int32)
    words = np.where(kind < rate / 2, other, reference)
    times = np.where(kind > 1 - rate / 4, 0, np.where(kind > 1 - rate / 2, 2, 1))
    return np.repeat(words, times).astype(np.int32)


def _overlap(words: NDArray[np.int32], reference: NDArray[np.int32]) -> float:
    """Share of word pairs in common, as a measure of quality that is not BLEU itself."""
    pairs = {(int(a), int(b)) for a, b in itertools.pairwise(words)}
    wanted = {(int(a), int(b)) for a, b in itertools.pairwise(reference)}
    return len(pairs & wanted) / max(len(pairs), len(wanted), 1)


def main(arguments: list[str] | None = None) -> int:
    """Measure, print a table, write the result; returns the exit status."""
    parser = command_line(__doc__, "bench_tuning.json")
    parser.add_argument("--sentences", type=int, default=1014)
    parser.add_argument("--nbest", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lists", type=Path, metavar="FOLDER", help="the state of a tuning")
    options = parser.parse_args(arguments)
    if options.lists is not None:
        print(on_real_lists(options.lists, options.rounds, options.seed))
        return 0
    return run_benchmark(
        parser,
        lambda options: run(options.sentences, options.nbest, options.rounds, options.seed),
        render,
        arguments,
    )


def run(num_sentences: int, nbest: int, rounds: int, seed: int) -> dict[str, Any]:
    """All figures."""
    started = time.process_time()
    small = Instance(5, 20, seed)
    for algorithm in ("mira", "mert"):
        _tune(small, TuningSettings(algorithm=algorithm, nbest=5, max_rounds=2))
    compiling = time.process_time() - started
    instance = Instance(num_sentences, _POOL * nbest, seed)
    with LoadMeter() as meter:
        runs = [
            _tune(
                instance,
                TuningSettings(algorithm=algorithm, nbest=nbest, max_rounds=rounds, seed=seed),
            )
            for algorithm in ("mira", "mert")
        ]
        bleu = _compare_bleu(instance, nbest)
    return {
        "sentences": num_sentences,
        "nbest": nbest,
        "features": len(NAMES),
        "hidden_bleu": _bleu(instance, instance.hidden),
        "compile_cpu_seconds": compiling,
        "runs": runs,
        "bleu": bleu,
        "machine": machine(),
        "load": meter.load().to_json(),
    }


def _tune(instance: Instance, settings: TuningSettings) -> dict[str, Any]:
    """A tuning, with the CPU seconds of each of its rounds without those of the decoder."""
    decoding = 0.0

    def decode(weights: NDArray[np.float64]) -> NBest:
        nonlocal decoding
        started = time.process_time()
        nbest = instance.decode(weights, settings.nbest)
        decoding = time.process_time() - started
        return nbest

    ends = [time.process_time()]
    spent: list[float] = []

    def report(_: str) -> None:
        ends.append(time.process_time())
        spent.append(ends[-1] - ends[-2] - decoding)

    result = tune(decode, [instance.references], FIRST_WEIGHTS, settings, report=report)
    rows = [
        {"bleu": done.bleu, "hypotheses": done.num_hypotheses, "cpu_seconds": seconds}
        for done, seconds in zip(result.rounds, spent, strict=True)
    ]
    return {"algorithm": settings.algorithm, "rounds": rows}


def on_real_lists(folder: Path, rounds: int, seed: int) -> str:
    """What the optimisers make of the lists of a tuning's first rounds, as a table."""
    tuned = np.arange(len(NAMES)) != UNKNOWN_WORDS
    settings = TuningSettings(seed=seed)
    pool: HypothesisPool | None = None
    rows = []
    for number in range(1, rounds + 1):
        path = folder / f"round-{number:03}"
        if not path.exists():
            break
        hypotheses = HypothesisPool.open(path)
        pool = pool.merged(hypotheses) if pool else hypotheses
        problem = pool.problem(tuned, FIRST_WEIGHTS)
        first = unit(FIRST_WEIGHTS[tuned])
        row = [str(number), f"{len(pool):,}", f"{problem.bleu(first):.2f}"]
        for optimise in (mira, mert):
            started = time.process_time()
            found = optimise(problem, first, settings, np.random.default_rng(seed))
            seconds = time.process_time() - started
            row += [f"{problem.bleu(found):.2f}", f"{seconds:.2f}"]
        rows.append(row)
    header = ["rounds", "hypotheses", "first weights", "MIRA", "CPU s", "MERT", "CPU s"]
    return format_table(header, rows) + "\n(BLEU on the lists, from the first weights each time)"


def _bleu(instance: Instance, weights: NDArray[np.float64]) -> float:
    """BLEU of the translation with the weights."""
    statistics = bleu_statistics(instance.decode(weights, 1), [instance.references])
    return float(corpus_bleu(statistics.sum(axis=0, dtype=np.int64)))


def _compare_bleu(instance: Instance, nbest: int) -> dict[str, float]:
    """Statistics of all n-best lists, and of the first of each beside sacreBLEU's."""
    lists = instance.decode(FIRST_WEIGHTS, nbest)
    seconds = _cpu_seconds(lambda: bleu_statistics(lists, [instance.references]))
    first = instance.decode(FIRST_WEIGHTS, 1)
    texts, references = (
        [" ".join(map(str, words)) for words in lines]
        for lines in (Sentences(first.words, first.word_offsets), instance.references)
    )
    metric = BLEU(tokenize="none", force=True)
    return {
        "statistics_cpu_seconds": seconds,
        "hypotheses_per_second": len(lists.features) / seconds,
        "ours": _bleu(instance, FIRST_WEIGHTS),
        "sacrebleu": metric.corpus_score(texts, [references]).score,
        "sacrebleu_cpu_seconds_of_the_first": _cpu_seconds(
            lambda: metric.corpus_score(texts, [references])
        ),
    }


def _cpu_seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def render(result: dict[str, Any]) -> str:
    """The tables of a result."""
    rows = [
        [
            run["algorithm"],
            str(number),
            f"{row['hypotheses']:,}",
            f"{row['bleu']:.2f}",
            f"{row['cpu_seconds']:.2f}",
        ]
        for run in result["runs"]
        for number, row in enumerate(run["rounds"], start=1)
    ]
    bleu = result["bleu"]
    return "\n".join(
        [
            f"{result['sentences']:,} sentences, {result['nbest']}-best, "
            f"{result['features']} features; BLEU with the hidden weights "
            f"{result['hidden_bleu']:.2f}",
            format_table(["algorithm", "round", "hypotheses", "dev BLEU", "CPU s"], rows),
            "(CPU time without decoding; the last round only merges)",
            f"compilation, or loading what was compiled: {result['compile_cpu_seconds']:.1f} CPU s",
            f"BLEU statistics: {bleu['hypotheses_per_second']:,.0f} hypotheses a CPU second; "
            f"BLEU {bleu['ours']:.9f}, sacreBLEU's {bleu['sacrebleu']:.9f}",
            *describe(result),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
