"""What a system's explanation of its output says of the places in the text.

Two kinds are known: phrases (`nmt.statistical`), each from one span of source words to one span of
target words, and attention (`nmt.neural`), weights of each target piece over the source pieces. All
else, and what is malformed, counts as no explanation: the report then shows the text alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError, model_validator

from nmt.benchmark.report.marks import Span, locate, words_at


class _Phrase(BaseModel):
    source_span: tuple[int, int]
    target_span: tuple[int, int]
    copied: bool = False
    jump: int = 0


class _Phrases(BaseModel):
    source: list[str]
    target: list[str]
    phrases: list[_Phrase]


class _Attention(BaseModel):
    source: list[str]
    target: list[str]
    attention: list[list[float]]

    @model_validator(mode="after")
    def _matrix(self) -> Self:
        if [len(row) for row in self.attention] != [len(self.source)] * len(self.target):
            raise ValueError("attention is not a matrix of target by source")
        return self


@dataclass(frozen=True, slots=True)
class PhraseLink:
    """A phrase of a translation: what of the source became what of the output."""

    source: Span
    target: Span
    copied: bool
    """Whether the system did not know the source word."""
    jump: int
    """Source words skipped since the phrase before; negative backwards."""


@dataclass(frozen=True, slots=True)
class PhraseLinks:
    """All phrases of a translation, in the order of the output."""

    phrases: list[PhraseLink]
    kind: Literal["phrases"] = "phrases"


@dataclass(frozen=True, slots=True)
class AttentionLinks:
    """What each word of the output looked at."""

    source: list[Span]
    """Source words (S)."""
    target: list[Span]
    """Target words (T)."""
    weights_TS: NDArray[np.float64]
    """Of each target word over the source words; its sum is 1 less what went to no word."""
    kind: Literal["attention"] = "attention"


def read_explanations(
    explanations: Sequence[dict[str, Any]],
    source: str,
    target: str,
    *,
    unspaced_source: bool,
    unspaced_target: bool,
) -> PhraseLinks | AttentionLinks | None:
    """Find an output's explanations, one for each segment of its line, in the texts.

    Pieces of a word are joined to words: the weights of source pieces added up, those of target
    pieces averaged. In languages without spaces each piece stays by itself.

    Returns None where nothing can be shown.
    """
    try:
        if explanations and all("attention" in part for part in explanations):
            attention = [_Attention.model_validate(part) for part in explanations]
            return _attention(attention, source, target, unspaced_source, unspaced_target)
        if explanations and all("phrases" in part for part in explanations):
            return _phrases(
                [_Phrases.model_validate(part) for part in explanations], source, target
            )
    except ValidationError:
        pass
    return None


def _phrases(parts: list[_Phrases], source: str, target: str) -> PhraseLinks | None:
    source_spans = locate([word for part in parts for word in part.source], source)
    target_spans = locate([word for part in parts for word in part.target], target)
    source_first = accumulate((len(part.source) for part in parts), initial=0)
    target_first = accumulate((len(part.target) for part in parts), initial=0)
    links = []
    for part, s, t in zip(parts, source_first, target_first, strict=False):
        for phrase in part.phrases:
            source_span = _cover(source_spans, phrase.source_span, s)
            target_span = _cover(target_spans, phrase.target_span, t)
            if source_span and target_span:
                links.append(PhraseLink(source_span, target_span, phrase.copied, phrase.jump))
    links.sort(key=lambda link: link.target)
    apart = all(one.target[1] <= other.target[0] for one, other in pairwise(links))
    return PhraseLinks(links) if links and apart else None


def _cover(spans: Sequence[Span | None], tokens: tuple[int, int], first: int) -> Span | None:
    """The place of all tokens from one to another (counted within their segment)."""
    begin, end = max(0, tokens[0]), max(0, tokens[1])
    found = [span for span in spans[first + begin : first + end] if span]
    return (found[0][0], found[-1][1]) if found else None


def _attention(
    parts: list[_Attention], source: str, target: str, unspaced_source: bool, unspaced_target: bool
) -> AttentionLinks | None:
    words_of_source, source_words = _words(
        [piece for part in parts for piece in part.source], source, unspaced_source
    )
    words_of_target, target_words = _words(
        [piece for part in parts for piece in part.target], target, unspaced_target
    )
    if not words_of_source or not words_of_target:
        return None
    sums_TS = np.zeros((len(words_of_target), len(words_of_source)))
    num_pieces_T = np.zeros(len(words_of_target))
    s, t = 0, 0
    for part in parts:
        from_pieces = _membership(source_words[s : s + len(part.source)], len(words_of_source))
        to_pieces = _membership(target_words[t : t + len(part.target)], len(words_of_target))
        pieces = np.array(part.attention).reshape(len(part.target), len(part.source))
        sums_TS += to_pieces.T @ np.clip(np.nan_to_num(pieces), 0, 1) @ from_pieces
        num_pieces_T += to_pieces.sum(axis=0)
        s, t = s + len(part.source), t + len(part.target)
    weights_TS = np.clip(sums_TS / num_pieces_T[:, None], 0, 1)
    return AttentionLinks(words_of_source, words_of_target, weights_TS)


def _membership(word_of_piece: Sequence[int | None], num_words: int) -> NDArray[np.float64]:
    """[P, W] 1 where the piece is in the word."""
    matrix_PW = np.zeros((len(word_of_piece), num_words))
    for piece, word in enumerate(word_of_piece):
        if word is not None:
            matrix_PW[piece, word] = 1
    return matrix_PW


def _words(pieces: Sequence[str], text: str, unspaced: bool) -> tuple[list[Span], list[int | None]]:
    """The places of the words that pieces make up, and the word that each piece is in."""
    number_at = words_at(text)
    words: list[Span] = []
    word_of_piece: list[int | None] = []
    last = -1
    for span in locate(pieces, text):
        if span is None:
            word_of_piece.append(None)
            continue
        if words and not unspaced and number_at[span[0]] == last:
            words[-1] = (words[-1][0], span[1])
        else:
            words.append(span)
        # A piece may reach over a space: what follows is then in the word where it ends.
        last = number_at[span[1] - 1]
        word_of_piece.append(len(words) - 1)
    return words, word_of_piece
