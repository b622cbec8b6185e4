"""A whole update on static buffers: what a GPU replays as one CUDA graph.

Forward and backward passes of all micro-batches, clipping, AdamW and the moving average read and
write fixed addresses, and nothing in them asks the device for a number. So they are captured once
and launched as one; what differs between updates is in the inputs (`StepInputs`) and in tensors
that the update itself renews (weights, moments, number of steps, loss scale).

In a half type the model computes with copies of the weights that the optimiser writes beside the
float32 ones: no pass over memory turns weights into the half type. The gradient of one micro-batch
is in the half type too, that of several, or of several ranks, is summed in float32.

Without a GPU the same code runs step by step.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Final

import torch
from torch import Tensor

from nmt.neural.kernels.adamw import AdamWSettings, adamw_step, gradient_norm
from nmt.neural.kernels.counter import DeviceKeys
from nmt.neural.kernels.cross_entropy import smoothed_cross_entropy
from nmt.neural.kernels.dropout import DropoutKeys
from nmt.neural.kernels.gpu import Kernel
from nmt.neural.model.fused import hidden_states
from nmt.neural.model.transformer import Transformer
from nmt.neural.packed import PackedBatch, StaticShape
from nmt.neural.training.batches import Update
from nmt.neural.training.distribution import Alone, Ranks
from nmt.neural.training.gradients import LossSums
from nmt.neural.training.loss_scale import LossScale
from nmt.neural.training.optimizer import Optimizer, learning_rate
from nmt.neural.training.precision import adopt_precision, compute_type
from nmt.neural.training.step_inputs import StepInputs
from nmt.recipe.neural import TrainingSettings

REHEARSALS: Final = 3
"""Updates before the capture, by which kernels are compiled and libraries choose theirs."""


class StaticStep:
    """Updates of a Transformer, all of one shape."""

    def __init__(
        self,
        model: Transformer,
        optimizer: Optimizer,
        settings: TrainingSettings,
        shape: StaticShape,
        micro_batches: int,
        *,
        ranks: Ranks | None = None,
        references: Collection[Kernel] = (),
        compiles: bool = False,
        captures: bool | None = None,
    ) -> None:
        """Set up the buffers; the model then computes with weights of the settings' precision.

        Args:
            model: the model, whose parameters the optimiser's flat buffer holds.
            optimizer: holds weights and moments; takes no step of its own any more.
            settings: how to train.
            shape: of the micro-batches.
            micro_batches: how many an update has, on this rank.
            ranks: those that train together; this one alone unless given.
            references: kernels whose references are to compute in their place.
            compiles: whether torch.compile goes over the forward and backward pass.
            captures: whether to capture a CUDA graph; on a GPU unless given.
        """
        flat = optimizer.flat
        device = flat.values.device
        self.settings = settings
        self.inputs = StepInputs(shape, micro_batches, device)
        self.loss_scale = LossScale(device, adapts=settings.precision == "float16")
        self.results = flat.values.new_zeros(3)
        """Loss and its unsmoothed part, both sums; the norm of the gradient."""
        self._model = model
        self._optimizer = optimizer
        self._ranks = ranks or Alone()
        self._references = references
        self.captures = device.type == "cuda" if captures is None else captures
        """Whether graphs are captured."""
        self._phases: list[Callable[[], None]] | None = None
        self.remark = adopt_precision(model, settings)
        """What there is to be said about its precision."""
        half = compute_type(settings)
        self._copies = None if half == torch.float32 else flat.values.to(half)
        if self._copies is not None and micro_batches == 1 and self._ranks.size == 1:
            flat.gradients = torch.zeros_like(self._copies)
        flat.attach(model, flat.values if self._copies is None else self._copies, None)
        named = dict(model.named_parameters())
        of_gradients = flat.views(flat.gradients)
        self._parameters = [named[name] for name in of_gradients]
        self._gradients = list(of_gradients.values())
        self._norm_square = flat.values.new_zeros(())
        self._adamw = AdamWSettings(
            settings.beta1, settings.beta2, 1e-9, settings.weight_decay, settings.clip_norm
        )
        self._loss = torch.compile(self._micro_batch_loss, dynamic=False) if compiles else (
            self._micro_batch_loss
        )  # fmt: skip

    def __call__(self, update: Update, number: int) -> tuple[LossSums, Tensor]:
        """Take the step of an update; nothing here waits for its result.

        Returns this rank's sums of the loss, and the gradient's norm before clipping. If that is
        not finite, no weight has changed.
        """
        self.fill(update, number)
        for phase in self._prepared():
            phase()
        loss, nll, norm = self.results.clone().unbind()
        return LossSums(loss, nll), norm

    def prepare(self, update: Update) -> None:
        """Compile and capture, by an update that changes no weight; waits for the device."""
        self.fill(update, 1)
        if self.captures:
            self._prepared()
            torch.cuda.synchronize()
        else:
            self._rehearse()

    def fill(self, update: Update, number: int) -> None:
        """Send the inputs of an update."""
        seed = self.settings.seed
        decay = self._optimizer.average_decay(number)
        self.inputs.fill(
            update.micro_batches,
            [DropoutKeys(seed, number, index).next() for index in update.numbers],
            (learning_rate(self.settings, number), update.num_target_pieces, decay),
            self._ranks.await_event,
        )

    def renew_copies(self) -> None:
        """Copy the weights, after others were put in their place, to where the model reads them."""
        if self._copies is not None:
            self._copies.copy_(self._optimizer.flat.values)

    # --- the phases of an update; between some of them ranks talk to each other

    def accumulate(self) -> None:
        """The gradient of all micro-batches, and the sums of their loss."""
        self.results.zero_()
        for index, batch in enumerate(self.inputs.batches):
            loss, nll = self._loss(batch, self.inputs.words[index])
            gradients = torch.autograd.grad(loss * self.loss_scale.factor, self._parameters)
            if index == 0:
                torch._foreach_copy_(self._gradients, gradients)
            else:
                torch._foreach_add_(self._gradients, gradients)
            self.results[:2] += torch.stack((loss.detach(), nll))

    def measure(self) -> None:
        """The square of the norm of this rank's part of the gradient."""
        gradients = self._optimizer.flat.gradients[self._optimizer.own]
        self._norm_square.copy_(gradient_norm(gradients, self._scalars()).square())

    def apply(self) -> None:
        """AdamW on this rank's part of the weights, unless the norm is not finite."""
        optimizer, norm = self._optimizer, self._norm_square.sqrt()
        state = optimizer.flat_state(self._copies)
        adamw_step(
            state, self._scalars(), self._adamw, norm,
            by_kernel="adamw" not in self._references,
        )  # fmt: skip
        finite = norm.isfinite()
        optimizer.steps.add_(finite)
        self.loss_scale.adapt(finite)
        self.results[2].copy_(norm)

    def follow(self) -> None:
        """The moving average of the weights, if there is one."""
        optimizer = self._optimizer
        if optimizer.average is not None:
            gain = (1 - self.inputs.numbers.average_decay) * self.results[2].isfinite()
            optimizer.average.lerp_(optimizer.flat.values, gain.to(optimizer.average.dtype))

    def _micro_batch_loss(self, batch: PackedBatch, words: Tensor) -> tuple[Tensor, Tensor]:
        """Sums of the loss and of its unsmoothed part; see ``gradients.model_loss``."""
        keys = DeviceKeys(words, self._references)
        hidden_TD, labels_T = hidden_states(self._model, batch, keys), batch.labels_T
        r_drop = self.settings.r_drop
        if r_drop:
            hidden_TD = torch.cat((hidden_TD, hidden_states(self._model, batch, keys)))
            labels_T = torch.cat((labels_T, labels_T))
        loss, nll = smoothed_cross_entropy(
            hidden_TD, self._model.output, labels_T, self.settings.label_smoothing, r_drop, keys
        )
        return (loss / 2, nll / 2) if r_drop else (loss, nll)

    def _scalars(self) -> Tensor:
        """What ``adamw_step`` reads, made on the device of the number of steps that were applied.

        In float64, for 1 - beta^step loses digits.
        """
        step = self._optimizer.steps.double() + 1
        corrections = [1 / (1 - beta**step) for beta in (self._adamw.beta1, self._adamw.beta2)]
        numbers = self.inputs.numbers
        divisor = numbers.num_target_pieces * self.loss_scale.factor
        scalars = torch.stack((numbers.learning_rate, *corrections, 1 / divisor))
        return scalars.to(self._optimizer.flat.values.dtype)

    # --- running them

    def _talk(self) -> list[tuple[Callable[[], None], Callable[[], None] | None]]:
        """The phases, each with what ranks say to each other after it."""
        ranks, flat = self._ranks, self._optimizer.flat
        if ranks.size == 1:
            return [
                (phase, None) for phase in (self.accumulate, self.measure, self.apply, self.follow)
            ]
        if not self._optimizer.is_sharded:
            return [
                (self.accumulate, lambda: ranks.add_up(flat.gradients)),
                (self.measure, None),
                (self.apply, None),
                (self.follow, None),
            ]

        def collect() -> None:
            flat.gradients.zero_()
            ranks.collect_parts(flat.values)
            self.renew_copies()

        return [
            (self.accumulate, lambda: ranks.add_up_own_part(flat.gradients)),
            (self.measure, lambda: ranks.add_up(self._norm_square)),
            (self.apply, collect),
            (self.follow, None),
        ]

    def _prepared(self) -> list[Callable[[], None]]:
        """What to call for an update: the phases that follow each other at once are one graph."""
        if self._phases is not None:
            return self._phases
        calls: list[Callable[[], None]] = []
        together: list[Callable[[], None]] = []
        if self.captures:
            self._rehearse()
        for phase, talk in self._talk():
            together.append(phase)
            if talk is not None:
                calls += [self._as_one(together), talk]
                together = []
        self._phases = [*calls, self._as_one(together)]
        return self._phases

    def _rehearse(self) -> None:
        """Go through an update that changes nothing, on a stream of its own as captures want it."""
        kept = self.inputs.numbers.num_target_pieces.clone()
        scale = self.loss_scale.read()
        # Divided by no pieces, the norm is infinite.
        self.inputs.numbers.num_target_pieces.zero_()
        with _on_a_stream_of_its_own(self.inputs.words.device):
            for _ in range(REHEARSALS if self.captures else 1):
                for phase in (self.accumulate, self.measure, self.apply, self.follow):
                    phase()
        self.inputs.numbers.num_target_pieces.copy_(kept)
        self.loss_scale.load(*scale)

    def _as_one(self, phases: Sequence[Callable[[], None]]) -> Callable[[], None]:
        def run() -> None:
            for phase in phases:
                phase()

        if not self.captures:
            return run
        graph = torch.cuda.CUDAGraph()
        # Other threads (of NCCL) may ask the device for something meanwhile.
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            run()
        return graph.replay


@contextlib.contextmanager
def _on_a_stream_of_its_own(device: torch.device) -> Iterator[None]:
    """Compute beside the current stream, which goes on after it."""
    if device.type != "cuda":
        yield
        return
    stream = torch.cuda.Stream(device)
    current = torch.cuda.current_stream(device)
    stream.wait_stream(current)
    with torch.cuda.stream(stream):
        yield
    current.wait_stream(stream)
