"""The frame of every command: options that all have, mistakes as sentences, exit codes.

A command's module imports nothing slow at its top: what takes long to import (torch, for one) is
imported in the command's function, after its arguments have been read.

Exit codes: 0, all went well; 2, a mistake in the input or the arguments; 130, interrupted; 141, the
reader of the output went away (as in ``| head``); 1, a mistake of ours, with its traceback.
"""

from __future__ import annotations

import errno
import importlib.metadata
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand

from nmt.errors import UserError, UserErrors

DISTRIBUTION = "bitext-nmt"

RecipeArgument = Annotated[
    str, typer.Argument(help="A recipe file, or the name of a recipe that comes with nmt.")
]
OverridesArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[KEY=VALUE]...",
        help="Settings in place of the recipe's, such as systems.transformer.dropout=0.2.",
    ),
]
DataOption = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", help="Folder that holds local corpora; goes before a root in the recipe."
    ),
]
GpusOption = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Train neural systems on N GPUs of this machine.",
        show_default="one, or all that torchrun gives",
    ),
]

USER_ERROR = 2
INTERRUPTED = 130
BROKEN_PIPE = 141


def run(
    function: Callable[..., None],
    *,
    cls: type[TyperCommand] = TyperCommand,
    interrupted: str = "interrupted",
    arguments: Sequence[str] | None = None,
) -> NoReturn:
    """Run a function as a command: its parameters are the arguments, its docstring the help.

    Args:
        function: annotated as Typer wants it.
        cls: the class of the command, if it parses its arguments in a way of its own.
        interrupted: what to say after Ctrl-C.
        arguments: those of the command line unless given.

    Raises:
        SystemExit: always, with the exit code.
    """
    name = Path(sys.argv[0]).name
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    settings = {"help_option_names": ["-h", "--help"]}
    app.command(cls=cls, context_settings=settings)(_in_frame(function, name, interrupted))
    try:
        app(args=None if arguments is None else list(arguments), prog_name=name)
    except UserError as error:  # found while the arguments were read
        _print_error(name, error)
        sys.exit(USER_ERROR)
    raise SystemExit(0)


def _in_frame(function: Callable[..., None], name: str, interrupted: str) -> Callable[..., None]:
    """``function`` with the options that all commands have, ending in an exit code."""

    def framed(*, version: bool, debug: bool, **arguments: Any) -> None:
        try:
            function(**arguments)
            if sys.stdout is not None:
                sys.stdout.flush()
        except (UserError, OSError, KeyboardInterrupt) as error:
            if debug:
                traceback.print_exc()
            _silence_stdout()
            raise typer.Exit(_explain(error, name, interrupted)) from None

    signature = inspect.signature(function, eval_str=True)
    common = inspect.signature(_common_options, eval_str=True)
    parameters = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for parameter in (*signature.parameters.values(), *common.parameters.values())
    ]
    framed.__name__ = function.__name__
    framed.__doc__ = function.__doc__
    framed.__annotations__ = {p.name: p.annotation for p in parameters} | {"return": None}
    framed.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]  # read by inspect
    return framed


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"{DISTRIBUTION} {importlib.metadata.version(DISTRIBUTION)}")
        raise typer.Exit


def _common_options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_print_version, help="Print the version and exit."
        ),
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of any error.")
    ] = False,
) -> None:
    """The signature that every command's is extended by."""


def _explain(error: BaseException, name: str, interrupted: str) -> int:
    """Tell the user what ended the command; returns the exit code."""
    match error:
        case KeyboardInterrupt():
            typer.echo(f"\n{name}: {interrupted}", err=True)
            return INTERRUPTED
        case OSError(errno=errno.EPIPE):
            return BROKEN_PIPE
        case OSError():
            where = os.fsdecode(error.filename) if error.filename else None
            reason = error.strerror or str(error) or type(error).__name__
            _print_error(name, UserError(reason, where=where, mend="--debug shows the traceback"))
        case UserError():
            _print_error(name, error)
    return USER_ERROR


def _print_error(name: str, error: UserError) -> None:
    prefix = typer.style(f"{name}:", fg="red", bold=True)
    if isinstance(error, UserErrors) and len(error.errors) > 1:
        prefix += f" {len(error.errors)} problems\n"
        typer.echo(prefix + "\n".join(str(one) for one in error.errors), err=True)
    else:
        typer.echo(f"{prefix} {error}", err=True)


def _silence_stdout() -> None:
    """Drop what is still to be written where it cannot be, so that the interpreter ends quietly."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 (no Path for the null device)
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
