"""What can be chosen about the phrase table."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from nmt.settings import Settings

MAX_WORDS = 8
"""The links of a phrase pair fit into 64 bits up to this length."""


class PhraseSettings(Settings):
    """Phrase pairs: which are taken from the bitext, how they are scored, which are kept."""

    max_words: Annotated[int, Field(ge=1, le=MAX_WORDS)] = 7
    """Longest phrase, in words, on either side."""
    orientation: Literal["phrase", "word"] = "phrase"
    """What tells where the phrase before or after stands: phrase pairs, or single links only."""
    smoothing: Literal["good-turing", "kneser-ney", "none"] = "good-turing"
    """How phrase probabilities are smoothed."""
    significance: Literal["none", "alpha-epsilon", "alpha+epsilon"] = "none"
    """Drop pairs that chance explains; + also drops those of phrases seen in one sentence only."""
    max_entries: Annotated[int, Field(ge=1)] = 100
    """Entries kept for a source phrase, the most probable ones; above what search uses of them."""
    min_count: Annotated[int, Field(ge=1)] = 1
    """Drop phrase pairs seen less often."""
