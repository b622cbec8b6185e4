"""The memory that static steps read and write, at addresses that stay while it is large enough.

A CUDA graph works on the addresses it was captured with. Every buffer is a flat piece of memory,
and what a layout needs is a view of its beginning. So one memory serves all layouts, one at a
time, and steps captured for a layout can be replayed whenever it comes again, in whichever search.
Only when a buffer must grow are they lost (`StepBuffers.generation`).

Shapes: N slots, W lanes, R = N * W rows, T steps, S source positions, L layers, H heads, E head
width, D model width, V pieces, C candidates, K slots that are kept.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nmt.neural.model.transformer import Transformer
from nmt.neural.search.families import Layout, StepInputs


@dataclass(frozen=True, slots=True)
class StepState:
    """What is known of the families of a layout."""

    layout: Layout
    memory: Tensor
    """[L, 2, N, H, S, E]: keys and values of each slot's source."""
    past: Tensor | None
    """[L, 2, N, H, T, W, E]: keys and values of what was said; None in SSRU decoders."""
    line: Tensor | None
    """int64 [N, W, T]: the lane that each hypothesis stood in at each of its steps."""
    recurrent: Tensor | None
    """[L, N, W, D]: the state of SSRU layers."""
    allowed: Tensor | None
    """bool [N, V]: pieces that may be said, with candidate lists."""

    def turning(self) -> list[Tensor]:
        """What a step replaces by something made of it: to repeat it, these must be put back."""
        return [x for x in (self.line, self.recurrent) if x is not None]


@dataclass(frozen=True, slots=True)
class Traffic:
    """What goes to the device and comes back, beside its copy on the host (pinned for a GPU)."""

    to_device: Tensor
    """int64, flat."""
    to_device_host: Tensor
    piece_NW: Tensor
    lane_NW: Tensor
    step_N: Tensor
    length_N: Tensor
    inputs: StepInputs
    """The same on the host."""

    def send(self) -> None:
        """Send the inputs; returns before they are there."""
        if self.to_device is not self.to_device_host:
            self.to_device.copy_(self.to_device_host, non_blocking=True)


class StepBuffers:
    """Flat memory for the static steps of one model."""

    def __init__(self, model: Transformer) -> None:
        """Begin with nothing."""
        architecture = model.architecture
        self.device, self.dtype = model.output.device, model.output.dtype
        self.wide = torch.promote_types(self.dtype, torch.float32)
        """In which log-probabilities are."""
        self.generation = 0
        """Changes whenever a buffer of the device does: what was captured is then worthless."""
        self._layers = architecture.decoder_layers
        self._heads, self._width = architecture.heads, architecture.width
        self.num_pieces = len(model.output)
        self._is_ssru = architecture.decoder == "ssru"
        self._flats: dict[str, Tensor] = {}

    def clear(self) -> None:
        """Forget everything: what is masked must be numbers, as zero times NaN is NaN."""
        for flat in self._flats.values():
            flat.zero_()

    def take(
        self, name: str, shape: tuple[int, ...], dtype: torch.dtype, *, on_host: bool = False
    ) -> Tensor:
        """The buffer of this name in this shape; it holds what its memory held, or zeros."""
        size = math.prod(shape)
        flat = self._flats.get(name)
        if flat is None or len(flat) < size:
            spare = 0 if flat is None else size // 4
            self._flats.pop(name, None)  # its memory can be had again
            flat = torch.zeros(
                size + spare, dtype=dtype, device="cpu" if on_host else self.device,
                pin_memory=on_host and self.device.type == "cuda",
            )  # fmt: skip
            self._flats[name] = flat
            self.generation += not on_host
        return flat[:size].view(shape)

    def state(self, layout: Layout, *, listed: bool) -> StepState:
        """What a layout's families need."""
        slots, lanes, steps = layout.slots, layout.lanes, layout.steps
        layers, heads, width = self._layers, self._heads, self._width
        head = width // heads
        memory = self.take("memory", (layers, 2, slots, heads, layout.positions, head), self.dtype)
        past = line = recurrent = allowed = None
        if self._is_ssru:
            recurrent = self.take("recurrent", (layers, slots, lanes, width), self.dtype)
        else:
            past = self.take("past", (layers, 2, slots, heads, steps, lanes, head), self.dtype)
            line = self.take("line", (slots, lanes, steps), torch.int64)
        if listed:
            allowed = self.take("allowed", (slots, self.num_pieces), torch.bool)
        return StepState(layout, memory, past, line, recurrent, allowed)

    def moved(self, old: StepState, layout: Layout, kept_K: np.ndarray) -> StepState:
        """The state of another layout whose first slots are those of the old one that are kept."""
        kept = torch.from_numpy(kept_K).to(self.device)
        # The new views lie where the old ones do: what is kept must stand aside meanwhile.
        aside = [
            None if x is None else x.index_select(slots_at, kept)
            for x, slots_at in _by_slot(old)
        ]  # fmt: skip
        new = self.state(layout, listed=old.allowed is not None)
        for x, (target, _) in zip(aside, _by_slot(new), strict=True):
            if x is None or target is None:
                continue
            # Of steps there may be fewer: those that nobody has reached are left out.
            both = tuple(slice(min(a, b)) for a, b in zip(x.shape, target.shape, strict=True))
            target[both] = x[both]
        return new

    def traffic(self, layout: Layout) -> Traffic:
        """Where the inputs of a layout's steps lie."""
        rows, slots = layout.slots * layout.lanes, layout.slots
        size = (2 * rows + 2 * slots,)
        host = device = self.take("inputs", size, torch.int64)
        if self.device.type != "cpu":
            host = self.take("inputs on the host", size, torch.int64, on_host=True)
        shape = (slots, layout.lanes)
        parts, host_parts = (x.split([rows, rows, slots, slots]) for x in (device, host))
        return Traffic(
            device, host, parts[0].view(shape), parts[1].view(shape), parts[2], parts[3],
            StepInputs(
                host_parts[0].view(shape).numpy(), host_parts[1].view(shape).numpy(),
                host_parts[2].numpy(), host_parts[3].numpy(),
            ),
        )  # fmt: skip


def _by_slot(state: StepState) -> list[tuple[Tensor | None, int]]:
    """All that a state has for each slot, and which of its dimensions counts slots."""
    return [
        (state.memory, 2), (state.past, 2), (state.line, 0), (state.recurrent, 1),
        (state.allowed, 0),
    ]  # fmt: skip
