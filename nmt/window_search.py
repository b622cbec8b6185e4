"""The searches for a window of lines: equal segments once, in batches of like lengths."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from nmt.begun import Begun
from nmt.errors import UserError
from nmt.guide import Guide
from nmt.search_options import MinimumRisk, SearchOptions
from nmt.segmentation import Segment
from nmt.text import one_line, shown
from nmt.translation import Hypothesis, Translation, assemble

if TYPE_CHECKING:
    from nmt.translator import Translator

_Key: TypeAlias = tuple[str, Guide, int]
"""A text to search, what its translation must be like, and the number of its draw: 0 where one
search serves all of its copies."""


class WindowSearch:
    """Lines that are being translated: begun when this is made, ended when the result is wanted."""

    def __init__(
        self,
        translator: Translator,
        lines: Sequence[Sequence[Segment]],
        guides: Sequence[Guide],
        options: SearchOptions,
        *,
        first_line: int,
        first_draw: int,
        batch_tokens: int,
    ) -> None:
        """Begin to search for what was not searched before.

        Args:
            translator: searches.
            lines: the segments of each line.
            guides: what the translation of each segment must be like.
            options: of the searches.
            first_line: number of the first line, for messages.
            first_draw: number of the first segment, for samples.
            batch_tokens: source positions of a batch, padding included.
        """
        self._lines, self._first_line = lines, first_line
        self._language = translator.target_language
        self._options = options
        # Samples of the same text are to differ, the best translations of it are the same.
        places = itertools.count(first_draw) if options.sampling else itertools.repeat(0)
        segments = list(itertools.chain.from_iterable(lines))
        self._keys = [
            (segment.text, guide, place)
            for segment, guide, place in zip(segments, guides, places, strict=False)
        ]
        self._found: dict[_Key, list[Hypothesis]] = {}
        to_search: dict[_Key, Segment] = {}
        for key, segment in zip(self._keys, segments, strict=True):
            if segment.num_pieces == 0:  # the tokenizer sees nothing in it
                self._found[key] = [Hypothesis("", 0.0)]
            elif segment.num_pieces > translator.max_segment_pieces:
                assert len(segment.text) == 1  # all else was split
                self._found[key] = [Hypothesis(segment.text, 0.0)]
            else:
                to_search[key] = segment
        asked = options
        if (risk := options.minimum_risk) is not None:
            asked = dataclasses.replace(options, minimum_risk=None, nbest=risk.candidates)
        self._begun: list[tuple[list[_Key], Begun[list[list[Hypothesis]]]]] = []
        for batch in _batches(to_search, batch_tokens):
            texts, batch_guides, draws = zip(*batch, strict=True)
            guided = batch_guides if batch_guides[0] else ()
            self._begun.append((batch, translator.begin_search(texts, guided, asked, draws)))

    def result(self) -> list[Translation]:
        """The translation of each line, in order; raises what a search raised."""
        risk, nbest = self._options.minimum_risk, self._options.nbest
        for batch, begun in self._begun:
            try:
                results = begun.result()
            except UserError as error:
                raise self._with_line(error) from None
            if risk is not None:
                results = _least_risk(results, risk, drawn=self._options.sampling is not None)
            for key, hypotheses in zip(batch, results, strict=True):
                self._found[key] = [
                    dataclasses.replace(hypothesis, text=one_line(hypothesis.text))
                    for hypothesis in hypotheses[:nbest]
                ]
        found = (self._found[key] for key in self._keys)
        return [
            assemble(line, list(itertools.islice(found, len(line))), self._language, nbest)
            for line in self._lines
        ]

    def _with_line(self, error: UserError) -> UserError:
        """The same, with the number of the first line that has the segment that it names."""
        for number, segments in enumerate(self._lines, start=self._first_line):
            if any(shown(segment.text) == error.where for segment in segments):
                error.where = f"line {number}, {error.where}"
                break
        return error

    def cancel(self) -> None:
        """Leave out what nobody is searching for yet."""
        for _, begun in self._begun:
            begun.cancel()


def _least_risk(
    results: Sequence[Sequence[Hypothesis]], risk: MinimumRisk, *, drawn: bool
) -> list[list[Hypothesis]]:
    """Of each segment's candidates the one chosen by minimum Bayes risk."""
    from nmt.minimum_risk import minimum_risk

    chosen = minimum_risk(
        [[one.text for one in candidates] for candidates in results],
        # Samples come as often as they are probable: their scores would count that twice.
        None if drawn else [[one.score for one in candidates] for candidates in results],
        utility=risk.utility,
        scale=risk.scale,
    )
    return [[candidates[best]] for candidates, best in zip(results, chosen, strict=True)]


def _batches(to_search: Mapping[_Key, Segment], batch_tokens: int) -> Iterator[list[_Key]]:
    """Keys of segments of like lengths, longest first, in batches of padded ``batch_tokens``.

    Those that are guided come in batches of their own, after the others.
    """
    batch: list[_Key] = []
    longest = 0
    for key in sorted(to_search, key=lambda key: (bool(key[1]), -to_search[key].num_pieces)):
        other_kind = batch and bool(batch[0][1]) != bool(key[1])
        if batch and (other_kind or (len(batch) + 1) * longest > batch_tokens):
            yield batch
            batch = []
        if not batch:
            longest = to_search[key].num_pieces
        batch.append(key)
    if batch:
        yield batch
