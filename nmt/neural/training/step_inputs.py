"""The inputs of an update in one flat buffer, at addresses that never change.

A CUDA graph reads what lies at the addresses it was captured with. So the micro-batches of an
update, its dropout keys and its numbers (learning rate and the like) are views of one buffer on the
device, filled by one copy. From the host they come through pinned memory and a stream of their own,
while the device still computes the update before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nmt.neural.kernels.counter import key_words
from nmt.neural.packed import PackedBatch, RowBlock, StaticShape, pack_static

_ALIGNMENT = 256
"""Bytes; tensors of PyTorch's own allocator begin at multiples of as many."""

_SLOTS = 2
"""Updates on their way to the device at once: how far the host is ahead."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """What the host tells of an update; float64 scalars on the device."""

    learning_rate: Tensor
    num_target_pieces: Tensor
    """Of all micro-batches and ranks; 0 for a rehearsal, which then changes no weight."""
    average_decay: Tensor
    """Of the moving average of the weights."""


class StepInputs:
    """Static inputs of ``micro_batches`` micro-batches of one shape."""

    def __init__(self, shape: StaticShape, micro_batches: int, device: torch.device) -> None:
        nothing = RowBlock.of([])
        self._nothing = pack_static(nothing, nothing, shape)
        own = self._nothing.tensors()
        templates = [
            *(tensor for _ in range(micro_batches) for tensor in own),
            torch.zeros(micro_batches, 2, dtype=torch.int32),
            torch.zeros(3, dtype=torch.float64),
        ]
        on_gpu = device.type == "cuda"
        self._slots = [_Slot(templates, device) for _ in range(_SLOTS if on_gpu else 1)]
        self._flat, tensors = _lay_out(templates, device)
        self._stream: torch.cuda.Stream | None = None
        if on_gpu:
            self._stream = torch.cuda.Stream(device)
        self._turn = 0
        self.batches = [
            self._nothing.with_tensors(tensors[at : at + len(own)])
            for at in range(0, micro_batches * len(own), len(own))
        ]
        self.words = tensors[-2]
        """int32 [micro-batches, 2]: the dropout keys."""
        self.numbers = Numbers(*tensors[-1].unbind())

    def fill(
        self,
        batches: Sequence[PackedBatch],
        words: Sequence[tuple[int, int]],
        numbers: tuple[float, float, float],
        wait: Callable[[torch.cuda.Event], None] = torch.cuda.Event.synchronize,
    ) -> None:
        """Send an update to the device; returns before it is there.

        Args:
            batches: of the shape; those that are missing are empty.
            words: the dropout keys of each.
            numbers: in the order of ``Numbers``.
            wait: waits until the device has taken what the slot held before, if it has not yet.
        """
        slot = self._slots[self._turn]
        self._turn = (self._turn + 1) % len(self._slots)
        if slot.taken is not None:
            wait(slot.taken)
        missing = len(self.batches) - len(batches)
        sources = [t for b in (*batches, *[self._nothing] * missing) for t in b.tensors()]
        for target, source in zip(slot.tensors, sources, strict=False):
            target.copy_(source)
        of_words, of_numbers = slot.tensors[-2:]
        of_words.copy_(torch.stack([key_words(*pair) for pair in [*words, *[(0, 0)] * missing]]))
        of_numbers.copy_(torch.tensor(numbers, dtype=torch.float64))
        self._send(slot)

    def _send(self, slot: _Slot) -> None:
        if self._stream is None or slot.staged is None:
            self._flat.copy_(slot.flat)
            return
        with torch.cuda.stream(self._stream):
            slot.staged.copy_(slot.flat, non_blocking=True)
        # The device's own stream waits for the bytes, and only then takes them: in that order
        # they cannot come in while the update before still reads its own.
        stream = torch.cuda.current_stream(self._flat.device)
        stream.wait_stream(self._stream)
        self._flat.copy_(slot.staged)
        slot.taken = stream.record_event()


class _Slot:
    """An update on its way."""

    def __init__(self, templates: Sequence[Tensor], device: torch.device) -> None:
        on_gpu = device.type == "cuda"
        self.flat, self.tensors = _lay_out(templates, torch.device("cpu"), pinned=on_gpu)
        self.staged = torch.empty_like(self.flat, device=device) if on_gpu else None
        self.taken: torch.cuda.Event | None = None


def _lay_out(
    templates: Sequence[Tensor], device: torch.device, *, pinned: bool = False
) -> tuple[Tensor, list[Tensor]]:
    """A flat buffer, and views of it that are like the templates."""
    starts, size = [], 0
    for template in templates:
        starts.append(size)
        size += -(-template.nbytes // _ALIGNMENT) * _ALIGNMENT
    flat = torch.zeros(size, dtype=torch.uint8, device=device, pin_memory=pinned)
    return flat, [
        flat[start : start + template.nbytes].view(template.dtype).view(template.shape)
        for start, template in zip(starts, templates, strict=True)
    ]
