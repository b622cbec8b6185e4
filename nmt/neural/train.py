"""From a recipe and a prepared corpus to a Transformer's model folder."""

from __future__ import annotations

import contextlib
import copy
import importlib.metadata
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from nmt.corpus import PreparedCorpus, TokenizedBitext, tokenize_pairs
from nmt.differences import differences
from nmt.errors import UserError
from nmt.files import explain_os_error, write_json
from nmt.model_folder import ModelFolder, write_model_folder
from nmt.neural.device import available_cores, choose_device, describe, prepare
from nmt.neural.model.architecture import Architecture, design
from nmt.neural.model.transformer import Transformer
from nmt.neural.system import TOKENIZER, WEIGHTS, TransformerTranslator, save_weights
from nmt.neural.training.batches import BatchStream, Rows
from nmt.neural.training.checkpoint import Counters
from nmt.neural.training.loop import Trainer
from nmt.neural.training.packing import BatchShape, choose_shape, hardest_pairs
from nmt.neural.training.progress import Reporter
from nmt.neural.training.validation import Validator
from nmt.recipe import Recipe, TransformerSettings
from nmt.stopping import StopRequest
from nmt.tokenization import TokenizerPair, learn_tokenizers

SAMPLING_SLACK = 1.3
"""How much longer than usual a sentence may become under subword sampling; the rest sits out."""

_CPU_MICRO_BATCH = 2048
"""Target positions that a core computes at once: about what its share of the cache holds."""


@dataclass(frozen=True, slots=True)
class _Data:
    """Tokenised training and validation pairs, and how they become updates."""

    tokenizers: TokenizerPair
    train: TokenizedBitext
    valid: TokenizedBitext
    kept: np.ndarray
    """Numbers of the training pairs that are short enough for the model."""
    source_lengths: np.ndarray
    """Of the kept pairs, EOS included."""
    target_lengths: np.ndarray
    shape: BatchShape


def train_transformer(
    recipe: Recipe,
    name: str,
    corpus: PreparedCorpus,
    folder: Path,
    *,
    inputs: dict[str, Any],
    cache: Path,
    device_name: str,
    console: Console,
    stop: StopRequest,
) -> ModelFolder:
    """Train system ``name`` of a recipe; the result is a model folder, with ``training/`` in it.

    Continues from the last checkpoint if there is one. ``inputs`` says what the result depends on;
    it is kept with the checkpoints, of which one with other inputs is not continued (but limits and
    the search may change), and with the model.

    Raises Stopped when asked to stop, UserError where settings or data do not allow training.
    """
    system = recipe.systems[name]
    assert isinstance(system, TransformerSettings)
    settings = system.training
    device = choose_device(device_name)
    workers = prepare(device)

    def say(text: str) -> None:
        console.print(text, markup=False, emoji=False, highlight=False, soft_wrap=True)

    tokenizers = learn_tokenizers(
        recipe.tokenizer,
        corpus.train.source,
        corpus.train.target,
        cache=cache,
        source_language=recipe.corpus.source_language,
        target_language=recipe.corpus.target_language,
    )
    architecture = design(
        system, tokenizers.source.vocabulary_size, tokenizers.target.vocabulary_size
    )
    data = _tokenize(recipe, system, corpus, tokenizers, cache, device, workers)
    if len(data.kept) < len(data.train):
        say(
            f"{len(data.train) - len(data.kept):,} training pairs are longer than "
            f"{system.max_positions} pieces and are left out"
        )
    torch.manual_seed(settings.seed)
    model = Transformer(architecture).to(device)
    translator = TransformerTranslator(
        copy.deepcopy(model).requires_grad_(False),
        tokenizers,
        system.search,
        source_language=recipe.corpus.source_language,
        target_language=recipe.corpus.target_language,
        workers=workers,
    )
    training_folder = _make_folder(folder / "training")
    trainer = Trainer(
        model,
        translator,
        _stream(recipe, system, corpus, data),
        _validator(recipe, system, corpus, data),
        settings,
        training_folder,
        workers=workers,
        inputs={**inputs, "tokenizers": tokenizers.content_hash},
        show_pairs=lambda pairs: [
            (corpus.train.source[i], corpus.train.target[i]) for i in data.kept[pairs]
        ],
    )
    with contextlib.closing(trainer):
        resumed = trainer.restore(
            lambda before, counters: _refuse_changes(
                before, trainer.inputs, counters, name, system, training_folder
            )
        )
        write_json(training_folder / "machine.json", _machine(device))
        with Reporter(
            training_folder, settings, console, update=trainer.counters.update
        ) as reporter:
            size = sum(p.numel() for p in model.parameters())
            reporter.say(
                f"{name}: {size / 1e6:.1f} M parameters on {describe(device)}; an update is "
                f"{data.shape.micro_batches} x {data.shape.micro_target_positions} target positions"
                + (f"; going on after update {trainer.counters.update}" if resumed else "")
            )
            if device.type != "cpu":
                trainer.check_fit(
                    hardest_pairs(data.source_lengths, data.target_lengths, data.shape)
                )
            ended = trainer.train(reporter, stop)
            reporter.say(f"training ends: {ended}")
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
            "max_source_pieces": _longest_source(data, architecture),
        },
        training={
            "identity": inputs,
            "recipe": recipe.model_dump(mode="json"),
            "updates": counters.update,
            "epochs": round(counters.epochs, 2),
            "target_pieces": counters.target_pieces,
            "seconds": round(counters.seconds, 1),
            "cpu_seconds": round(counters.cpu_seconds, 1),
            "ended": ended,
            "valid": scores,
            **_machine(device),
        },
        fill=fill,
    )


def _tokenize(
    recipe: Recipe,
    system: TransformerSettings,
    corpus: PreparedCorpus,
    tokenizers: TokenizerPair,
    cache: Path,
    device: torch.device,
    workers: int,
) -> _Data:
    train, valid = (
        tokenize_pairs(
            pairs, tokenizers.source, tokenizers.target, cache=cache, workers=available_cores()
        )
        for pairs in (corpus.train, corpus.valid)
    )
    longest = np.maximum(train.source.lengths, train.target.lengths) + 1
    kept = np.flatnonzero(longest <= system.max_positions)
    if not len(kept):
        raise UserError(
            f"all training pairs are longer than {system.max_positions} pieces",
            mend="raise max_positions of the system",
        )
    source_lengths = train.source.lengths[kept].astype(np.int64) + 1
    target_lengths = train.target.lengths[kept].astype(np.int64) + 1
    settings = system.training
    usual = _CPU_MICRO_BATCH if device.type == "cpu" else settings.batch_tokens
    shape = choose_shape(
        source_lengths,
        target_lengths,
        batch_tokens=settings.batch_tokens,
        micro_batch_tokens=settings.micro_batch_tokens or usual,
        workers=workers,
        slack=SAMPLING_SLACK if _sampling_rate(recipe) > 0 else 1.0,
    )
    return _Data(tokenizers, train, valid, kept, source_lengths, target_lengths, shape)


def _stream(
    recipe: Recipe, system: TransformerSettings, corpus: PreparedCorpus, data: _Data
) -> BatchStream:
    return BatchStream(
        _rows(recipe, corpus, data),
        data.train.origins[data.kept],
        data.train.weights,
        data.shape,
        seed=system.training.seed,
        max_positions=system.max_positions,
    )


def _rows(recipe: Recipe, corpus: PreparedCorpus, data: _Data) -> Rows:
    """How the stream gets pieces: from the cache, or by sampling anew."""
    rate = _sampling_rate(recipe)

    def stored(numbers: np.ndarray, seed: tuple[int, ...]) -> Any:
        pairs = data.kept[numbers]
        return [data.train.source[i] for i in pairs], [data.train.target[i] for i in pairs]

    def sampled(numbers: np.ndarray, seed: tuple[int, ...]) -> Any:
        pairs = data.kept[numbers]
        words = np.random.SeedSequence(seed).generate_state(2).tolist()
        return tuple(
            [np.asarray(row) for row in side.encode_sampled(lines, rate=rate, seed=word)]
            for side, lines, word in (
                (data.tokenizers.source, corpus.train.source.take(pairs), words[0]),
                (data.tokenizers.target, corpus.train.target.take(pairs), words[1]),
            )
        )

    return sampled if rate > 0 else stored


def _sampling_rate(recipe: Recipe) -> float:
    return float(getattr(recipe.tokenizer, "sampling", 0.0))


def _validator(
    recipe: Recipe, system: TransformerSettings, corpus: PreparedCorpus, data: _Data
) -> Validator:
    return Validator(
        corpus.valid,
        data.valid,
        system.training,
        data.shape,
        max_positions=system.max_positions,
        bleu_tokenizer=recipe.evaluation.bleu_tokenizer,
        lowercase=recipe.evaluation.lowercase,
    )


def _longest_source(data: _Data, architecture: Architecture) -> int:
    """Longest source that the model should be given at once: no longer than it has seen.

    But it should not cut ordinary sentences only because a small corpus had none of their length,
    and the output needs room to be longer than the source.
    """
    return min(max(64, int(data.source_lengths.max())), architecture.max_positions // 2)


def _refuse_changes(
    before: dict[str, Any],
    now: dict[str, Any],
    counters: Counters,
    name: str,
    system: TransformerSettings,
    folder: Path,
) -> None:
    """Raise UserError for a checkpoint whose continuation would not be what the recipe says."""
    settings = system.training
    may_change = ["search", *(f"training.{limit}" for limit in _LIMITS)]
    if settings.schedule == "cosine":
        may_change.remove("training.max_updates")  # the schedule depends on it
    prefixes = tuple(f"systems.{name}.{path}" for path in may_change)
    changed = [
        f"{path}: {how}"
        for path, how in differences(before, now).items()
        if not path.startswith(prefixes)
    ]
    if settings.max_updates is not None and counters.update > settings.max_updates:
        changed.append(
            f"systems.{name}.training.max_updates: {settings.max_updates}, "
            f"and {counters.update} are done"
        )
    if changed:
        raise UserError(
            "here is a training with other settings or data\n  " + "\n  ".join(changed),
            where=str(folder),
            mend="--fresh begins anew and forgets it, another --output leaves it as it is",
        )


_LIMITS = (
    "max_updates", "max_epochs", "max_minutes", "patience", "keep_best", "average_checkpoints",
)  # fmt: skip
"""Settings of a training that may change before it goes on: its course stays the same."""


def _make_folder(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise explain_os_error(error, folder) from error
    return folder


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
