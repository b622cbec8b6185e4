"""What the neural wing may know of word alignment: which target pieces a source piece becomes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from nmt.statistical.alignment.model import TranslationTable
from nmt.statistical.alignment.settings import AlignmentSettings
from nmt.statistical.alignment.training import align_bitext
from nmt.statistical.sentences import Bitext, Sentences

_SETTINGS: Final = AlignmentSettings(model="fast-align")
"""Its lists hold a little more of the validation set's references than eflomal's, for a third of
the time: on Multi30k, lists of 454 pieces 93.8 %, of 473 pieces 93.3 %."""


def piece_translations(
    source: tuple[NDArray[Any], NDArray[np.int64]],
    target: tuple[NDArray[Any], NDArray[np.int64]],
    *,
    source_vocabulary_size: int,
    target_vocabulary_size: int,
    workers: int,
    report: Callable[[str], None],
) -> TranslationTable:
    """p(target piece | source piece), by aligning sentence pairs of a tokenizer's pieces.

    Args:
        source: ids of all sentences laid end to end, and where each begins (and the last ends).
        target: likewise; sentence n is the translation of n of ``source``.
        source_vocabulary_size: number of ids.
        target_vocabulary_size: number of ids.
        workers: threads; the result does not depend on them.
        report: called with a line on each round.
    """
    bitext = Bitext(
        *(
            Sentences(np.array(words, dtype=np.int32), np.array(offsets, dtype=np.int64))
            for words, offsets in (source, target)
        )
    )
    _, model = align_bitext(
        bitext,
        _SETTINGS,
        source_vocabulary_size=source_vocabulary_size,
        target_vocabulary_size=target_vocabulary_size,
        workers=workers,
        report=report,
    )
    return model.translation_table()
