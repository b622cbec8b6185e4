"""Sums over the updates between two lines of the log, and the figures made of them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from nmt.neural.training.batches import Update
from nmt.neural.training.checkpoint import Counters
from nmt.neural.training.gradients import LossSums, perplexity
from nmt.neural.training.progress import TrainingRecord


@dataclass(frozen=True, slots=True)
class Clocks:
    """Where the time comes from; both count seconds."""

    wall: Callable[[], float] = time.perf_counter
    cpu: Callable[[], float] = time.process_time

    def of_ranks(self, size: int) -> Clocks:
        """Those of so many ranks, which take as much processor time each, doing equal work."""
        cpu = self.cpu
        return self if size == 1 else Clocks(self.wall, lambda: size * cpu())


class Window:
    """The updates since the last record; its clocks stand still while something else is done."""

    def __init__(self, clocks: Clocks) -> None:
        self._clocks = clocks
        self._began = clocks.wall()
        self._cpu_began = clocks.cpu()
        self._losses: list[LossSums] = []
        self._norms: list[Tensor] = []
        self._target_pieces = self._pieces = self._positions = 0

    def add(self, update: Update, sums: LossSums, norm: Tensor) -> None:
        """Count an update."""
        self._losses.append(sums)
        self._norms.append(norm)
        self._target_pieces += update.num_target_pieces
        self._pieces += update.num_pieces
        self._positions += update.num_positions

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Leave out the time that passes in here: validation and checkpoints are not training."""
        began, cpu_began = self._clocks.wall(), self._clocks.cpu()
        yield
        self._began += self._clocks.wall() - began
        self._cpu_began += self._clocks.cpu() - cpu_began

    def record(self, counters: Counters, learning_rate: float) -> TrainingRecord:
        """Figures of the updates in it, of which there must be one; waits for the device."""
        loss = float(torch.stack([sums.loss for sums in self._losses]).sum())
        nll = float(torch.stack([sums.nll for sums in self._losses]).sum())
        norms = torch.stack(self._norms)
        return TrainingRecord(
            update=counters.update,
            epochs=counters.epochs,
            loss=loss / self._target_pieces,
            perplexity=perplexity(nll / self._target_pieces),
            learning_rate=learning_rate,
            # Where float16 overflowed, the update was left out, and there is no norm.
            gradient_norm=float(norms[norms.isfinite()].mean()),
            target_pieces_per_second=self._target_pieces / (self._clocks.wall() - self._began),
            target_pieces_per_cpu_second=self._target_pieces
            / max(1e-9, self._clocks.cpu() - self._cpu_began),
            padding=1 - self._pieces / self._positions,
            seconds=counters.seconds,
            cpu_seconds=counters.cpu_seconds,
        )
