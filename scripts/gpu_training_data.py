"""Sentences for measurements without a corpus: real lengths, pieces drawn as words are spread.

`sentence_lengths.json` holds the lengths, in BPE pieces and with the end, of 1,500 sentence pairs
each, drawn at random from Tatoeba (English-German), Europarl (Italian-English) and the news tests
of WMT 2008 to 2017 (English-German; with 32,000 pieces 28.6 a target sentence, as in the training
data of WMT14). Numbers only: nothing of the sentences is left in them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nmt.neural.packed import RowBlock
from nmt.tokenization.protocol import NUM_CONTROL_IDS

LENGTHS = Path(__file__).parent / "sentence_lengths.json"


@dataclass(frozen=True, slots=True)
class RandomPairs:
    """Sentence pairs without meaning."""

    sources: RowBlock
    targets: RowBlock

    @property
    def source_lengths(self) -> np.ndarray:
        """Positions that each source takes."""
        return self.sources.lengths + 1

    @property
    def target_lengths(self) -> np.ndarray:
        """Positions that each target takes."""
        return self.targets.lengths + 1


def draw_pairs(name: str, vocabulary: int, count: int, *, longest: int = 256) -> RandomPairs:
    """Pairs as long as those of a corpus; the stored lengths of the nearest vocabulary are taken.

    Args:
        name: tatoeba, europarl or newstest.
        vocabulary: pieces to draw from, the more often the lower their number (Zipf's law).
        count: pairs.
        longest: most positions of a sentence; others are left out.
    """
    stored = json.loads(LENGTHS.read_text(encoding="utf-8"))
    lengths = stored[f"{name} {8000 if vocabulary < 16_000 else 32_000}"]
    pairs = np.array([lengths["source"], lengths["target"]])
    pairs = pairs[:, (pairs <= longest).all(axis=0)]
    rng = np.random.default_rng(7)
    source, target = pairs[:, rng.integers(0, pairs.shape[1], count)] - 1
    return RandomPairs(_rows(source, vocabulary, rng), _rows(target, vocabulary, rng))


def _rows(lengths: np.ndarray, vocabulary: int, rng: np.random.Generator) -> RowBlock:
    offsets = np.concatenate(([0], lengths.cumsum()))
    share = 1 / np.arange(1, vocabulary - NUM_CONTROL_IDS + 1)
    bounds = share.cumsum() / share.sum()
    drawn = np.searchsorted(bounds, rng.random(int(offsets[-1]))).clip(max=len(share) - 1)
    return RowBlock((drawn + NUM_CONTROL_IDS).astype(np.int32), offsets)
