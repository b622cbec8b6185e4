"""What can be set about phrase-based search."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from nmt.settings import Settings

MAX_DISTORTION_LIMIT: Final = 64
"""A coverage holds the words of a window of this size behind the first gap."""


class PhraseSearchSettings(Settings):
    """Stack decoding with cube pruning (Koehn 2004; Huang and Chiang 2007)."""

    stack_size: Annotated[int, Field(ge=1)] | None = 200
    """Hypotheses kept in each stack, the best ones; null: all."""

    pop_limit: Annotated[int, Field(ge=1)] | None = 400
    """Hypotheses made for each stack by cube pruning; null: all that there are."""

    beam_threshold: Annotated[float, Field(gt=0.0)] | None = 2.0
    """Drop hypotheses so far below their stack's best, in sums of absolute weights; null: none."""

    distortion_limit: Annotated[int, Field(ge=-1, le=MAX_DISTORTION_LIMIT)] = 6
    """Greatest jump between phrases, in source words; 0: in order, -1: any (but at most 64)."""

    max_options: Annotated[int, Field(ge=1)] = 20
    """Translations tried for each source phrase, the best by weighted score."""

    max_phrase_words: Annotated[int, Field(ge=1, le=20)] = 7
    """Longest source phrase looked for."""

    future_distortion: bool = True
    """Whether estimates of a hypothesis hold jumps that it cannot avoid (Moore and Quirk 2007)."""

    cube_pruning: bool = True
    """Whether stacks are filled best first; false: by all hypotheses and options, which is slow."""


def fast_settings(settings: PhraseSearchSettings) -> PhraseSearchSettings:
    """The same search with limits for speed: about twice that of the first settings."""
    limits = {"stack_size": 100, "pop_limit": 200, "beam_threshold": 1.5}
    return settings.model_copy(update=limits)
