"""The models that `try_extra_models.py` tries: each gives every hypothesis one number or two.

Word classes by the exchange algorithm, n-grams of classes, and IBM Model 1 in both directions; the
n-grams of translation operations are in `extra_models_operations.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from nmt.statistical.alignment.cells import collect_cells
from nmt.statistical.alignment.directions import Chunks
from nmt.statistical.alignment.settings import AlignmentSettings
from nmt.statistical.alignment.training import train_direction
from nmt.statistical.language_model.model import LanguageModel
from nmt.statistical.language_model.settings import LanguageModelSettings
from nmt.statistical.phrases.arrays import PhraseArrays
from nmt.statistical.search.results import COPIED_ENTRY, NBest
from nmt.statistical.sentences import Alignments, Bitext, Sentences
from nmt.statistical.vocabulary import FIRST_WORD, UNKNOWN, Vocabulary

_LIKE_FREQUENT: Final = 200
"""Words next to each other, by frequency, that count as about as frequent."""


@dataclass(frozen=True)
class Links:
    """The word alignments of H hypotheses, end to end."""

    source: NDArray[np.int32]
    target: NDArray[np.int32]
    offsets: NDArray[np.int64]
    """[H+1]"""

    @classmethod
    def of_bitext(cls, alignments: Alignments) -> Links:
        """Those of training pairs."""
        return cls(
            np.array(alignments.source, np.int32),
            np.array(alignments.target, np.int32),
            np.array(alignments.offsets, np.int64),
        )

    @classmethod
    def of_nbest(cls, nbest: NBest, phrases: PhraseArrays) -> Links:
        """Those that the phrases of derivations hold."""
        return cls(
            *_phrase_links(
                nbest.segments, nbest.segment_offsets, phrases.links, phrases.link_offsets,
                phrases.target_offsets,
            )
        )  # fmt: skip


@njit(nogil=True)
def _phrase_links(
    segments: Any, segment_offsets: Any, links: Any, link_offsets: Any, target_offsets: Any
) -> Any:
    total = 0
    for segment in segments:
        entry = segment[2]
        total += 1 if entry == COPIED_ENTRY else link_offsets[entry + 1] - link_offsets[entry]
    source, target = np.empty(total, np.int32), np.empty(total, np.int32)
    offsets = np.zeros(len(segment_offsets), np.int64)
    count = 0
    for h in range(len(segment_offsets) - 1):
        begin = 0
        for n in range(segment_offsets[h], segment_offsets[h + 1]):
            entry = segments[n, 2]
            if entry == COPIED_ENTRY:
                source[count], target[count] = segments[n, 0], begin
                count += 1
                begin += 1
                continue
            for k in range(link_offsets[entry], link_offsets[entry + 1]):
                source[count] = segments[n, 0] + links[k, 0]
                target[count] = begin + links[k, 1]
                count += 1
            begin += target_offsets[entry + 1] - target_offsets[entry]
        offsets[h + 1] = count
    return source, target, offsets


def estimate_ngrams(sentences: Sentences, num_ids: int, order: int) -> LanguageModel:
    """An n-gram model of ids that need not be words."""
    # Not validated: an order of 7 is more than a system may have.
    settings = LanguageModelSettings.model_construct(order=order)
    return LanguageModel.estimate(
        sentences, Vocabulary(str(n) for n in range(num_ids - FIRST_WORD)), settings
    )


class ClassNgrams:
    """ln p of the classes of a hypothesis' words."""

    def __init__(self, target: Sentences, classes: NDArray[np.int32], order: int) -> None:
        """Learn the n-grams of the classes [V] of a text's words."""
        self._id_of_word = np.where(classes < 0, UNKNOWN, classes + FIRST_WORD).astype(np.int32)
        num_ids = int(classes.max()) + 1 + FIRST_WORD
        self._model = estimate_ngrams(self._classes(target), num_ids, order)

    def score(self, hypotheses: Sentences) -> NDArray[np.float64]:
        """[H] A word that is copied has no class: it is unknown."""
        return self._model.score(self._classes(hypotheses))

    def _classes(self, text: Sentences) -> Sentences:
        known = text.words < len(self._id_of_word)
        words = np.where(known, text.words, UNKNOWN)
        return Sentences(self._id_of_word[words], np.array(text.offsets, np.int64))


def shuffle_classes(classes: NDArray[np.int32]) -> NDArray[np.int32]:
    """Classes that mean nothing: each word's class goes to a word about as frequent.

    Ids are in the order of frequency.
    """
    rng = np.random.default_rng(1)
    shuffled = classes.copy()
    words = np.flatnonzero(classes >= 0)
    for first in range(0, len(words), _LIKE_FREQUENT):
        block = words[first : first + _LIKE_FREQUENT]
        shuffled[block] = rng.permutation(classes[block])
    return shuffled


@dataclass(frozen=True)
class Model1:
    """IBM Model 1: ln p(hypothesis | source) and ln p(source | hypothesis), without alignment."""

    def __init__(self, bitext: Bitext, num_source_words: int, num_target_words: int) -> None:
        """Train both directions by five rounds of EM."""
        settings = AlignmentSettings(model="ibm1")
        self._cells = collect_cells(bitext, num_source_words, num_target_words)
        chunks = Chunks(bitext, self._cells, 1)
        forward, reverse = (
            train_direction(chunks, settings, way, lambda _: None) for way in (False, True)
        )
        self._tables = (forward.lexical, forward.null, reverse.lexical, reverse.null)

    def score(
        self, source: Sentences, sentence_offsets: NDArray[np.int64], hypotheses: Sentences
    ) -> NDArray[np.float64]:
        """[2, H]; ``sentence_offsets`` [S+1] says where the hypotheses of each sentence begin."""
        return np.asarray(
            _score_model1(
                np.array(source.words), np.array(source.offsets), sentence_offsets,
                np.array(hypotheses.words), np.array(hypotheses.offsets),
                self._cells.offsets, self._cells.targets, *self._tables,
            )
        )  # fmt: skip


@njit(nogil=True)
def _score_model1(
    source_words: Any,
    source_offsets: Any,
    sentence_offsets: Any,
    words: Any,
    offsets: Any,
    cell_offsets: Any,
    cell_targets: Any,
    forward: Any,
    forward_null: Any,
    reverse: Any,
    reverse_null: Any,
) -> Any:
    least = 1e-9
    none = len(cell_targets)
    scores = np.zeros((2, len(offsets) - 1))
    row_of_word = np.full(len(forward_null), -1, np.int64)
    for s in range(len(sentence_offsets) - 1):
        source = source_words[source_offsets[s] : source_offsets[s + 1]]
        hypotheses = (sentence_offsets[s], sentence_offsets[s + 1])
        num_rows = 0
        for n in range(offsets[hypotheses[0]], offsets[hypotheses[1]]):
            if words[n] < len(row_of_word) and row_of_word[words[n]] < 0:
                row_of_word[words[n]] = num_rows
                num_rows += 1
        probabilities = np.zeros((num_rows, len(source) + 1))
        filled = np.zeros(num_rows, np.bool_)
        for h in range(hypotheses[0], hypotheses[1]):
            length = offsets[h + 1] - offsets[h]
            sums = np.empty(len(source))
            for i in range(len(source)):
                sums[i] = reverse_null[source[i]]
            for n in range(offsets[h], offsets[h + 1]):
                word = words[n]
                if word >= len(row_of_word):
                    continue
                row = row_of_word[word]
                values = probabilities[row]
                if not filled[row]:
                    filled[row] = True
                    total = forward_null[word]
                    for i in range(len(source)):
                        a, b = cell_offsets[source[i]], cell_offsets[source[i] + 1]
                        slot = a + np.searchsorted(cell_targets[a:b], word)
                        if slot == b or cell_targets[slot] != word:
                            slot = none
                        total += forward[slot]
                        values[i] = reverse[slot]
                    values[len(source)] = np.log(max(total / (len(source) + 1), least))
                for i in range(len(source)):
                    sums[i] += values[i]
                scores[0, h] += values[len(source)]
            for i in range(len(source)):
                if source[i] != UNKNOWN:
                    scores[1, h] += np.log(max(sums[i] / (length + 1), least))
        for n in range(offsets[hypotheses[0]], offsets[hypotheses[1]]):
            if words[n] < len(row_of_word):
                row_of_word[words[n]] = -1
    return scores
