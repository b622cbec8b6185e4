"""The training loop."""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nmt.errors import UserError
from nmt.neural import cpu
from nmt.neural.model.translation_model import TranslationModel
from nmt.neural.system import NeuralTranslator
from nmt.neural.training.agreement import Agreement, Wishes
from nmt.neural.training.batches import BatchStream, Update
from nmt.neural.training.checkpoint import Best, Checkpoints, Counters
from nmt.neural.training.cores import Cores
from nmt.neural.training.distribution import Alone, Ranks
from nmt.neural.training.finite import FiniteCheck, ShowPairs
from nmt.neural.training.gradients import LossSums, perplexity
from nmt.neural.training.limits import explaining_memory, limit_reached, time_is_over
from nmt.neural.training.optimizer import FlatParameters, Optimizer, learning_rate
from nmt.neural.training.progress import Reporter, ValidationRecord, share_done
from nmt.neural.training.steps import make_steps
from nmt.neural.training.validation import Validator
from nmt.neural.training.window import Clocks, Window
from nmt.prefetch import prefetch
from nmt.recipe.neural import TrainingSettings
from nmt.stopping import Stopped, StopRequest

AHEAD = 16
"""Updates packed ahead: a GPU takes them in less time than the beginning of a new block takes."""

SAVE_SECONDS = 120.0
"""Longest time between two checkpoints: what a kill can cost."""


class Trainer:
    """Trains a model until one of its limits, from the beginning or from its last checkpoint.

    Where several ranks train it, each has a trainer, and all of them must do the same calls at the
    same time. The leader writes; the counters and weights of all are the same.
    """

    def __init__(
        self,
        model: TranslationModel,
        translator: NeuralTranslator,
        stream: BatchStream,
        validator: Validator,
        settings: TrainingSettings,
        folder: Path,
        *,
        workers: int,
        inputs: dict[str, Any],
        show_pairs: ShowPairs,
        ranks: Ranks | None = None,
        clocks: Clocks | None = None,
        save_seconds: float = SAVE_SECONDS,
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
            inputs: what the training depends on, kept with its checkpoints.
            show_pairs: the text of sentence pairs by their numbers in the stream.
            ranks: those that train together; this one alone unless given.
            clocks: the clocks of this machine unless given.
            save_seconds: longest time between two checkpoints.
        """
        self.settings = settings
        self.folder = folder
        self.inputs = inputs
        self.checkpoints = Checkpoints(folder)
        self._ranks = ranks or Alone()
        self.leads = self._ranks.rank == 0
        self._agreement = Agreement(self._ranks)
        self.flat = FlatParameters(
            model, self._ranks.size if settings.sharding == "optimizer" else 1
        )
        self._cores = Cores(workers)
        self.optimizer = Optimizer(self.flat, settings, self._cores, self._ranks)
        self.counters = Counters()
        self.steps = make_steps(
            model, self.optimizer, settings, self._cores, self._ranks, self.counters, stream.static
        )
        self._translator = translator
        self.flat.attach(translator.model, self.optimizer.evaluated, None)
        self._stream = stream
        self._validator = validator
        self._clocks = (clocks or Clocks()).of_ranks(self._ranks.size)
        self._window = Window(self._clocks)
        self._save_seconds = save_seconds
        scales_loss = settings.precision == "float16"
        by_itself = self.steps.adapts_by_itself
        self._finite = FiniteCheck(
            folder, show_pairs, scales_loss=scales_loss,
            note_scale=self.steps.note_scale if by_itself else None,
        )  # fmt: skip
        on_host = self.flat.values.device.type == "cpu"
        self._checks_each_update = on_host or (scales_loss and not by_itself)

    def restore(self, refuse: Callable[[dict[str, Any], Counters], None]) -> bool:
        """Go back to the last checkpoint, if there is one; whether there was.

        ``refuse`` is called with the inputs and the counters of the checkpoint, and raises if it
        must not be continued. Raises UserError if it cannot be read.
        """
        saved = self.checkpoints.load()
        if saved is None:
            return False
        counters, tensors, inputs = saved
        refuse(inputs, counters)
        try:
            self.optimizer.restore(tensors)
        except KeyError as error:
            raise UserError(
                f"the checkpoint is of another version of this program: it holds no {error}",
                where=str(self.checkpoints.last),
                mend="go on with that version, or nmt-train --fresh forgets this training",
            ) from error
        self.counters = counters
        self.steps.go_on(counters)
        return True

    def check_fit(self, pairs: np.ndarray) -> None:
        """Compute an update of these pairs, and forget it.

        Raises UserError if there is not enough memory. For a GPU, where memory may depend on how
        long the longest sentence is; on a processor every update takes about the same, and the
        first one tells.
        """
        with explaining_memory(self.settings):
            self.steps.rehearse(self._stream.update_of(pairs))

    def train(self, reporter: Reporter, stop: StopRequest) -> str:
        """Train until a limit; returns which. The last state is saved.

        Raises Stopped, with the last state saved, if it was asked to stop; UserError if the loss is
        no longer finite, if memory or the disk is full.
        """
        counters, settings = self.counters, self.settings
        tick = self._start_clock()
        saved = self._clocks.wall()
        ended: str | None = None
        stops, is_over = False, time_is_over(settings, counters.seconds)
        self._window = Window(self._clocks)
        if self.flat.values.is_cuda or settings.precision == "float8":
            reporter.say(self.steps.in_words())
        with (
            contextlib.closing(
                prefetch(self._stream.updates(counters.position), AHEAD, name="batches")
            ) as updates,
            stop.deferring(),
        ):
            while not stops and (
                (ended := limit_reached(settings, counters, in_time=not is_over)) is None
            ):
                update = next(updates)
                sums, norm = self._update(update)
                tick()
                logs = counters.update % settings.log_every == 0
                validates = counters.update % settings.validate_every == 0
                sums, agreed = self._agreement.reach(
                    sums,
                    Wishes(
                        stop=stop.reason is not None,
                        end=self.leads and time_is_over(settings, counters.seconds),
                        save=self.leads and self._clocks.wall() - saved >= self._save_seconds,
                    ),
                    now=self._checks_each_update or logs or validates,
                )
                self._window.add(update, sums, norm)
                self._finite.add(counters.update, update, sums.loss, norm)
                stops = agreed.stop
                is_over |= agreed.end
                saves = validates or stops or agreed.save
                if self._checks_each_update or logs or saves:
                    self._finite.check(counters)
                if logs:
                    rate = learning_rate(settings, counters.update)
                    reporter.training(self._window.record(counters, rate), self._share_done())
                    self._window = Window(self._clocks)
                with self._window.paused():
                    if validates:
                        self.validate(reporter)
                        tick()
                        # By the leader's clock, and before there is another update to validate.
                        is_over = self._ranks.meet(time_is_over(settings, counters.seconds))[0]
                    if saves:
                        self.save()
                        saved = self._clocks.wall()
            if ended is not None and counters.validated != counters.update:
                self._finite.check(counters)
                self.validate(reporter)
                tick()
                self.save()
            # A rank that is early must not leave while another one saves.
            reasons = [reason for reason in self._ranks.meet(stop.reason) if reason]
        if ended is None or reasons:
            raise Stopped(reasons[0] if reasons else None)
        return ended

    def _update(self, update: Update) -> tuple[LossSums, Tensor]:
        """One step of the optimiser; nothing here waits for a GPU.

        Returns this rank's loss, and the norm of all ranks' gradient.
        """
        counters = self.counters
        number = counters.update + 1
        with explaining_memory(self.settings):
            sums, norm = self.steps(update, number)
        counters.update = number
        counters.position = update.after
        counters.epochs = update.epochs
        counters.target_pieces += update.num_target_pieces
        return sums, norm

    def validate(self, reporter: Reporter) -> None:
        """Score the model; keep its weights if they are among the best.

        Raises UserError if ranks have come to have other weights than rank 0.
        """
        counters = self.counters
        self._refuse_drift()
        scores, nll = self._evaluate()
        this = self._rated(scores)
        is_best = not counters.best or this.rank > counters.best[0].rank
        counters.validations_since_best = 0 if is_best else counters.validations_since_best + 1
        counters.validated = counters.update
        ranked = sorted([*counters.best, this], key=lambda best: best.rank, reverse=True)
        counters.best = ranked[: self.settings.keep_best]
        if this in counters.best and self.leads:
            self.checkpoints.save_best(counters.update, self.flat.views(self.optimizer.evaluated))
        loss = scores["loss"]
        searched = {name: score for name, score in scores.items() if name != "loss"}
        reporter.validation(
            ValidationRecord(
                counters.update, counters.epochs, loss, perplexity(nll), searched, this.value,
                is_best, counters.seconds, counters.cpu_seconds,
            )
        )  # fmt: skip

    def save(self) -> None:
        """Write the last checkpoint, which any number of ranks can continue."""
        tensors = self.optimizer.state()
        self.steps.note_scale(self.counters)
        if self.leads:
            self.checkpoints.save(self.counters, tensors, self.inputs)
        del tensors
        if not self.flat.values.is_cuda:
            cpu.give_back_memory()

    def finish(self, reporter: Reporter) -> dict[str, float]:
        """Load the weights to keep into the translator's model; returns their validation scores.

        These are the mean of the best checkpoints, unless the best alone scores better.
        """
        best = self.counters.best[0]
        chosen, scores = [best.update], best.scores
        several = [one.update for one in self.counters.best[: self.settings.average_checkpoints]]
        if len(several) > 1:
            self._load(several)
            mean = self._rated(self._evaluate()[0])
            if mean.rank > best.rank:
                chosen, scores = several, mean.scores
        self._load(chosen)
        if "bleu" not in scores:
            scores = {**scores, **self._validator.scores(self._translator)}
        what = f"the mean of {len(chosen)} checkpoints" if len(chosen) > 1 else "one checkpoint"
        reporter.say(
            f"final model: {what} (updates {', '.join(map(str, sorted(chosen)))}), valid "
            + "  ".join(f"{name} {score:.2f}" for name, score in scores.items())
        )
        return scores

    def close(self) -> None:
        """End the worker threads."""
        self._cores.close()

    def _evaluate(self) -> tuple[dict[str, float], float]:
        """Scores of the translator's model on the validation set, and its log-likelihood."""
        loss, nll = self._validator.loss(self._translator)
        searches = self.settings.validate_metric != "loss"
        scores = self._validator.scores(self._translator) if searches else {}
        return {"loss": loss, **scores}, nll

    def _rated(self, scores: dict[str, float]) -> Best:
        """The present update with its scores and the one that ranks it."""
        metric = self.settings.validate_metric
        if not math.isfinite(scores["loss"]):  # must not upset the order
            scores = {**scores, "loss": sys.float_info.max}
        value = -scores["loss"] if metric == "loss" else scores[metric]
        return Best(self.counters.update, value, scores)

    def _load(self, updates: list[int]) -> None:
        weights = self.checkpoints.average(updates)
        for name, parameter in self._translator.model.named_parameters():
            parameter.data = weights[name].to(parameter.device)

    def _start_clock(self) -> Callable[[], None]:
        """A function that brings the counters' seconds up to date."""
        counters, clocks = self.counters, self._clocks
        began, cpu_began = clocks.wall() - counters.seconds, clocks.cpu() - counters.cpu_seconds

        def tick() -> None:
            counters.seconds = clocks.wall() - began
            counters.cpu_seconds = clocks.cpu() - cpu_began

        return tick

    def _refuse_drift(self) -> None:
        values = self.flat.values
        marks = self._ranks.meet(int(values.view(torch.int32).sum(dtype=torch.int64)))
        others = [str(rank) for rank, mark in enumerate(marks) if mark != marks[0]]
        if others:
            raise UserError(
                f"the weights of rank{'s' if len(others) > 1 else ''} {', '.join(others)} are no "
                "longer those of rank 0: their devices compute differently, or one is faulty",
                mend="use GPUs of one kind, or set training.sharding to optimizer",
            )

    def _share_done(self) -> float:
        counters = self.counters
        return share_done(self.settings, counters.update, counters.epochs, counters.seconds)
