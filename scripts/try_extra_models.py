"""Whether another model earns its place in the phrase-based system: reranking with and without it.

    python -m scripts.try_extra_models [--data FOLDER] [--corpora NAME,NAME]
    python -m scripts.try_extra_models --show scripts/results/try_extra_models.json

A system with the default settings is trained for each corpus. The n-best lists of the validation
set, those of all rounds of tuning together, get the scores of the extra models as further features.
Then weights are found by MIRA on one half of the sentences and judged on the other, and the other
way round, with and without the extra features; a seed is another split and another order of the
sentences. As a check, weights from the whole validation set rerank lists of the test set. Lists of
hundreds hold most of what search with the model would find: what a model gives here is about what
it would give there. BLEU is that of words, truecased, as tuning sees them.

Each corpus named is measured anew, and the others stay in the result as they are.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nmt.corpus import prepare_corpus
from nmt.files import write_json
from nmt.recipe import PhraseBasedSettings, read_recipe
from nmt.statistical.alignment.training import align_bitext
from nmt.statistical.features import FIRST_WEIGHTS, NAMES, UNKNOWN_WORDS
from nmt.statistical.language_model.classes import learn_classes
from nmt.statistical.language_model.model import LanguageModel
from nmt.statistical.phrases.table import PhraseTable
from nmt.statistical.search.decoder import Decoder
from nmt.statistical.sentences import Bitext, Sentences
from nmt.statistical.text import Words, encode_pairs
from nmt.statistical.tuning.bleu import corpus_bleu
from nmt.statistical.tuning.mira import mira
from nmt.statistical.tuning.pool import (
    TuningProblem,
    best_hypotheses,
    unit,
)
from nmt.statistical.tuning.tune import tune
from nmt.statistical.vocabulary import UNKNOWN
from nmt.tokenization import learn_tokenizers
from nmt.tokenization.settings import WordSettings
from nmt.tokenization.words import WordTokenizer
from scripts.benchmark import RESULTS, LoadMeter, machine
from scripts.extra_models_measurement import (
    ClassNgrams,
    Links,
    Model1,
    estimate_ngrams,
    shuffle_classes,
)
from scripts.extra_models_operations import OperationNgrams
from scripts.extra_models_pools import NBEST, Floats, Lists, Pool
from scripts.extra_models_results import BAR, CLASS_MODELS, CORPORA, VARIANTS, decide, table

ROOT = Path(__file__).resolve().parents[1]
SYSTEM = "phrase-based"
MAX_ROUNDS = 5
PASSES = 15
FITS = 2
"""Runs of MIRA, each from where the last ended."""
SEEDS = (1, 2, 3)
Scorers = dict[str, Callable[[Pool], Floats]]


def measure(name: str, data: Path) -> dict[str, Any]:
    """Train a system and the extra models; try each."""
    recipe_name, folder, overrides = CORPORA[name]
    recipe = read_recipe(recipe_name, overrides, data_root=data / folder)
    system = recipe.systems[SYSTEM]
    assert isinstance(system, PhraseBasedSettings)
    with LoadMeter() as meter, tempfile.TemporaryDirectory() as scratch:
        cache = Path(scratch)
        corpus = prepare_corpus(recipe.corpus, cache=cache, report=lambda _: None)
        tokenizers = learn_tokenizers(
            WordSettings(truecase=system.truecase, max_lines=1 << 62),
            corpus.train.source, corpus.train.target, cache=cache,
            source_language=recipe.corpus.source_language,
            target_language=recipe.corpus.target_language,
        )  # fmt: skip
        bitext = encode_pairs(corpus.train, tokenizers, cache=cache, workers=1)
        assert isinstance(tokenizers.source, WordTokenizer)
        assert isinstance(tokenizers.target, WordTokenizer)
        source, target = Words.of(tokenizers.source), Words.of(tokenizers.target)
        alignments, _ = align_bitext(
            bitext, system.alignment,
            source_vocabulary_size=len(source.vocabulary),
            target_vocabulary_size=len(target.vocabulary),
            workers=1, report=lambda _: None,
        )  # fmt: skip
        phrases = PhraseTable.train(
            bitext, alignments, source.vocabulary, target.vocabulary, system.phrases, scratch=cache
        )
        ngrams = LanguageModel.estimate(bitext.target, target.vocabulary, system.language_model)
        decoder = Decoder(
            phrases.arrays, ngrams.tables, ngrams.begin_state, FIRST_WEIGHTS, system.search
        )
        _say(f"{name}: trained on {len(bitext):,} pairs")
        valid = Lists(decoder, phrases.arrays, source, target, corpus.valid)
        tuning = system.tuning.model_copy(update={"nbest": NBEST, "max_rounds": MAX_ROUNDS})
        tuned = tune(valid.decode, [valid.references], FIRST_WEIGHTS, tuning, report=_say)
        (pairs,) = corpus.test.values()
        test = Lists(decoder, phrases.arrays, source, target, pairs)
        for done in sorted(tuned.rounds, key=lambda done: -done.bleu)[:3]:
            test.decode(np.array(done.weights))
        pools = {"valid": valid.pool(), "test": test.pool()}
        _say(", ".join(f"{key}: {pool.features.shape[1]:,}" for key, pool in pools.items()))
        scorers, costs = _train_models(
            bitext, Links.of_bitext(alignments), len(source.vocabulary), len(target.vocabulary)
        )
        extra: dict[str, dict[str, Floats]] = {key: {} for key in pools}
        for feature, score in scorers.items():
            began = time.process_time()
            for key, pool in pools.items():
                extra[key][feature] = score(pool)
            seconds = time.process_time() - began
            number = sum(pool.features.shape[1] for pool in pools.values())
            costs[feature]["score_microseconds"] = 1e6 * seconds / number
        trials = try_models(pools, extra, tuned.weights)
        return {
            "pairs": len(bitext),
            "overrides": overrides,
            "hypotheses_per_sentence": {
                key: pool.features.shape[1] / len(pool.source) for key, pool in pools.items()
            },
            "oracle_bleu": {key: _oracle(pool) for key, pool in pools.items()},
            "decoded_bleu": {"valid": tuned.best.bleu if tuned.best else None},
            "costs": costs,
            "trials": trials,
            "load": meter.load().to_json(),
        }


def _train_models(
    bitext: Bitext, links: Links, num_source_words: int, num_target_words: int
) -> tuple[Scorers, dict[str, dict[str, float]]]:
    """The extra models, by the name of the feature that each gives, and what training took."""
    scorers: Scorers = {}
    costs: dict[str, dict[str, float]] = {}

    def timed(name: str, train: Callable[[], Callable[[Pool], Floats]]) -> None:
        began = time.process_time()
        scorers[name] = train()
        costs[name] = {"train_seconds": time.process_time() - began}
        _say(f"{name}: {costs[name]['train_seconds']:.1f} s")

    learned: dict[int, NDArray[np.int32]] = {}

    def classes(number: int, order: int, *, shuffled: bool = False) -> Callable[[Pool], Floats]:
        if number not in learned:
            learned[number] = learn_classes(bitext.target, num_target_words, number)
        found = shuffle_classes(learned[number]) if shuffled else learned[number]
        model = ClassNgrams(bitext.target, found, order)
        return lambda pool: model.score(pool.hypotheses)

    def operations(jumps: bool) -> Callable[[Pool], Floats]:
        model = OperationNgrams(bitext, links, 5, jumps=jumps)
        return lambda pool: model.score(pool.source, pool.sentence, pool.hypotheses, pool.links)

    def long_ngrams() -> Callable[[Pool], Floats]:
        model = estimate_ngrams(bitext.target, num_target_words, 6)

        def score(pool: Pool) -> Floats:
            words = pool.hypotheses.words
            known = np.where(words < num_target_words, words, UNKNOWN)
            return model.score(Sentences(known, pool.hypotheses.offsets))

        return score

    def model1(direction: int) -> Callable[[Pool], Floats]:
        model = Model1(bitext, num_source_words, num_target_words)
        return lambda pool: model.score(pool.source, pool.sentence_offsets, pool.hypotheses)[
            direction
        ]

    for number, order in CLASS_MODELS:
        # Where the classes are learned already, only the n-grams are.
        timed(f"classes_{number}_{order}", partial(classes, number, order))
    timed("shuffled_200_5", partial(classes, 200, 5, shuffled=True))
    timed("operations", lambda: operations(True))
    timed("units", lambda: operations(False))
    timed("model1_direct", lambda: model1(0))
    timed("model1_inverse", lambda: model1(1))
    timed("language_model_6", long_ngrams)
    return scorers, costs


def try_models(
    pools: dict[str, Pool], extra: dict[str, dict[str, Floats]], tuned: Floats
) -> dict[str, Any]:
    """BLEU of each trial, seed by seed, on halves of the validation set and on the test set."""
    valid, test = pools["valid"], pools["test"]
    everything = np.arange(len(valid.source))
    trials: dict[str, Any] = {}
    for trial, features in {"none": (), **VARIANTS}.items():
        on_valid = [extra["valid"][feature] for feature in features]
        on_test = [extra["test"][feature] for feature in features]
        test_problem = test.problem(on_test, np.arange(len(test.source)))
        first = unit(np.append(np.delete(tuned, UNKNOWN_WORDS), np.zeros(len(features))))
        rows: dict[str, list[Any]] = {"lists": [], "valid": [], "test": [], "weights": []}
        for seed in SEEDS:
            rng = np.random.default_rng(seed)
            halves = np.array_split(rng.permutation(len(everything)), 2)
            sums = np.zeros(valid.statistics.shape[1], np.int64)
            for learn, judge in (halves, halves[::-1]):
                weights = fit(valid.problem(on_valid, np.sort(learn)), first, seed)
                problem = valid.problem(on_valid, np.sort(judge))
                best = best_hypotheses(
                    problem.base + weights @ problem.features, problem.sentence_offsets
                )
                sums += problem.statistics[best].sum(axis=0)
            whole = valid.problem(on_valid, everything)
            weights = fit(whole, first, seed)
            rows["lists"].append(whole.bleu(weights))
            rows["valid"].append(float(corpus_bleu(sums)))
            rows["test"].append(test_problem.bleu(weights))
            rows["weights"].append(weights.round(4).tolist())
        trials[trial] = {"features": [*features], **rows}
        _say(f"{trial}: " + ", ".join(
            f"{key} {statistics.mean(rows[key]):.2f}" for key in ("lists", "valid", "test")
        ))  # fmt: skip
    return trials


def fit(problem: TuningProblem, first: Floats, seed: int) -> Floats:
    """Weights by MIRA; the system's own weights at first, and zeros for what is new."""
    settings = PhraseBasedSettings().tuning.model_copy(update={"passes": PASSES})
    rng = np.random.default_rng(seed)
    weights = first
    for _ in range(FITS):
        weights = unit(mira(problem, weights, settings, rng))
    return weights


def _oracle(pool: Pool) -> float:
    """BLEU of about the best hypotheses: those with the most n-grams in common with the reference,
    for what they have."""
    matches = (pool.statistics[:, :4] + 1) / (pool.statistics[:, 4:8] + 1)
    short = np.minimum(0, 1 - pool.statistics[:, 8] / np.maximum(1, pool.statistics[:, 4]))
    scores = np.log(matches).mean(axis=1) + short
    best = best_hypotheses(scores, pool.sentence_offsets)
    return float(corpus_bleu(pool.statistics[best].sum(axis=0, dtype=np.int64)))


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    """Measure, print, write; or print what was written."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--corpora", default=",".join(CORPORA))
    parser.add_argument("--output", type=Path, default=RESULTS / "try_extra_models.json")
    parser.add_argument("--show", type=Path, help="print a result that is there")
    arguments = parser.parse_args()
    if arguments.show:
        shown = json.loads(arguments.show.read_text(encoding="utf-8"))
        print(table({**shown, "decisions": decide(shown["corpora"])}))
        return
    corpora: dict[str, Any] = {}
    if arguments.output.is_file():
        corpora = json.loads(arguments.output.read_text(encoding="utf-8"))["corpora"]
    for name in arguments.corpora.split(","):
        corpora[name] = measure(name, arguments.data.resolve())
        corpora = {key: corpora[key] for key in CORPORA if key in corpora}
        result = {
            "machine": machine(),
            "settings": {
                "nbest": NBEST, "max_rounds": MAX_ROUNDS, "passes": PASSES, "fits": FITS,
                "seeds": [*SEEDS], "bar": BAR, "system_features": [*NAMES],
            },
            "corpora": corpora,
            "decisions": decide(corpora),
        }  # fmt: skip
        write_json(arguments.output, result)
    print(table(result))


if __name__ == "__main__":
    main()
