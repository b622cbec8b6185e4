"""What a long translation shows of its progress, on standard error."""

from __future__ import annotations

import contextlib
import time
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import typer

if TYPE_CHECKING:
    from nmt.translator import Translation

SECONDS_BETWEEN_REPORTS = 10.0


@dataclass
class Throughput:
    """Counts of what was translated, and the time that it took."""

    num_lines: int = 0
    num_source_pieces: int = 0
    num_pieces: int = 0
    started: float = field(default_factory=time.monotonic)

    def add(self, translations: Sequence[Translation]) -> None:
        """Count some translations; of an n-best list only the best."""
        self.num_lines += len(translations)
        self.num_source_pieces += sum(one.num_source_pieces for one in translations)
        self.num_pieces += sum(one.alternatives[0].num_pieces for one in translations)

    def report(self, now: float) -> str:
        """Counts and rates in words; rates are per second of ``now`` minus ``started``."""
        seconds = max(now - self.started, 1e-9)
        return (
            f"{self.num_lines:,} lines in {seconds:.1f} s: {self.num_lines / seconds:,.1f} lines, "
            f"{self.num_source_pieces / seconds:,.0f} source pieces, "
            f"{self.num_pieces / seconds:,.0f} output pieces a second"
        )


class Display(Protocol):
    """Something that shows the progress."""

    @abstractmethod
    def add(self, translations: Sequence[Translation]) -> None:
        """Show that these were translated, too."""


class _Silence:
    def add(self, translations: Sequence[Translation]) -> None:
        """Show nothing."""


class _Lines:
    def __init__(self) -> None:
        self.throughput = Throughput()
        self._reported = self.throughput.started

    def add(self, translations: Sequence[Translation]) -> None:
        """Print a line if the last one was some time ago."""
        self.throughput.add(translations)
        now = time.monotonic()
        if now - self._reported >= SECONDS_BETWEEN_REPORTS:
            typer.echo(self.throughput.report(now), err=True)
            self._reported = now


@contextlib.contextmanager
def plain_lines() -> Iterator[Display]:
    """A line with the rates every ten seconds and one at the end."""
    lines = _Lines()
    yield lines
    typer.echo(lines.throughput.report(time.monotonic()), err=True)


@contextlib.contextmanager
def bar(num_lines: int | None) -> Iterator[Display]:
    """A bar on the terminal; without a known number of lines, a count."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("lines  {task.fields[rate]:,.1f}/s"),
        TimeRemainingColumn(),
    )
    throughput = Throughput()
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=num_lines, rate=0.0)

        class Bar:
            def add(self, translations: Sequence[Translation]) -> None:
                """Move the bar on."""
                throughput.add(translations)
                rate = throughput.num_lines / max(time.monotonic() - throughput.started, 1e-9)
                progress.update(task, completed=throughput.num_lines, rate=rate)

        yield Bar()


@contextlib.contextmanager
def silence() -> Iterator[Display]:
    """Nothing at all."""
    yield _Silence()
