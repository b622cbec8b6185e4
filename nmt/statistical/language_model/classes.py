"""Language models of word classes: what words of a kind follow one another.

Classes are learned by the exchange algorithm from the text alone. There are few of them, so n-grams
of classes are seen where those of their words are not; in search such a model stands beside that of
words (Och 1999; Brown et al. 1992). `scripts/try_extra_models.py` says what it earned before it was
built in: more than a BLEU point on both of its corpora.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from nmt.corpus.npy import map_npy
from nmt.errors import UserError
from nmt.statistical.language_model.model import LanguageModel
from nmt.statistical.language_model.settings import ClassModelSettings, LanguageModelSettings
from nmt.statistical.language_model.tables import LanguageModelTables, TableRows
from nmt.statistical.sentences import Sentences
from nmt.statistical.vocabulary import BEGIN, END, FIRST_WORD, UNKNOWN, Vocabulary

_CLASS_OF_WORD: Final = "class-of-word.npy"


class ClassTables(NamedTuple):
    """A class model as compiled loops read it."""

    tables: LanguageModelTables
    """N-grams of class ids."""
    begin_state: int
    """The state before the first word of a sentence."""
    class_of_word: NDArray[np.int32]
    """[V] The id of each word's class; control symbols have their own ids."""

    @classmethod
    def none(cls, vocabulary_size: int) -> ClassTables:
        """A model that gives any text the logarithm 0, for systems without one."""
        tables = TableRows.allocate(0, 1, 1).columns()
        for array in tables:
            array[:] = 0
        return cls(tables, 0, np.zeros(vocabulary_size, np.int32))


@dataclass(frozen=True)
class ClassModel:
    """p(class of a word | classes of the words before)."""

    model: LanguageModel
    class_of_word: NDArray[np.int32]
    """[V]"""

    @property
    def tables(self) -> ClassTables:
        """What search asks."""
        return ClassTables(self.model.tables, self.model.begin_state, self.class_of_word)

    @classmethod
    def estimate(
        cls, sentences: Sentences, vocabulary: Vocabulary, settings: ClassModelSettings
    ) -> ClassModel:
        """Learn classes from a text, and an n-gram model of them.

        Raises UserError if there is no text.
        """
        num_classes = settings.num_classes
        assert num_classes is not None
        classes = learn_classes(sentences, len(vocabulary), num_classes)
        class_of_word = np.where(classes >= 0, classes + FIRST_WORD, UNKNOWN).astype(np.int32)
        class_of_word[[UNKNOWN, BEGIN, END]] = UNKNOWN, BEGIN, END
        of_classes = Sentences(class_of_word[sentences.words], sentences.offsets)
        names = Vocabulary([f"class{number}" for number in range(num_classes)])
        order = LanguageModelSettings(order=settings.order)
        return cls(LanguageModel.estimate(of_classes, names, order), class_of_word)

    def save(self, folder: Path) -> None:
        """Write the model into a folder that is there."""
        self.model.save(folder)
        np.save(folder / _CLASS_OF_WORD, self.class_of_word, allow_pickle=False)

    @classmethod
    def open(cls, folder: Path) -> ClassModel:
        """Map what ``save`` wrote. Raises UserError if it is not there or incomplete."""
        try:
            class_of_word = map_npy(folder / _CLASS_OF_WORD)
        except (OSError, ValueError) as error:
            raise UserError(
                f"the model of word classes is incomplete: {error}",
                where=str(folder),
                mend="train or copy it again",
            ) from error
        return cls(LanguageModel.open(folder), class_of_word)


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


@njit(cache=True, nogil=True)
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


@njit(cache=True, nogil=True)
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
