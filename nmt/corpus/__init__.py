"""Where parallel text comes from: sources, cleaning, and memory-mapped text and pieces."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nmt.corpus.prepare import PreparedCorpus, prepare_corpus
    from nmt.corpus.report import CleaningReport
    from nmt.corpus.text import TextLines, TextPairs
    from nmt.corpus.tokenized import PieceRows, TokenizedBitext, tokenize_pairs

__all__ = [
    "CleaningReport",
    "PieceRows",
    "PreparedCorpus",
    "TextLines",
    "TextPairs",
    "TokenizedBitext",
    "prepare_corpus",
    "tokenize_pairs",
]

_MODULES = {
    "CleaningReport": "report",
    "PieceRows": "tokenized",
    "PreparedCorpus": "prepare",
    "TextLines": "text",
    "TextPairs": "text",
    "TokenizedBitext": "tokenized",
    "prepare_corpus": "prepare",
    "tokenize_pairs": "tokenized",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for: the settings alone are read in no time."""
    if name in _MODULES:
        return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
