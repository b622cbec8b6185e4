"""From a recipe and a prepared corpus to a neural system's model folder."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from nmt.corpus import PreparedCorpus, TextPairs, TokenizedBitext, tokenize_pairs
from nmt.differences import differences
from nmt.errors import UserError
from nmt.files import build_once, explain_os_error, write_json
from nmt.identity import with_new_settings
from nmt.machine import describe_machine
from nmt.memory import PeakMemory
from nmt.model_folder import ModelFolder, write_model_folder
from nmt.neural.device import describe
from nmt.neural.search.shortlist import SHORTLIST, Shortlist
from nmt.neural.system import TOKENIZER
from nmt.neural.training.checkpoint import Counters
from nmt.neural.training.distribution import Alone, Ranks
from nmt.neural.training.progress import Reporter, SilentReporter
from nmt.neural.training.shortlist import learn_shortlist, measure_shortlist
from nmt.neural.training.task import Prepared, Task, prepare_training
from nmt.neural.weights import WEIGHTS, save_weights
from nmt.recipe import NeuralSettings, Recipe
from nmt.stopping import StopRequest
from nmt.tokenization import TokenizerPair

_LIMITS = (
    "max_updates", "max_epochs", "max_minutes", "patience", "keep_best", "average_checkpoints",
)  # fmt: skip
"""Settings of a training that may change before it goes on: its course stays the same."""


def train_neural(
    recipe: Recipe,
    name: str,
    corpus: PreparedCorpus,
    folder: Path,
    *,
    pairs: TextPairs,
    inputs: dict[str, Any],
    cache: Path,
    device_name: str,
    console: Console,
    stop: StopRequest,
    ranks: Ranks | None = None,
) -> ModelFolder:
    """Train system ``name`` of a recipe; the result is a model folder, with ``training/`` in it.

    Learns from ``pairs``: those of the corpus, and what a teacher adds to them. Continues from the
    last checkpoint if there is one. ``inputs`` says what the result depends on; it is kept with the
    checkpoints, of which one with other inputs is not continued (but limits and the search may
    change), and with the model. ``ranks`` are those that take part (by `join_training`), of which
    this one leads.

    Raises Stopped when asked to stop, UserError where settings or data do not allow training.
    """
    ranks = ranks or Alone()
    task = Task(recipe, name, corpus, pairs, folder, inputs, cache, device_name)
    system, training_folder = task.system, task.training_folder
    memory = PeakMemory(training_folder / "memory.json")
    prepared = prepare_training(task, ranks)
    trainer, data, shape = prepared.trainer, prepared.data, prepared.shape
    machine = describe_machine(describe(prepared.device, ranks.size), "torch")
    _begin(training_folder, machine)
    with contextlib.closing(trainer):
        resumed = trainer.restore(
            lambda before, counters: _refuse_changes(
                with_new_settings(before, task.recipe, task.name),
                trainer.inputs,
                counters,
                name,
                system,
                training_folder,
            )
        )
        done = trainer.counters.update
        with Reporter(training_folder, system.training, console, update=done) as reporter:
            if data.num_left_out:
                reporter.say(
                    f"{data.num_left_out:,} training pairs are longer than "
                    f"{data.max_positions} pieces and are left out"
                )
            model = prepared.translator.model
            size = sum(parameter.numel() for parameter in model.parameters())
            reporter.say(
                f"{name}: {size / 1e6:.1f} M parameters on {machine['device']}; an update is "
                f"{shape.micro_batches} x {shape.micro_target_positions} target positions"
                + (f"; going on after update {done}" if resumed else "")
            )
            ranks.call({**task.to_json(), "matrix_products": torch.get_float32_matmul_precision()})
            with ranks.connected(prepared.device):
                with memory.kept():
                    ended = _train(prepared, reporter, stop)
                reporter.say(f"training ends: {ended}")
                scores = trainer.finish(reporter)
            shortlist: Shortlist | None = None
            shortlist_facts: dict[str, Any] = {}
            if system.search.shortlist:
                shortlist, shortlist_facts = _make_shortlist(
                    task,
                    prepared.tokenizers,
                    data.pieces,
                    prepared.workers,
                    reporter.say,
                )
    counters = trainer.counters

    def fill(staging: Path) -> None:
        save_weights(model, staging / WEIGHTS)
        prepared.tokenizers.save(staging / TOKENIZER)
        if shortlist is not None:
            shortlist.save(staging / SHORTLIST)

    return write_model_folder(
        folder,
        kind=system.kind,
        source_language=recipe.corpus.source_language,
        target_language=recipe.corpus.target_language,
        settings={
            "architecture": model.architecture.to_json(),
            "search": system.search.model_dump(mode="json"),
            "max_source_pieces": data.longest_source,
        },
        training={
            "identity": inputs,
            "recipe": recipe.model_dump(mode="json"),
            "updates": counters.update,
            "epochs": round(counters.epochs, 2),
            "target_pieces": counters.target_pieces,
            "seconds": round(counters.seconds, 1),
            "cpu_seconds": round(counters.cpu_seconds, 1),
            "peak_memory_bytes": memory.largest,
            "ended": ended,
            "valid": scores,
            **shortlist_facts,
            **machine,
        },
        fill=fill,
    )


def join_training(job: dict[str, Any], ranks: Ranks, stop: StopRequest) -> None:
    """Take part in a training that rank 0 leads; ``job`` is what it told about it.

    Raises Stopped when asked to stop, UserError where rank 0 would.
    """
    prepared = prepare_training(Task.from_json(job), ranks)
    torch.set_float32_matmul_precision(job["matrix_products"])  # as rank 0 found it best
    reporter = SilentReporter()
    with contextlib.closing(prepared.trainer) as trainer:
        trainer.restore(lambda before, counters: None)  # rank 0 has refused what is to be refused
        with ranks.connected(prepared.device):
            _train(prepared, reporter, stop)
            trainer.finish(reporter)


def _train(prepared: Prepared, reporter: Reporter, stop: StopRequest) -> str:
    """What each rank does, whether it leads or not: train if memory is enough, until a limit."""
    if prepared.device.type != "cpu":
        prepared.trainer.check_fit(prepared.data.hardest(prepared.shape))
    return prepared.trainer.train(reporter, stop)


def _make_shortlist(
    task: Task,
    tokenizers: TokenizerPair,
    pieces: TokenizedBitext,
    workers: int,
    report: Callable[[str], None],
) -> tuple[Shortlist, dict[str, Any]]:
    """The corpus' shortlist, and how well it fits the validation set."""
    inputs = {"text": task.pairs.content_hash, "tokenizers": tokenizers.content_hash}

    def build(folder: Path) -> None:
        learn_shortlist(pieces, tokenizers, workers=workers, report=report).save(folder / SHORTLIST)

    shortlist = Shortlist.load(build_once(task.cache, "shortlist", inputs, build) / SHORTLIST)
    valid = tokenize_pairs(
        task.corpus.valid, tokenizers.source, tokenizers.target, cache=task.cache, workers=1
    )
    quality = measure_shortlist(shortlist, valid)
    report(
        f"shortlist: {quality.candidates:.0f} pieces a sentence on average, which hold "
        f"{quality.recall:.1%} of the validation set's references"
    )
    return shortlist, {"shortlist": asdict(quality)}


def _refuse_changes(
    before: dict[str, Any],
    now: dict[str, Any],
    counters: Counters,
    name: str,
    system: NeuralSettings,
    folder: Path,
) -> None:
    """Raise UserError for a checkpoint whose continuation would not be what the recipe says."""
    # Checkpoints of the first pupils do not hold it.
    before = {"taught_text": now["taught_text"], **before} if "taught_text" in now else before
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
            mend="nmt-train --fresh begins anew and forgets it, another --output keeps it",
        )


def _begin(folder: Path, machine: dict[str, Any]) -> None:
    """Make the training's folder, and compute as before if this is the machine of before.

    Which matrix library is the quickest was found by measuring, which can turn out otherwise at the
    next start, and with it the last digits of every result.
    """
    record = folder / "machine.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        before = json.loads(record.read_text(encoding="utf-8")) if record.exists() else {}
    except (OSError, ValueError) as error:
        raise (
            explain_os_error(error, folder)
            if isinstance(error, OSError)
            else UserError("not JSON", where=str(record), mend="remove this file")
        ) from error
    precision = before.pop("matrix_products", None)
    if before == machine and precision is not None:
        torch.set_float32_matmul_precision(precision)
        return
    write_json(record, {**machine, "matrix_products": torch.get_float32_matmul_precision()})
