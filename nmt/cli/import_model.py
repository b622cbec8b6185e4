"""``nmt-import``: make a model folder of a model from elsewhere."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from nmt.cli.common import run


def import_model(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER",
            help="A MarianMT folder of Hugging Face, or Marian's own files, such as an unpacked "
            "OPUS-MT model.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="MODEL", help="The new model folder.", show_default=False
        ),
    ],
    source_language: Annotated[
        str | None,
        typer.Option(metavar="CODE", help="Source language.", show_default="what the files say"),
    ] = None,
    target_language: Annotated[
        str | None,
        typer.Option(metavar="CODE", help="Target language.", show_default="what the files say"),
    ] = None,
) -> None:
    """Make a model folder of a model from elsewhere, to translate with, to export, to train on."""
    from nmt.neural.importing.import_model import import_model

    model = import_model(
        folder, output, source_language=source_language, target_language=target_language
    )
    sizes = model.settings["architecture"]
    typer.echo(
        f"{output}: {model.source_language} to {model.target_language}, "
        f"{sizes['encoder_layers']} + {sizes['decoder_layers']} layers, width {sizes['width']}, "
        f"{sizes['target_vocabulary_size']:,} pieces"
    )
    typer.echo(f"translate with: nmt-translate {shlex.quote(str(output))} --input FILE")


def main() -> None:
    """Run ``nmt-import`` with the arguments of the command line."""
    run(import_model)


if __name__ == "__main__":
    main()
