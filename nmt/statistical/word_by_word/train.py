"""From a recipe and a prepared corpus to a word-by-word system's model folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from nmt.corpus import PreparedCorpus
from nmt.machine import available_cores
from nmt.model_folder import ModelFolder, write_model_folder
from nmt.recipe import Recipe, WordByWordSettings
from nmt.statistical.preparation import (
    Stages,
    begin_training,
    copy_stage,
    estimate_language_model,
    learn_words,
)
from nmt.statistical.system import TOKENIZER
from nmt.statistical.word_by_word.system import LANGUAGE_MODEL, WORD_TABLE
from nmt.statistical.word_by_word.table import train_word_table


def train_word_by_word(
    recipe: Recipe,
    name: str,
    corpus: PreparedCorpus,
    folder: Path,
    *,
    inputs: dict[str, Any],
    cache: Path,
    report: Callable[[str], None],
) -> ModelFolder:
    """Train system ``name`` of a recipe: words, their translations, language model.

    Every stage is kept in ``cache`` under the hash of what it depends on, so a killed training
    loses one stage at most. ``inputs`` says what the result depends on; what was trained on other
    inputs is left alone.

    Raises UserError where settings or data do not allow training.
    """
    system = recipe.systems[name]
    assert isinstance(system, WordByWordSettings)
    begin_training(folder / "training", inputs)
    workers = available_cores()
    stages = Stages(cache, report)
    languages = learn_words(recipe, corpus, stages, truecase=system.truecase, workers=workers)
    bitext, (source, target) = languages.bitext, (languages.source, languages.target)

    def learn_translations(result: Path) -> None:
        train_word_table(
            bitext, source.vocabulary, target.vocabulary,
            iterations=system.iterations, max_translations=system.max_translations,
            workers=workers, report=report,
        ).save(result)  # fmt: skip

    table_inputs = {
        **languages.inputs,
        "iterations": system.iterations,
        "max_translations": system.max_translations,
    }
    table = stages.run("word-table", table_inputs, learn_translations)

    language_model, _ = estimate_language_model(languages, stages, system.language_model)

    def fill(staging: Path) -> None:
        languages.tokenizers.save(staging / TOKENIZER)
        copy_stage(table, staging / WORD_TABLE)
        copy_stage(language_model, staging / LANGUAGE_MODEL)

    return write_model_folder(
        folder,
        kind="word-by-word",
        source_language=recipe.corpus.source_language,
        target_language=recipe.corpus.target_language,
        settings={"search": system.search.model_dump(mode="json")},
        training={
            "identity": inputs,
            "recipe": recipe.model_dump(mode="json"),
            **stages.facts(),
        },
        fill=fill,
    )
