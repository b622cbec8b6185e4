"""A neural training as every rank sets it up: from a recipe and a corpus to a trainer."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from nmt.corpus import CleaningReport, PreparedCorpus, TextPairs, tokenize_pairs
from nmt.errors import UserError
from nmt.neural.device import choose_device, prepare
from nmt.neural.model.translation_model import AnyArchitecture, design, make_model
from nmt.neural.system import NeuralTranslator
from nmt.neural.training.data import TrainingData
from nmt.neural.training.distribution import Ranks
from nmt.neural.training.initial import open_initial_model
from nmt.neural.training.loop import Trainer
from nmt.neural.training.packing import BatchShape
from nmt.neural.training.precision import refuse_precision
from nmt.neural.training.steps import why_not_static
from nmt.neural.training.validation import Validator
from nmt.recipe import NeuralSettings, Recipe
from nmt.tokenization import TokenizerPair, learn_tokenizers

_CPU_MICRO_BATCH = 2048
"""Target positions that a core computes at once: about what its share of the cache holds."""


@dataclass(frozen=True, slots=True)
class Task:
    """What a neural training is of."""

    recipe: Recipe
    name: str
    """The system of the recipe."""
    corpus: PreparedCorpus
    pairs: TextPairs
    """What is learned from: those of the corpus, and what a teacher adds to them."""
    folder: Path
    """The system's folder."""
    inputs: dict[str, Any]
    """All that the result depends on."""
    cache: Path
    device_name: str

    @property
    def system(self) -> NeuralSettings:
        """The system's settings."""
        system = self.recipe.systems[self.name]
        assert isinstance(system, NeuralSettings)
        return system

    @property
    def training_folder(self) -> Path:
        """Where checkpoints and metrics go."""
        return self.folder / "training"

    def to_json(self) -> dict[str, Any]:
        """The same in words that another process understands, which sees the same disk."""
        return {
            "recipe": self.recipe.model_dump(mode="json"),
            "name": self.name,
            "train": str(self.corpus.train.folder.absolute()),
            "pairs": str(self.pairs.folder.absolute()),
            "weights": self.corpus.train.weights,
            "valid": str(self.corpus.valid.folder.absolute()),
            "folder": str(self.folder.absolute()),
            "inputs": self.inputs,
            "cache": str(self.cache.absolute()),
            "device_name": self.device_name,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Task:
        """The inverse of ``to_json``, but for the test sets and the report about the corpus.

        Raises UserError if the corpus is not there.
        """
        if not Path(value["train"]).is_dir():
            raise UserError(
                "rank 0 has written the corpus there, and this machine does not see it",
                where=value["train"],
                mend="choose an --output on a disk that all machines share",
            )
        corpus = PreparedCorpus(
            TextPairs.open(Path(value["train"]), tuple(value["weights"])),
            TextPairs.open(Path(value["valid"])),
            {},
            CleaningReport((), {}, overlap_dropped=False),
        )
        return cls(
            Recipe.model_validate(value["recipe"]), value["name"], corpus,
            TextPairs.open(Path(value["pairs"]), tuple(value["weights"])),
            Path(value["folder"]), value["inputs"], Path(value["cache"]), value["device_name"],
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Prepared:
    """A task that is ready to begin."""

    device: torch.device
    tokenizers: TokenizerPair
    data: TrainingData
    shape: BatchShape
    """Of an update, over all ranks."""
    workers: int
    """Cores of this rank."""
    translator: NeuralTranslator
    trainer: Trainer


def prepare_training(task: Task, ranks: Ranks) -> Prepared:
    """Learn or open the tokenizers, tokenise the corpus or open it, and make model and trainer.

    Raises UserError where settings or data do not allow training.
    """
    recipe, system = task.recipe, task.system
    settings = system.training
    device = choose_device(task.device_name)
    if device.type == "cuda" and ranks.size > 1:
        device = choose_device(f"cuda:{ranks.place.local_rank}")
        torch.cuda.set_device(device)
    refuse_precision(settings, device, task.name)
    workers = prepare(device, ranks.place.local_size)
    initial = open_initial_model(recipe, system)
    architecture: AnyArchitecture
    if initial is not None:
        tokenizers, architecture = initial.tokenizers, initial.architecture
    else:
        tokenizers = learn_tokenizers(
            recipe.tokenizer, task.corpus.train.source, task.corpus.train.target, cache=task.cache,
            source_language=recipe.corpus.source_language,
            target_language=recipe.corpus.target_language,
        )  # fmt: skip
        architecture = design(
            system, tokenizers.source.vocabulary_size, tokenizers.target.vocabulary_size
        )
    data = TrainingData.prepare(
        task.pairs, tokenizers, max_positions=architecture.max_positions, cache=task.cache,
        sampling_rate=getattr(recipe.tokenizer, "sampling", 0.0),
    )  # fmt: skip
    shape = data.shape(
        settings,
        micro_batch_tokens=_CPU_MICRO_BATCH if device.type == "cpu" else settings.batch_tokens,
        workers=workers * ranks.size,
        static=why_not_static(architecture, device) is None,
    )
    torch.manual_seed(settings.seed)
    model = make_model(architecture)
    if initial is not None:
        initial.fill(model)
    model.to(device)
    translator = NeuralTranslator(
        copy.deepcopy(model).requires_grad_(False), tokenizers, system.search,
        source_language=recipe.corpus.source_language,
        target_language=recipe.corpus.target_language,
        workers=workers,
    )  # fmt: skip
    stream = data.stream(shape, seed=settings.seed, rank=ranks.rank, num_ranks=ranks.size)
    trainer = Trainer(
        model, translator, stream,
        _make_validator(task, tokenizers, shape, ranks, architecture.max_positions),
        settings, task.training_folder,
        workers=workers,
        inputs={
            **task.inputs,
            "tokenizers": tokenizers.content_hash[:12],
            **({"taught_text": task.pairs.content_hash[:12]} if system.teacher else {}),
        },
        show_pairs=data.show,
        ranks=ranks,
    )  # fmt: skip
    return Prepared(device, tokenizers, data, shape, workers, translator, trainer)


def _make_validator(
    task: Task, tokenizers: TokenizerPair, shape: BatchShape, ranks: Ranks, max_positions: int
) -> Validator:
    valid, recipe = task.corpus.valid, task.recipe
    pieces = tokenize_pairs(
        valid, tokenizers.source, tokenizers.target, cache=task.cache, workers=1
    )
    return Validator(
        valid, pieces, task.system.training, shape,
        max_positions=max_positions,
        bleu_tokenizer=recipe.evaluation.bleu_tokenizer,
        lowercase=recipe.evaluation.lowercase,
        ranks=ranks,
    )  # fmt: skip
