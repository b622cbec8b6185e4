"""What the trainings of all statistical systems share: stages with their costs, words, a model."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from nmt.corpus import PreparedCorpus
from nmt.differences import differences
from nmt.errors import UserError
from nmt.files import write_json
from nmt.machine import cores_in_words, describe_machine
from nmt.recipe import Recipe
from nmt.stages import Cost, largest_memory, run_stage
from nmt.statistical.compounds import CompoundSplitter
from nmt.statistical.language_model.model import LanguageModel
from nmt.statistical.language_model.settings import LanguageModelSettings
from nmt.statistical.sentences import Bitext, Sentences
from nmt.statistical.text import Words, count_words, encode_pairs, split_sentences
from nmt.tokenization import TokenizerPair, learn_tokenizers
from nmt.tokenization.settings import WordSettings
from nmt.tokenization.words import WordTokenizer

_VERSION: Final = 2
"""Raised when any stage gives another result for the same input."""
_ALL_LINES: Final = 1 << 62


def begin_training(folder: Path, inputs: dict[str, Any]) -> None:
    """Make the training's folder; raises UserError if it is that of other settings or data."""
    record = folder / "identity.json"
    if record.is_file():
        before = json.loads(record.read_text(encoding="utf-8"))
        if changed := differences(before, inputs):
            raise UserError(
                "here is a training with other settings or data\n  "
                + "\n  ".join(f"{path}: {how}" for path, how in changed.items()),
                where=str(folder),
                mend="nmt-train --fresh begins anew and forgets it, another --output keeps it",
            )
    write_json(record, inputs)


class Stages:
    """The stages of a training: each result is kept in the cache, and so is what it cost.

    A stage that another system has run already costs this one what it cost then: figures are those
    of the system alone, in whatever order systems are trained.
    """

    def __init__(self, cache: Path, report: Callable[[str], None]) -> None:
        self.cache = cache
        self.report = report
        self.costs: dict[str, Cost] = {}

    def run(self, name: str, inputs: dict[str, Any], build: Callable[[Path], None]) -> Path:
        """The folder of a stage's result, which ``build`` fills unless it is there."""
        inputs = {"version": _VERSION, **inputs}
        folder, self.costs[name] = run_stage(self.cache, name, inputs, build, self.report)
        return folder

    def facts(self) -> dict[str, Any]:
        """What the stages cost, and the machine, for the facts of a training."""
        costs = self.costs.values()
        return {
            "seconds": round(sum(cost.seconds for cost in costs), 1),
            "cpu_seconds": round(sum(cost.cpu_seconds for cost in costs), 1),
            "compile_seconds": round(sum(cost.compile_seconds for cost in costs), 1),
            "peak_memory_bytes": largest_memory(costs),
            "stages": {stage: cost.model_dump() for stage, cost in self.costs.items()},
            **describe_machine(cores_in_words(), "numba"),
        }


def copy_stage(stage: Path, folder: Path) -> None:
    """Copy a stage's result into a model folder, without what the cache keeps about it."""
    shutil.copytree(stage, folder, ignore=shutil.ignore_patterns("inputs.json", "cost.json"))


@dataclass(frozen=True)
class Languages:
    """The words of both sides, and the training pairs in them."""

    tokenizers: TokenizerPair
    source: Words
    target: Words
    bitext: Bitext
    inputs: dict[str, Any]
    """What the words of both sides depend on."""
    target_inputs: dict[str, Any]
    """What those of the target side alone depend on."""


def learn_words(
    recipe: Recipe,
    corpus: PreparedCorpus,
    stages: Stages,
    *,
    truecase: bool,
    split_compounds: bool = False,
    workers: int,
) -> Languages:
    """Learn how text becomes words, and make words of the training pairs.

    Args:
        recipe: says the languages.
        corpus: whose training pairs are taken.
        stages: keep the results.
        truecase: write the first word of a sentence as it is written within sentences.
        split_compounds: split rare source words into frequent ones.
        workers: processes that cut text into words.
    """
    settings = WordSettings(truecase=truecase, max_lines=_ALL_LINES)

    def learn(_: Path) -> None:
        learned()

    def learned() -> tuple[TokenizerPair, Bitext]:
        tokenizers = learn_tokenizers(
            settings,
            corpus.train.source, corpus.train.target, cache=stages.cache,
            source_language=recipe.corpus.source_language,
            target_language=recipe.corpus.target_language,
        )  # fmt: skip
        return tokenizers, encode_pairs(
            corpus.train, tokenizers, cache=stages.cache, workers=workers
        )

    languages = [recipe.corpus.source_language, recipe.corpus.target_language]
    text = {"text": corpus.train.content_hash}
    words = {**text, "languages": languages, "words": settings.model_dump(mode="json")}
    # Both results have a place of their own in the cache; the stage keeps what they cost.
    stages.run("words", words, learn)
    tokenizers, bitext = learned()
    assert isinstance(tokenizers.source, WordTokenizer)
    assert isinstance(tokenizers.target, WordTokenizer)
    source, target = Words.of(tokenizers.source), Words.of(tokenizers.target)
    inputs = {**text, "tokenizers": tokenizers.content_hash}
    if split_compounds:
        splitter = CompoundSplitter(count_words(bitext.source, source.vocabulary))
        source = Words.of(tokenizers.source, splitter)
        whole = bitext
        folder = stages.run(
            "compounds", inputs,
            lambda folder: split_sentences(whole.source, splitter).save(folder, "source"),
        )  # fmt: skip
        bitext = Bitext(Sentences.open(folder, "source"), bitext.target)
    both = {**inputs, "split_compounds": split_compounds}
    return Languages(tokenizers, source, target, bitext, both, inputs)


def estimate_language_model(
    languages: Languages, stages: Stages, settings: LanguageModelSettings
) -> tuple[Path, dict[str, Any]]:
    """The folder of the target side's language model, and what it depends on."""

    def estimate(result: Path) -> None:
        LanguageModel.estimate(
            languages.bitext.target, languages.target.vocabulary, settings, report=stages.report
        ).save(result)

    inputs = {**languages.target_inputs, "model": settings.model_dump(mode="json")}
    return stages.run("language-model", inputs, estimate), inputs
