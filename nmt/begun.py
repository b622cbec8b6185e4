"""Work that was begun and whose result will be wanted."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

S = TypeVar("S")
T = TypeVar("T")
_Result = TypeVar("_Result", covariant=True)


class Begun(Protocol[_Result]):
    """Something that is being made."""

    @abstractmethod
    def result(self) -> _Result:
        """What was made, as soon as it is there; raises what making it raised."""

    @abstractmethod
    def cancel(self) -> None:
        """Make no more of it than is being made; its result is not wanted."""


@dataclass(frozen=True, slots=True)
class Later(Generic[T]):
    """Work that is done when its result is wanted."""

    work: Callable[[], T]

    def result(self) -> T:
        """Do the work."""
        return self.work()

    def cancel(self) -> None:
        """Nothing was begun."""


@dataclass(frozen=True, slots=True)
class Then(Generic[S, T]):
    """What is made of the result of work that was begun, when it is wanted."""

    before: Begun[S]
    work: Callable[[S], T]

    def result(self) -> T:
        """Wait for what was begun, and do the rest."""
        return self.work(self.before.result())

    def cancel(self) -> None:
        """Leave out what was begun."""
        self.before.cancel()


@dataclass(frozen=True, slots=True)
class DealtOut(Generic[T]):
    """Results for a list of items, where item i is the business of part ``i % number of parts``."""

    parts: Sequence[Future[list[T]]]

    def result(self) -> list[T]:
        """The results in the items' order."""
        results = [part.result() for part in self.parts]
        number = len(results)
        return [results[i % number][i // number] for i in range(sum(map(len, results)))]

    def cancel(self) -> None:
        """Leave out the parts that nobody has taken up."""
        for part in self.parts:
            part.cancel()
