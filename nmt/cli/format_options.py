"""Options of ``nmt-translate`` that say what the input is, and what comes out."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated, Literal, TypeAlias

import typer

from nmt.errors import UserError

_FORMATS = "Formats"
_LINES = ("text", "tsv", "jsonl")

_GOES_WITH: Mapping[str, Collection[str]] = {
    "nbest": _LINES,
    "scores": _LINES,
    "explain": ("text", "jsonl"),
    "alignments": _LINES,
    "confidence": ("jsonl",),
    "column": ("tsv",),
    "prefix_column": ("tsv",),
    "key": ("jsonl",),
    "translation_key": ("jsonl",),
    "prefix_key": ("jsonl",),
    "keep_tags": ("text",),
    "final": ("po", "xliff"),
}
"""The formats that each option means something in."""

FormatOption: TypeAlias = Annotated[
    Literal["text", "tsv", "jsonl", "po", "tmx", "xliff", "html", "srt", "markdown"] | None,
    typer.Option(
        "--format",
        help="text: a line each. tsv: columns, the translation is appended. jsonl: an object "
        "each, the translation is added. The others are documents, which come back as they "
        "are but for their text: messages without translation in gettext's catalogues (po), "
        "missing variants in translation memories (tmx), missing targets (xliff), pages "
        "(html), subtitles (srt), markdown.",
        show_default="by the name of --input, else text",
        rich_help_panel=_FORMATS,
    ),
]
FinalOption: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--final",
        help="po, xliff: do not mark translations as to be looked at by a person.",
        rich_help_panel=_FORMATS,
    ),
]
ScoresOption: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--scores",
        help="Give scores too; in text before the translation, parted by a tab.",
        rich_help_panel=_FORMATS,
    ),
]
ExplainOption: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--explain",
        help="Say how each translation came about: phrases and features, or attention "
        "(text, jsonl).",
        rich_help_panel=_FORMATS,
    ),
]
ColumnOption: TypeAlias = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="tsv: number of the column to translate.",
        show_default="1",
        rich_help_panel=_FORMATS,
    ),
]
KeyOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help="jsonl: key of the text to translate; dots enter nested objects.",
        show_default="source, else text",
        rich_help_panel=_FORMATS,
    ),
]
TranslationKeyOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help="jsonl: key of the translation.",
        show_default="translation",
        rich_help_panel=_FORMATS,
    ),
]


def check_format_options(line_format: str, **given: object) -> None:
    """Raise UserError for an option that is given and means nothing in this format."""
    for name, value in given.items():
        if value and line_format not in _GOES_WITH[name]:
            raise UserError(f"{_flag(name)} does not go with --format {line_format}")


def check_with_tags(**given: object) -> None:
    """Raise UserError for an option that does not go with lines that keep their tags."""
    for name, value in given.items():
        if value:
            raise UserError(f"{_flag(name)} does not go with --keep-tags")


def check_without(missing: str, **given: object) -> None:
    """Raise UserError for an option that has no effect without another."""
    for name, value in given.items():
        if value is not None:
            raise UserError(f"{_flag(name)} has no effect without {missing}", mend=f"add {missing}")


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
