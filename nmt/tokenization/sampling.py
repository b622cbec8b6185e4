"""Subword regularisation: random segmentations that depend on nothing but their arguments.

The libraries draw from generators of their own, which cannot be seeded so that the same call gives
the same rows in another process or thread. Here every line has a generator of its own, seeded by
``(seed, position of the line in the call)``.

Lines come as lists of words, the stretches that no piece crosses. What is known about a word is
worked out once and kept in flat arrays; drawing its pieces is a compiled loop (sampling_loops.py).
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import exp, inf, log1p
from typing import Final

import numpy as np
import numpy.typing as npt

from nmt.tokenization.sampling_loops import BARRIER, draw_bpe, draw_unigram

Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]

_MAX_STORED_SYMBOLS: Final = 1 << 20
"""When a store has grown to this, it starts anew: memory stays small in corpora of any size."""
_MAX_STRETCH: Final = 256
"""BPE draws longer words in parts: merging takes time quadratic in the length of a word."""


class Sampler(ABC):
    """Draws random segmentations of lines. Safe to call from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        """Forget all words."""
        self._number_of_word: dict[str, int] = {}
        self._starts = array("q", [0])

    @abstractmethod
    def add(self, word: str) -> int:
        """Store what drawing a word needs, and return where it ends in the store."""

    @abstractmethod
    def draw(
        self, words: Int64s, line_ends: Int64s, rate: float, seed: np.uint64
    ) -> tuple[Int32s, Int64s]:
        """The pieces of all lines, one after the other, and where each line ends."""

    def sample(self, lines: Iterable[Sequence[str]], *, rate: float, seed: int) -> list[list[int]]:
        """Ids of each line, given as its words."""
        with self._lock:
            if self._starts[-1] > _MAX_STORED_SYMBOLS:
                self.clear()
            self.prepare(rate)
            words = array("q")
            line_ends = array("q")
            number_of_word = self._number_of_word
            for line in lines:
                for word in line:
                    number = number_of_word.get(word)
                    if number is None:
                        number = number_of_word[word] = len(number_of_word)
                        self._starts.append(self.add(word))
                    words.append(number)
                line_ends.append(len(words))
            pieces, piece_ends = self.draw(
                np.array(words), np.array(line_ends), rate, np.uint64(seed % 2**64)
            )
        flat = pieces.tolist()
        ends = piece_ends.tolist()
        return [flat[start:end] for start, end in zip([0, *ends], ends, strict=False)]

    def prepare(self, rate: float) -> None:  # noqa: B027  (most samplers have nothing to do)
        """Get ready for adding and drawing words at this rate."""


class BpeSampler(Sampler):
    """BPE-dropout (Provilkov et al. 2020, algorithm 1): merges are passed over at random.

    At every step each possible merge is dropped with probability ``rate``; of those that are left,
    the one learned first is applied; when none is left, the word is done.
    """

    def __init__(
        self,
        symbols: Callable[[str], list[int]],
        merges: Iterable[tuple[int, int, int, int]],
    ) -> None:
        """Take a function from a word to its smallest symbols, and (left, right, rank, merged).

        Symbols are ids; ``BARRIER`` between two of them keeps them apart.
        """
        self._symbols_of = symbols
        table = sorted((left << 32 | right, rank, merged) for left, right, rank, merged in merges)
        columns = np.array(table, np.int64).reshape(-1, 3).T
        self._keys, self._ranks, self._merged = (np.ascontiguousarray(c) for c in columns)
        super().__init__()

    def clear(self) -> None:
        super().clear()
        self._symbols = array("i")

    def add(self, word: str) -> int:
        symbols = self._symbols_of(word)
        for start in range(0, len(symbols), _MAX_STRETCH):
            if start:
                self._symbols.append(BARRIER)
            self._symbols.extend(symbols[start : start + _MAX_STRETCH])
        return len(self._symbols)

    def draw(
        self, words: Int64s, line_ends: Int64s, rate: float, seed: np.uint64
    ) -> tuple[Int32s, Int64s]:
        result: tuple[Int32s, Int64s] = draw_bpe(
            np.frombuffer(self._symbols, np.int32),
            np.frombuffer(self._starts, np.int64),
            words,
            line_ends,
            self._keys,
            self._ranks,
            self._merged,
            rate,
            seed,
        )
        return result


class UnigramSampler(Sampler):
    """Draws with probability proportional to P(segmentation)^alpha (Kudo 2018, eq. 8).

    Forward filtering sums over all segmentations of each prefix of a word, once for each word;
    backward sampling draws a word's last piece, then the last piece of what remains, and so on.
    """

    def __init__(self, scores: Mapping[str, tuple[int, float]], byte_ids: Sequence[int]) -> None:
        """Take the id and log probability of each piece, and the id of each byte."""
        self._scores = scores
        self._byte_ids = byte_ids
        self._max_length = max(map(len, scores), default=1)
        self._alpha = 0.0
        super().__init__()

    def clear(self) -> None:
        super().clear()
        # A node is a position in a word; its edges are the pieces that end there.
        self._edge_ends = array("q", [0])
        self._edge_lengths = array("i")
        self._edge_pieces = array("i")
        self._edge_cumulative = array("d")

    def prepare(self, rate: float) -> None:
        if rate != self._alpha:
            self.clear()
            self._alpha = rate

    def add(self, word: str) -> int:
        scores, alpha = self._scores, self._alpha
        forward = [0.0]  # log of the sum over all segmentations of the prefix that ends here
        known_from = 0  # no piece reaches back over a character that has no piece
        for end in range(1, len(word) + 1):
            if word[end - 1] not in scores:
                self._add_bytes(word[end - 1])
                forward.append(0.0)
                known_from = end
                continue
            edges = []
            for start in range(max(known_from, end - self._max_length), end):
                if found := scores.get(word[start:end]):
                    edges.append((end - start, found[0], forward[start] + alpha * found[1]))
            total = -inf
            for _, _, weight in edges:
                total = _log_sum(total, weight)
            forward.append(total)
            cumulative = 0.0
            for length, piece, weight in edges:
                cumulative += exp(weight - total)
                self._add_edge(length, piece, cumulative)
            self._edge_ends.append(len(self._edge_pieces))
        return len(self._edge_ends) - 1

    def _add_bytes(self, character: str) -> None:
        for byte in character.encode("utf-8"):
            self._add_edge(1, self._byte_ids[byte], 1.0)
            self._edge_ends.append(len(self._edge_pieces))

    def _add_edge(self, length: int, piece: int, cumulative: float) -> None:
        self._edge_lengths.append(length)
        self._edge_pieces.append(piece)
        self._edge_cumulative.append(cumulative)

    def draw(
        self, words: Int64s, line_ends: Int64s, rate: float, seed: np.uint64
    ) -> tuple[Int32s, Int64s]:
        result: tuple[Int32s, Int64s] = draw_unigram(
            np.frombuffer(self._starts, np.int64),
            np.frombuffer(self._edge_ends, np.int64),
            np.frombuffer(self._edge_lengths, np.int32),
            np.frombuffer(self._edge_pieces, np.int32),
            np.frombuffer(self._edge_cumulative, np.float64),
            words,
            line_ends,
            seed,
        )
        return result


def _log_sum(a: float, b: float) -> float:
    """log(exp(a) + exp(b))."""
    high, low = (a, b) if a > b else (b, a)
    return high if low == -inf else high + log1p(exp(low - high))
