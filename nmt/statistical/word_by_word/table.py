"""Model 1's translations of each word, as a phrase table whose phrases are single words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from nmt.statistical.alignment.cells import collect_cells
from nmt.statistical.alignment.directions import Chunks
from nmt.statistical.alignment.settings import AlignmentSettings
from nmt.statistical.alignment.training import train_direction
from nmt.statistical.features import NUM_REORDERING, NUM_TRANSLATION, TRANSLATION
from nmt.statistical.phrases.arrays import PhraseArrays, make_slots
from nmt.statistical.phrases.table import PhraseTable
from nmt.statistical.sentences import Bitext
from nmt.statistical.vocabulary import FIRST_WORD, Vocabulary

WORD_TRANSLATION: Final = TRANSLATION + 2
"""The feature of phrase tables that holds ln t(target word | source word): ln p(t|s)."""


def train_word_table(
    bitext: Bitext,
    source_vocabulary: Vocabulary,
    target_vocabulary: Vocabulary,
    *,
    iterations: int,
    max_translations: int,
    workers: int,
    report: Callable[[str], None],
) -> PhraseTable:
    """The most probable translations of every source word by IBM Model 1 (Brown et al. 1993).

    t(target | source) is trained by ``iterations`` rounds of EM from equal probabilities. What
    Model 1 explains by no source word is left to the language model. Of equally probable
    translations the one more frequent in the text comes first. The result does not depend on the
    number of threads.
    """
    cells = collect_cells(bitext, len(source_vocabulary), len(target_vocabulary))
    settings = AlignmentSettings(model="ibm1", iterations=iterations, alpha=0)
    model = train_direction(Chunks(bitext, cells, workers), settings, False, report)
    sources, probabilities = cells.owners(reverse=False), model.lexical[:-1]

    words = np.flatnonzero((sources >= FIRST_WORD) & (cells.targets >= FIRST_WORD))
    best_first = words[np.lexsort((cells.targets[words], -probabilities[words], sources[words]))]
    ranked_sources = sources[best_first]
    ranks = np.arange(len(best_first)) - np.searchsorted(ranked_sources, ranked_sources)
    kept = best_first[ranks < max_translations]

    source_words, counts = np.unique(sources[kept], return_counts=True)
    places = np.arange(len(kept) + 1, dtype=np.int64)
    scores = np.zeros((len(kept), NUM_TRANSLATION), np.float32)
    scores[:, WORD_TRANSLATION - TRANSLATION] = np.log(probabilities[kept])
    arrays = PhraseArrays(
        slots=make_slots(source_words, places[: len(source_words) + 1]),
        source_words=source_words,
        source_offsets=places[: len(source_words) + 1],
        entry_offsets=np.concatenate((places[:1], np.cumsum(counts, dtype=np.int64))),
        target_words=cells.targets[kept],
        target_offsets=places,
        scores=scores,
        reordering=np.zeros((len(kept), NUM_REORDERING), np.float32),
        links=np.zeros((len(kept), 2), np.uint8),
        link_offsets=places,
    )
    report(f"{len(kept):,} translations of {len(source_words):,} words are kept")
    counts_unknown = np.zeros(len(kept), np.uint32)
    return PhraseTable(arrays, counts_unknown, source_vocabulary, target_vocabulary)
