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
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nmt.corpus import TextPairs, prepare_corpus
from nmt.files import write_json
from nmt.recipe import PhraseBasedSettings, read_recipe
from nmt.statistical.alignment.training import align_bitext
from nmt.statistical.features import FIRST_WEIGHTS, NAMES, UNKNOWN_WORDS
from nmt.statistical.language_model.classes import learn_classes
from nmt.statistical.language_model.model import LanguageModel
from nmt.statistical.phrases.arrays import PhraseArrays
from nmt.statistical.phrases.table import PhraseTable
from nmt.statistical.search.decoder import Decoder
from nmt.statistical.sentences import Bitext, Sentences
from nmt.statistical.text import Words, encode_pairs
from nmt.statistical.tuning.bleu import bleu_statistics, corpus_bleu
from nmt.statistical.tuning.mira import mira
from nmt.statistical.tuning.nbest import NBest, encode_all_words
from nmt.statistical.tuning.pool import (
    TuningProblem,
    best_hypotheses,
    hash_hypotheses,
    unit,
)
from nmt.statistical.tuning.tune import tune
from nmt.statistical.vocabulary import UNKNOWN
from nmt.tokenization import learn_tokenizers
from nmt.tokenization.settings import WordSettings
from nmt.tokenization.words import WordTokenizer
from scripts.benchmark import RESULTS, LoadMeter, describe, format_table, machine
from scripts.extra_models_measurement import (
    ClassNgrams,
    Links,
    Model1,
    estimate_ngrams,
    shuffle_classes,
)
from scripts.extra_models_operations import OperationNgrams

ROOT = Path(__file__).resolve().parents[1]
SYSTEM = "phrase-based"
BAR = 0.3
"""BLEU that a model must give on two corpora to be taken."""
CORPORA = {
    "multi30k-en-de": ("multi30k-en-de", "multi30k", []),
    "multi30k-de-en": ("multi30k-de-en", "multi30k", []),
    "tatoeba-en-de": ("tatoeba-en-de", "tatoeba_en_de", ["corpus.max_pairs=60000"]),
}
"""Recipe, folder of data and overrides."""
NBEST = 300
MAX_ROUNDS = 5
PASSES = 15
FITS = 2
"""Runs of MIRA, each from where the last ended."""
SEEDS = (1, 2, 3)
CLASS_MODELS = ((50, 7), (100, 5), (200, 3), (200, 4), (200, 5), (200, 7), (400, 5), (600, 7))
"""Number of classes, order."""
CHOSEN = "classes_200_5"
MODEL1 = ("model1_direct", "model1_inverse")
VARIANTS = {
    **{f"{n} classes, order {order}": (f"classes_{n}_{order}",) for n, order in CLASS_MODELS},
    "200 classes shuffled, order 5": ("shuffled_200_5",),
    "operations, order 5": ("operations",),
    "units without jumps, order 5": ("units",),
    "IBM Model 1, both directions": MODEL1,
    "language model, order 6": ("language_model_6",),
    "200 classes and operations": (CHOSEN, "operations"),
    "200 classes and Model 1": (CHOSEN, *MODEL1),
}
"""The features of each trial, besides the system's own."""
OVER = {
    "200 classes and operations": "200 classes, order 5",
    "200 classes and Model 1": "200 classes, order 5",
}
"""What a trial is compared with to be decided, where that is not the system alone."""

Floats = NDArray[np.float64]
Scorers = dict[str, Callable[["Pool"], Floats]]


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


def gains(corpus: dict[str, Any], trial: str, key: str, over: str = "none") -> list[float]:
    """BLEU more than another trial has, seed by seed."""
    rows, plain = corpus["trials"][trial][key], corpus["trials"][over][key]
    return [a - b for a, b in zip(rows, plain, strict=True)]


def decide(corpora: dict[str, Any]) -> dict[str, Any]:
    """For each trial whether it earns its place, by the mean gain over seeds and directions.

    A corpus counts once, whatever its directions. The validation sets decide; the test sets
    confirm or do not. What goes on top of classes has to earn its place beside them.
    """
    decisions = {}
    for trial in VARIANTS:
        over = OVER.get(trial, "none")
        means: dict[str, dict[str, float]] = {}
        for key in ("valid", "test"):
            found: dict[str, list[float]] = {}
            for name, corpus in corpora.items():
                found.setdefault(CORPORA[name][1], []).extend(gains(corpus, trial, key, over))
            means[key] = {folder: statistics.mean(values) for folder, values in found.items()}
        enough = {key: sum(mean >= BAR for mean in means[key].values()) >= 2 for key in means}
        decisions[trial] = {
            "over": over, "gain": means, "earned": enough["valid"], "confirmed": enough["test"],
        }  # fmt: skip
    return decisions


def table(result: dict[str, Any]) -> str:
    """The result as text."""
    parts = []
    for name, corpus in result["corpora"].items():
        lines = []
        for trial, rows in corpus["trials"].items():
            cells = [trial]
            for key in ("valid", "test"):
                found = rows[key] if trial == "none" else gains(corpus, trial, key)
                sign = "" if trial == "none" else "+"
                cells.append(f"{statistics.mean(found):{sign}.2f} ± {statistics.stdev(found):.2f}")
            lines.append(cells)
        sizes = corpus["hypotheses_per_sentence"]
        parts.append(
            f"{name}, {corpus['pairs']:,} pairs; {sizes['valid']:.0f} hypotheses a sentence\n"
            + format_table(["features besides the system's", "other half", "test set"], lines)
        )
    lines = []
    for trial, found in result["decisions"].items():
        cells = [trial if found["over"] == "none" else f"{trial} (over {found['over']})"]
        for key in ("valid", "test"):
            cells.append("  ".join(f"{mean:+.2f}" for mean in found["gain"][key].values()))
        lines.append([*cells, *("yes" if found[key] else "no" for key in ("earned", "confirmed"))])
    folders = ", ".join(next(iter(result["decisions"].values()))["gain"]["valid"])
    head = ["mean gain", "other half", "test set", "earned", "confirmed"]
    parts.append(
        f"{folders}; earned: at least {BAR} BLEU on two corpora; confirmed: on the test sets too\n"
        + format_table(head, lines)
    )
    last = list(result["corpora"].values())[-1]
    parts.append("(the load bears on seconds in the JSON, not on BLEU)")
    parts.append("\n".join(describe({"machine": result["machine"], "load": last["load"]})))
    return "\n\n".join(parts)


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
