"""Sentence pairs as training sees them: pieces, cached or sampled anew for each epoch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nmt.corpus import TextPairs, TokenizedBitext, tokenize_pairs
from nmt.errors import UserError
from nmt.machine import available_cores
from nmt.neural.packed import RowBlock
from nmt.neural.training.batches import BatchStream
from nmt.neural.training.packing import BatchShape, choose_shape, hardest_pairs
from nmt.recipe.neural import TrainingSettings
from nmt.tokenization import TokenizerPair

SAMPLING_SLACK = 1.3
"""How much longer than usual a sentence may become under subword sampling; the rest sits out."""


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Tokenised training pairs, those that are too long for the model left out."""

    text: TextPairs
    tokenizers: TokenizerPair
    pieces: TokenizedBitext
    """Of all training pairs."""
    kept: np.ndarray
    """Numbers of the pairs that are short enough; elsewhere pairs are numbered among these."""
    source_lengths: np.ndarray
    """Source pieces of each kept pair, EOS included."""
    target_lengths: np.ndarray
    """Target pieces of each kept pair, EOS included."""
    max_positions: int
    """Longest sentence that the model takes, EOS included."""
    sampling_rate: float
    """How often other segmentations are drawn, as ``Tokenizer.encode_sampled`` takes it."""

    @classmethod
    def prepare(
        cls,
        text: TextPairs,
        tokenizers: TokenizerPair,
        *,
        max_positions: int,
        sampling_rate: float,
        cache: Path,
    ) -> TrainingData:
        """Tokenise the training pairs, or open them from the cache.

        Raises UserError if none is short enough for the model.
        """
        pieces = tokenize_pairs(
            text, tokenizers.source, tokenizers.target,
            cache=cache, workers=available_cores(),
        )  # fmt: skip
        source, target = (
            side.lengths.astype(np.int64) + 1 for side in (pieces.source, pieces.target)
        )
        kept = np.flatnonzero(np.maximum(source, target) <= max_positions)
        if not len(kept):
            raise UserError(
                f"all training pairs are longer than {max_positions} pieces",
                mend="raise max_positions of the system",
            )
        return cls(
            text, tokenizers, pieces, kept, source[kept], target[kept],
            max_positions, sampling_rate,
        )  # fmt: skip

    @property
    def num_left_out(self) -> int:
        """Pairs that are too long for the model."""
        return len(self.pieces) - len(self.kept)

    @property
    def longest_source(self) -> int:
        """Longest source that the trained model should be given at once: none that it never saw.

        But a small corpus with short sentences only should not make it split ordinary ones, and the
        output needs room to be longer than the source.
        """
        return min(max(64, int(self.source_lengths.max())), self.max_positions // 2)

    def shape(
        self,
        settings: TrainingSettings,
        *,
        micro_batch_tokens: int,
        workers: int,
        static: bool = False,
    ) -> BatchShape:
        """The shape of updates; see ``choose_shape``."""
        return choose_shape(
            self.source_lengths,
            self.target_lengths,
            batch_tokens=settings.batch_tokens,
            micro_batch_tokens=settings.micro_batch_tokens or micro_batch_tokens,
            workers=workers,
            slack=SAMPLING_SLACK if self.sampling_rate else 1.0,
            static=static,
        )

    def stream(
        self, shape: BatchShape, *, seed: int, rank: int = 0, num_ranks: int = 1
    ) -> BatchStream:
        """Updates of this shape, of which this rank computes its share."""
        return BatchStream(
            self._sampled if self.sampling_rate else self._stored,
            self.pieces.origins[self.kept],
            self.pieces.weights,
            shape,
            seed=seed,
            max_positions=self.max_positions,
            rank=rank,
            num_ranks=num_ranks,
            vocabulary_sizes=(
                self.tokenizers.source.vocabulary_size,
                self.tokenizers.target.vocabulary_size,
            ),
        )

    def hardest(self, shape: BatchShape) -> np.ndarray:
        """The pairs of an update that takes most memory."""
        return hardest_pairs(self.source_lengths, self.target_lengths, shape)

    def show(self, pairs: np.ndarray) -> list[tuple[str, str]]:
        """The text of pairs."""
        numbers = self.kept[pairs]
        sides = self.text.source, self.text.target
        return list(zip(*(side.take(numbers) for side in sides), strict=True))

    def _stored(self, pairs: np.ndarray, seed: tuple[int, ...]) -> Any:
        numbers = self.kept[pairs]
        return tuple(
            RowBlock(side.flat, side.offsets).take(numbers)
            for side in (self.pieces.source, self.pieces.target)
        )

    def _sampled(self, pairs: np.ndarray, seed: tuple[int, ...]) -> Any:
        numbers = self.kept[pairs]
        words = np.random.SeedSequence(seed).generate_state(2).tolist()
        return tuple(
            [
                np.asarray(row)
                for row in tokenizer.encode_sampled(
                    text.take(numbers), rate=self.sampling_rate, seed=word
                )
            ]
            for tokenizer, text, word in (
                (self.tokenizers.source, self.text.source, words[0]),
                (self.tokenizers.target, self.text.target, words[1]),
            )
        )
