"""Options of ``nmt-translate`` that say what translations must be like."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

_QUALITY = "Several models"
_GUIDANCE = "What translations must be like"
_OUTPUT = "Formats"

EnsembleOption: TypeAlias = Annotated[
    list[Path] | None,
    typer.Option(
        "--ensemble",
        metavar="MODEL",
        help="Translate together with this model too, of the same pieces; may be repeated.",
        show_default=False,
        rich_help_panel=_QUALITY,
    ),
]
RerankOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--rerank",
        metavar="MODEL",
        help="Rank the best translations once more, by how well this model, which translates back, "
        "could say the source from each.",
        show_default="none",
        rich_help_panel=_QUALITY,
    ),
]
RerankWeightOption: TypeAlias = Annotated[
    float | None,
    typer.Option(
        "--rerank-weight",
        min=0,
        help="Weight of its log-probability per piece; the model's own has 1.",
        show_default="0.5",
        rich_help_panel=_QUALITY,
    ),
]
RerankCandidatesOption: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--rerank-candidates",
        min=2,
        help="Translations of each line to rank.",
        show_default="12",
        rich_help_panel=_QUALITY,
    ),
]
ConfidenceOption: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--confidence",
        help="jsonl: add the probability of each word, and an estimate of the whole's quality.",
        rich_help_panel=_OUTPUT,
    ),
]
GlossaryOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--glossary",
        metavar="FILE",
        help="Terms, a line each: SOURCE, a tab, and its translations parted by |, of which one "
        "must occur. A line that begins with ! says what must not occur.",
        show_default="none",
        rich_help_panel=_GUIDANCE,
    ),
]
KeepTagsOption: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--keep-tags",
        help="text: lines have tags (<b>, <x id='1'/>) and placeholders ({name}, %s, addresses) in "
        "them, which all come back, the tags around the words that they were around.",
        rich_help_panel=_GUIDANCE,
    ),
]
AlignmentsOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--alignments",
        metavar="FILE",
        help="Write word alignments, a line for each line: 0-0 1-2, SOURCE-TARGET, words counted "
        "from 0 and parted by white space (text, tsv, jsonl).",
        show_default="none",
        rich_help_panel=_OUTPUT,
    ),
]
PrefixColumnOption: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--prefix-column",
        min=1,
        help="tsv: number of the column that says how the translation begins.",
        show_default="none",
        rich_help_panel=_GUIDANCE,
    ),
]
PrefixKeyOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--prefix-key",
        help="jsonl: key of the text with which the translation begins.",
        show_default="none",
        rich_help_panel=_GUIDANCE,
    ),
]
