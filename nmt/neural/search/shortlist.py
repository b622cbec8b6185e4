"""The pieces that a translation of a sentence may be made of: its shortlist.

Most of a decoder's work goes into the logits of thousands of pieces that have nothing to do with
the sentence. Jean et al. (2015, section 3.2) leave out all but the most frequent pieces and those
that the sentence's own are likely translations of; L'Hostis et al. (2016) compare such lists. Here
each sentence has its own list, so that its translation does not depend on its batch.

Shapes: B sentences, R rows (hypotheses), C columns: the pieces of a list.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import safetensors
import safetensors.numpy
from numba import njit
from numpy.typing import NDArray

from nmt.errors import UserError
from nmt.tokenization.protocol import NUM_CONTROL_IDS

SHORTLIST: Final = "shortlist.safetensors"
"""Where a model folder keeps it."""


@dataclass(frozen=True)
class CandidateLists:
    """The candidates of each of B sentences, ascending; the control symbols are the first."""

    pieces: NDArray[np.int32]
    """All lists, end to end."""
    bounds: NDArray[np.int64]
    """[B + 1] Where each list begins in ``pieces``, and, last, the length of that."""
    vocabulary_size: int
    """Pieces that there are."""

    def pieces_at(self, sentence_R: NDArray[Any], column_RC: NDArray[Any]) -> NDArray[Any]:
        """The pieces in these columns of the lists of these sentences; a column of -1 gives any."""
        found: NDArray[Any] = self.pieces[self.bounds[sentence_R][:, None] + column_RC]
        return found.astype(np.int64)

    def columns_of(self, sentence_N: NDArray[Any], piece_N: NDArray[Any]) -> NDArray[np.int64]:
        """The columns of pieces in the lists of these sentences; -1 for one that is not listed."""
        keys = sentence_N * self.vocabulary_size + piece_N
        place_N = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        column_N: NDArray[np.int64] = place_N - self.bounds[sentence_N]
        return np.where(self._keys[place_N] == keys, column_N, -1)

    @cached_property
    def _keys(self) -> NDArray[np.int64]:
        sentences = np.repeat(np.arange(len(self.bounds) - 1), np.diff(self.bounds))
        return sentences * self.vocabulary_size + self.pieces


@dataclass(frozen=True)
class Shortlist:
    """Target pieces by source piece, and those that may be said in any sentence."""

    frequent: NDArray[np.int32]
    """Pieces that are candidates everywhere."""
    offsets: NDArray[np.int64]
    """[source vocabulary + 1] Where the target pieces of each source piece begin."""
    pieces: NDArray[np.int32]
    """Those target pieces, end to end."""
    vocabulary_size: int
    """Target pieces that there are."""

    def candidates(self, sources: Sequence[NDArray[Any]]) -> CandidateLists:
        """The candidates of each source: pieces without its end."""
        lengths = np.array([len(source) for source in sources], dtype=np.int64)
        flat = np.concatenate([np.asarray(source, dtype=np.int64) for source in sources])
        everywhere = np.union1d(np.arange(NUM_CONTROL_IDS), self.frequent).astype(np.int32)
        pieces, bounds = _collect(
            flat, lengths, everywhere, self.offsets, self.pieces, self.vocabulary_size
        )
        return CandidateLists(pieces, bounds, self.vocabulary_size)

    def save(self, path: Path) -> None:
        """Write it as safetensors."""
        safetensors.numpy.save_file(
            {
                "frequent": self.frequent,
                "offsets": self.offsets,
                "pieces": self.pieces,
                "vocabulary_size": np.array([self.vocabulary_size]),
            },
            path,
        )

    @classmethod
    def load(cls, path: Path) -> Shortlist:
        """Read what ``save`` wrote. Raises UserError if that is damaged."""
        try:
            arrays = safetensors.numpy.load_file(path)
            (size,) = arrays.pop("vocabulary_size").tolist()
            shortlist = cls(**arrays, vocabulary_size=size)
            ends = (shortlist.offsets[0], shortlist.offsets[-1])
            both = np.concatenate((shortlist.frequent, shortlist.pieces))
            if ends != (0, len(shortlist.pieces)) or (np.diff(shortlist.offsets) < 0).any():
                raise ValueError("its parts do not fit each other")
            if len(both) and not 0 <= both.min() <= both.max() < size:
                raise ValueError(f"it has pieces beyond the {size} of the vocabulary")
        except (safetensors.SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
            raise UserError(
                f"cannot be read as a shortlist: {error}",
                where=str(path),
                mend="copy the model folder again from where it came, or train again",
            ) from error
        return shortlist


@njit(nogil=True, cache=True)
def _collect(
    flat: Any, lengths: Any, everywhere: Any, offsets: Any, pieces: Any, vocabulary_size: int
) -> Any:
    """Lists of all sentences end to end, each sorted, and their bounds."""
    bounds = np.zeros(len(lengths) + 1, dtype=np.int64)
    out = np.empty(1024 * max(1, len(lengths)), dtype=np.int32)
    seen_in = np.full(vocabulary_size, -1, dtype=np.int64)
    position = used = 0
    for sentence in range(len(lengths)):
        if used + vocabulary_size > len(out):
            larger = np.empty(2 * len(out) + vocabulary_size, dtype=np.int32)
            larger[:used] = out[:used]
            out = larger
        begin = used
        for piece in everywhere:
            seen_in[piece] = sentence
            out[used] = piece
            used += 1
        for place in range(position, position + lengths[sentence]):
            for n in range(offsets[flat[place]], offsets[flat[place] + 1]):
                piece = pieces[n]
                if seen_in[piece] != sentence:
                    seen_in[piece] = sentence
                    out[used] = piece
                    used += 1
        out[begin:used].sort()
        position += lengths[sentence]
        bounds[sentence + 1] = used
    return out[:used].copy(), bounds
