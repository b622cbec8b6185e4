"""Phrase-based stack decoding (Koehn, Och and Marcu 2003; Koehn 2004): the part that is called."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from nmt.statistical.features import NUM_FEATURES, UNKNOWN_WORDS
from nmt.statistical.language_model.classes import ClassTables
from nmt.statistical.language_model.tables import LanguageModelTables
from nmt.statistical.phrases.arrays import PhraseArrays
from nmt.statistical.search.records import COPIED, NONE, Capacity, Limits, Scratch
from nmt.statistical.search.results import Derivation, NBest, Phrase, join
from nmt.statistical.search.scoring import phrase_features
from nmt.statistical.search.sentence_loops import decode_sentences, list_derivations
from nmt.statistical.search.settings import MAX_DISTORTION_LIMIT, PhraseSearchSettings
from nmt.statistical.search.stacks import search_sentence
from nmt.statistical.sentences import Sentences

_CHUNK: Final = 16
"""Sentences that a worker takes at once."""
_ALL: Final = 1 << 40
"""In place of a limit that is not set."""

Part = TypeVar("Part")


class Model(NamedTuple):
    """All that scores a derivation."""

    phrases: PhraseArrays
    language_model: LanguageModelTables
    begin_state: int
    classes: ClassTables
    weights: NDArray[np.float64]


class Decoder:
    """Translates sentences of word ids with a phrase table and a language model."""

    def __init__(
        self,
        phrases: PhraseArrays,
        language_model: LanguageModelTables,
        begin_state: int,
        weights: NDArray[np.float64],
        settings: PhraseSearchSettings,
        classes: ClassTables | None = None,
    ) -> None:
        """``begin_state``: the language model's at the beginning of a sentence; ``weights`` [F] in
        the order of `nmt.statistical.features`; ``classes``: a model of word classes, if there is
        one. Arrays may be memory-mapped; they are not copied.
        """
        assert np.shape(weights) == (NUM_FEATURES,)
        tables, class_begin, class_of_word = classes or ClassTables.none(
            max(len(language_model.word_log_p), int(phrases.target_words.max(initial=0)) + 1)
        )
        self.settings = settings
        self._model = Model(
            PhraseArrays(*(_read_only(array) for array in phrases)),
            LanguageModelTables(*(_read_only(array) for array in language_model)),
            int(begin_state),
            ClassTables(
                LanguageModelTables(*(_read_only(array) for array in tables)),
                int(class_begin),
                _read_only(class_of_word),
            ),
            _read_only(np.array(weights, np.float64)),
        )
        self._capacity = Capacity(max_phrase_words=settings.max_phrase_words)
        self._idle: list[_Workplace] = []

    @property
    def weights(self) -> NDArray[np.float64]:
        """[F] The weights of the features."""
        return self._model.weights

    def with_weights(self, weights: NDArray[np.float64]) -> Decoder:
        """The same decoder with other weights; tables are shared."""
        return self._changed(weights, self.settings)

    def with_settings(self, settings: PhraseSearchSettings) -> Decoder:
        """The same decoder with other settings; tables are shared, and options where they are the
        same."""
        changed = self._changed(self.weights, settings)
        of_options = ("max_options", "max_phrase_words")
        if all(getattr(settings, name) == getattr(self.settings, name) for name in of_options):
            changed._idle = self._idle
        return changed

    def _changed(self, weights: NDArray[np.float64], settings: PhraseSearchSettings) -> Decoder:
        phrases, language_model, begin_state, classes, _ = self._model
        return Decoder(phrases, language_model, begin_state, weights, settings, classes)

    def decode(self, sentences: Sentences, *, workers: int = 1) -> list[Derivation]:
        """The best derivation of each sentence, in order; the same for any number of workers.

        Words that no phrase covers are copied: UNKNOWN, and any id that the phrase table does not
        have. A sentence without words gets a derivation without phrases.

        Raises UserError if a sentence needs more memory than a search may take.
        """
        words, offsets = _read_only(sentences.words), _read_only(sentences.offsets)
        limits = _limits(self.settings, self.weights, keep_arcs=False)

        def decode(place: _Workplace, first: int, last: int) -> list[Derivation]:
            segments = np.empty((offsets[last] - offsets[first], 3), np.int32)
            counts = np.zeros(last - first, np.int64)
            scores = np.zeros(last - first)
            done = first
            while done < last:
                done, full = decode_sentences(
                    words, offsets, first, done, last,
                    self._model, limits, place.scratch, segments, counts, scores,
                )  # fmt: skip
                if full < 0:
                    place.grow(full)
            begins = offsets[first:last] - offsets[first]
            return [
                self._derivation(float(score), segments[begin : begin + count])
                for score, begin, count in zip(scores, begins, counts, strict=True)
            ]

        return self._in_chunks(decode, len(sentences), workers)

    def nbest(
        self, sentences: Sentences, size: int, *, distinct: bool = True, workers: int = 1
    ) -> NBest:
        """The ``size`` best derivations of each sentence, as far as there are so many.

        With ``distinct``, of derivations with the same words only the best counts. Raises as
        ``decode`` does.
        """
        limits = _limits(self.settings, self.weights, keep_arcs=True)

        def search(place: _Workplace, first: int, last: int) -> list[NBest]:
            parts = []
            for n in range(first, last):
                sentence = _read_only(sentences[n])
                end = NONE
                while len(sentence) and end < 0:
                    end = search_sentence(sentence, self._model, limits, place.scratch)
                    if end < 0:
                        place.grow(end)
                part = list_derivations(
                    end, len(sentence), self._model, place.scratch, size, distinct
                )
                parts.append(NBest(np.array([0, len(part[0])]), *part))
            return parts

        return join(self._in_chunks(search, len(sentences), workers))

    def derivations(self, nbest: NBest) -> list[list[Derivation]]:
        """The derivations of an n-best list, sentence by sentence."""
        everything = [
            self._derivation(
                float(score),
                nbest.segments[nbest.segment_offsets[n] : nbest.segment_offsets[n + 1]],
            )
            for n, score in enumerate(nbest.scores)
        ]
        offsets = nbest.sentence_offsets.tolist()
        return [everything[a:b] for a, b in itertools.pairwise(offsets)]

    def phrase_features(self, derivation: Derivation) -> NDArray[np.float64]:
        """[K, F] The features of a derivation of K phrases, phrase by phrase."""
        segments = derivation.segments
        features = np.zeros((len(segments), NUM_FEATURES))
        phrase_features(segments, self._model, features)
        return features

    def _derivation(self, score: float, segments: NDArray[np.int32]) -> Derivation:
        table = self._model.phrases
        phrases = []
        for begin, end, entry in segments.tolist():
            if entry == COPIED:
                words, links = [~begin], [(0, 0)]
            else:
                first, last = table.target_offsets[entry : entry + 2].tolist()
                words = table.target_words[first:last].tolist()
                first, last = table.link_offsets[entry : entry + 2].tolist()
                links = [(source, target) for source, target in table.links[first:last].tolist()]
            phrases.append(Phrase(begin, end, entry, tuple(words), tuple(links)))
        return Derivation(score, tuple(phrases))

    def _in_chunks(
        self,
        search: Callable[[_Workplace, int, int], list[Part]],
        count: int,
        workers: int,
    ) -> list[Part]:
        """Search sentences in chunks, each in a thread with a workplace of its own."""

        def search_chunk(first: int) -> list[Part]:
            try:
                place = self._idle.pop()
            except IndexError:
                place = _Workplace(self._capacity)
            try:
                return search(place, first, min(first + _CHUNK, count))
            finally:
                self._idle.append(place)

        firsts = range(0, count, _CHUNK)
        if workers == 1 or len(firsts) < 2:
            chunks = list(map(search_chunk, firsts))
        else:
            with ThreadPoolExecutor(workers) as pool:
                chunks = list(pool.map(search_chunk, firsts))
        return [part for chunk in chunks for part in chunk]


class _Workplace:
    """The memory of a worker, which grows when a search needs more."""

    def __init__(self, capacity: Capacity) -> None:
        self._capacity = capacity
        self.scratch: Scratch = capacity.scratch()

    def grow(self, full: int) -> None:
        """Make the array larger of which a loop said that it is full."""
        self._capacity = self._capacity.grown(full)
        self.scratch = self._capacity.scratch()


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    """A view that is read-only, as memory maps are: the loops are compiled once for both."""
    view = array.view(np.ndarray)
    view.flags.writeable = False
    return view


def _limits(
    settings: PhraseSearchSettings, weights: NDArray[np.float64], *, keep_arcs: bool
) -> Limits:
    """The settings as the loops read them."""
    scale = np.abs(np.delete(weights, UNKNOWN_WORDS)).sum()
    threshold = settings.beam_threshold
    distance = settings.distortion_limit
    return Limits(
        stack_size=settings.stack_size or _ALL,
        pop_limit=settings.pop_limit if settings.pop_limit and settings.cube_pruning else _ALL,
        threshold=np.inf if threshold is None else float(threshold * scale),
        distortion_limit=MAX_DISTORTION_LIMIT if distance < 0 else distance,
        max_options=settings.max_options,
        max_phrase_words=settings.max_phrase_words,
        future_distortion=settings.future_distortion,
        cube_pruning=settings.cube_pruning,
        keep_arcs=keep_arcs,
    )
