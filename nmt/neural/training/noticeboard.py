"""Where the ranks leave word for each other: jobs, meetings, and why one of them failed.

It is the key-value store (``torch.distributed.Store``) by which they found each other; torchrun, or
``nmt.launch``, keeps it. Waiting here takes no GPU and, where work of unknown length is waited for,
has no time limit: a rank that fails says so, and then nobody waits any longer.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, Final

from torch.distributed.distributed_c10d import Store
from torch.distributed.rendezvous import rendezvous

from nmt.errors import UserError
from nmt.ranks import Place

_FAILURE: Final = "failure"
_LONGEST_PAUSE: Final = 0.1
_SECONDS_TO_EXPLAIN: Final = 3.0
"""How long the reason may take to be put up after its consequences were felt."""
_SECONDS_TO_END: Final = 10.0
"""How long a rank may take to end after a failure."""
_JOINING_SECONDS: Final = 300.0


@dataclass(frozen=True, slots=True)
class Failure:
    """Why the ranks end."""

    rank: int
    """Who put it up; -1 for who started the ranks."""
    code: int
    """The exit code of all."""
    interrupted: bool = False
    """Whether it is no failure, but somebody pressed Ctrl-C."""


class FailedElsewhere(Exception):
    """Another rank failed, and has told the user: end without a word."""

    def __init__(self, code: int) -> None:
        self.code = code
        """The exit code to end with."""
        super().__init__(code)


class Noticeboard:
    """One rank's view of it."""

    def __init__(self, store: Store, place: Place) -> None:
        self.store = store
        self._place = place
        self._meetings = 0
        self._jobs = 0
        self._looked = 0.0

    @classmethod
    def join(cls, place: Place) -> Noticeboard:
        """Find the noticeboard by the environment. Raises UserError if it is not reached."""
        try:
            store, _, _ = next(rendezvous("env://", timeout=timedelta(seconds=_JOINING_SECONDS)))
        except RuntimeError as error:
            raise UserError(
                f"rank {place.rank} does not reach the other ranks: {error}",
                mend="check MASTER_ADDR and MASTER_PORT, and the network between the machines",
            ) from error
        return cls(store, place)

    # Jobs: what the leader asks the others to take part in.

    def call(self, job: dict[str, Any]) -> None:
        """Ask the other ranks to take part in something."""
        self.store.set(f"job {self._jobs}", json.dumps(job))
        self._jobs += 1

    def dismiss(self) -> None:
        """Tell the other ranks that there will be nothing more, and see them leave."""
        self.store.set(f"job {self._jobs}", json.dumps(None))
        self.meet(None, _SECONDS_TO_END)

    def next_job(self) -> dict[str, Any] | None:
        """Wait until this rank is needed, however long; None if there is nothing more to do.

        Raises FailedElsewhere or KeyboardInterrupt if the ranks end otherwise.
        """
        key = f"job {self._jobs}"
        self._wait([key])
        self._jobs += 1
        job: dict[str, Any] | None = json.loads(self.store.get(key))
        if job is None:
            self.meet(None, _SECONDS_TO_END)
        return job

    def meet(self, value: Any, seconds: float) -> list[Any]:
        """Wait for all ranks; the value (JSON) that each brought, in order.

        Raises UserError that names those who did not come within so many seconds;
        FailedElsewhere or KeyboardInterrupt if the ranks end.
        """
        prefix = f"meeting {self._meetings}"
        keys = [f"{prefix}, {rank}" for rank in range(self._place.size)]
        self._asking(lambda: self.store.set(keys[self._place.rank], json.dumps(value)))
        if not self._wait(keys, seconds):
            raise self._lost(keys, f"in {seconds:,.0f} seconds")
        values = [json.loads(one) for one in self._asking(lambda: self.store.multi_get(keys))]
        if self._place.leads and self._meetings:
            # All have come to this meeting, so nobody reads of the one before.
            for rank in range(self._place.size):
                self.store.delete_key(f"meeting {self._meetings - 1}, {rank}")
        self._meetings += 1
        return values

    def fail(self, code: int, *, interrupted: bool = False) -> bool:
        """Put up that this rank failed; whether it is the first, and so the one to tell why."""
        mine = json.dumps(asdict(Failure(self._place.rank, code, interrupted)))
        try:
            return bool(self.store.compare_set(_FAILURE, "", mine).decode() == mine)
        except RuntimeError:  # it is gone, and with it who started the ranks
            return self._place.leads

    def failure(self) -> Failure | None:
        """What was put up first."""
        if not self._asking(lambda: self.store.check([_FAILURE])):
            return None
        return Failure(**json.loads(self.store.get(_FAILURE)))

    def look_for_failure(self) -> None:
        """Raise FailedElsewhere or KeyboardInterrupt if the ranks end; looks once a second."""
        if time.monotonic() < self._looked + 1.0:
            return
        self._looked = time.monotonic()
        self._end_if(self.failure())

    def what_happened(self, seen: str) -> BaseException:
        """Why a collective failed or is not answered: wait for the reason, or say who is gone.

        Args:
            seen: what this rank saw of it.

        Returns what to raise.
        """
        key = f"left alone, {self._place.rank}"
        try:
            self.store.set(key, "")
            deadline = time.monotonic() + _SECONDS_TO_EXPLAIN
            while time.monotonic() < deadline:
                self._end_if(self.failure())
                time.sleep(_LONGEST_PAUSE)
            return self._lost([f"left alone, {rank}" for rank in range(self._place.size)], seen)
        except (FailedElsewhere, KeyboardInterrupt, UserError, RuntimeError) as ending:
            return ending

    def watch(self) -> None:
        """Begin to end this process, in a thread, if the ranks end and it does not by itself.

        It may hang in a collective, or in a call that no signal interrupts.
        """
        threading.Thread(target=self._watch, name="watch", daemon=True).start()

    def _watch(self) -> None:
        code = None
        while code is None:
            time.sleep(1.0)
            try:
                failure = self.failure()
                code = failure.code if failure else None
            except (FailedElsewhere, UserError):
                code = 1
        time.sleep(_SECONDS_TO_END)
        os._exit(code)

    def _wait(self, keys: Sequence[str], seconds: float | None = None) -> bool:
        """Wait until all keys are there; False if the time is over."""
        deadline = None if seconds is None else time.monotonic() + seconds
        pause = 0.001
        while not self._asking(lambda: self.store.check(list(keys))):
            self._end_if(self.failure())
            if deadline is not None and time.monotonic() > deadline:
                return False
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        return True

    def _end_if(self, failure: Failure | None) -> None:
        if failure is None:
            return
        if failure.interrupted:
            raise KeyboardInterrupt
        raise FailedElsewhere(failure.code)

    def _lost(self, keys: Sequence[str], seen: str) -> UserError:
        gone = [str(n) for n, key in enumerate(keys) if not self.store.check([key])]
        who = f"rank{'s' if len(gone) > 1 else ''} {', '.join(gone)}" if gone else "another rank"
        return UserError(
            f"{who} did not answer: {seen}",
            mend="the same command continues from the last checkpoint; if it happens again, look "
            "at that GPU and at the network",
        )

    def _asking(self, ask: Callable[[], Any]) -> Any:
        """Ask the store; if it is gone, so is who started the ranks."""
        try:
            return ask()
        except RuntimeError as error:
            if not self._place.leads:
                raise FailedElsewhere(1) from error
            raise UserError(
                "the process that started the ranks is gone",
                mend="the same command continues from the last checkpoint",
            ) from error
