"""The same systems on growing parts of the training data (Koehn and Knowles 2017).

The parts are those of ``corpus.max_pairs``: the pairs with the smallest hashes of their text, so
that they are a fair sample even of a sorted corpus, and each part lies within the next larger one.

A statistical system is trained at every size just as the recipe says. A neural one needs to be told
how long to train, and limits that suit the full size do not suit the others: one in epochs would
starve a small size, one in minutes depends on the machine. So, at every size:

- it is trained for as many updates as it was at the full size, at most, and
- stopped after five validations without a better one (the recipe's ``patience`` if it has one);
  the best checkpoints are kept, as the recipe says. A small corpus is learned by heart soon.
- The vocabulary of pieces shrinks with the square root of the size (as that of words does, about;
  Heaps' law), to a quarter at least: with as many pieces as the full size has, most of them would
  be learned from a few examples (Sennrich and Zhang 2019, https://aclanthology.org/P19-1021).

Nothing else is adapted to the size: neither width nor dropout, of which a small corpus may want
others, nor the phrase-based system's settings. What the figure shows is one recipe
at several sizes, not the best that each method can do at each of them.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from nmt.benchmark.costs import computing_seconds
from nmt.benchmark.results import SizePoint
from nmt.corpus import PreparedCorpus, prepare_corpus
from nmt.errors import UserError
from nmt.evaluation.metrics import score
from nmt.model_folder import ModelFolder
from nmt.recipe import NeuralSettings, Recipe, SystemSettings
from nmt.run import Run, read_translations, train_systems
from nmt.tokenization.settings import TokenizerSettings, WordSettings

_PATIENCE: Final = 5
_SMALLEST_VOCABULARY: Final = 1000


def measure_sizes(
    run: Run, corpus: PreparedCorpus, models: Mapping[str, ModelFolder], sizes: Sequence[int]
) -> list[SizePoint]:
    """Train the systems of ``models`` on so many pairs each, and score them on the test sets.

    The points of the full size, of which ``models`` are, come last. Systems go to
    ``sizes/N/SYSTEM`` in the recipe's folder, and are trained once. Sizes that the corpus does not
    have are left out, and said.

    Raises as `nmt.run.train_systems` does.
    """
    full = len(corpus.train)
    points = []
    for size in sorted(set(sizes)):
        if size >= full:
            run.say(f"size {size:,}: there are {full:,} training pairs, which is the full size")
            continue
        run.say(f"size {size:,} of {full:,}")
        recipe = recipe_at_size(run.recipe, models, size, full)
        part = dataclasses.replace(run, recipe=recipe, part=Path("sizes") / str(size))
        smaller = prepare_corpus(recipe.corpus, cache=run.cache, report=run.say)
        try:
            trained = train_systems(part, list(models), corpus=smaller)
        except UserError as error:
            if error.mend and "--fresh" in error.mend:
                error.mend = f"remove {part.folder} to train these sizes again"
            raise
        points += _points(run.recipe, smaller, trained)
    return points + _points(run.recipe, corpus, models)


def recipe_at_size(
    recipe: Recipe, models: Mapping[str, ModelFolder], size: int, full: int
) -> Recipe:
    """The recipe for ``size`` of its ``full`` training pairs; ``models`` are those of all pairs."""
    systems = {name: _system_at_size(recipe.systems[name], models[name]) for name in models}
    return recipe.model_copy(
        update={
            "corpus": recipe.corpus.model_copy(update={"max_pairs": size}),
            "tokenizer": _tokenizer_at_size(recipe.tokenizer, size / full),
            "systems": systems,
        }
    )


def _system_at_size(system: SystemSettings, model: ModelFolder) -> SystemSettings:
    if not isinstance(system, NeuralSettings):
        return system
    training = system.training.model_copy(
        update={
            "max_updates": model.training["updates"],
            "max_epochs": None,
            "max_minutes": None,
            "patience": system.training.patience or _PATIENCE,
        }
    )
    return system.model_copy(update={"training": training})


def _tokenizer_at_size(tokenizer: TokenizerSettings, share: float) -> TokenizerSettings:
    if isinstance(tokenizer, WordSettings):
        return tokenizer
    full = tokenizer.vocabulary_size
    smallest = max(full // 4, min(full, _SMALLEST_VOCABULARY))
    size = max(smallest, round(full * math.sqrt(share)))
    return tokenizer.model_copy(update={"vocabulary_size": size})


def _points(
    recipe: Recipe, corpus: PreparedCorpus, models: Mapping[str, ModelFolder]
) -> list[SizePoint]:
    return [
        SizePoint(
            num_pairs=len(corpus.train),
            system=name,
            test=test,
            bleu=score(
                read_translations(model, test), [list(pairs.target)], ["bleu"],
                tokenizer=recipe.evaluation.bleu_tokenizer,
                lowercase=recipe.evaluation.lowercase,
            )["bleu"],
            training_cpu_seconds=computing_seconds(model.training),
        )
        for test, pairs in corpus.test.items()
        for name, model in models.items()
    ]  # fmt: skip
