"""What the benchmarks' command lines share: measure, print a table, keep the result."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from nmt.files import write_json
from nmt.model_folder import open_model_folder
from nmt.neural.model.architecture import Architecture
from scripts.benchmark import RESULTS


def command_line(
    doc: str | None, result: str, *, quick: str | None = None
) -> argparse.ArgumentParser:
    """The options of every benchmark, for more to be added.

    Args:
        doc: the script's docstring; its first line is shown.
        result: file in ``scripts/results`` where the result is kept.
        quick: what ``--quick`` measures, where there is such an option.
    """
    parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    if quick is not None:
        parser.add_argument("--quick", action="store_true", help=f"{quick}; writes no result")
    parser.add_argument("--show", type=Path, metavar="JSON", help="print an earlier result")
    parser.add_argument("--output", type=Path, default=RESULTS / result)
    return parser


def command_line_of_model(
    doc: str | None, result: str, *, split: str, quick: str
) -> argparse.ArgumentParser:
    """The same for a model that translates a part of Multi30k."""
    parser = command_line(doc, result, quick=quick)
    multi30k = Path("../shared/data/multi30k")
    parser.add_argument("model", type=Path, nargs="?", metavar="MODEL", help="a model folder")
    parser.add_argument("--source", type=Path, default=multi30k / f"{split}.en")
    parser.add_argument("--reference", type=Path, default=multi30k / f"{split}.de")
    return parser


def run_benchmark(
    parser: argparse.ArgumentParser,
    run: Callable[[argparse.Namespace], dict[str, Any]],
    render: Callable[[dict[str, Any]], str],
    arguments: Sequence[str] | None,
) -> int:
    """Measure, print a table, write the result, or show an earlier one; returns the exit status."""
    options = parser.parse_args(arguments)
    if options.show is not None:
        print(render(json.loads(options.show.read_text(encoding="utf-8"))))
        return 0
    if "model" in options and options.model is None:
        parser.error("which MODEL is to translate?")
    result = run(options)
    print(render(result))
    if not getattr(options, "quick", False):
        write_json(options.output, result)
    return 0


def model_in_words(path: Path) -> str:
    """The recipe and the architecture of a Transformer's model folder."""
    folder = open_model_folder(path)
    architecture = Architecture.from_json(folder.settings["architecture"])
    layers = f"{architecture.encoder_layers} + {architecture.decoder_layers}"
    recurrent = ", SSRU" if architecture.decoder == "ssru" else ""
    recipe = folder.training["recipe"]["name"]
    return f"{recipe}, {layers} layers of width {architecture.width}{recurrent}"
