"""``nmt-train``: from a recipe to trained, scored systems."""

from __future__ import annotations

import signal
from pathlib import Path
from types import FrameType
from typing import Annotated, Literal

import typer

from nmt.cli.common import INTERRUPTED, run

# The conventional code of a process that ended at SIGTERM's request.
_TERMINATED = 143


class _StopOnSignal:
    """Notes the first Ctrl-C or SIGTERM as a request to stop; the second Ctrl-C interrupts."""

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        signal.signal(signal.SIGINT, self._note)
        signal.signal(signal.SIGTERM, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = signal.Signals(number)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def reason(self) -> str | None:
        """Why to stop, if so."""
        return f"{self.received.name} received" if self.received else None


def train(
    recipe: Annotated[
        str, typer.Argument(help="A recipe file, or the name of a recipe that comes with nmt.")
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KEY=VALUE]...",
            help="Settings in place of the recipe's, such as systems.transformer.dropout=0.2.",
        ),
    ] = None,
    system: Annotated[
        list[str] | None,
        typer.Option("--system", metavar="NAME", help="Train this system only; may be repeated."),
    ] = None,
    output: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder of runs; results go to DIR/RECIPE/SYSTEM.")
    ] = Path("runs"),
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder that holds local corpora.")
    ] = None,
    device: Annotated[
        Literal["auto", "cpu", "cuda"], typer.Option(help="Where to compute.")
    ] = "auto",
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Begin anew instead of continuing an earlier run.")
    ] = False,
) -> None:
    """Train the systems of a recipe, score them on its test sets, and leave model folders.

    The same command continues a run that was stopped, at whatever moment.
    """
    from nmt.recipe import read_recipe

    settings = read_recipe(recipe, overrides or (), data_root=data)
    names = _choose_systems(system, list(settings.systems))
    stop = _StopOnSignal()

    from rich.console import Console

    from nmt.run import Run, Stopped, train_systems

    console = Console()
    try:
        train_systems(
            Run(settings, output, data, device, console, stop.reason), names, fresh=fresh
        )
    except Stopped as stopped:
        console.print(f"stopped: {stopped}. The same command continues.", highlight=False)
        code = _TERMINATED if stop.received is signal.SIGTERM else INTERRUPTED
        raise typer.Exit(code) from None


def _choose_systems(wanted: list[str] | None, there: list[str]) -> list[str]:
    from nmt.errors import UserError

    for name in wanted or ():
        if name not in there:
            raise UserError(
                f"the recipe has no system {name!r}",
                where="--system",
                mend=f"it has {', '.join(there)}",
            )
    return wanted or there


def main() -> None:
    """The command ``nmt-train``."""
    run(train, interrupted="stopped; the same command continues")


if __name__ == "__main__":
    main()
