"""``nmt-export``: write a trained model as other programs read it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from nmt.cli.common import run


def export(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL",
            help="Model folder, such as runs/multi30k-en-de/transformer.",
            show_default=False,
        ),
    ],
    to: Annotated[
        Literal["ctranslate2", "onnx", "huggingface", "safetensors"],
        typer.Option(help="What to write.", show_default=False),
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="FOLDER", help="Where to.", show_default=False),
    ],
    quantization: Annotated[
        Literal["int8", "int16", "float16", "bfloat16"] | None,
        typer.Option(help="Type in which weights are kept.", show_default="float32"),
    ] = None,
) -> None:
    """Write a trained model as other programs read it.

    The folder is complete by itself: nmt-translate opens it too, and needs nothing else of the
    model that it was made from.
    """
    from nmt.neural.export.export import export_model

    folder = export_model(model, to, output, quantization)
    size = sum(facts.size for facts in folder.files.values())
    typer.echo(f"{output}: {size / 1e6:.1f} MB")


def main() -> None:
    """Run ``nmt-export`` with the arguments of the command line."""
    run(export)


if __name__ == "__main__":
    main()
