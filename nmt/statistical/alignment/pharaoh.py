"""Alignments as text: a line for each sentence pair, ``source-target`` for each link."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence, Sized
from dataclasses import dataclass
from typing import Final

import numpy as np

from nmt.errors import UserError
from nmt.statistical.sentences import Alignments

Link = tuple[int, int]

_LINK: Final = re.compile(r"([0-9]{1,5})([-p?])([0-9]{1,5})", re.ASCII)


@dataclass(frozen=True)
class GoldAlignment:
    """What people linked in a sentence pair (Och and Ney 2003)."""

    sure: frozenset[Link]
    """Links that must be there."""
    possible: frozenset[Link]
    """Links that may be there, the sure ones included."""


def format_alignments(alignments: Alignments) -> Iterator[str]:
    """Lines of ``0-0 1-2`` with positions from 0; that of a pair without links is empty."""
    texts = [
        f"{source}-{target}"
        for source, target in zip(
            alignments.source.tolist(), alignments.target.tolist(), strict=True
        )
    ]
    offsets = alignments.offsets.tolist()
    return (" ".join(texts[begin:end]) for begin, end in itertools.pairwise(offsets))


def read_alignments(lines: Iterable[str], name: str) -> Alignments:
    """Read lines of ``0-0 1-2``; ``name`` stands for the file in messages.

    Raises UserError, with the line number, for anything else.
    """
    pairs = [sorted({(s, t) for s, _, t in links}) for links in _parse(lines, name, "-", 0)]
    counts = [len(links) for links in pairs]
    offsets = np.zeros(len(pairs) + 1, np.int64)
    np.cumsum(counts, out=offsets[1:])
    flat = np.array([link for links in pairs for link in links], np.uint16).reshape(-1, 2)
    return Alignments(flat[:, 0].copy(), flat[:, 1].copy(), offsets)


def read_gold(lines: Iterable[str], name: str, *, first_position: int = 0) -> list[GoldAlignment]:
    """Read lines of ``1-2`` (sure) and ``1p2`` or ``1?2`` (possible).

    Args:
        lines: of a file called ``name``.
        name: for messages.
        first_position: what the first word is counted as, 0 or 1; positions are from 0 in the
            result.

    Raises UserError, with the line number, for anything else.
    """
    golds = []
    for links in _parse(lines, name, "-p?", first_position):
        sure = frozenset((s, t) for s, mark, t in links if mark == "-")
        golds.append(GoldAlignment(sure, sure | frozenset((s, t) for s, _, t in links)))
    return golds


def check_gold(
    golds: Sequence[GoldAlignment],
    source: Sequence[Sized],
    target: Sequence[Sized],
    name: str,
    *,
    first_position: int,
) -> None:
    """Raise UserError unless the links of each line are of words of its sentence pair.

    There may be fewer lines than sentence pairs. Arguments as of `read_gold`.
    """
    if len(golds) > len(source):
        raise UserError(
            f"{len(golds)} lines, but there are {len(source)} sentence pairs",
            where=name,
            mend="line n must be of sentence pair n",
        )
    for number, gold in enumerate(golds, start=1):
        lengths = len(source[number - 1]), len(target[number - 1])
        for link in sorted(gold.possible):
            if link[0] >= lengths[0] or link[1] >= lengths[1]:
                raise UserError(
                    f"there is no {link[0] + first_position}-{link[1] + first_position} in "
                    f"sentences of {lengths[0]} and {lengths[1]} words",
                    where=f"{name}:{number}",
                    mend="are words counted from 1 (--gold-from 1), or is it of another text?",
                )


def _parse(
    lines: Iterable[str], name: str, marks: str, first_position: int
) -> Iterator[Sequence[tuple[int, str, int]]]:
    for number, line in enumerate(lines, start=1):
        links = []
        for text in line.split():
            match = _LINK.fullmatch(text)
            if match is None or match[2] not in marks:
                expected = " or ".join(f"0{mark}0" for mark in marks)
                raise UserError(
                    f"{text!r} is not a link (such as {expected})", where=f"{name}:{number}"
                )
            source, target = int(match[1]) - first_position, int(match[3]) - first_position
            if not (0 <= source < 1 << 16 and 0 <= target < 1 << 16):
                raise UserError(
                    f"{text!r}: positions count from {first_position}", where=f"{name}:{number}"
                )
            links.append((source, match[2], target))
        yield links
