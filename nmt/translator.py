"""What every system gives: raw text in, translations out, one for each line, in order.

`Translator` holds what all systems share: blank lines, lines that are too long for one search,
batches by length, n-best lists, streams. A system adds the search itself.
"""

from __future__ import annotations

import dataclasses
import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias, Unpack

from nmt.errors import UserError
from nmt.guide import Guide
from nmt.search_options import MinimumRisk, Sampling, SearchKeywords, SearchOptions
from nmt.segmentation import Segment, split_to_fit
from nmt.streaming import chunks, windows
from nmt.text import clean_line, is_blank, one_line
from nmt.translation import Explanation, Hypothesis, Line, Translation, assemble

__all__ = [
    "Explanation",
    "Hypothesis",
    "Line",
    "MinimumRisk",
    "Sampling",
    "SearchKeywords",
    "SearchOptions",
    "Translation",
    "Translator",
]

# A window of this many batches is sorted by length: longer ones pad less, but answer later.
_BATCHES_A_WINDOW = 6
# Windows are filled before anything is tokenized, so their size is guessed from characters.
_CHARACTERS_A_PIECE = 4
# Characters of a line that messages show.
_SHOWN = 60


_Key: TypeAlias = tuple[str, Guide, int]
"""A text to search, what its translation must be like, and the number of its draw: 0 where one
search serves all of its copies."""


class Translator(ABC):
    """A loaded model. Systems implement the abstract methods; everything else is shared.

    Promises of `translate`, `translate_stream` and `translate_windows`: as many translations as
    lines, in their order. A line with nothing visible in it gives an empty line and never reaches
    the search. A line over ``max_segment_pieces`` is split (see `nmt.segmentation`), translated in
    segments and joined again; nothing is cut off. No translation contains a character that ends
    lines. Text that occurs more than once in a window is searched once. Samples of lines are drawn
    by the seed, the text and the line's place in the input, so equal lines get draws of their own.
    """

    source_language: str
    """Language code of the text that it takes."""
    target_language: str
    """Language code of the text that it gives."""
    backend: str = "native"
    """Which program computes: ours, or one that a neural model was converted for."""
    default_batch_tokens: int = 4096
    """Source positions that a core searches at once unless the caller says otherwise."""
    searches_at_once: int = 1
    """Cores that share a batch out among them: it is so many times as large."""

    @property
    @abstractmethod
    def max_segment_pieces(self) -> int:
        """Longest segment that one search takes, in the units of ``count_pieces``."""

    @abstractmethod
    def count_pieces(self, segments: Sequence[str]) -> list[int]:
        """Length of each segment in the system's own pieces."""

    @abstractmethod
    def search(
        self, segments: Sequence[str], options: SearchOptions, draws: Sequence[int] = ()
    ) -> list[list[Hypothesis]]:
        """Translate one batch of non-blank segments, the longest first and none over the limit.

        Gives, for each in order, its n-best list: at least one hypothesis, best first. Where
        ``options`` ask for samples, ``draws`` has a number for each segment: the same text with
        another number is another draw.
        """

    def search_guided(
        self, segments: Sequence[str], guides: Sequence[Guide], options: SearchOptions
    ) -> list[list[Hypothesis]]:
        """Translate one batch as ``search`` does, each segment as its guide says.

        Raises UserError where no translation can be so, and in systems that cannot be guided.
        """
        raise _unguided("prefixes")

    def translate(
        self, lines: str | Sequence[str | Line], **options: Unpack[SearchKeywords]
    ) -> list[Translation]:
        """Translate lines of raw text; a single string is one line, whatever is in it.

        A `Line` also says how its translation begins: the beginning is given, the rest is searched.

        Raises UserError for options that no search can use, and for lines that cannot be translated
        as they or a glossary ask for.
        """
        chosen = self._checked(options)
        lines = [lines] if isinstance(lines, str) else lines
        given = chunks(lines, size=_size, full=self._window_size(chosen))
        return list(itertools.chain.from_iterable(self._translate_all(given, chosen)))

    def translate_stream(
        self, lines: Iterable[str | Line], **options: Unpack[SearchKeywords]
    ) -> Iterator[Translation]:
        """Translate lines as they come; see `translate_windows`."""
        return itertools.chain.from_iterable(self.translate_windows(lines, **options))

    def translate_windows(
        self, lines: Iterable[str | Line], **options: Unpack[SearchKeywords]
    ) -> Iterator[list[Translation]]:
        """Translate lines as they come, and give what was translated together as one list.

        ``lines`` is read by a thread of its own, a bounded number of lines ahead. What has arrived
        is translated as soon as the input pauses or fills a few batches, so a typed line is
        answered at once and a file is translated in full batches, in bounded memory.

        Raises UserError for options that no search can use, and whatever ``lines`` raises, after
        giving the translations of all lines before.
        """
        chosen = self._checked(options)
        arriving = windows(lines, size=_size, full=self._window_size(chosen))
        return self._translate_all(arriving, chosen)

    def _checked(self, options: SearchKeywords) -> SearchOptions:
        """The options; what this system cannot do is told before it translates anything."""
        chosen = SearchOptions(**options)
        if chosen.glossary and type(self).search_guided is Translator.search_guided:
            raise _unguided("glossaries")
        return chosen

    def _window_size(self, options: SearchOptions) -> int:
        return _BATCHES_A_WINDOW * _CHARACTERS_A_PIECE * self._batch_tokens(options)

    def _batch_tokens(self, options: SearchOptions) -> int:
        return (options.batch_tokens or self.default_batch_tokens) * self.searches_at_once

    def _translate_all(
        self, given: Iterable[Sequence[str | Line]], options: SearchOptions
    ) -> Iterator[list[Translation]]:
        """Translate windows of lines, one after another."""
        num_segments = num_lines = 0
        for lines in given:
            texts = [line.text if isinstance(line, Line) else line for line in lines]
            prefixes = [line.prefix if isinstance(line, Line) else "" for line in lines]
            segments_of_line = self._segment([clean_line(text) for text in texts])
            guides = []
            for number, (line_segments, prefix) in enumerate(
                zip(segments_of_line, prefixes, strict=True), start=num_lines + 1
            ):
                guides += _guides(line_segments, prefix, options, number)
            segments = [segment for line in segments_of_line for segment in line]
            found = iter(self._search_all(segments, guides, options, first_draw=num_segments))
            num_segments += len(segments)
            num_lines += len(lines)
            yield [
                assemble(line, [next(found) for _ in line], self.target_language, options.nbest)
                for line in segments_of_line
            ]

    def _segment(self, lines: Sequence[str]) -> list[list[Segment]]:
        """The segments of each line, all within the limit; none for a blank line."""
        visible = list(dict.fromkeys(line for line in lines if not is_blank(line)))
        segments: dict[str, list[Segment]] = {}
        for line, num_pieces in zip(visible, self.count_pieces(visible), strict=True):
            if num_pieces <= self.max_segment_pieces:
                segments[line] = [Segment(line, num_pieces)]
            else:
                segments[line] = split_to_fit(
                    line, self.source_language, self.count_pieces, self.max_segment_pieces
                )
        return [segments.get(line, []) for line in lines]

    def _search_all(
        self,
        segments: Sequence[Segment],
        guides: Sequence[Guide],
        options: SearchOptions,
        first_draw: int,
    ) -> list[list[Hypothesis]]:
        """The n-best list of each segment, in order, searched in batches of like lengths."""
        # Samples of the same text are to differ, the best translations of it are the same.
        places = itertools.count(first_draw) if options.sampling else itertools.repeat(0)
        keys = [
            (segment.text, guide, place)
            for segment, guide, place in zip(segments, guides, places, strict=False)
        ]
        risk = options.minimum_risk
        asked = (
            options
            if risk is None
            else dataclasses.replace(options, minimum_risk=None, nbest=risk.candidates)
        )
        found: dict[_Key, list[Hypothesis]] = {}
        to_search: dict[_Key, Segment] = {}
        for key, segment in zip(keys, segments, strict=True):
            if segment.num_pieces == 0:  # the tokenizer sees nothing in it
                found[key] = [Hypothesis("", 0.0)]
            elif segment.num_pieces > self.max_segment_pieces:
                assert len(segment.text) == 1  # all else was split
                found[key] = [Hypothesis(segment.text, 0.0)]
            else:
                to_search[key] = segment
        for batch in _batches(to_search, self._batch_tokens(options)):
            texts, batch_guides, draws = zip(*batch, strict=True)
            if batch_guides[0]:
                results = self.search_guided(texts, batch_guides, asked)
            else:
                results = self.search(texts, asked, draws)
            if risk is not None:
                results = _least_risk(results, risk, drawn=options.sampling is not None)
            for key, hypotheses in zip(batch, results, strict=True):
                found[key] = [
                    dataclasses.replace(hypothesis, text=one_line(hypothesis.text))
                    for hypothesis in hypotheses[: options.nbest]
                ]
        return [found[key] for key in keys]


def _unguided(what: str) -> UserError:
    return UserError(
        f"this kind of system takes no {what}", mend="take a neural system, with --backend native"
    )


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


def _guides(
    segments: Sequence[Segment], prefix: str, options: SearchOptions, line: int
) -> list[Guide]:
    """What the translations of a line's segments must be like."""
    if prefix.strip() and options.sampling is not None:
        raise UserError(
            "samples cannot begin as a prefix says", where=f"line {line}", mend="leave out --sample"
        )
    if prefix.strip() and len(segments) > 1:
        raise UserError(
            f"it is too long for one search, and of its {len(segments)} parts it is not clear "
            "where the prefix ends",
            where=f"line {line}",
            mend="split it into sentences",
        )
    prefix = prefix if prefix.strip() else ""
    if not options.glossary:
        return [Guide(prefix)] * len(segments)
    try:
        return [options.glossary.guide(segment.text, prefix) for segment in segments]
    except UserError as error:
        text = " ".join(segment.text for segment in segments)[:_SHOWN]
        raise UserError(str(error), where=f"line {line}, {text!r}") from error


def _size(line: str | Line) -> int:
    return len(line.text if isinstance(line, Line) else line) + 1


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
