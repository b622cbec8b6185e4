"""From a recipe and a prepared corpus to a word-by-word system's model folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from nmt.corpus import PreparedCorpus
from nmt.differences import differences
from nmt.errors import UserError
from nmt.files import write_json
from nmt.machine import available_cores, cores_in_words, describe_machine
from nmt.model_folder import ModelFolder, write_model_folder
from nmt.recipe import Recipe, WordByWordSettings
from nmt.stages import Meter, largest_memory, run_stage
from nmt.statistical.language_model.model import LanguageModel
from nmt.statistical.text import Words, encode_pairs
from nmt.statistical.word_by_word.system import LANGUAGE_MODEL, TOKENIZER, WORD_TABLE
from nmt.statistical.word_by_word.table import train_word_table
from nmt.tokenization import learn_tokenizers
from nmt.tokenization.settings import WordSettings
from nmt.tokenization.words import WordTokenizer

_VERSION: Final = 1
"""Raised when a stage gives another result for the same input."""
_ALL_LINES: Final = 1 << 62


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
    _begin(folder / "training", inputs)
    workers = available_cores()
    meter = Meter()
    with meter.measuring():
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
    text_inputs = {
        "version": _VERSION,
        "text": corpus.train.content_hash,
        "tokenizers": tokenizers.content_hash,
    }

    def learn_translations(result: Path) -> None:
        train_word_table(
            bitext, source.vocabulary, target.vocabulary,
            iterations=system.iterations, max_translations=system.max_translations,
            workers=workers, report=report,
        ).save(result)  # fmt: skip

    table_inputs = {
        **text_inputs,
        "iterations": system.iterations,
        "max_translations": system.max_translations,
    }
    table, table_cost = run_stage(cache, "word-table", table_inputs, learn_translations, report)

    def estimate(result: Path) -> None:
        LanguageModel.estimate(
            bitext.target, target.vocabulary, system.language_model, report=report
        ).save(result)

    model_inputs = {**text_inputs, "model": system.language_model.model_dump(mode="json")}
    model, model_cost = run_stage(cache, "language-model", model_inputs, estimate, report)

    def fill(staging: Path) -> None:
        tokenizers.save(staging / TOKENIZER)
        for stage, place in ((table, WORD_TABLE), (model, LANGUAGE_MODEL)):
            ignored = shutil.ignore_patterns("inputs.json", "cost.json")  # the cache's own
            shutil.copytree(stage, staging / place, ignore=ignored)

    costs = {"words": meter.cost, "word-table": table_cost, "language-model": model_cost}
    return write_model_folder(
        folder,
        kind="word-by-word",
        source_language=recipe.corpus.source_language,
        target_language=recipe.corpus.target_language,
        settings={"search": system.search.model_dump(mode="json")},
        training={
            "identity": inputs,
            "recipe": recipe.model_dump(mode="json"),
            "seconds": round(sum(cost.seconds for cost in costs.values()), 1),
            "cpu_seconds": round(sum(cost.cpu_seconds for cost in costs.values()), 1),
            "peak_memory_bytes": largest_memory(costs.values()),
            "compile_seconds": round(sum(cost.compile_seconds for cost in costs.values()), 1),
            "stages": {stage: cost.model_dump() for stage, cost in costs.items()},
            **describe_machine(cores_in_words(), "numba"),
        },
        fill=fill,
    )


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
