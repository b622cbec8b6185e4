"""Decisions that all ranks take at the same update, though each has its own clock and signals.

What a rank wishes travels with the loss: one small sum over all ranks an update. A processor reads
it at once. On a GPU that would mean to wait for the device in every update, so there the host reads
what was wished some updates ago; every rank reads the same, and so decides the same.
"""

from __future__ import annotations

from collections import deque
from dataclasses import astuple, dataclass
from typing import Final

import torch
from torch import Tensor

from nmt.neural.training.distribution import Ranks
from nmt.neural.training.gradients import LossSums

_BEHIND: Final = 2
"""Updates that a GPU may lie behind its host."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What may happen after an update, if one rank wishes it."""

    stop: bool = False
    """To save the state and stop."""
    end: bool = False
    """To end the training, since its time is over."""
    save: bool = False
    """To write a checkpoint."""

    def __or__(self, other: Wishes) -> Wishes:
        return Wishes(self.stop or other.stop, self.end or other.end, self.save or other.save)


class Agreement:
    """Adds up losses and wishes over the ranks, update by update."""

    def __init__(self, ranks: Ranks) -> None:
        self._ranks = ranks
        self._pending: deque[tuple[Tensor, torch.cuda.Event | None]] = deque()

    def reach(self, sums: LossSums, wishes: Wishes, *, now: bool) -> tuple[LossSums, Wishes]:
        """All ranks' loss of an update, and what is to happen after it.

        Args:
            sums: this rank's loss.
            wishes: this rank's.
            now: whether to wait for the device, on all ranks or on none.
        """
        if self._ranks.size == 1:
            return sums, wishes
        words = torch.zeros(5, dtype=torch.float64, device=sums.loss.device)
        words[0].copy_(sums.loss)
        words[1].copy_(sums.nll)
        for place, wish in enumerate(astuple(wishes)):
            if wish:  # a copy from the host would wait for the device
                words[2 + place].fill_(1.0)
        self._ranks.add_up(words)
        self._pending.append(_read_later(words))
        agreed = Wishes()
        while len(self._pending) > (0 if now else _BEHIND):
            agreed |= self._oldest()
        return LossSums(words[0], words[1]), agreed

    def _oldest(self) -> Wishes:
        words, event = self._pending.popleft()
        if event is not None:
            self._ranks.await_event(event)
        return Wishes(*(votes > 0 for votes in words[2:].tolist()))


def _read_later(words: Tensor) -> tuple[Tensor, torch.cuda.Event | None]:
    """The words on the host, once the event has happened."""
    if not words.is_cuda:
        return words, None
    on_host = torch.empty_like(words, device="cpu", pin_memory=True)
    on_host.copy_(words, non_blocking=True)
    event = torch.cuda.Event()
    event.record()
    return on_host, event
