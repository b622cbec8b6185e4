"""From a recipe and a prepared corpus to a Transformer's model folder."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from nmt.corpus import PreparedCorpus, TokenizedBitext, tokenize_pairs
from nmt.files import write_json
from nmt.model_folder import ModelFolder, write_model_folder
from nmt.neural.device import available_cores, choose_device, describe, prepare
from nmt.neural.model.architecture import design
from nmt.neural.model.transformer import Transformer
from nmt.neural.system import TOKENIZER, WEIGHTS, TransformerTranslator, save_weights
from nmt.neural.training.batches import BatchShape, BatchStream, Rows, choose_shape
from nmt.neural.training.loop import StopRequest, Trainer, evaluation_copy
from nmt.neural.training.progress import Reporter
from nmt.neural.training.validation import Validator
from nmt.recipe import Recipe, TransformerSettings
from nmt.tokenization import TokenizerPair, learn_tokenizers

SAMPLING_SLACK = 1.3
"""How much longer than usual a sentence may become under subword sampling; the rest sits out."""

_LIMITS = frozenset(
    {
        "max_updates", "max_epochs", "max_minutes", "patience", "log_every", "keep_best",
        "average_checkpoints", "tensorboard", "micro_batch_tokens",
    }
)  # fmt: skip
"""Settings of training that may change between a stop and its continuation."""


class Stopped(Exception):
    """Training was stopped on request; the same command continues it."""


def train_transformer(
    recipe: Recipe,
    name: str,
    corpus: PreparedCorpus,
    folder: Path,
    *,
    identity: str,
    cache: Path,
    device_name: str,
    console: Console,
    stop: Callable[[], str | None] = lambda: None,
) -> ModelFolder:
    """Train system ``name`` of a recipe; the result is a model folder, with ``training/`` in it.

    Continues from the last checkpoint if there is one. Raises Stopped when ``stop`` gave a reason,
    UserError where settings or data do not allow training. ``identity`` is stored with the model,
    so that a later run can tell whether it is the one that it would train.
    """
    system = recipe.systems[name]
    assert isinstance(system, TransformerSettings)
    settings = system.training
    device = choose_device(device_name)
    workers = prepare(device)
    torch.manual_seed(settings.seed)

    tokenizers = learn_tokenizers(
        recipe.tokenizer, corpus.train.source, corpus.train.target, cache=cache, seed=1
    )
    architecture = design(
        system, tokenizers.source.vocabulary_size, tokenizers.target.vocabulary_size
    )
    train, valid = (
        tokenize_pairs(
            pairs, tokenizers.source, tokenizers.target, cache=cache, workers=available_cores()
        )
        for pairs in (corpus.train, corpus.valid)
    )
    kept = _usable(train, architecture.max_positions, console)
    shape = _shape(recipe, system, train, kept, device, workers)
    stream = BatchStream(
        _rows(recipe, corpus, train, tokenizers, kept),
        train.origins[kept],
        train.weights,
        shape,
        seed=settings.seed,
    )
    model = Transformer(architecture).to(device)
    translator = TransformerTranslator(
        evaluation_copy(model),
        tokenizers,
        system.search,
        source_language=recipe.corpus.source_language,
        target_language=recipe.corpus.target_language,
        workers=workers,
    )
    validator = Validator(
        corpus.valid,
        valid,
        settings,
        shape,
        bleu_tokenizer=recipe.evaluation.bleu_tokenizer,
        lowercase=recipe.evaluation.lowercase,
    )
    training_folder = folder / "training"
    training_folder.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(
        model, translator, stream, validator, settings, training_folder,
        workers=workers,
        inputs={
            "architecture": architecture.to_json(),
            "training": settings.model_dump(mode="json", exclude=set(_LIMITS)),
            "sampling": getattr(recipe.tokenizer, "sampling", 0.0),
            "training data": corpus.train.content_hash,
            "validation data": corpus.valid.content_hash,
            "tokenizers": tokenizers.content_hash,
        },
    )  # fmt: skip
    resumed = trainer.restore()
    write_json(training_folder / "machine.json", _machine(device))
    with Reporter(training_folder, settings, console, update=trainer.counters.update) as reporter:
        size = sum(p.numel() for p in model.parameters())
        reporter.say(
            f"{name}: {size / 1e6:.1f} M parameters on {describe(device)}; an update is "
            f"{shape.micro_batches} x {shape.target_positions} target positions"
            + (f"; going on after update {trainer.counters.update}" if resumed else "")
        )
        trainer.check_fit()
        reason = trainer.train(reporter, StopRequest(stop))
        if stop() is not None:
            raise Stopped(reason)
        reporter.say(f"training ends: {reason}")
        scores = trainer.finish(reporter)
    counters = trainer.counters

    def fill(staging: Path) -> None:
        save_weights(translator.model, staging / WEIGHTS)
        tokenizers.save(staging / TOKENIZER)

    return write_model_folder(
        folder,
        kind="transformer",
        source_language=recipe.corpus.source_language,
        target_language=recipe.corpus.target_language,
        settings={
            "architecture": architecture.to_json(),
            "search": system.search.model_dump(mode="json"),
        },
        training={
            "identity": identity,
            "recipe": recipe.model_dump(mode="json"),
            "updates": counters.update,
            "epochs": counters.position.epoch,
            "target_pieces": counters.target_pieces,
            "seconds": round(counters.seconds, 1),
            "cpu_seconds": round(counters.cpu_seconds, 1),
            "ended": reason,
            "valid": scores,
            **_machine(device),
        },
        fill=fill,
    )


def _usable(train: TokenizedBitext, max_positions: int, console: Console) -> np.ndarray:
    """Numbers of the training pairs that fit the model's positions."""
    longest = np.maximum(train.source.lengths, train.target.lengths) + 1
    kept = np.flatnonzero(longest <= max_positions)
    if len(kept) < len(longest):
        console.print(
            f"{len(longest) - len(kept):,} training pairs are longer than {max_positions} pieces "
            "and are left out",
            highlight=False,
        )
    return kept


def _shape(
    recipe: Recipe,
    system: TransformerSettings,
    train: TokenizedBitext,
    kept: np.ndarray,
    device: torch.device,
    workers: int,
) -> BatchShape:
    settings = system.training
    sampled = getattr(recipe.tokenizer, "sampling", 0.0) > 0
    micro = settings.micro_batch_tokens
    if micro is None:
        # On a core, about what its share of the last-level cache holds; on a GPU, all at once.
        micro = 2048 if device.type == "cpu" else settings.batch_tokens
    return choose_shape(
        train.source.lengths[kept].astype(np.int64) + 1,
        train.target.lengths[kept].astype(np.int64) + 1,
        batch_tokens=settings.batch_tokens,
        micro_batch_tokens=micro,
        workers=workers,
        slack=SAMPLING_SLACK if sampled else 1.0,
    )


def _rows(
    recipe: Recipe,
    corpus: PreparedCorpus,
    train: TokenizedBitext,
    tokenizers: TokenizerPair,
    kept: np.ndarray,
) -> Rows:
    """How the stream gets pieces: from the cache, or by sampling anew."""
    rate = getattr(recipe.tokenizer, "sampling", 0.0)

    def stored(numbers: np.ndarray, seed: tuple[int, ...]) -> Any:
        return (
            [train.source[i] for i in kept[numbers]],
            [train.target[i] for i in kept[numbers]],
        )

    def sampled(numbers: np.ndarray, seed: tuple[int, ...]) -> Any:
        words = [int(word) for word in np.random.SeedSequence(seed).generate_state(2)]
        pairs = kept[numbers]
        return tuple(
            [
                np.asarray(row)
                for row in tokenizer.encode_sampled(lines.take(pairs), rate=rate, seed=word)
            ]
            for tokenizer, lines, word in (
                (tokenizers.source, corpus.train.source, words[0]),
                (tokenizers.target, corpus.train.target, words[1]),
            )
        )

    return sampled if rate > 0 else stored


def _machine(device: torch.device) -> dict[str, Any]:
    return {
        "device": describe(device),
        "processor": platform.processor() or platform.machine(),
        "versions": {
            "nmt": importlib.metadata.version("bitext-nmt"),
            "python": platform.python_version(),
            "torch": torch.__version__,
        },
    }
