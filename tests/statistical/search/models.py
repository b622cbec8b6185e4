"""Small random models, and search as it is defined: every derivation, in plain Python."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from nmt.statistical.features import CLASS_LANGUAGE_MODEL, NUM_FEATURES, REORDERING, TRANSLATION
from nmt.statistical.language_model.classes import ClassTables
from nmt.statistical.language_model.tables import LanguageModelTables, TableRows, insert
from nmt.statistical.phrases.arrays import PhraseArrays, make_slots
from nmt.statistical.search.decoder import Decoder
from nmt.statistical.search.settings import PhraseSearchSettings
from nmt.statistical.sentences import Sentences
from nmt.statistical.vocabulary import BEGIN, END, FIRST_WORD, UNKNOWN

Ngram = tuple[int, ...]
Entry = tuple[Ngram, list[float], list[float], list[tuple[int, int]]]


@njit
def _insert(tables: Any, state: int, word: int, log_p: float, next_state: int) -> None:
    insert(tables, state, word, log_p, next_state)


@dataclass
class LanguageModel:
    """A back-off model as dictionaries, and as tables."""

    log_p: dict[Ngram, float]
    back_off: dict[Ngram, float]

    def score(self, context: Ngram, word: int) -> float:
        """ln p(word | context), by the definition of back-off (Katz 1987)."""
        if (*context, word) in self.log_p:
            return self.log_p[*context, word]
        return self.back_off.get(context, 0.0) + self.score(context[1:], word)

    def tables(self, words: int) -> tuple[LanguageModelTables, int]:
        """As tables, and the state of the beginning of a sentence."""
        states = {context: n for n, context in enumerate(sorted(self.back_off, key=len))}
        assert states[()] == 0

        def longest_state(context: Ngram) -> int:
            while context not in states:
                context = context[1:]
            return states[context]

        long = [ngram for ngram in self.log_p if len(ngram) > 1]
        rows = TableRows.allocate(len(long), len(states), words)
        tables = rows.columns()
        for ngram in long:
            _insert(
                tables,
                states[ngram[:-1]],
                ngram[-1],
                self.log_p[ngram],
                longest_state(ngram),
            )
        for word in range(words):
            tables.word_log_p[word] = self.log_p[(word,)]
            tables.word_state[word] = longest_state((word,))
        for context, state in states.items():
            tables.back_off[state] = self.back_off[context]
            tables.shorter[state] = longest_state(context[1:])
        return tables, longest_state((BEGIN,))


@dataclass
class RandomModel:
    """A phrase table and a language model, as dictionaries and as arrays."""

    entries: dict[Ngram, list[Entry]]
    language_model: LanguageModel
    target_words: int
    weights: NDArray[np.float64]
    class_model: LanguageModel | None = None
    """Of classes, or none."""
    class_of_word: tuple[int, ...] = ()

    def decoder(self, settings: PhraseSearchSettings) -> Decoder:
        """A decoder with this model."""
        tables, begin_state = self.language_model.tables(self.target_words)
        classes = None
        if self.class_model is not None:
            of_word = np.array(self.class_of_word, np.int32)
            classes = ClassTables(*self.class_model.tables(int(of_word.max()) + 1), of_word)
        return Decoder(
            phrase_arrays(self.entries), tables, begin_state, self.weights, settings, classes
        )


def _float(value: float) -> float:
    """As float32, in which models are stored."""
    return float(np.float32(value))


def random_model(
    seed: int,
    *,
    source_words: int = 6,
    target_words: int = 8,
    order: int = 3,
    max_entries: int = 3,
    max_phrase_words: int = 3,
    coverage: float = 0.8,
    unknown: int = 1,
) -> RandomModel:
    """A model of a few words; ``coverage`` of all phrases that it could have are in its table.

    The last ``unknown`` source words are in no phrase.
    """
    rng = np.random.default_rng(seed)
    last = FIRST_WORD + target_words
    language_model = _random_language_model(rng, last, order)
    class_model, class_of_word = None, (UNKNOWN, BEGIN, END)
    if rng.random() < 0.7:
        num_classes = int(rng.integers(1, 4))
        class_model = _random_language_model(rng, FIRST_WORD + num_classes, 3)
        drawn = rng.integers(FIRST_WORD, FIRST_WORD + num_classes, target_words)
        class_of_word = (UNKNOWN, BEGIN, END, *drawn.tolist())
    entries: dict[Ngram, list[Entry]] = {}
    known = range(FIRST_WORD, FIRST_WORD + source_words - unknown)
    phrases: list[Ngram] = [()]
    for _ in range(max_phrase_words):
        phrases = [(*phrase, word) for phrase in phrases for word in known]
        for phrase in phrases:
            if rng.random() < coverage / len(phrase):
                entries[phrase] = [
                    _random_entry(rng, len(phrase), last)
                    for _ in range(rng.integers(1, max_entries + 1))
                ]
    weights = rng.uniform(0, 1, NUM_FEATURES)
    weights[1] = rng.uniform(-1, 1)
    if rng.random() < 0.3:
        weights[REORDERING:] = 0.0
    return RandomModel(entries, language_model, last, weights, class_model, class_of_word)


def _random_language_model(rng: np.random.Generator, last: int, order: int) -> LanguageModel:
    """N-grams of the ids below ``last``; not all that could be there are."""
    log_p: dict[Ngram, float] = {(n,): _float(rng.uniform(-4, -1)) for n in range(last)}
    back_off: dict[Ngram, float] = {(): 0.0}
    layer: list[Ngram] = [(n,) for n in (BEGIN, *range(FIRST_WORD, last)) if rng.random() < 0.8]
    for _ in range(2, order + 1):
        longer: list[Ngram] = []
        for context in layer:
            back_off[context] = _float(rng.uniform(-2, 0))
            for word in (UNKNOWN, END, *range(FIRST_WORD, last)):
                if rng.random() < 0.4:
                    log_p[*context, word] = _float(rng.uniform(-4, 0))
                    longer.append((*context, word))
        layer = [ngram for ngram in longer if ngram[-1] != END and rng.random() < 0.8]
    return LanguageModel(log_p, back_off)


def _random_entry(rng: np.random.Generator, length: int, last: int) -> Entry:
    words = tuple(int(word) for word in rng.integers(FIRST_WORD, last, rng.integers(1, 4)))
    scores = [_float(score) for score in rng.uniform(-4, 0, 4)]
    # Few values, so that some options have the same, as in real tables.
    reordering = [_float(score) for score in rng.choice([-0.2, -0.7, -1.5], 6)]
    return words, scores, reordering, [(length - 1, len(words) - 1)]


def phrase_arrays(entries: dict[Ngram, list[Entry]]) -> PhraseArrays:
    """The arrays of a phrase table."""
    flat = [entry for phrase in entries.values() for entry in phrase]
    source = np.array([word for phrase in entries for word in phrase], np.int32)
    offsets = _offsets([len(phrase) for phrase in entries])
    return PhraseArrays(
        slots=make_slots(source, offsets),
        source_words=source,
        source_offsets=offsets,
        entry_offsets=_offsets([len(phrase) for phrase in entries.values()]),
        target_words=np.array([word for entry in flat for word in entry[0]], np.int32),
        target_offsets=_offsets([len(entry[0]) for entry in flat]),
        scores=np.array([entry[1] for entry in flat], np.float32).reshape(-1, 4),
        reordering=np.array([entry[2] for entry in flat], np.float32).reshape(-1, 6),
        links=np.array([link for entry in flat for link in entry[3]], np.uint8).reshape(-1, 2),
        link_offsets=_offsets([len(entry[3]) for entry in flat]),
    )


def _offsets(lengths: list[int]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)


def sentences_of(lines: Sequence[Sequence[int]]) -> Sentences:
    """Sentences of ids."""
    flat = np.array([word for line in lines for word in line], np.int32)
    return Sentences.of_lengths(flat, np.array([len(line) for line in lines], np.int64))


Step = tuple[int, int, int | None, Ngram]
"""Begin and end in the source, which of the source phrase's entries (None: copied), its words."""


def all_derivations(
    model: RandomModel, sentence: Ngram, limit: int
) -> Iterator[tuple[float, list[Step], NDArray[np.float64]]]:
    """Every derivation of a sentence within a distortion limit (-1: none): score, steps, features.

    By the definitions alone: Moses' conditions on jumps, and features counted at the end.
    """
    size = len(sentence)
    options: dict[tuple[int, int], list[tuple[int | None, Ngram]]] = {}
    for begin in range(size):
        for end in range(begin + 1, size + 1):
            found = model.entries.get(sentence[begin:end], [])
            if found:
                options[begin, end] = [(n, entry[0]) for n, entry in enumerate(found)]
            elif end == begin + 1:
                options[begin, end] = [(None, (UNKNOWN,))]

    def extend(done: list[Step], free: frozenset[int]) -> Iterator[list[Step]]:
        if not free:
            yield done
            return
        last_end = done[-1][1] if done else 0
        gap = min(free)
        for (begin, end), ways in options.items():
            if not free.issuperset(range(begin, end)):
                continue
            if limit >= 0 and abs(begin - last_end) > limit:
                continue
            if limit >= 0 and begin != gap and end - gap > limit:
                continue
            for entry, words in ways:
                step = (begin, end, entry, words)
                yield from extend([*done, step], free - frozenset(range(begin, end)))

    for steps in extend([], frozenset(range(size))):
        features = features_of(model, sentence, steps)
        yield float(model.weights @ features), steps, features


def features_of(model: RandomModel, sentence: Ngram, steps: list[Step]) -> NDArray[np.float64]:
    """The features of a derivation, from their definitions."""
    features = np.zeros(NUM_FEATURES)
    target = [word for step in steps for word in step[3]]
    for n, word in enumerate([*target, END]):
        features[0] += model.language_model.score((BEGIN, *target[:n]), word)
        if model.class_model is not None:
            classes = [model.class_of_word[w] for w in (BEGIN, *target[:n], word)]
            context = tuple(classes[:-1])
            features[CLASS_LANGUAGE_MODEL] += model.class_model.score(context, classes[-1])
    features[1] = -len(target)
    features[2] = len(steps)
    for before, (begin, end, number, _) in zip([None, *steps], steps, strict=False):
        features[3] -= abs(begin - (before[1] if before else 0))
        which = 0 if begin == (before[1] if before else 0) else 2
        if before and end == before[0]:
            which = 1
        if number is None:
            features[4] -= 1
        else:
            entry = model.entries[sentence[begin:end]][number]
            features[TRANSLATION : TRANSLATION + 4] += entry[1]
            features[REORDERING + which] += entry[2][which]
        if before and before[2] is not None:
            entry = model.entries[sentence[before[0] : before[1]]][before[2]]
            features[REORDERING + 3 + which] += entry[2][3 + which]
    return features
