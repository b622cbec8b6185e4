"""The training loop."""

from __future__ import annotations

import contextlib
import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nmt.errors import UserError
from nmt.neural.model.transformer import Transformer
from nmt.neural.system import TransformerTranslator
from nmt.neural.training.batches import BatchStream, Update, prefetch
from nmt.neural.training.checkpoint import Best, Checkpoints, Counters
from nmt.neural.training.gradients import GradientWorkers, LossSums, perplexity
from nmt.neural.training.optimizer import FlatParameters, Optimizer, learning_rate
from nmt.neural.training.progress import Reporter, TrainingRecord, ValidationRecord, share_done
from nmt.neural.training.validation import Validator
from nmt.recipe.systems import TrainingSettings

SAVE_SECONDS = 120.0
"""Longest time between two checkpoints: what a kill can cost."""

SMALLEST_LOSS_SCALE = 2.0**-10
"""Below this the loss itself is not finite, whatever its scale."""


@dataclass(frozen=True, slots=True)
class StopRequest:
    """Asked after every update: a reason to stop now, such as a signal, or None."""

    reason: Callable[[], str | None] = lambda: None


class Trainer:
    """Trains a model until one of its limits, from the beginning or from its last checkpoint."""

    def __init__(
        self,
        model: Transformer,
        translator: TransformerTranslator,
        stream: BatchStream,
        validator: Validator,
        settings: TrainingSettings,
        folder: Path,
        *,
        workers: int,
        inputs: dict[str, Any],
    ) -> None:
        """Set up a training.

        Args:
            model: the model to train.
            translator: translates with a copy of the model, for validation.
            stream: the training data.
            validator: scores the model.
            settings: how to train.
            folder: where checkpoints and metrics go.
            workers: micro-batches computed side by side.
            inputs: what the training depends on; a checkpoint with other inputs is not continued.
        """
        self.settings = settings
        self.folder = folder
        self.inputs = inputs
        self.counters = Counters()
        self.checkpoints = Checkpoints(folder)
        self.flat = FlatParameters(model)
        self.optimizer = Optimizer(self.flat, settings)
        self.workers = GradientWorkers(model, self.flat, settings, workers)
        self.counters.loss_scale = self.workers.loss_scale
        self._translator = translator
        self.flat.attach(translator.model, self.optimizer.evaluated, None)
        self._stream = stream
        self._validator = validator

    def restore(self) -> bool:
        """Go back to the last checkpoint, if there is one; whether there was."""
        saved = self.checkpoints.load()
        if saved is None:
            return False
        counters, tensors, inputs = saved
        changed = sorted(k for k in inputs.keys() | self.inputs if inputs.get(k) != self.inputs.get(k))
        if changed:
            raise UserError(
                f"holds a training with other settings or data ({', '.join(changed)})",
                where=str(self.folder),
                mend="start again with --fresh, or choose another --output",
            )
        self.optimizer.restore(tensors)
        self.counters = counters
        self.workers.loss_scale = counters.loss_scale
        return True

    def check_fit(self) -> None:
        """Compute one update and forget it. Raises UserError if there is not enough memory."""
        updates = self._stream.updates(self.counters.position)
        try:
            self.workers.accumulate(next(updates), 0)
            if self.flat.values.device.type == "cuda":
                torch.cuda.synchronize()
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and "memory" not in str(error):
                raise
            raise UserError(
                f"a batch of {self.settings.batch_tokens} tokens does not fit in memory",
                mend="set training.micro_batch_tokens to less; the result stays the same",
            ) from error
        self.flat.gradients.zero_()

    def train(self, reporter: Reporter, stop: StopRequest) -> str:
        """Train until a limit or a request; returns why it ended. The last state is saved."""
        counters, settings = self.counters, self.settings
        window = _Window()
        started, cpu_started = time.perf_counter(), time.process_time()
        already, cpu_already = counters.seconds, counters.cpu_seconds
        saved = started
        reason = self._end()
        with contextlib.closing(prefetch(self._stream.updates(counters.position))) as updates:
            while reason is None:
                update = next(updates)
                sums = self.workers.accumulate(update, counters.update + 1)
                norm = self.optimizer.step(
                    counters.update + 1, update.num_target_pieces, self.workers.loss_scale
                )
                counters.update += 1
                counters.position = update.after
                counters.target_pieces += update.num_target_pieces
                window.add(update, sums, norm)
                counters.seconds = already + time.perf_counter() - started
                counters.cpu_seconds = cpu_already + time.process_time() - cpu_started
                on_cpu = norm.device.type == "cpu"
                if on_cpu or settings.precision == "float16" or counters.update % settings.log_every == 0:
                    self._check_finite(window)
                if counters.update % settings.log_every == 0:
                    reporter.training(window.record(counters, settings), self._share())
                    window = _Window()
                if counters.update % settings.validate_every == 0:
                    self.validate(reporter)
                    counters.seconds = already + time.perf_counter() - started
                    counters.cpu_seconds = cpu_already + time.process_time() - cpu_started
                    saved = -math.inf
                reason = self._end() or stop.reason()
                if reason or time.perf_counter() - saved > SAVE_SECONDS:
                    self.save()
                    saved = time.perf_counter()
        return reason

    def validate(self, reporter: Reporter) -> None:
        """Score the model; keep its weights if they are among the best."""
        counters, settings = self.counters, self.settings
        loss, nll = self._validator.loss(self._translator)
        scores = self._validator.scores(self._translator)
        value = -loss if settings.validate_metric == "loss" else scores[settings.validate_metric]
        is_best = not counters.best or value > counters.best[0].value
        counters.validations_since_best = 0 if is_best else counters.validations_since_best + 1
        ranked = sorted([*counters.best, Best(counters.update, value)], key=lambda b: -b.value)
        counters.best = ranked[: settings.keep_best]
        if any(best.update == counters.update for best in counters.best):
            self.checkpoints.save_best(
                counters.update, self.flat.views(self.optimizer.evaluated)
            )
        reporter.validation(
            ValidationRecord(
                counters.update, counters.position.epoch, loss, perplexity(nll), scores, value,
                is_best, counters.seconds, counters.cpu_seconds,
            )  # fmt: skip
        )

    def save(self) -> None:
        """Write the last checkpoint."""
        self.counters.loss_scale = self.workers.loss_scale
        self.checkpoints.save(self.counters, self.optimizer.state(), self.inputs)

    def finish(self, reporter: Reporter) -> dict[str, float]:
        """Load the weights to keep into the translator's model; returns their validation scores.

        These are the mean of the best checkpoints, unless the best alone scores better.
        """
        settings, counters = self.settings, self.counters
        if not counters.best:
            self.validate(reporter)
            self.save()
        best = counters.best[0]
        updates = [b.update for b in counters.best[: settings.average_checkpoints]]
        candidates = [[best.update]] + ([updates] if len(updates) > 1 else [])
        results = []
        for candidate in candidates:
            self._load(candidate)
            loss, _ = self._validator.loss(self._translator)
            scores = self._validator.scores(self._translator)
            value = -loss if settings.validate_metric == "loss" else scores[settings.validate_metric]
            results.append((value, candidate, {"loss": loss, **scores}))
        value, chosen, scores = max(results, key=lambda result: result[0])
        self._load(chosen)
        what = f"the mean of {len(chosen)} checkpoints" if len(chosen) > 1 else "one checkpoint"
        reporter.say(
            f"final model: {what} (updates {', '.join(map(str, sorted(chosen)))}), valid "
            + "  ".join(f"{name} {score:.2f}" for name, score in scores.items())
        )
        return scores

    def _load(self, updates: list[int]) -> None:
        weights = self.checkpoints.average(updates)
        with torch.no_grad():
            for name, parameter in self._translator.model.named_parameters():
                parameter.data = weights[name].to(parameter.device)

    def _share(self) -> float:
        counters = self.counters
        return share_done(
            self.settings, counters.update, counters.position.epoch, counters.seconds
        )

    def _end(self) -> str | None:
        """Which limit has been reached, in words."""
        settings, counters = self.settings, self.counters
        if settings.max_updates is not None and counters.update >= settings.max_updates:
            return f"{settings.max_updates} updates done"
        if settings.max_epochs is not None and counters.position.epoch >= settings.max_epochs:
            return f"{settings.max_epochs} epochs done"
        if settings.max_minutes is not None and counters.seconds >= 60 * settings.max_minutes:
            return f"{settings.max_minutes:g} minutes are over"
        if settings.patience is not None and counters.validations_since_best >= settings.patience:
            return f"no better validation in {settings.patience}"
        return None

    def _check_finite(self, window: _Window) -> None:
        bad = window.first_not_finite()
        if bad is None:
            window.forget_updates()
            return
        if self.settings.precision == "float16" and self.workers.loss_scale > SMALLEST_LOSS_SCALE:
            # An overflow: the update was skipped; the next one gets a smaller loss.
            self.workers.loss_scale /= 2
            window.forget_updates()
            return
        number = self.counters.update - len(window.updates) + bad + 1
        path = self.folder / f"not-finite-{number}.npy"
        np.save(path, window.updates[bad].pairs)
        raise UserError(
            f"the loss of update {number} is not finite; the numbers of its sentence pairs are in "
            f"{path}",
            where=str(self.folder),
            mend="lower training.learning_rate or raise training.warmup_updates; "
            "the last checkpoint is from before",
        )


class _Window:
    """Sums over the updates since the last record."""

    def __init__(self) -> None:
        self.started = time.perf_counter()
        self.cpu_started = time.process_time()
        self.sums: list[LossSums] = []
        self.norms: list[torch.Tensor] = []
        self.updates: list[Update] = []
        self.target_pieces = self.pieces = self.positions = 0
        self._checked = 0

    def add(self, update: Update, sums: LossSums, norm: torch.Tensor) -> None:
        self.sums.append(sums)
        self.norms.append(norm)
        self.updates.append(update)
        self.target_pieces += update.num_target_pieces
        self.pieces += update.num_pieces
        self.positions += update.num_positions

    def first_not_finite(self) -> int | None:
        """The place in ``updates`` of the first unchecked one whose loss or norm is not finite."""
        losses = torch.stack([s.loss for s in self.sums[self._checked :]])
        norms = torch.stack(self.norms[self._checked :])
        bad = torch.nonzero(~(losses.isfinite() & norms.isfinite()))
        return int(bad[0]) if len(bad) else None

    def forget_updates(self) -> None:
        """Let go of batches that were found to be finite."""
        self.updates.clear()
        self._checked = len(self.sums)

    def record(self, counters: Counters, settings: TrainingSettings) -> TrainingRecord:
        loss = float(torch.stack([s.loss for s in self.sums]).sum()) / self.target_pieces
        nll = float(torch.stack([s.nll for s in self.sums]).sum()) / self.target_pieces
        return TrainingRecord(
            update=counters.update,
            epoch=counters.position.epoch,
            loss=loss,
            perplexity=perplexity(nll),
            learning_rate=learning_rate(settings, counters.update),
            gradient_norm=float(torch.stack(self.norms).mean()),
            target_pieces_per_second=self.target_pieces / (time.perf_counter() - self.started),
            target_pieces_per_cpu_second=self.target_pieces
            / max(1e-9, time.process_time() - self.cpu_started),
            padding=1 - self.pieces / self.positions,
            seconds=counters.seconds,
            cpu_seconds=counters.cpu_seconds,
        )


def evaluation_copy(model: Transformer) -> Transformer:
    """A model of the same shape for validation, to be given weights of its own."""
    return copy.deepcopy(model).requires_grad_(False)


