"""Rows of hypotheses and positions of sources, in numbers that suit the processor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nmt.neural.kernels.few_rows_linear import FEW_ROWS
from nmt.neural.model.translation_model import TranslationModel
from nmt.neural.packed import Packed, pack_source
from nmt.neural.search.listed import Listed
from nmt.neural.search.shortlist import CandidateLists

_MULTIPLE = 32
"""Rows are computed in multiples of this.

Processor libraries compile code for each new shape, and for very few rows take another path, whose
results differ in the last digit: a sentence's translation would depend on its batch.
"""

_FEW = (8, 16)
"""Fewer rows, which a single sentence has, are computed as so many: that takes half the time, and
the path is still the same (for 1 and 2 rows it is not). Up to `FEW_ROWS` come as they are where the
model's loops for them are known to give the same digits."""


def rows_at_once(device: torch.device) -> int:
    """Rows that are best computed at once.

    On a processor core, as many as matrix products need to be quick; the logits of more would
    leave its cache.
    """
    return 320 if device.type == "cpu" else 4096


def round_up(rows: int, *, takes_few: bool = False) -> int:
    """So many rows, and those that fill up the last multiple, but a few where those are taken."""
    if takes_few and rows <= FEW_ROWS:
        return rows
    for few in _FEW:
        if rows <= few:
            return few
    return -(-rows // _MULTIPLE) * _MULTIPLE


def filled_up(rows: int, *, takes_few: bool = False) -> np.ndarray:
    """Numbers of rows, and of the first again to fill up the last multiple; nobody reads that."""
    numbers = np.arange(round_up(rows, takes_few=takes_few))
    numbers[rows:] = 0
    return numbers


def source_bounds(sources: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Where each source, its end included, begins and ends when all lie end to end."""
    lengths = np.array([len(source) + 1 for source in sources])
    ends = np.cumsum(lengths)
    return ends - lengths, ends


def packed_sources(
    sources: Sequence[np.ndarray], device: torch.device
) -> Iterator[tuple[Packed, int]]:
    """Sources in order, packed in batches that are best encoded at once; and pieces of each."""
    for batch in _batches(sources, rows_at_once(device)):
        pieces = sum(len(source) + 1 for source in batch)
        yield pack_source(batch, round_up(pieces)).to(device), pieces


def _batches(sources: Sequence[np.ndarray], positions: int) -> Iterator[Sequence[np.ndarray]]:
    """Sources in order, in batches of so many positions (or a single longer one)."""
    begin, used = 0, 0
    for number, source in enumerate(sources):
        if number > begin and used + len(source) + 1 > positions:
            yield sources[begin:number]
            begin, used = number, 0
        used += len(source) + 1
    yield sources[begin:]


class Predictor:
    """From hidden states to logits: of all pieces, or of those that each sentence's list has."""

    def __init__(self, model: TranslationModel, lists: CandidateLists | None) -> None:
        """Take the output weights of a model."""
        self._weight_VD = model.output
        self._map = model.output_map
        self._listed = None if lists is None else Listed(model.output, lists)

    def logits(self, hidden_RD: Tensor, sentence_R: np.ndarray) -> Tensor:
        """Logits of rows that translate these sentences, [R, V] or [R, C]; see ``Steps``."""
        if self._listed is not None:
            return self._listed.logits(hidden_RD, sentence_R)
        if self._map is not None:
            logits_RV: Tensor = self._map(hidden_RD)
            return logits_RV
        return F.linear(hidden_RD, self._weight_VD)
