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


def learn_classes(
    text: Sentences, num_words: int, num_classes: int, max_passes: int = 12
) -> NDArray[np.int32]:
    """[V] A class for each word of a text, -1 for words that it does not hold.

    The exchange algorithm (Kneser and Ney 1993; Martin, Liermann and Ney 1998): word after word is
    moved to the class that makes the text most probable under a bigram model of classes. At first
    each of the most frequent words has a class of its own, and all others share the last.
    """
    words, offsets = np.array(text.words, np.int32), np.array(text.offsets, np.int64)
    counts = np.bincount(words, minlength=num_words)
    order = np.argsort(-counts, kind="stable").astype(np.int32)
    order = order[counts[order] > 0]
    classes = np.full(num_words, -1, np.int32)
    classes[order] = np.minimum(np.arange(len(order)), num_classes - 1)
    # The border of a sentence is a word too, in a class of its own that it never leaves.
    lengths = np.diff(offsets)
    stream = np.full(len(words) + len(lengths) + 1, num_words, np.int64)
    stream[np.arange(len(words)) + 1 + np.repeat(np.arange(len(lengths)), lengths)] = words
    keys, bigrams = np.unique(stream[:-1] * (num_words + 1) + stream[1:], return_counts=True)
    first, second = keys // (num_words + 1), keys % (num_words + 1)
    by_second = np.lexsort((first, second))
    bounds = np.arange(num_words + 2)
    logs = np.arange(len(stream) + 1, dtype=np.float64)
    logs[1:] *= np.log(logs[1:])
    _exchange(
        order, np.append(classes, num_classes), num_classes + 1,
        np.searchsorted(first, bounds), second, bigrams,
        np.searchsorted(second[by_second], bounds), first[by_second], bigrams[by_second],
        logs, classes, max_passes,
    )  # fmt: skip
    return classes


@njit(nogil=True)
def _exchange(
    order: Any,
    class_of: Any,
    size: int,
    after_offsets: Any,
    after_words: Any,
    after_counts: Any,
    before_offsets: Any,
    before_words: Any,
    before_counts: Any,
    logs: Any,
    classes: Any,
    max_passes: int,
) -> None:
    """``logs`` [n] is n ln n; the text's log-likelihood, as far as classes change it, is the sum of
    those of the class bigrams' counts minus twice those of the classes'."""
    pairs = np.zeros((size, size), np.int64)
    totals = np.zeros(size, np.int64)
    for v in range(len(class_of)):
        for n in range(after_offsets[v], after_offsets[v + 1]):
            pairs[class_of[v], class_of[after_words[n]]] += after_counts[n]
            totals[class_of[v]] += after_counts[n]
    mirrored = pairs.T.copy()
    gains = np.empty(size)
    before, after = np.zeros(size, np.int64), np.zeros(size, np.int64)
    for _ in range(max_passes):
        moves = 0
        for v in order:
            old, itself, count = class_of[v], 0, 0
            before[:] = 0
            after[:] = 0
            for n in range(after_offsets[v], after_offsets[v + 1]):
                count += after_counts[n]
                if after_words[n] == v:
                    itself = after_counts[n]
                else:
                    after[class_of[after_words[n]]] += after_counts[n]
            for n in range(before_offsets[v], before_offsets[v + 1]):
                if before_words[n] != v:
                    before[class_of[before_words[n]]] += before_counts[n]
            _move(pairs, mirrored, totals, old, before, after, itself, count, -1)
            for c in range(size - 1):
                gains[c] = -2 * (logs[totals[c] + count] - logs[totals[c]])
                gains[c] += logs[pairs[c, c] + before[c] + after[c] + itself] - logs[pairs[c, c]]
            for d in range(size):
                for table, number in ((pairs, before[d]), (mirrored, after[d])):
                    if number:
                        row = table[d]
                        for c in range(size - 1):
                            if c != d:
                                gains[c] += logs[row[c] + number] - logs[row[c]]
            best = old
            for c in range(size - 1):
                if gains[c] > gains[best] + 1e-9:
                    best = c
            _move(pairs, mirrored, totals, best, before, after, itself, count, 1)
            class_of[v] = best
            classes[v] = best
            moves += best != old
        if moves * 1000 < len(order):
            break


@njit(nogil=True)
def _move(
    pairs: Any, mirrored: Any, totals: Any, c: int, before: Any, after: Any, itself: int,
    count: int, sign: int,
) -> None:  # fmt: skip
    """Take a word out of class c (``sign`` -1), or put it in (1)."""
    totals[c] += sign * count
    for d in range(len(totals)):
        if before[d]:
            pairs[d, c] += sign * before[d]
            mirrored[c, d] += sign * before[d]
        if after[d]:
            pairs[c, d] += sign * after[d]
            mirrored[d, c] += sign * after[d]
    pairs[c, c] += sign * itself
    mirrored[c, c] += sign * itself


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
