"""How an update is taken: step by step, or on static buffers that a GPU replays.

The training loop knows no more of the difference than this.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from nmt.neural.kernels import gpu
from nmt.neural.model import fused
from nmt.neural.model.architecture import Architecture
from nmt.neural.model.transformer import Transformer
from nmt.neural.model.translation_model import AnyArchitecture, TranslationModel
from nmt.neural.packed import StaticShape
from nmt.neural.training.batches import Update
from nmt.neural.training.checkpoint import Counters
from nmt.neural.training.cores import Cores
from nmt.neural.training.distribution import Ranks
from nmt.neural.training.gradients import GradientWorkers, LossSums
from nmt.neural.training.loss_scale import LARGEST
from nmt.neural.training.optimizer import Optimizer
from nmt.neural.training.static_step import StaticStep
from nmt.recipe.neural import TrainingSettings


def why_not_static(architecture: AnyArchitecture, device: torch.device) -> str | None:
    """Why a model cannot be trained by replayed updates on a GPU, in words, or None if it can."""
    if device.type != "cuda":
        return "it is for a GPU"
    if not gpu.usable(device.index or 0):
        return "its kernels need Triton, and a GPU of the year 2020 (Ampere) or newer"
    if not isinstance(architecture, Architecture):
        return "a recurrent model goes from position to position"
    if architecture.head_width not in gpu.HEAD_WIDTHS:
        widths = ", ".join(map(str, gpu.HEAD_WIDTHS))
        return f"attention has kernels for heads of width {widths}, not {architecture.head_width}"
    return fused.why_not(architecture)


class Steps(Protocol):
    """Takes the step of one update after the other. All ranks must do so at the same time."""

    adapts_by_itself: bool
    """Whether the device answers an overflow by a smaller loss scale without the host's help."""

    def __call__(self, update: Update, number: int) -> tuple[LossSums, Tensor]:
        """Take the step; this rank's loss, and the norm of all ranks' gradient. Does not wait."""

    def rehearse(self, update: Update) -> None:
        """Compute an update and forget it: there is memory for it, and all is compiled."""

    def go_on(self, counters: Counters) -> None:
        """Continue from counters and weights that have just been restored."""

    def note_scale(self, counters: Counters) -> None:
        """Write the loss scale into the counters; waits for the device."""

    def in_words(self) -> str:
        """How it computes, for the log."""


def make_steps(
    model: TranslationModel,
    optimizer: Optimizer,
    settings: TrainingSettings,
    cores: Cores,
    ranks: Ranks,
    counters: Counters,
    static: tuple[StaticShape, int] | None,
) -> Steps:
    """The way to take steps.

    Args:
        model: the model, whose parameters the optimiser's flat buffer holds.
        optimizer: holds weights and moments.
        settings: how to train.
        cores: the processor's, to share work out to.
        ranks: those that train together.
        counters: hold the loss scale.
        static: the shape of all micro-batches, and how many each rank has, if they are of one.
    """
    if static is None:
        return UsualSteps(model, optimizer, settings, cores, counters)
    assert isinstance(model, Transformer)
    return ReplayedSteps(StaticStep(model, optimizer, settings, *static, ranks=ranks), counters)


class UsualSteps:
    """Gradients by workers, then the optimiser: on a processor, and what cannot be replayed."""

    adapts_by_itself = False

    def __init__(
        self,
        model: TranslationModel,
        optimizer: Optimizer,
        settings: TrainingSettings,
        cores: Cores,
        counters: Counters,
    ) -> None:
        self.workers = GradientWorkers(model, optimizer.flat, settings, cores)
        self._architecture = model.architecture
        self._optimizer = optimizer
        self._settings = settings
        self._counters = counters
        if settings.precision == "float16":
            counters.loss_scale = LARGEST

    def __call__(self, update: Update, number: int) -> tuple[LossSums, Tensor]:
        """Take a step."""
        scale = self._counters.loss_scale
        sums = self.workers.accumulate(update, number, scale)
        return sums, self._optimizer.step(number, update.num_target_pieces, scale)

    def rehearse(self, update: Update) -> None:
        """Compute a gradient, and forget it."""
        gradients = self._optimizer.flat.gradients
        self.workers.accumulate(update, 0)
        if gradients.is_cuda:
            torch.cuda.synchronize()
        gradients.zero_()

    def go_on(self, counters: Counters) -> None:
        """From here."""
        self._counters = counters

    def note_scale(self, counters: Counters) -> None:
        """It is there already."""

    def in_words(self) -> str:
        """How it computes."""
        flat = self._optimizer.flat.values
        precision: str = self._settings.precision
        if precision == "float32" and torch.get_float32_matmul_precision() != "highest":
            precision = "TF32"
        said = f"matrix products in {precision}" + _in_brackets(self.workers.remark)
        if not flat.is_cuda:
            return said
        return f"{said}; no CUDA graph: {why_not_static(self._architecture, flat.device)}"


class ReplayedSteps:
    """Each update one CUDA graph: see `StaticStep`."""

    adapts_by_itself = True

    def __init__(self, step: StaticStep, counters: Counters) -> None:
        self._step = step
        self.note_scale(counters)
        if step.settings.precision == "float32" and step.captures:
            torch.set_float32_matmul_precision("high")

    def __call__(self, update: Update, number: int) -> tuple[LossSums, Tensor]:
        """Take a step."""
        return self._step(update, number)

    def rehearse(self, update: Update) -> None:
        """Capture the graph."""
        self._step.prepare(update)

    def go_on(self, counters: Counters) -> None:
        """Copy the weights into the half type, and the loss scale to the device."""
        self._step.renew_copies()
        self._step.loss_scale.load(counters.loss_scale, counters.updates_at_scale)

    def note_scale(self, counters: Counters) -> None:
        """Ask the device."""
        counters.loss_scale, counters.updates_at_scale = self._step.loss_scale.read()

    def in_words(self) -> str:
        """How it computes."""
        precision = self._step.settings.precision
        products = "TF32" if precision == "float32" else f"{precision}, weights kept in float32"
        products += _in_brackets(self._step.remark)
        how = "one CUDA graph an update" if self._step.captures else "not captured as a graph"
        return f"matrix products in {products}; static batches, {how}"


def _in_brackets(remark: str | None) -> str:
    return f" ({remark})" if remark else ""
