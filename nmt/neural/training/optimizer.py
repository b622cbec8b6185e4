"""AdamW over one flat buffer, with schedules, clipping and a moving average.

All parameters live in one contiguous buffer, matrices first, and so do their gradients. On a
processor they are worked on in slices that fit its cache, shared out among the cores: two passes
over memory, one for the norm, and one for clipping, update and moving average together. On a GPU a
slice is all matrices or all vectors.

Of several ranks each computes a part of the gradient, and all need the sum. Without sharding every
rank adds all of it up and takes the same step. With ``training.sharding: optimizer`` each takes the
step of one part of the buffer, and the ranks exchange the new weights, which moves as many bytes
(ZeRO stage 1: Rajbhandari et al. 2020, https://arxiv.org/abs/1910.02054). Of float32, a parameter
then takes 8 + 8/N bytes on each of N ranks instead of 16: weight, gradient and two moments.

FSDP2 would divide weight and gradient as well, 16/N bytes and the largest layers as they are used,
by collectives in every layer of every micro-batch and with parameters that are gathered anew each
time, hence neither in one flat buffer nor at the fixed addresses that a CUDA graph wants. What it
saves beyond sharding matters for models that fill a GPU with weights and gradients alone, such as
10,000 M parameters on 80 GB; the largest dense translation models have a third of that
(NLLB Team 2022, https://arxiv.org/abs/2207.04672).
"""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

from nmt.neural.kernels.adamw import FlatState
from nmt.neural.training.cores import Cores
from nmt.neural.training.distribution import Alone, Ranks
from nmt.recipe.neural import TrainingSettings

_SLICE = 1 << 16
"""Elements of a slice on a processor: six float32 buffers of them take 1.5 MB, a core's cache."""

_ALIGNED = 64
"""Elements whose multiple every part of a divided buffer is."""


class FlatParameters:
    """The parameters of a model moved into one buffer; the model's tensors become views of it."""

    def __init__(self, model: nn.Module, parts: int = 1) -> None:
        """Move them.

        Args:
            model: the model.
            parts: how many ranks will each step a part of the buffer; it gets longer to be
                divided evenly.
        """
        named = list(model.named_parameters())
        matrices = [(name, p) for name, p in named if p.ndim >= 2]
        vectors = [(name, p) for name, p in named if p.ndim < 2]
        self.num_matrix_elements = sum(p.numel() for _, p in matrices)
        ordered = matrices + vectors
        self.shapes = {name: p.shape for name, p in ordered}
        first = ordered[0][1]
        self.num_elements = sum(p.numel() for _, p in ordered)
        """Elements of the parameters; the buffer may have a few more."""
        size = self.num_elements
        if parts > 1:
            size = math.ceil(size / (parts * _ALIGNED)) * parts * _ALIGNED
        self.values = torch.zeros(size, dtype=first.dtype, device=first.device)
        self.gradients = torch.zeros_like(self.values)
        edges = sorted({0, self.num_matrix_elements, *range(0, size, size // parts), size})
        self.slices = [
            piece for start, stop in itertools.pairwise(edges) for piece in _cut(start, stop, first)
        ]
        """What to work on, one by one: none has both matrices and vectors, or is of two parts."""
        for (_, parameter), value in zip(ordered, self.views(self.values).values(), strict=True):
            value.copy_(parameter.detach())
        self.attach(model, self.values, self.gradients)

    def views(self, flat: Tensor) -> dict[str, Tensor]:
        """Each parameter's part of a flat buffer, by name."""
        parts: dict[str, Tensor] = {}
        start = 0
        for name, shape in self.shapes.items():
            parts[name] = flat[start : start + shape.numel()].view(shape)
            start += shape.numel()
        return parts

    def attach(self, model: nn.Module, values: Tensor, gradients: Tensor | None) -> None:
        """Make ``model`` compute with flat ``values`` and add its gradients to ``gradients``."""
        value_of = self.views(values)
        gradient_of = {} if gradients is None else self.views(gradients)
        for name, parameter in model.named_parameters():
            parameter.data = value_of[name]
            parameter.grad = gradient_of.get(name)


def _cut(start: int, stop: int, like: Tensor) -> list[slice]:
    """Slices of equal length, the last one shorter, that fit the cache of what computes."""
    step = _SLICE if like.device.type == "cpu" else max(1, stop - start)
    return [slice(at, min(at + step, stop)) for at in range(start, stop, step)]


def learning_rate(settings: TrainingSettings, update: int) -> float:
    """The learning rate of update ``update``, counted from 1.

    Linear warm-up to the highest rate, then ``sqrt(warmup / update)`` (Vaswani et al. 2017,
    section 5.3), half a cosine down to zero, or no change.
    """
    warmup = settings.warmup_updates
    if update < warmup:
        return settings.learning_rate * update / warmup
    if settings.schedule == "inverse-square-root":
        return settings.learning_rate * math.sqrt(max(warmup, 1) / update)
    if settings.schedule == "cosine":
        assert settings.max_updates is not None
        done = (update - warmup) / max(1, settings.max_updates - warmup)
        return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
    return settings.learning_rate


class Optimizer:
    """AdamW (Loshchilov and Hutter 2019); its state can be saved and restored exactly.

    Calls PyTorch's function, not its class, which would import its compiler for two seconds. All
    ranks must call its methods at the same time.
    """

    def __init__(
        self,
        flat: FlatParameters,
        settings: TrainingSettings,
        cores: Cores | None = None,
        ranks: Ranks | None = None,
    ) -> None:
        """Set up an optimiser.

        Args:
            flat: the parameters, with as many parts as there are ranks if these share the work.
            settings: how to train.
            cores: to share the work out to.
            ranks: those that each computed a part of the gradient; this one alone unless given.
        """
        self.flat = flat
        self._cores = cores or Cores()
        self._ranks = ranks or Alone()
        self.settings = settings
        self._is_sharded = settings.sharding == "optimizer" and self._ranks.size > 1
        size = len(flat.values)
        self._own = self._ranks.part(size) if self._is_sharded else slice(0, size)
        self._slices = [s for s in flat.slices if self._own.start <= s.start < self._own.stop]
        self.average = flat.values.clone() if settings.ema_decay is not None else None
        self._first_moment = torch.zeros_like(flat.values[self._own])
        self._second_moment = torch.zeros_like(self._first_moment)
        self._steps = torch.zeros((), device=flat.values.device)
        on_host = flat.values.device.type == "cpu"
        self._looks_before_step = on_host or settings.precision == "float16"

    def step(self, update: int, num_target_pieces: int, loss_scale: float = 1.0) -> Tensor:
        """Apply the summed gradients of ``num_target_pieces`` pieces, then clear them.

        Args:
            update: the update's number, counted from 1, which says the learning rate.
            num_target_pieces: over all micro-batches of all ranks; the gradient is divided by it
                once.
            loss_scale: the factor by which the gradients are too large.

        Returns the gradient's norm before clipping, on the device. If it is not finite, nothing
        is applied; but a GPU waits for that answer in float16 only, where overflow is usual.
        """
        flat, divisor = self.flat, num_target_pieces * loss_scale
        norm = self._add_up() / divisor
        if self._looks_before_step and not bool(norm.isfinite()):
            flat.gradients.zero_()
            return norm
        factor = torch.full_like(norm, 1 / divisor)
        if self.settings.clip_norm is not None:
            factor = factor * (self.settings.clip_norm / (norm + 1e-6)).clamp(max=1.0)
        rate = learning_rate(self.settings, update)
        self._cores.each(lambda part: self._step(part, factor, rate), self._slices)
        self._steps += 1
        if self._is_sharded:
            flat.gradients.zero_()  # the other parts, which adding up left as they happened to be
            self._ranks.collect_parts(flat.values)
        if self.average is not None:
            decay = self.average_decay(update)
            self._cores.each(lambda part: self._follow(part, decay), flat.slices)
        return norm

    def _add_up(self) -> Tensor:
        """Sum the gradients over the ranks, those of this rank's part at least; their norm."""
        gradients = self.flat.gradients
        if self._is_sharded:
            self._ranks.add_up_own_part(gradients)
        else:
            self._ranks.add_up(gradients)
        # The norm of the slices' norms; these are the same whatever the number of cores.
        norms = self._cores.each(
            lambda part: torch.linalg.vector_norm(gradients[part]), self._slices
        )
        norm: Tensor = torch.linalg.vector_norm(torch.stack(norms))
        if self._is_sharded:
            square = norm.square()
            self._ranks.add_up(square)
            norm = square.sqrt()
        return norm

    def _step(self, part: slice, factor: Tensor, rate: float) -> None:
        """Update a slice of the parameters, and clear its gradients."""
        settings, gradients = self.settings, self.flat.gradients[part]
        values = self.flat.values[part]
        is_matrix = part.start < self.flat.num_matrix_elements
        moments = slice(part.start - self._own.start, part.stop - self._own.start)
        adamw(
            [values], [gradients.mul_(factor)],
            [self._first_moment[moments]], [self._second_moment[moments]], [],
            [self._steps.clone()],  # which it counts up, once for each slice
            fused=True, amsgrad=False, maximize=False, lr=rate,
            weight_decay=settings.weight_decay if is_matrix else 0.0,
            beta1=settings.beta1, beta2=settings.beta2, eps=1e-9,
        )  # fmt: skip
        gradients.zero_()

    def _follow(self, part: slice, decay: float) -> None:
        """Update a slice of the average."""
        assert self.average is not None
        self.average[part].lerp_(self.flat.values[part], 1 - decay)

    @property
    def own(self) -> slice:
        """The part of the flat buffer whose steps this rank takes."""
        return self._own

    @property
    def is_sharded(self) -> bool:
        """Whether other ranks take the steps of other parts."""
        return self._is_sharded

    @property
    def steps(self) -> Tensor:
        """Updates that were applied: float32, on the device."""
        return self._steps

    def flat_state(self, copies: Tensor | None) -> FlatState:
        """What the GPU's kernel works on of this rank's part, and of the weights' half-type copies.

        Who steps it need not call ``step``, but must count ``steps`` and follow the average.
        """
        own = self._own
        return FlatState(
            self.flat.values[own],
            self.flat.gradients[own],
            self._first_moment,
            self._second_moment,
            None if copies is None else copies[own],
            max(0, min(own.stop, self.flat.num_matrix_elements) - own.start),
        )

    def average_decay(self, update: int) -> float:
        """The decay of the moving average at an update, counted from 1."""
        # A young average would be mostly the initial weights.
        return min(self.settings.ema_decay or 0.0, (1 + update) / (10 + update))

    @property
    def evaluated(self) -> Tensor:
        """The weights to validate and keep: their moving average if there is one."""
        return self.flat.values if self.average is None else self.average

    def state(self) -> dict[str, Tensor]:
        """Everything to restore, the same whatever the number of ranks.

        Values, moments, step count, average: references, not copies, but for moments that were
        gathered from other ranks.
        """
        count = self.flat.num_elements
        tensors = {
            "values": self.flat.values[:count],
            "first moment": self._gathered(self._first_moment)[:count],
            "second moment": self._gathered(self._second_moment)[:count],
            "steps": self._steps,
        }
        return tensors if self.average is None else {**tensors, "average": self.average[:count]}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """The inverse of ``state``; the tensors may be on another device, and of other ranks."""
        count = self.flat.num_elements
        self.flat.values[:count].copy_(tensors["values"])
        own = slice(self._own.start, min(self._own.stop, count))
        for moment, name in (
            (self._first_moment, "first moment"),
            (self._second_moment, "second moment"),
        ):
            part = tensors[name][own]
            moment[: len(part)].copy_(part)
        self._steps.copy_(tensors["steps"])
        if self.average is not None:
            self.average[:count].copy_(tensors["average"])

    def _gathered(self, part: Tensor) -> Tensor:
        """All ranks' parts of a moment, on the host if they are not here already."""
        if not self._is_sharded:
            return part
        # One after the other, so that a device never holds more than one part of another rank.
        parts = []
        for rank in range(self._ranks.size):
            one = part.clone()
            self._ranks.spread(one, rank)
            parts.append(one.cpu())
        return torch.cat(parts)
