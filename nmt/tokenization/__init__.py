"""Text to pieces and back, without loss: subwords for neural systems, words for statistical ones.

Nobody outside this package sees pieces: ``Tokenizer.encode`` gives ids and ``decode`` takes them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nmt.tokenization.learning import learn_tokenizers
    from nmt.tokenization.pair import TokenizerPair, load_tokenizer
    from nmt.tokenization.protocol import (
        BOS_ID,
        EOS_ID,
        NUM_CONTROL_IDS,
        PAD_ID,
        UNK_ID,
        Tokenizer,
    )
    from nmt.tokenization.text import normalize_text
    from nmt.tokenization.words import WordTokenizer

__all__ = [
    "BOS_ID",
    "EOS_ID",
    "NUM_CONTROL_IDS",
    "PAD_ID",
    "UNK_ID",
    "Tokenizer",
    "TokenizerPair",
    "WordTokenizer",
    "learn_tokenizers",
    "load_tokenizer",
    "normalize_text",
]

_MODULES = {
    "TokenizerPair": "pair",
    "WordTokenizer": "words",
    "learn_tokenizers": "learning",
    "load_tokenizer": "pair",
    "normalize_text": "text",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for: the settings alone are read in no time."""
    if name in __all__:
        module = importlib.import_module(f"{__name__}.{_MODULES.get(name, 'protocol')}")
        return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
