"""One command in several processes, a rank a GPU: started by ``--gpus``, or by torchrun.

Rank 0 runs the command. The other ranks wait until it trains a neural system, and take part in
that. Of all that fail, the first one tells the user, and all end with its exit code.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

import typer

from nmt.cli.common import INTERRUPTED, USER_ERROR
from nmt.errors import UserError
from nmt.ranks import Place, read_place

if TYPE_CHECKING:
    from nmt.neural.training.distribution import Together
    from nmt.stopping import StopOnSignal

TERMINATED = 143
"""The conventional exit code of a process that ended at SIGTERM's request."""


def stop_code(stop: StopOnSignal) -> int:
    """The exit code of a command that was asked to stop."""
    return TERMINATED if stop.received is signal.SIGTERM else INTERRUPTED


def find_place(gpus: int | None) -> Place | None:
    """The place of this process among ranks that were started already; None if none were.

    Raises UserError where ``--gpus`` says another number, or makes no sense.
    """
    if gpus is not None and gpus < 1:
        raise UserError(f"{gpus} is no number of GPUs", where="--gpus", mend="give 1 or more")
    place = read_place(os.environ)
    if place is not None and gpus is not None and gpus != place.local_size:
        raise UserError(
            f"it says {gpus}, but {place.local_size} ranks were started on this machine already",
            where="--gpus",
            mend="leave --gpus out: torchrun --nproc-per-node says how many",
        )
    return place


def start_ranks(gpus: int, device: Literal["auto", "cpu", "cuda"]) -> None:
    """Run the command of this process once for each of so many GPUs, if it is more than one.

    Args:
        gpus: what ``--gpus`` says.
        device: what ``--device`` says.

    Raises typer.Exit with the exit code of all, unless this process is to go on alone; UserError
    if there are fewer GPUs, or if a rank is killed.
    """
    import torch

    there = torch.cuda.device_count() if device != "cpu" and torch.cuda.is_available() else 0
    if device == "cpu" or not there:
        raise UserError(
            "--device cpu does not go with it" if device == "cpu" else "there is no CUDA device",
            where="--gpus",
            mend="leave --gpus out: all cores of the processor are used anyway",
        )
    if gpus > there:
        raise UserError(
            f"there {'is 1 GPU' if there == 1 else f'are {there} GPUs'}, not {gpus}",
            where="--gpus",
            mend=f"give {there} at most"
            + "; CUDA_VISIBLE_DEVICES hides others" * ("CUDA_VISIBLE_DEVICES" in os.environ),
        )
    if gpus == 1:
        return
    from nmt.launch import launch

    # As this process was started, so that ranks call themselves by the same name.
    spec = sys.modules["__main__"].__spec__
    how = [sys.argv[0]] if spec is None else ["-m", spec.name]
    raise typer.Exit(launch([sys.executable, *how, *sys.argv[1:]], gpus))


def follow(place: Place) -> None:
    """Be a rank that does not lead, until rank 0 needs it no more.

    Raises typer.Exit with the exit code, or what went wrong here if nothing did elsewhere before.
    """
    from nmt.stopping import StopOnSignal, Stopped

    stop = StopOnSignal(announces=False)
    try:
        with among(place) as ranks:
            from nmt.neural.train import join_training

            while (job := ranks.board.next_job()) is not None:
                join_training(job, ranks, stop)
    except (Stopped, KeyboardInterrupt):
        raise typer.Exit(stop_code(stop)) from None


@contextlib.contextmanager
def leading(place: Place | None) -> Iterator[Together | None]:
    """The ranks that rank 0 leads in this block; None where there is one process."""
    if place is None:
        yield None
        return
    with among(place) as ranks:
        yield ranks
        ranks.board.dismiss()


@contextlib.contextmanager
def among(place: Place) -> Iterator[Together]:
    """Be among the ranks; a failure in this block ends all of them."""
    from nmt.neural.training.distribution import Together
    from nmt.neural.training.noticeboard import FailedElsewhere, Noticeboard
    from nmt.stopping import Stopped

    board = Noticeboard.join(place)
    board.watch()
    try:
        yield Together(place, board)
    except FailedElsewhere as elsewhere:
        raise typer.Exit(elsewhere.code) from None
    except (typer.Exit, KeyboardInterrupt, Stopped) as ending:
        code: Any = getattr(ending, "exit_code", INTERRUPTED)
        board.fail(code, interrupted=True)
        raise
    except BaseException as error:
        code = USER_ERROR if isinstance(error, (UserError, OSError)) else 1
        if not board.fail(code):
            raise typer.Exit(code) from None
        raise
