"""Text to pieces and back, without loss: subwords for neural systems, words for statistical ones.

Nobody outside this package sees pieces: ``Tokenizer.encode`` gives ids and ``decode`` takes them.
"""

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
