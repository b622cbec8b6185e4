"""What every system gives: raw text in, translations out, one for each line, in order.

`Translator` holds what all systems share: blank lines, lines that are too long for one search,
batches by length, n-best lists, streams. A system adds the search itself.
"""

from __future__ import annotations

import contextlib
import itertools
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Unpack

from nmt.begun import Begun, Later
from nmt.errors import UserError
from nmt.guide import Guide
from nmt.prefetch import prefetch
from nmt.search_options import MinimumRisk, Sampling, SearchKeywords, SearchOptions
from nmt.segmentation import Segment, split_to_fit
from nmt.streaming import Windows, chunks
from nmt.text import clean_line, is_blank, shown
from nmt.translation import Explanation, Hypothesis, Line, Translation
from nmt.window_search import WindowSearch

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
# The first window is so much smaller, so that the first lines are answered soon.
_FIRST_WINDOW = 32
# Windows that are begun and wait for those before: with one in each hand, no core is idle.
_WINDOWS_AHEAD = 1
# Windows are filled before anything is tokenized, so their size is guessed from characters.
_CHARACTERS_A_PIECE = 4


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

    def begin_search(
        self,
        segments: Sequence[str],
        guides: Sequence[Guide],
        options: SearchOptions,
        draws: Sequence[int],
    ) -> Begun[list[list[Hypothesis]]]:
        """Begin to translate one batch: with ``guides`` as `search_guided` does, else as `search`.

        Here it is translated when the result is asked for. Systems that compute in other threads
        begin at once, as `searches_at_once` says.
        """
        if guides:
            return Later(lambda: self.search_guided(segments, guides, options))
        return Later(lambda: self.search(segments, options, draws))

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
        given = list(chunks(lines, size=_size, full=self._window_size(chosen)))
        translated = self._translate_all(given, chosen, ahead=len(given) > 1)
        return list(itertools.chain.from_iterable(translated))

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
        full = self._window_size(chosen)
        arriving = Windows(lines, size=_size, full=full, first=full // _FIRST_WINDOW)
        return self._translate_all(arriving, chosen, ahead=True)

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
        self, given: Iterable[Sequence[str | Line]], options: SearchOptions, *, ahead: bool
    ) -> Iterator[list[Translation]]:
        """Translate windows of lines, one after another.

        ``ahead`` has the next windows begun while one is translated, so that no core waits for
        another at the end of each.
        """
        unfinished: deque[WindowSearch] = deque()
        begun: Iterable[WindowSearch] = self._begin_all(given, options, unfinished)
        with contextlib.ExitStack() as at_end:
            at_end.callback(_cancel, unfinished)
            close = given.close if isinstance(given, Windows) else lambda: None
            at_end.callback(close)
            if ahead and self.searches_at_once > 1:
                begun = prefetch(begun, _WINDOWS_AHEAD, name="nmt-windows", interrupt=close)
                at_end.callback(begun.close)
            for window in begun:
                yield window.result()
                unfinished.popleft()

    def _begin_all(
        self,
        given: Iterable[Sequence[str | Line]],
        options: SearchOptions,
        begun: deque[WindowSearch],
    ) -> Iterator[WindowSearch]:
        """Begin to translate windows of lines, and put each down as begun."""
        num_segments = num_lines = 0
        for lines in given:
            texts = [line.text if isinstance(line, Line) else line for line in lines]
            prefixes = [line.prefix if isinstance(line, Line) else "" for line in lines]
            segments_of_line = self._segment([clean_line(text) for text in texts])
            guides: list[Guide] = []
            for number, (line_segments, prefix) in enumerate(
                zip(segments_of_line, prefixes, strict=True), start=num_lines + 1
            ):
                guides += _guides(line_segments, prefix, options, number)
            begun.append(
                WindowSearch(
                    self,
                    segments_of_line,
                    guides,
                    options,
                    first_line=num_lines + 1,
                    first_draw=num_segments,
                    batch_tokens=self._batch_tokens(options),
                )
            )
            num_segments += len(guides)
            num_lines += len(lines)
            yield begun[-1]

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


def _cancel(windows: Iterable[WindowSearch]) -> None:
    for window in windows:
        window.cancel()


def _unguided(what: str) -> UserError:
    return UserError(
        f"this kind of system takes no {what}", mend="take a neural system, with --backend native"
    )


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
        text = shown(" ".join(segment.text for segment in segments))
        raise UserError(str(error), where=f"line {line}, {text}") from error


def _size(line: str | Line) -> int:
    return len(line.text if isinstance(line, Line) else line) + 1
