"""From a recipe and a prepared corpus to a phrase-based system's model folder."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from nmt.corpus import PreparedCorpus
from nmt.differences import differences
from nmt.errors import UserError
from nmt.files import build_once, hash_value, write_json
from nmt.machine import available_cores, cores_in_words, describe_machine
from nmt.model_folder import ModelFolder, write_model_folder
from nmt.recipe import PhraseBasedSettings, Recipe
from nmt.stages import Cost, Meter, largest_memory, run_stage
from nmt.statistical.alignment.training import align_bitext
from nmt.statistical.compounds import CompoundSplitter
from nmt.statistical.features import CLASS_LANGUAGE_MODEL, FIRST_WEIGHTS, UNKNOWN_WORDS
from nmt.statistical.language_model.classes import ClassModel
from nmt.statistical.language_model.model import LanguageModel
from nmt.statistical.phrases.table import PhraseTable
from nmt.statistical.search.decoder import Decoder
from nmt.statistical.sentences import Alignments, Bitext, Sentences
from nmt.statistical.system import (
    CLASS_MODEL,
    COMPOUNDS,
    LANGUAGE_MODEL,
    PHRASES,
    TOKENIZER,
    WEIGHTS,
    weights_by_name,
)
from nmt.statistical.text import Words, count_words, encode_pairs, split_sentences
from nmt.statistical.tuning.nbest import NBest, encode_all_words
from nmt.statistical.tuning.tune import TuningResult, tune
from nmt.tokenization import TokenizerPair, learn_tokenizers
from nmt.tokenization.settings import WordSettings
from nmt.tokenization.words import WordTokenizer

_VERSION: Final = 1
"""Raised when any stage gives another result for the same input."""
_ALL_LINES: Final = 1 << 62


@dataclass(frozen=True)
class _Languages:
    """The words of both sides, and the training pairs in them."""

    tokenizers: TokenizerPair
    source: Words
    target: Words
    bitext: Bitext


def train_phrase_based(
    recipe: Recipe,
    name: str,
    corpus: PreparedCorpus,
    folder: Path,
    *,
    inputs: dict[str, Any],
    cache: Path,
    report: Callable[[str], None],
) -> ModelFolder:
    """Train system ``name`` of a recipe: words, alignment, phrases, language model, tuning.

    Every stage is kept in ``cache`` under the hash of what it depends on, and the state of tuning
    in ``folder/training`` after each round, so a killed training loses one stage or round at most.
    ``inputs`` says what the result depends on; what was trained on other inputs is left alone.

    Raises UserError where settings or data do not allow training.
    """
    system = recipe.systems[name]
    assert isinstance(system, PhraseBasedSettings)
    _begin(folder / "training", inputs)
    workers = available_cores()
    costs: dict[str, Cost] = {}
    stage = partial(_stage, cache=cache, report=report, costs=costs)
    words = Meter()
    with words.measuring():
        languages = _learn_words(recipe, system, corpus, cache, workers)
    costs["words"] = words.cost
    text_inputs = {
        "text": corpus.train.content_hash,
        "tokenizers": languages.tokenizers.content_hash,
        "split_compounds": system.split_compounds,
    }
    bitext, (source, target) = languages.bitext, (languages.source, languages.target)

    def align(result: Path) -> None:
        alignments, _ = align_bitext(
            bitext, system.alignment,
            source_vocabulary_size=len(source.vocabulary),
            target_vocabulary_size=len(target.vocabulary),
            workers=workers, report=report,
        )  # fmt: skip
        alignments.save(result, "links")

    align_inputs = {**text_inputs, "alignment": system.alignment.model_dump(mode="json")}
    aligned = stage("alignment", align_inputs, align)

    def extract(result: Path) -> None:
        with tempfile.TemporaryDirectory(dir=cache, prefix=".phrases.") as scratch:
            PhraseTable.train(
                bitext, Alignments.open(aligned, "links"),
                source.vocabulary, target.vocabulary, system.phrases,
                scratch=Path(scratch), workers=workers, report=report,
            ).save(result)  # fmt: skip

    phrase_inputs = {**align_inputs, "phrases": system.phrases.model_dump(mode="json")}
    phrases = stage("phrases", phrase_inputs, extract)

    def estimate(result: Path) -> None:
        LanguageModel.estimate(
            bitext.target, target.vocabulary, system.language_model, report=report
        ).save(result)

    model_inputs = {**text_inputs, "model": system.language_model.model_dump(mode="json")}
    language_model = stage("language-model", model_inputs, estimate)

    class_model = None
    if system.class_model.num_classes is not None:

        def learn_classes(result: Path) -> None:
            ClassModel.estimate(bitext.target, target.vocabulary, system.class_model).save(result)

        class_inputs = {**text_inputs, "model": system.class_model.model_dump(mode="json")}
        model_inputs = {**model_inputs, "classes": class_inputs}
        class_model = stage("class-model", class_inputs, learn_classes)

    tuning = Meter()
    with tuning.measuring():
        tuned = _tune(
            system, corpus, languages, PhraseTable.open(phrases),
            LanguageModel.open(language_model),
            ClassModel.open(class_model) if class_model else None,
            state=folder / "training" / f"tuning-{hash_value([phrase_inputs, model_inputs])[:16]}",
            workers=workers, report=report,
        )  # fmt: skip
    costs["tuning"] = tuning.cost

    def fill(staging: Path) -> None:
        languages.tokenizers.save(staging / TOKENIZER)
        if source.splitter is not None:
            write_json(staging / COMPOUNDS, source.splitter.counts)
        _copy(phrases, staging / PHRASES)
        _copy(language_model, staging / LANGUAGE_MODEL)
        if class_model is not None:
            _copy(class_model, staging / CLASS_MODEL)
        write_json(staging / WEIGHTS, weights_by_name(tuned.weights))

    model = write_model_folder(
        folder,
        kind="phrase-based",
        source_language=recipe.corpus.source_language,
        target_language=recipe.corpus.target_language,
        settings={"search": system.search.model_dump(mode="json")},
        training={
            "identity": inputs,
            "recipe": recipe.model_dump(mode="json"),
            "seconds": round(sum(cost.seconds for cost in costs.values()), 1),
            "cpu_seconds": round(sum(cost.cpu_seconds for cost in costs.values()), 1),
            "compile_seconds": round(sum(cost.compile_seconds for cost in costs.values()), 1),
            "peak_memory_bytes": largest_memory(costs.values()),
            "stages": {stage: cost.model_dump() for stage, cost in costs.items()},
            "valid": {"bleu": round(tuned.best.bleu, 2)} if tuned.best else {},
            "rounds": len(tuned.rounds),
            **describe_machine(cores_in_words(), "numba"),
        },
        fill=fill,
    )
    for state in (folder / "training").glob("tuning-*"):  # n-best lists: large, and done with
        shutil.rmtree(state)
    return model


def _begin(folder: Path, inputs: dict[str, Any]) -> None:
    """Make the training's folder; raises UserError if it is that of other settings or data."""
    record = folder / "identity.json"
    if record.is_file():
        before = json.loads(record.read_text(encoding="utf-8"))
        if changed := differences(before, inputs):
            raise UserError(
                "here is a training with other settings or data\n  "
                + "\n  ".join(f"{path}: {how}" for path, how in changed.items()),
                where=str(folder),
                mend="--fresh begins anew and forgets it, another --output leaves it as it is",
            )
    write_json(record, inputs)


def _stage(
    name: str,
    inputs: dict[str, Any],
    build: Callable[[Path], None],
    *,
    cache: Path,
    report: Callable[[str], None],
    costs: dict[str, Cost],
) -> Path:
    """The folder of a stage's result; notes what it cost."""
    folder, costs[name] = run_stage(cache, name, {"version": _VERSION, **inputs}, build, report)
    return folder


def _learn_words(
    recipe: Recipe,
    system: PhraseBasedSettings,
    corpus: PreparedCorpus,
    cache: Path,
    workers: int,
) -> _Languages:
    tokenizers = learn_tokenizers(
        WordSettings(truecase=system.truecase, max_lines=_ALL_LINES),
        corpus.train.source, corpus.train.target, cache=cache,
        source_language=recipe.corpus.source_language,
        target_language=recipe.corpus.target_language,
    )  # fmt: skip
    bitext = encode_pairs(corpus.train, tokenizers, cache=cache, workers=workers)
    assert isinstance(tokenizers.source, WordTokenizer)
    assert isinstance(tokenizers.target, WordTokenizer)
    source, target = Words.of(tokenizers.source), Words.of(tokenizers.target)
    if system.split_compounds:
        splitter = CompoundSplitter(count_words(bitext.source, source.vocabulary))
        source = Words.of(tokenizers.source, splitter)

        def split(folder: Path) -> None:
            split_sentences(bitext.source, splitter).save(folder, "source")

        inputs = {
            "version": _VERSION,
            "text": corpus.train.content_hash,
            "tokenizers": tokenizers.content_hash,
        }
        folder = build_once(cache, "compounds", inputs, split)
        bitext = Bitext(Sentences.open(folder, "source"), bitext.target)
    return _Languages(tokenizers, source, target, bitext)


def _tune(
    system: PhraseBasedSettings,
    corpus: PreparedCorpus,
    languages: _Languages,
    phrases: PhraseTable,
    language_model: LanguageModel,
    class_model: ClassModel | None,
    *,
    state: Path,
    workers: int,
    report: Callable[[str], None],
) -> TuningResult:
    """Weights for the best BLEU on the validation set."""
    source_words, sentences = languages.source.encode(list(corpus.valid.source))
    target_words, _ = languages.target.encode(list(corpus.valid.target))
    # A word that is copied counts as a match where the reference has it.
    references, copies = encode_all_words(languages.target.vocabulary, target_words, source_words)
    decoder = Decoder(
        phrases.arrays, language_model.tables, language_model.begin_state,
        FIRST_WEIGHTS, system.search, class_model.tables if class_model else None,
    )  # fmt: skip

    def decode(weights: np.ndarray) -> NBest:
        found = decoder.with_weights(weights).nbest(sentences, system.tuning.nbest, workers=workers)
        return NBest(
            found.features, found.words, found.word_offsets, found.sentence_offsets
        ).with_copies(copies)

    # A feature that is always zero has no weight to be found.
    absent = () if class_model else (CLASS_LANGUAGE_MODEL,)
    return tune(
        decode, [references], FIRST_WEIGHTS, system.tuning,
        report=report, state=state, frozen=(UNKNOWN_WORDS, *absent),
    )  # fmt: skip


def _copy(stage: Path, folder: Path) -> None:
    """Copy a stage's result into a model folder, without what the cache keeps about it."""
    shutil.copytree(stage, folder, ignore=shutil.ignore_patterns("inputs.json", "cost.json"))
