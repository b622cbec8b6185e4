"""Where parallel text comes from: sources, cleaning, and memory-mapped text and pieces."""

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
