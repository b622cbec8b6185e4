"""Splitting text that is too long for one search, and joining the translations of its segments.

A line over the limit is split into sentences, since sentences are what systems are trained on. A
sentence over the limit is halved, again and again, at the best place near its middle: after clause
punctuation, else at a space, else between characters. So any text can be split, and everything
visible of it is in some segment.

The sentence splitter would rather miss an end than see one where there is none. It follows Moses'
``split-sentences.perl``: a terminator, closing marks, white space, then something that can begin a
sentence, unless an abbreviation or an ordinal number comes before. The full-width marks of Chinese
and Japanese end a sentence without white space.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

import regex

from nmt.corpus.languages import is_unspaced
from nmt.text import is_blank


class Cut(Enum):
    """What lies between two neighbouring segments of a line."""

    SENTENCE = "end of a sentence"
    CLAUSE = "clause punctuation"
    WORD = "a space, or a place between two characters of a script written without spaces"
    CHARACTER = "a place within a word"


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a line that is searched by itself."""

    text: str
    """Its text, without white space around."""
    num_pieces: int
    """Its length in the system's pieces."""
    cut: Cut = Cut.SENTENCE
    """What lies between it and the next segment of the line."""


def split_to_fit(
    text: str,
    language: str,
    count_pieces: Callable[[Sequence[str]], list[int]],
    max_pieces: int,
) -> list[Segment]:
    """Split a line into segments of at most ``max_pieces``, each a sentence or a part of one.

    Only a single character that is by itself longer than the limit is given as it is. Segments in
    which nothing is visible are left out.
    """

    def fit(segment: Segment) -> Iterator[Segment]:
        if is_blank(segment.text):
            return
        if segment.num_pieces <= max_pieces or len(segment.text) == 1:
            yield segment
            return
        left, cut, right = _halve(segment.text)
        num_left, num_right = count_pieces([left, right])
        yield from fit(Segment(left, num_left, cut))
        yield from fit(Segment(right, num_right, segment.cut))

    sentences = split_sentences(text, language)
    counts = count_pieces(sentences)
    return [
        segment
        for sentence, num_pieces in zip(sentences, counts, strict=True)
        for segment in fit(Segment(sentence, num_pieces))
    ]


_QUOTES = r"\"'\p{Pi}\p{Pf}"
# Runs are matched from their beginning only and without backtracking: linear on any text.
_MARKS = r"\p{SB=ATerm}\p{SB=STerm}…"
_WIDE_MARKS = "。！？｡︒︕︖﹖﹗"
_END_OF_SENTENCE = regex.compile(
    rf"(?<![{_MARKS}])(?<mark>[{_MARKS}]++)[{_QUOTES}\p{{Pe}}]*+(?:\s»(?=\s))?+\s++"
    # A quotation that goes on with a particle, as in 「…。」と, has not ended its sentence.
    rf"|(?<![{_WIDE_MARKS}])[{_WIDE_MARKS}]++(?:[\"'\p{{Pe}}\p{{Pf}}]++(?!\p{{Hiragana}})\s*+"
    r"|(?![\"'\p{Pe}\p{Pf}])\s*+)"
)
_CONTINUES = regex.compile(rf"[{_QUOTES}\p{{Ps}}\p{{Pd}}¿¡]*+\s?\p{{Ll}}")
_LAST_WORD = regex.compile(rf"[^\s{_QUOTES}\p{{Ps}}\p{{Pd}}]*\Z")
_INITIALS = regex.compile(r"\p{L}(?:\.\p{L}{1,2})*|\p{L}{2}(?:\.\p{L}{1,2})+")
_ORDINAL = regex.compile(r"\d{1,2}|[IVX]+")


def split_sentences(text: str, language: str) -> list[str]:
    """Split text into sentences, without the white space between them.

    ``language`` selects abbreviations and whether ordinal numbers end in a full stop; of a language
    that is not known only the common abbreviations are.
    """
    sentences: list[str] = []
    begin = 0
    for match in _END_OF_SENTENCE.finditer(text):
        if match["mark"] is None or _ends_sentence(text, match, language):
            sentences.append(text[begin : match.end()].strip())
            begin = match.end()
    sentences.append(text[begin:].strip())
    return [sentence for sentence in sentences if sentence]


def _ends_sentence(text: str, match: regex.Match[str], language: str) -> bool:
    """Whether a terminator before white space ends a sentence, by what stands around it."""
    if _CONTINUES.match(text, match.end()):
        return False
    if match["mark"] != ".":
        return True
    code = _main_code(language)
    begin = max(0, match.start() - 24)
    found = _LAST_WORD.search(text, begin, match.start())
    word = found[0] if found else ""
    if _INITIALS.fullmatch(word):
        return False
    if word.lower() in _ABBREVIATIONS["common"] or word.lower() in _ABBREVIATIONS.get(code, ()):
        return False
    if word.lower() in _BEFORE_NUMBERS and text[match.end() : match.end() + 1].isdecimal():
        return False
    return not (code in _ORDINALS_WITH_STOP and _ORDINAL.fullmatch(word))


_AFTER_CLAUSE = regex.compile(
    rf"(?<=[\p{{SB=SContinue}}{_MARKS}·\p{{Pe}}][”\"»“«]?)\s++"
    r"|(?<!\s)\s++(?=[\p{Ps}\p{Pd}])"
    rf"|[、，；：､{_WIDE_MARKS}][\p{{Pe}}\p{{Pf}}]?+\s*+"
)
_SPACE = regex.compile(r"[\s\u200B]+")
_SPACE_BACKWARDS = regex.compile(r"(?r)[\s\u200B]+")
_GRAPHEME = regex.compile(r"\X")
_UNSPACED = regex.compile(
    r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Bopomofo}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}"
    r"\u3000-\u303F\uFF00-\uFFEF]"
)


def _halve(text: str) -> tuple[str, Cut, str]:
    """Cut a text of at least two characters in two, both shorter than it, near its middle.

    Both sides are stripped of white space. Clause punctuation counts in the middle half only, where
    it leaves both sides at least a quarter; a space counts anywhere, since a cut within a word
    spoils the word.
    """
    middle = len(text) // 2
    quarter = len(text) // 4
    matches = _AFTER_CLAUSE.finditer(text, quarter, len(text) - quarter)
    clauses = [match.end() for match in matches if 0 < match.end() < len(text)]
    if clauses:
        place, cut = min(clauses, key=lambda end: abs(end - middle)), Cut.CLAUSE
    elif spaces := _spaces_around(text, middle):
        place, cut = min(spaces, key=lambda end: abs(end - middle)), Cut.WORD
    else:
        place = _character_place(text, middle)
        within_word = not _UNSPACED.search(text, place - 1, place + 1)
        cut = Cut.CHARACTER if within_word else Cut.WORD
    return text[:place].strip(), cut, text[place:].strip()


def _spaces_around(text: str, middle: int) -> list[int]:
    """The ends of the nearest spaces before and after the middle, within the text."""
    before = _SPACE_BACKWARDS.search(text, 0, middle)
    after = _SPACE.search(text, middle)
    return [match.end() for match in (before, after) if match and 0 < match.end() < len(text)]


def _character_place(text: str, middle: int) -> int:
    """The end of the grapheme cluster nearest to the middle, or the middle where there is none.

    Looks at the neighbourhood only: a cluster can be as long as the text.
    """
    begin = max(0, middle - 64)
    ends = [m.end() for m in _GRAPHEME.finditer(text, begin, middle + 64)]
    # The last one may be cut off by the neighbourhood's end.
    return min(ends[:-1], key=lambda end: abs(end - middle), default=middle)


def join_segments(texts: Sequence[str], cuts: Sequence[Cut], language: str) -> str:
    """Join the translations of a line's segments as ``language``, the target, is written.

    ``cuts[i]`` lies between ``texts[i]`` and ``texts[i + 1]``. The halves of a word are joined
    without a space. Sentences and clauses are joined with one except in Chinese and Japanese; words
    also without one in Thai, Lao, Khmer and Burmese, which do put spaces between sentences. Two
    Latin words never run together.
    """
    code = _main_code(language)
    joined: list[str] = []
    for text, cut in zip(texts, [Cut.CHARACTER, *cuts], strict=True):
        if not text:
            continue
        if joined and cut is not Cut.CHARACTER:
            unspaced = code in _UNSPACED_SENTENCES or (cut is Cut.WORD and is_unspaced(language))
            latin = joined[-1][-1].isascii() and text[0].isascii()
            if latin or not unspaced:
                joined.append(" ")
        joined.append(text)
    return "".join(joined)


def _main_code(language: str) -> str:
    return regex.split(r"[-_]", language.lower(), maxsplit=1)[0]


def _words(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


_UNSPACED_SENTENCES = _words("zh zho chi cmn yue wuu lzh ja jpn")
_ORDINALS_WITH_STOP = _words("de cs sk pl sl hr sr bs da nb nn no fi et lv hu is fo tr eu lb")
# Followed by a name or a number rather than by a new sentence. Only words that hardly ever end a
# sentence: an end missed costs less than a sentence torn.
_ABBREVIATIONS = {
    language: _words(words)
    for language, words in {
        "common": "dr prof st mr mrs ms jr vs cf vol gen col lt sgt capt rev hon gov sen rep maj "
        "adm cmdr messrs mme mlle ing",
        "en": "pp dept univ assn bros inc ltd co corp est ave blvd rd gov pres supt al viz esp",
        "de": "bzw ca evtl ggf inkl sog vgl usw hr hrn fr frl dipl bspw zzgl insb geb gest "
        "allg bes einschl gem jh jhd mio mrd str tel zit",
        "fr": "mm mgr env av apr boul bd chap éd fig hab tél cie ste",
        "es": "sr sra srta srs dra dña ud uds vd vds pág págs av avda aprox tel núm",
        "it": "sig sigg dott on avv arch geom rag ecc pag egr gent",
        "pt": "sr sra srs dra exmo exma av pág",
        "nl": "dhr mevr mw drs ir mr ca bijv enz blz nl",
        "cs": "tzv např tj mj ing mgr bc mudr judr rndr phdr csc str resp apod ul nám obr tab",
        "pl": "inż mgr ul al np tzn tj tzw itd itp prof hab św ks por",
        "ru": "г гг в вв др пр стр рис табл тыс млн млрд руб ул им проф акад т е д п",
        "uk": "р рр ст див рис табл тис млн млрд грн вул ім проф акад",
        "sv": "bl ca dvs etc ev fr kl nr osv resp st tex ung",
        "da": "bl ca dvs evt fx hhv kl mfl mht osv pga vha",
        "vi": "tp ths ts gs pgs bs ks",
    }.items()
}
_BEFORE_NUMBERS = _words(
    "no nos nr art arts abs p pp pg fig figs sec ch chap vol vers bd s st kap tab núm num n"
)
