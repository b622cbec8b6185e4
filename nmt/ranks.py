"""Which of several processes this one is, when one training runs in several: its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nmt.errors import UserError, UserErrors

_TELLING = ("RANK", "LOCAL_RANK", "WORLD_SIZE")
"""Variables that nobody sets who does not start ranks."""
_NEEDED = (*_TELLING, "MASTER_ADDR", "MASTER_PORT")
_MEND = "start ranks with --gpus N, or with torchrun, which sets them all"


@dataclass(frozen=True, slots=True)
class Place:
    """A rank among the ranks."""

    rank: int
    """Its number, from 0."""
    size: int
    """How many there are, on all machines."""
    local_rank: int
    """Its number among those of this machine, which is also that of its GPU."""
    local_size: int
    """How many there are on this machine."""

    @property
    def leads(self) -> bool:
        """Whether it does what only one can do."""
        return self.rank == 0

    def environment(self, port: int) -> dict[str, str]:
        """What ``read_place`` reads: the variables that torchrun sets, for ranks of one machine.

        Args:
            port: where the process that starts the ranks has their noticeboard.
        """
        return {
            "RANK": str(self.rank),
            "WORLD_SIZE": str(self.size),
            "LOCAL_RANK": str(self.local_rank),
            "LOCAL_WORLD_SIZE": str(self.local_size),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
            "TORCHELASTIC_USE_AGENT_STORE": "True",
        }


def read_place(environment: Mapping[str, str]) -> Place | None:
    """The place that torchrun, or ``nmt.launch``, gave this process; None if nobody did.

    Raises UserErrors if the variables are there in part, or make no sense.
    """
    if not any(name in environment for name in _TELLING):
        return None
    missing = [name for name in _NEEDED if not environment.get(name)]
    if missing:
        there = ", ".join(name for name in _NEEDED if environment.get(name)) or "an empty one"
        raise UserError(
            f"of the environment variables of a rank, {', '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} missing, but {there} is set",
            mend=f"{_MEND}; or unset what is there to train in one process",
        )
    errors: list[UserError] = []

    def number(name: str, default: int = 0) -> int:
        text = environment.get(name, str(default))
        if text.isdecimal():
            return int(text)
        errors.append(UserError(f"{text!r} is not a number", where=name, mend=_MEND))
        return -1

    size, local_size = number("WORLD_SIZE"), number("LOCAL_WORLD_SIZE", 1)
    rank, local_rank = number("RANK"), number("LOCAL_RANK")
    number("MASTER_PORT")
    if not errors:
        for name, value, below in (("RANK", rank, size), ("LOCAL_RANK", local_rank, local_size)):
            if "LOCAL_WORLD_SIZE" in environment and value >= below:
                errors.append(
                    UserError(f"there are {below} ranks, no number {value}", where=name, mend=_MEND)
                )
    if errors:
        raise UserErrors(errors)
    return Place(rank, size, local_rank, max(local_size, local_rank + 1))
