"""What neural translators share, whichever program computes: pieces, and the longest source."""

from __future__ import annotations

from collections.abc import Sequence

from nmt.recipe.neural import SearchSettings
from nmt.tokenization import TokenizerPair
from nmt.translator import Translator


class PieceTranslator(Translator):
    """A translator that searches among the pieces of a tokenizer; `Translator.search` is left."""

    def __init__(
        self,
        tokenizers: TokenizerPair,
        settings: SearchSettings,
        *,
        source_language: str,
        target_language: str,
        max_positions: int,
        max_source_pieces: int | None,
    ) -> None:
        """Set what does not depend on who computes.

        Args:
            tokenizers: the model's.
            settings: how to search unless a call says otherwise.
            source_language: language code of the text that it takes.
            target_language: language code of the text that it gives.
            max_positions: longest sequence that the model takes.
            max_source_pieces: longest source, its end included, to be searched at once; none takes
                half of the model's positions, so that the output has room to be longer.
        """
        self.tokenizers = tokenizers
        self.settings = settings
        self.source_language = source_language
        self.target_language = target_language
        self.default_batch_tokens = settings.batch_tokens
        self._max_source_pieces = min(max_source_pieces or max_positions // 2, max_positions - 1)

    @property
    def max_segment_pieces(self) -> int:
        """Longest source that is searched at once, without its end."""
        return max(1, self._max_source_pieces - 1)

    def count_pieces(self, segments: Sequence[str]) -> list[int]:
        """Source pieces of each segment."""
        return [len(row) for row in self.tokenizers.source.encode(segments)]
