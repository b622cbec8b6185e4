"""The models that `try_extra_models.py` tries: each gives every hypothesis one number or two.

Word classes by the exchange algorithm, n-grams of classes, n-grams of translation operations, and
IBM Model 1 in both directions.
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

_BLOCK: Final = 50_000
"""Hypotheses that are turned into operations at once."""
_GAP: Final = 1
"""Operation: leave the next source word, to come back to it."""
_FORWARD: Final = 2
"""Operation: go on behind the last source word that was translated."""
_BACK: Final = 3
"""Operation: go back to the last gap; the next number, to the one before, and so on."""
_MAX_BACK: Final = 6
_NOTHING: Final = (1 << 31) - 1
"""Between the source and the target words of a unit."""
_UNIT: Final = np.uint64(1 << 63)
"""Set in the keys of units, and not in those of the other operations."""


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

    def __init__(self, target: Sentences, num_words: int, num_classes: int, order: int) -> None:
        """Learn the classes of a text's words, and the n-grams of classes."""
        classes = learn_classes(target, num_words, num_classes)
        self._id_of_word = np.where(classes < 0, UNKNOWN, classes + FIRST_WORD).astype(np.int32)
        self._model = estimate_ngrams(self._classes(target), num_classes + FIRST_WORD, order)

    def score(self, hypotheses: Sentences) -> NDArray[np.float64]:
        """[H] A word that is copied has no class: it is unknown."""
        return self._model.score(self._classes(hypotheses))

    def _classes(self, text: Sentences) -> Sentences:
        known = text.words < len(self._id_of_word)
        words = np.where(known, text.words, UNKNOWN)
        return Sentences(self._id_of_word[words], np.array(text.offsets, np.int64))


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


class OperationNgrams:
    """ln p of the operations that make source and hypothesis (Durrani, Schmid and Fraser 2011).

    A unit is a connected component of the word alignment. The units are made in the order of the
    hypothesis; where the source words of the next do not follow those of the last, gaps and jumps
    come between them. A source word without a link is made right after the word before it.
    """

    def __init__(self, bitext: Bitext, links: Links, order: int, *, jumps: bool = True) -> None:
        """Learn from aligned pairs; without ``jumps``, units alone (Marino et al. 2006)."""
        self._jumps = jumps
        sentences = np.arange(len(bitext))
        parts = list(self._operations(bitext.source, sentences, bitext.target, links))
        self._keys = np.unique(np.concatenate([keys for keys, _ in parts]))
        text = Sentences.of_lengths(
            np.concatenate([self._ids(keys) for keys, _ in parts]),
            np.concatenate([lengths for _, lengths in parts]),
        )
        self.num_ids = len(self._keys) + FIRST_WORD
        self._model = estimate_ngrams(text, self.num_ids, order)

    def score(
        self, source: Sentences, sentence: NDArray[np.int64], hypotheses: Sentences, links: Links
    ) -> NDArray[np.float64]:
        """[H] ``sentence`` [H] says of which source sentence each is a translation."""
        parts = self._operations(source, sentence, hypotheses, links)
        return np.concatenate(
            [
                self._model.score(Sentences.of_lengths(self._ids(keys), lengths))
                for keys, lengths in parts
            ]
        )

    def _operations(
        self, source: Sentences, sentence: NDArray[np.int64], target: Sentences, links: Links
    ) -> Any:
        """Keys of operations and their number in each hypothesis, block by block."""
        source_words, source_offsets = np.array(source.words), np.array(source.offsets)
        words, offsets = np.array(target.words), np.array(target.offsets)
        for first in range(0, len(target), _BLOCK):
            last = min(first + _BLOCK, len(target))
            yield make_operations(
                source_words, source_offsets, sentence, words, offsets,
                links.source, links.target, links.offsets, first, last, self._jumps,
            )  # fmt: skip

    def _ids(self, keys: NDArray[np.uint64]) -> NDArray[np.int32]:
        places = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        known = self._keys[places] == keys
        return np.where(known, places + FIRST_WORD, UNKNOWN).astype(np.int32)


@njit(inline="always")
def _mixed(key: Any, value: Any) -> Any:
    key = (key ^ np.uint64(value)) * np.uint64(0x9E3779B97F4A7C15)
    return key ^ (key >> np.uint64(32))


@njit(inline="always")
def _root(parents: Any, node: int) -> int:
    while parents[node] != node:
        node = parents[node]
    return node


@njit(nogil=True)
def make_operations(
    source_words: Any,
    source_offsets: Any,
    sentence: Any,
    words: Any,
    offsets: Any,
    link_source: Any,
    link_target: Any,
    link_offsets: Any,
    first: int,
    last: int,
    jumps: bool,
) -> Any:
    """Keys of the operations of hypotheses ``first`` to ``last``, end to end, and their numbers."""
    bound = 0
    for h in range(first, last):
        s = sentence[h]
        bound += 4 * (offsets[h + 1] - offsets[h] + source_offsets[s + 1] - source_offsets[s] + 1)
    keys, lengths = np.empty(bound, np.uint64), np.empty(last - first, np.int64)
    count = 0
    for h in range(first, last):
        begin = count
        source = source_words[source_offsets[sentence[h]] : source_offsets[sentence[h] + 1]]
        target = words[offsets[h] : offsets[h + 1]]
        num_source, num_target = len(source), len(target)
        parents = np.arange(num_source + num_target)
        linked = np.zeros(num_source + num_target, np.bool_)
        for k in range(link_offsets[h], link_offsets[h + 1]):
            a, b = link_source[k], num_source + link_target[k]
            linked[a] = linked[b] = True
            a, b = _root(parents, a), _root(parents, b)
            parents[max(a, b)] = min(a, b)  # so a root is the first source word of its unit
        covered = np.zeros(num_source + 1, np.bool_)
        here, front = 0, 0
        for step in range(num_target + 1):
            # The words without a link that follow the source word made last.
            while here < num_source and not covered[here] and not linked[here]:
                keys[count] = _mixed(_mixed(np.uint64(1), source[here]), _NOTHING) | _UNIT
                count += 1
                covered[here] = True
                here += 1
                front = max(front, here)
            if step == num_target:
                break
            node = num_source + step
            if not linked[node]:
                keys[count] = _mixed(_mixed(np.uint64(1), _NOTHING), target[step]) | _UNIT
                count += 1
                continue
            root = _root(parents, node)
            if covered[root]:
                continue
            if jumps:
                count = _jump(keys, count, covered, here, root, front)
            key = np.uint64(1)
            end = root
            for i in range(root, num_source):
                if _root(parents, i) == root:
                    key = _mixed(key, source[i])
                    covered[i] = True
                    front = max(front, i + 1)
                    end = i + 1 if end == i else end
            here = end
            key = _mixed(key, _NOTHING)
            for j in range(step, num_target):
                if _root(parents, num_source + j) == root:
                    key = _mixed(key, target[j])
            keys[count] = key | _UNIT
            count += 1
        for i in range(num_source):
            if not covered[i]:
                keys[count] = _mixed(_mixed(np.uint64(1), source[i]), _NOTHING) | _UNIT
                count += 1
        lengths[h - first] = count - begin
    return keys[:count].copy(), lengths


@njit(nogil=True)
def _jump(keys: Any, count: int, covered: Any, here: int, there: int, front: int) -> int:
    """Write the operations that lead from one source word to another; return how many there are."""
    if here == there:
        return count
    if there >= front:
        if here != front:
            if not covered[here]:
                keys[count] = _GAP
                count += 1
            keys[count] = _FORWARD
            count += 1
        if there > front:
            keys[count] = _GAP
            count += 1
        return count
    start = there
    while start > 0 and not covered[start - 1]:
        start -= 1
    if here != start:
        if here < front and not covered[here]:
            keys[count] = _GAP
            count += 1
        later_gaps = 0
        for i in range(there + 1, front):
            if not covered[i] and covered[i - 1]:
                later_gaps += 1
        keys[count] = _BACK + min(later_gaps, _MAX_BACK)
        count += 1
    if there > start:
        keys[count] = _GAP
        count += 1
    return count


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
