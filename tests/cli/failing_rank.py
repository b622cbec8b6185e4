"""A command of which rank 1 fails, in a way of choice, while rank 0 waits for it in a collective.

Run by ``test_ranks`` as ``python -m tests.cli.failing_rank WAY``.
"""

from __future__ import annotations

import os
import signal
import time

import torch

from nmt.cli.common import run
from nmt.cli.ranks import among, find_place
from nmt.errors import UserError
from nmt.neural.training.distribution import Together

PATIENCE = 3.0
"""Seconds for which ranks wait for each other."""


def fail(way: str) -> None:
    """Fail."""
    place = find_place(None)
    assert place is not None
    with among(place) as ranks:
        together = Together(
            place, ranks.board, collective_seconds=PATIENCE, meeting_seconds=PATIENCE
        )
        with together.connected(torch.device("cpu")):
            together.add_up(torch.ones(3))
            if place.rank == 1:
                _fail(way)
            together.add_up(torch.ones(3))


def _fail(way: str) -> None:
    if way == "user error":
        raise UserError("rank 1 cannot", where="here", mend="do otherwise")
    if way == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(1000)


if __name__ == "__main__":
    run(fail)
