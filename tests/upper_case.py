"""A system for tests: it writes its input in capitals, a character is a piece."""

from __future__ import annotations

from collections.abc import Sequence

from nmt.translator import Hypothesis, SearchOptions, Translator


class UpperCase(Translator):
    """Translates any language into capitals, and records what it was asked.

    The k-th best hypothesis of a segment has k - 1 exclamation marks and scores k - 1 less.
    """

    def __init__(
        self, limit: int = 40, *, source: str = "en", target: str = "de", separator: str = ""
    ) -> None:
        self.source_language = source
        self.target_language = target
        self.limit = limit
        self.separator = separator
        self.default_batch_tokens = 4 * limit
        self.batches: list[list[str]] = []
        self.options: list[SearchOptions] = []
        self.draws: list[list[int]] = []

    @property
    def max_segment_pieces(self) -> int:
        """As given."""
        return self.limit

    def count_pieces(self, segments: Sequence[str]) -> list[int]:
        """Count UTF-8 bytes, as byte fallback does at worst."""
        return [len(segment.encode("utf-8")) for segment in segments]

    def search(
        self, segments: Sequence[str], options: SearchOptions, draws: Sequence[int] = ()
    ) -> list[list[Hypothesis]]:
        """Write in capitals."""
        self.batches.append(list(segments))
        self.options.append(options)
        self.draws.append(list(draws))
        return [
            [
                Hypothesis(
                    segment.upper() + self.separator + "!" * rank, float(-rank), len(segment)
                )
                for rank in range(options.nbest)
            ]
            for segment in segments
        ]
