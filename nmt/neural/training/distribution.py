"""What the ranks of a training say to each other: one process a GPU, or one alone.

Two ways, for two purposes. Tensors are summed and spread by collectives (NCCL between GPUs, gloo
between processors), in which all ranks must take part within a time limit. Everything else goes
over a noticeboard, the key-value store by which the ranks found each other: words on it can be
waited for as long as it takes, without a GPU, and a rank that fails puts up why.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any, Final, Protocol

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.distributed_c10d import PrefixStore

from nmt.errors import UserError
from nmt.neural.training.noticeboard import Noticeboard
from nmt.ranks import Place

COLLECTIVE_SECONDS: Final = 600.0
"""Longest time that ranks wait for each other in an update; the first one compiles."""
MEETING_SECONDS: Final = 3600.0
"""The same outside of updates, such as for a validation or a checkpoint."""
_BACKSTOP_SECONDS: Final = 60.0
"""NCCL's own time limit, which ends a process without a word, is so much longer than ours."""


class Ranks(Protocol):
    """The processes that train one model; this is one of them."""

    rank: int
    """Its number. Rank 0 leads: it prepares, logs and writes."""
    size: int
    """How many there are."""
    place: Place
    """Both, and those of this machine."""

    def add_up(self, tensor: Tensor) -> None:
        """Replace a tensor by its sum over all ranks; the same bits on all."""

    def add_up_own_part(self, flat: Tensor) -> None:
        """Replace this rank's part of a flat tensor by its sum over all ranks; spoils the rest."""

    def collect_parts(self, flat: Tensor) -> None:
        """Fill in the other ranks' parts of a flat tensor."""

    def spread(self, tensor: Tensor, rank: int) -> None:
        """Replace a tensor by that of a rank."""

    def part(self, length: int) -> slice:
        """This rank's part of a flat tensor, whose length the number of ranks divides."""

    def meet(self, value: Any = None) -> list[Any]:
        """Wait for all ranks; the value (JSON) that each brought, in order. No GPU takes part."""

    def await_event(self, event: torch.cuda.Event) -> None:
        """Wait for a GPU that may have to wait for other ranks."""

    def call(self, job: dict[str, Any]) -> None:
        """Ask the other ranks to take part in something; for the leader."""

    def connected(self, device: torch.device) -> AbstractContextManager[None]:
        """A block within which tensors on the device can be added up; for all ranks."""
        ...


class Alone:
    """A training in one process."""

    rank = 0
    size = 1
    place = Place(0, 1, 0, 1)

    def add_up(self, tensor: Tensor) -> None:
        """It is the sum."""

    def add_up_own_part(self, flat: Tensor) -> None:
        """It is the sum."""

    def collect_parts(self, flat: Tensor) -> None:
        """There are no others."""

    def spread(self, tensor: Tensor, rank: int) -> None:
        """It is that already."""

    def part(self, length: int) -> slice:
        """All of it."""
        return slice(0, length)

    def meet(self, value: Any = None) -> list[Any]:
        """What was brought, through JSON."""
        return [json.loads(json.dumps(value))]

    def await_event(self, event: torch.cuda.Event) -> None:
        """There is nothing to wait for but the device."""
        event.synchronize()

    def call(self, job: dict[str, Any]) -> None:
        """There is nobody to ask."""

    def connected(self, device: torch.device) -> AbstractContextManager[None]:
        """There is nobody to connect with."""
        return contextlib.nullcontext()


class Together:
    """One of several processes."""

    def __init__(
        self,
        place: Place,
        board: Noticeboard,
        *,
        collective_seconds: float = COLLECTIVE_SECONDS,
        meeting_seconds: float = MEETING_SECONDS,
    ) -> None:
        """Take a place among the ranks.

        Args:
            place: which one.
            board: the noticeboard that all share.
            collective_seconds: longest wait for each other in an update.
            meeting_seconds: the same outside of updates.
        """
        self.rank = place.rank
        self.size = place.size
        self.place = place
        self.board = board
        self._collective_seconds = collective_seconds
        self._meeting_seconds = meeting_seconds
        self._connections = 0

    def call(self, job: dict[str, Any]) -> None:
        """Over the noticeboard."""
        self.board.call(job)

    @contextlib.contextmanager
    def connected(self, device: torch.device) -> Iterator[None]:
        """Connect the devices of all ranks, and part in good order if nothing went wrong.

        Raises UserError if there is no way to connect these devices.
        """
        on_gpu = device.type == "cuda"
        if on_gpu and not dist.is_nccl_available():
            raise UserError(
                "this PyTorch cannot connect GPUs: it was built without NCCL",
                mend="install a PyTorch with CUDA, or train on one GPU",
            )
        self.meet()  # so that nobody's time limit begins before all are there
        self._connections += 1
        limit = self._collective_seconds + (_BACKSTOP_SECONDS if on_gpu else 0)
        with self._explaining():
            dist.init_process_group(
                "nccl" if on_gpu else "gloo",
                store=PrefixStore(f"collectives {self._connections}", self.board.store),
                rank=self.rank,
                world_size=self.size,
                timeout=timedelta(seconds=limit),
                device_id=device if on_gpu else None,
            )
        try:
            yield
        except BaseException:
            # Nobody waits for what is on its way: the others may be gone.
            dist.distributed_c10d._abort_process_group()
            raise
        dist.destroy_process_group()

    def add_up(self, tensor: Tensor) -> None:
        """Sum over all ranks."""
        with self._explaining():
            dist.all_reduce(tensor)

    def add_up_own_part(self, flat: Tensor) -> None:
        """Sum of this rank's part; both collectives work in place."""
        with self._explaining():
            _reduce_scatter(flat[self.part(len(flat))], flat)

    def collect_parts(self, flat: Tensor) -> None:
        """Each rank's part from that rank."""
        with self._explaining():
            _all_gather(flat, flat[self.part(len(flat))])

    def spread(self, tensor: Tensor, rank: int) -> None:
        """Send from that rank to all others."""
        with self._explaining():
            dist.broadcast(tensor, src=rank)

    def part(self, length: int) -> slice:
        """Parts of equal length, in the order of the ranks."""
        assert length % self.size == 0
        each = length // self.size
        return slice(self.rank * each, (self.rank + 1) * each)

    def meet(self, value: Any = None) -> list[Any]:
        """Over the noticeboard. Raises RankLost if somebody fails, or does not come in time."""
        return self.board.meet(value, self._meeting_seconds)

    def await_event(self, event: torch.cuda.Event) -> None:
        """Look again and again, since a GPU that waits for a rank in vain never says so.

        Raises RankLost if somebody fails, or if it takes too long.
        """
        deadline = time.monotonic() + self._collective_seconds
        while not event.query():
            if time.monotonic() > deadline:
                raise self.board.what_happened(f"in {self._collective_seconds:,.0f} seconds")
            self.board.look_for_failure()
            time.sleep(0.0005)

    @contextlib.contextmanager
    def _explaining(self) -> Iterator[None]:
        """Turn what a collective raises when another rank is gone into what became of that."""
        try:
            yield
        except dist.DistError as error:
            raise self.board.what_happened(str(error)) from error
        except RuntimeError as error:  # gloo's
            if isinstance(error, torch.OutOfMemoryError):
                raise
            raise self.board.what_happened(str(error)) from error


def _reduce_scatter(own: Tensor, flat: Tensor) -> None:
    # From PyTorch 2.13 on there is a new name, and a warning at the old one.
    new = getattr(dist, "reduce_scatter_single", None)
    (new or dist.reduce_scatter_tensor)(own, flat)


def _all_gather(flat: Tensor, own: Tensor) -> None:
    new = getattr(dist, "all_gather_single", None)
    (new or dist.all_gather_into_tensor)(flat, own)
