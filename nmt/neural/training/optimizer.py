"""AdamW over one flat buffer, with schedules, clipping and a moving average.

All parameters live in one contiguous buffer, matrices first, and so do their gradients. On a
processor they are worked on in slices that fit its cache, shared out among the cores: two passes
over memory, one for the norm, and one for clipping, update and moving average together. On a GPU a
slice is all matrices or all vectors.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

from nmt.neural.training.cores import Cores
from nmt.recipe.neural import TrainingSettings

_SLICE = 1 << 16
"""Elements of a slice on a processor: six float32 buffers of them take 1.5 MB, a core's cache."""


class FlatParameters:
    """The parameters of a model moved into one buffer; the model's tensors become views of it."""

    def __init__(self, model: nn.Module) -> None:
        named = list(model.named_parameters())
        matrices = [(name, p) for name, p in named if p.ndim >= 2]
        vectors = [(name, p) for name, p in named if p.ndim < 2]
        self.num_matrix_elements = sum(p.numel() for _, p in matrices)
        ordered = matrices + vectors
        self.shapes = {name: p.shape for name, p in ordered}
        first = ordered[0][1]
        size = sum(p.numel() for _, p in ordered)
        self.values = torch.empty(size, dtype=first.dtype, device=first.device)
        self.gradients = torch.zeros_like(self.values)
        self.slices = [
            *_cut(0, self.num_matrix_elements, first),
            *_cut(self.num_matrix_elements, size, first),
        ]
        """Parts to work on one by one: none has both matrices and vectors."""
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

    Calls PyTorch's function, not its class, which would import its compiler for two seconds.
    """

    def __init__(
        self, flat: FlatParameters, settings: TrainingSettings, cores: Cores | None = None
    ) -> None:
        self.flat = flat
        self._cores = cores or Cores()
        self.settings = settings
        self.average = flat.values.clone() if settings.ema_decay is not None else None
        self._first_moment = torch.zeros_like(flat.values)
        self._second_moment = torch.zeros_like(flat.values)
        self._steps = torch.zeros((), device=flat.values.device)
        on_host = flat.values.device.type == "cpu"
        self._looks_before_step = on_host or settings.precision == "float16"

    def step(self, update: int, num_target_pieces: int, loss_scale: float = 1.0) -> Tensor:
        """Apply the summed gradients of ``num_target_pieces`` pieces, then clear them.

        Args:
            update: the update's number, counted from 1, which says the learning rate.
            num_target_pieces: over all micro-batches; the gradient is divided by it once.
            loss_scale: the factor by which the gradients are too large.

        Returns the gradient's norm before clipping, on the device. If it is not finite, nothing
        is applied; but a GPU waits for that answer in float16 only, where overflow is usual.
        """
        flat, divisor = self.flat, num_target_pieces * loss_scale
        # The norm of the slices' norms; these are the same whatever the number of cores.
        norms = self._cores.each(
            lambda part: torch.linalg.vector_norm(flat.gradients[part]), flat.slices
        )
        norm: Tensor = torch.linalg.vector_norm(torch.stack(norms)) / divisor
        if self._looks_before_step and not bool(norm.isfinite()):
            flat.gradients.zero_()
            return norm
        factor = torch.full_like(norm, 1 / divisor)
        if self.settings.clip_norm is not None:
            factor = factor * (self.settings.clip_norm / (norm + 1e-6)).clamp(max=1.0)
        rate = learning_rate(self.settings, update)
        decay = self._average_decay(update)
        self._cores.each(lambda part: self._step(part, factor, rate, decay), flat.slices)
        self._steps += 1
        return norm

    def _step(self, part: slice, factor: Tensor, rate: float, decay: float) -> None:
        """Update a slice of the parameters and of their average, and clear its gradients."""
        settings, gradients = self.settings, self.flat.gradients[part]
        values = self.flat.values[part]
        is_matrix = part.start < self.flat.num_matrix_elements
        adamw(
            [values], [gradients.mul_(factor)],
            [self._first_moment[part]], [self._second_moment[part]], [],
            [self._steps.clone()],  # which it counts up, once for each slice
            fused=True, amsgrad=False, maximize=False, lr=rate,
            weight_decay=settings.weight_decay if is_matrix else 0.0,
            beta1=settings.beta1, beta2=settings.beta2, eps=1e-9,
        )  # fmt: skip
        gradients.zero_()
        if self.average is not None:
            self.average[part].lerp_(values, 1 - decay)

    def _average_decay(self, update: int) -> float:
        # A young average would be mostly the initial weights.
        return min(self.settings.ema_decay or 0.0, (1 + update) / (10 + update))

    @property
    def evaluated(self) -> Tensor:
        """The weights to validate and keep: their moving average if there is one."""
        return self.flat.values if self.average is None else self.average

    def state(self) -> dict[str, Tensor]:
        """Everything to restore: values, moments, step count, average; references, not copies."""
        tensors = {
            "values": self.flat.values,
            "first moment": self._first_moment,
            "second moment": self._second_moment,
            "steps": self._steps,
        }
        return tensors if self.average is None else {**tensors, "average": self.average}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """The inverse of ``state``; the tensors may be on another device."""
        for name, tensor in self.state().items():
            tensor.copy_(tensors[name])
