"""Texts, words and a file that tests of language models share."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from hypothesis import strategies as st

from nmt.lines import read_lines
from nmt.statistical.language_model.model import LanguageModel
from nmt.statistical.language_model.settings import LanguageModelSettings
from nmt.statistical.vocabulary import Vocabulary

GOOD: Final = r"""\data\
ngram 1=4
ngram 2=2

\1-grams:
-99	<s>	-0.3
-0.5	</s>
-0.5	a	-0.2
-1.0	<unk>

\2-grams:
-0.1	<s> a
-0.2	a </s>

\end\
"""
"""A small file as it should be."""

ORDINARY: Final = st.text(
    st.characters(exclude_characters=" \n", exclude_categories=["Cs"]), min_size=1
)
SYMBOLS: Final = st.sampled_from(
    ["<s>", "</s>", "<unk>", "<UNK>", "\\u003cs>", "\\u005cu003cs>", "\\data\\", "\\end\\",
     "\\1-grams:", "\t", "a\tb", "\r", "\0", "-1.5", "a\x0bb", "\x85", "\u2028", "\xa0",
     "\\u0041", "\\"]
)  # fmt: skip
WORDS: Final = ORDINARY | SYMBOLS
"""Words of any characters, and those that mean something in ARPA files."""


def estimate(lines: list[list[str]], **options: object) -> LanguageModel:
    """A model of some lines, with their vocabulary."""
    vocabulary = Vocabulary.learn(lines)
    chosen = LanguageModelSettings.model_validate(options)
    return LanguageModel.estimate(vocabulary.encode(lines), vocabulary, chosen)


def split(path: Path) -> list[list[str]]:
    """The words of a file's lines, as KenLM would split them."""
    return [[word for word in line.split(" ") if word] for line in read_lines(path)]
