"""Reranking: the n best translations in a new order, by what a model of the other direction thinks.

A translation from which the source could be said again has left nothing out and added nothing
(noisy-channel reranking: Yee et al. 2019, https://aclanthology.org/D19-1571; Li et al. 2016).
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from nmt.begun import Begun, Then
from nmt.errors import UserError
from nmt.guide import Guide
from nmt.neural.explanation.forced import forced_decoding
from nmt.neural.system import NeuralTranslator
from nmt.search_options import SearchOptions
from nmt.translator import Hypothesis, Translator

DEFAULT_WEIGHT: Final = 0.5
"""Weight of the reverse score: the best on Multi30k's validation set (docs/translating.md)."""
DEFAULT_CANDIDATES: Final = 12
"""Translations that are put into a new order."""
_SCORED_AT_ONCE: Final = 64
"""Hypotheses that a worker scores before it takes the next ones."""


class RerankingTranslator(Translator):
    """A neural translator whose n best are ranked once more with the help of a reverse model.

    A hypothesis scores what the search gave it, a length-normalised log-probability, and ``weight``
    times the log-probability of the source given the hypothesis, per piece of the source.
    """

    def __init__(
        self,
        translator: NeuralTranslator,
        reverse: NeuralTranslator,
        *,
        weight: float = DEFAULT_WEIGHT,
        candidates: int = DEFAULT_CANDIDATES,
    ) -> None:
        """Make a translator of two.

        Args:
            translator: finds the hypotheses.
            reverse: translates from its target language to its source language.
            weight: of the reverse model's score.
            candidates: hypotheses to rank, at least as many as are asked for.

        Raises UserError if the reverse model is of other languages.
        """
        languages = (translator.target_language, translator.source_language)
        others = (reverse.source_language, reverse.target_language)
        if languages != others:
            raise UserError(
                f"a model of {'-'.join(others)} cannot rerank translations from "
                f"{languages[1]} to {languages[0]}",
                mend=f"take one of {'-'.join(languages)}",
            )
        self.source_language = translator.source_language
        self.target_language = translator.target_language
        self.default_batch_tokens = translator.default_batch_tokens
        self.searches_at_once = translator.searches_at_once
        self._translator = translator
        self._reverse = reverse
        self._weight = weight
        self._candidates = candidates

    @property
    def max_segment_pieces(self) -> int:
        """As the translator that finds the hypotheses."""
        return self._translator.max_segment_pieces

    def count_pieces(self, segments: Sequence[str]) -> list[int]:
        """Pieces of that translator."""
        return self._translator.count_pieces(segments)

    def search(
        self, segments: Sequence[str], options: SearchOptions, draws: Sequence[int] = ()
    ) -> list[list[Hypothesis]]:
        """Search, and put what was found into a new order."""
        return self.begin_search(segments, (), options, draws).result()

    def search_guided(
        self, segments: Sequence[str], guides: Sequence[Guide], options: SearchOptions
    ) -> list[list[Hypothesis]]:
        """The same of translations that are as guides say."""
        return self.begin_search(segments, guides, options, ()).result()

    def begin_search(
        self,
        segments: Sequence[str],
        guides: Sequence[Guide],
        options: SearchOptions,
        draws: Sequence[int],
    ) -> Begun[list[list[Hypothesis]]]:
        """Begin to search; what was found is ranked when the result is asked for."""
        begun = self._translator.begin_search(segments, guides, self._more(options), draws)
        return Then(begun, lambda found: self._rank(segments, found, options.nbest))

    def _more(self, options: SearchOptions) -> SearchOptions:
        wanted = max(self._candidates, options.nbest)
        beam = None if options.beam is None else max(options.beam, wanted)
        return dataclasses.replace(options, nbest=wanted, beam=beam)

    def _rank(
        self, segments: Sequence[str], found: Sequence[Sequence[Hypothesis]], nbest: int
    ) -> list[list[Hypothesis]]:
        sources = [text for text, several in zip(segments, found, strict=True) for _ in several]
        scores = iter(self._reverse_scores([one.text for all_ in found for one in all_], sources))
        ranked = []
        for hypotheses in found:
            scored = [
                dataclasses.replace(one, score=one.score + self._weight * score)
                for one, score in zip(hypotheses, scores, strict=False)
            ]
            ranked.append(sorted(scored, key=lambda one: -one.score)[:nbest])
        return ranked

    def _reverse_scores(self, hypotheses: Sequence[str], sources: Sequence[str]) -> list[float]:
        """The mean log-probability of a source's pieces, given each hypothesis.

        What is longer than the reverse model takes is judged by its beginning. A hypothesis without
        any pieces tells nothing of its source: all pieces are then equally likely.
        """
        reverse = self._reverse
        limit = reverse.model.architecture.max_positions - 1
        given, said = (
            [np.asarray(row[:limit], dtype=np.int64) for row in tokenizer.encode(texts)]
            for tokenizer, texts in (
                (reverse.tokenizers.source, hypotheses),
                (reverse.tokenizers.target, sources),
            )
        )
        scores = np.full(len(given), -math.log(reverse.tokenizers.target.vocabulary_size))
        visible = [number for number, pieces in enumerate(given) if len(pieces)]

        def work(part: Sequence[int]) -> list[float]:
            found = forced_decoding(
                reverse.model, [given[n] for n in part], [said[n].tolist() for n in part]
            )
            return [float(one.log_probability_T.mean()) for one in found]

        parts = [visible[n : n + _SCORED_AT_ONCE] for n in range(0, len(visible), _SCORED_AT_ONCE)]
        scores[visible] = list(itertools.chain.from_iterable(reverse.map_parallel(work, parts)))
        return [float(score) for score in scores]


def rerank(
    translator: Translator,
    reverse: Translator,
    *,
    weight: float | None = None,
    candidates: int | None = None,
) -> RerankingTranslator:
    """A translator whose translations are reranked with the help of a reverse one.

    ``weight`` and ``candidates`` are the defaults of this module unless given. Raises UserError if
    one of the two is not neural, or if their languages do not fit.
    """
    for system in (translator, reverse):
        if not isinstance(system, NeuralTranslator):
            raise UserError(
                "reranking takes two neural systems, which tell probabilities",
                mend="give models that nmt-train made, with --backend native",
            )
    assert isinstance(translator, NeuralTranslator)
    assert isinstance(reverse, NeuralTranslator)
    return RerankingTranslator(
        translator,
        reverse,
        weight=DEFAULT_WEIGHT if weight is None else weight,
        candidates=DEFAULT_CANDIDATES if candidates is None else candidates,
    )
