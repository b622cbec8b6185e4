"""From a recipe and a prepared corpus to a phrase-based system's model folder."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from nmt.corpus import PreparedCorpus
from nmt.files import hash_value, write_json
from nmt.machine import available_cores
from nmt.model_folder import ModelFolder, write_model_folder
from nmt.recipe import PhraseBasedSettings, Recipe
from nmt.stages import Meter
from nmt.statistical.alignment.training import align_bitext
from nmt.statistical.features import CLASS_LANGUAGE_MODEL, FIRST_WEIGHTS, UNKNOWN_WORDS
from nmt.statistical.language_model.classes import ClassModel
from nmt.statistical.language_model.model import LanguageModel
from nmt.statistical.phrases.table import PhraseTable
from nmt.statistical.preparation import (
    Languages,
    Stages,
    begin_training,
    copy_stage,
    estimate_language_model,
    learn_words,
)
from nmt.statistical.search.decoder import Decoder
from nmt.statistical.sentences import Alignments
from nmt.statistical.system import (
    CLASS_MODEL,
    COMPOUNDS,
    LANGUAGE_MODEL,
    PHRASES,
    TOKENIZER,
    WEIGHTS,
    weights_by_name,
)
from nmt.statistical.tuning.nbest import NBest, encode_all_words
from nmt.statistical.tuning.tune import TuningResult, tune


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
    begin_training(folder / "training", inputs)
    workers = available_cores()
    stages = Stages(cache, report)
    languages = learn_words(
        recipe, corpus, stages,
        truecase=system.truecase, split_compounds=system.split_compounds, workers=workers,
    )  # fmt: skip
    bitext, (source, target) = languages.bitext, (languages.source, languages.target)

    def align(result: Path) -> None:
        alignments, _ = align_bitext(
            bitext, system.alignment,
            source_vocabulary_size=len(source.vocabulary),
            target_vocabulary_size=len(target.vocabulary),
            workers=workers, report=report,
        )  # fmt: skip
        alignments.save(result, "links")

    align_inputs = {**languages.inputs, "alignment": system.alignment.model_dump(mode="json")}
    aligned = stages.run("alignment", align_inputs, align)

    def extract(result: Path) -> None:
        with tempfile.TemporaryDirectory(dir=cache, prefix=".phrases.") as scratch:
            PhraseTable.train(
                bitext, Alignments.open(aligned, "links"),
                source.vocabulary, target.vocabulary, system.phrases,
                scratch=Path(scratch), workers=workers, report=report,
            ).save(result)  # fmt: skip

    phrase_inputs = {**align_inputs, "phrases": system.phrases.model_dump(mode="json")}
    phrases = stages.run("phrases", phrase_inputs, extract)

    language_model, model_inputs = estimate_language_model(languages, stages, system.language_model)
    class_model = None
    if system.class_model.num_classes is not None:

        def learn_classes(result: Path) -> None:
            ClassModel.estimate(bitext.target, target.vocabulary, system.class_model).save(result)

        class_inputs = {
            **languages.target_inputs,
            "model": system.class_model.model_dump(mode="json"),
        }
        model_inputs = {**model_inputs, "classes": class_inputs}
        class_model = stages.run("class-model", class_inputs, learn_classes)

    tuning = Meter()
    with tuning.measuring():
        tuned = _tune(
            system, corpus, languages, PhraseTable.open(phrases),
            LanguageModel.open(language_model),
            ClassModel.open(class_model) if class_model else None,
            state=folder / "training" / f"tuning-{hash_value([phrase_inputs, model_inputs])[:16]}",
            workers=workers, report=report,
        )  # fmt: skip
    stages.costs["tuning"] = tuning.cost

    def fill(staging: Path) -> None:
        languages.tokenizers.save(staging / TOKENIZER)
        if source.splitter is not None:
            write_json(staging / COMPOUNDS, source.splitter.counts)
        copy_stage(phrases, staging / PHRASES)
        copy_stage(language_model, staging / LANGUAGE_MODEL)
        if class_model is not None:
            copy_stage(class_model, staging / CLASS_MODEL)
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
            "valid": {"bleu": round(tuned.best.bleu, 2)} if tuned.best else {},
            "rounds": len(tuned.rounds),
            **stages.facts(),
        },
        fill=fill,
    )
    for state in (folder / "training").glob("tuning-*"):  # n-best lists: large, and done with
        shutil.rmtree(state)
    return model


def _tune(
    system: PhraseBasedSettings,
    corpus: PreparedCorpus,
    languages: Languages,
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
