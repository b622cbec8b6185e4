"""``nmt-train``: from a recipe to trained, scored systems."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from nmt.cli.common import DataOption, GpusOption, OverridesArgument, RecipeArgument, run
from nmt.cli.ranks import find_place, follow, leading, start_ranks, stop_code


def train(
    recipe: RecipeArgument,
    overrides: OverridesArgument = None,
    system: Annotated[
        list[str] | None,
        typer.Option("--system", metavar="NAME", help="Train this system only; may be repeated."),
    ] = None,
    output: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder of runs; results go to DIR/RECIPE/SYSTEM.")
    ] = Path("runs"),
    data: DataOption = None,
    device: Annotated[
        Literal["auto", "cpu", "cuda"], typer.Option(help="Where to compute.")
    ] = "auto",
    gpus: GpusOption = None,
    fresh: Annotated[
        bool,
        typer.Option("--fresh", help="Forget what an earlier run left, and begin anew."),
    ] = False,
) -> None:
    """Train the systems of a recipe, score them on its test sets, and leave model folders.

    The same command continues a run that was stopped, at whatever moment. A system that is trained
    already is not trained again; one that was trained with other settings is left alone.
    """
    place = find_place(gpus)
    if place is not None and not place.leads:
        follow(place)
        return
    with leading(place) as ranks:
        from nmt.recipe import read_recipe
        from nmt.stopping import StopOnSignal, Stopped

        settings = read_recipe(recipe, overrides or (), data_root=data)
        names = choose_systems(system, list(settings.systems))
        if ranks is None and gpus is not None:
            start_ranks(gpus, device)
        stop = StopOnSignal()

        from rich.console import Console

        from nmt.run import Run, train_systems

        work = Run(settings, output, device, Console(), stop, ranks=ranks)
        try:
            train_systems(work, names, fresh=fresh)
        except (Stopped, KeyboardInterrupt):
            same = "the same command without --fresh" if fresh else "the same command"
            work.say(f"stopped; {same} continues")
            raise typer.Exit(stop_code(stop)) from None


def choose_systems(wanted: list[str] | None, there: list[str]) -> list[str]:
    """The systems to work on, all of them unless some are wanted; raises UserError for others."""
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
    run(train)


if __name__ == "__main__":
    main()
