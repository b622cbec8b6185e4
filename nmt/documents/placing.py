"""Putting codes back into a translated text, where the word alignment says.

Where tags go is decided as in Müller (2017), "Treatment of Markup in Statistical Machine
Translation", and Zenkel, Wuebker and DeNero (2021), "Automatic Bilingual Markup Transfer": a tag
pair goes around the stretch of target words that has the most links to the words that it was around
and the fewest to others; a tag without partner goes where it cuts the fewest links. Both are
decided from the outermost pair inwards, each pair within the stretch of the pair around it and
beside its siblings. So every code comes back exactly once and pairs are nested, whatever the
alignment.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import regex

from nmt.documents.content import Code, Content, Role
from nmt.documents.plain import Mark, Plain
from nmt.documents.writing import Event, write_events

Span: TypeAlias = tuple[int, int]
"""Begin and end of a stretch, in characters."""
CharacterLink: TypeAlias = tuple[Span, Span]
"""A stretch of the source and the stretch of the target that it is aligned with."""

_UNIT = regex.compile(
    r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]\p{M}*+"
    r"|[\p{L}\p{N}\p{M}_]++(?:['’][\p{L}\p{N}]++)*+|[^\s]"
)


def units(text: str) -> list[Span]:
    """The words of a text, and its other visible characters one by one."""
    return [match.span() for match in _UNIT.finditer(text)]


def place_codes(plain: Plain, target: str, links: Sequence[CharacterLink]) -> Content:
    """The content of a translation: its text with the codes of the source.

    Args:
        plain: the source.
        target: the translation of its text, without white space at its ends.
        links: what is aligned with what; where there are none, what is at the same place in
            proportion to the lengths.
    """
    if not plain.marks:
        return (target,) if target else ()
    source_units, target_units, pairs = _refine(
        plain.text, units(plain.text), target, units(target),
        _link_units(plain.text, target, links), sorted({mark.place for mark in plain.marks}),
    )  # fmt: skip
    root = _tree(plain.marks, source_units)
    _Placing(len(source_units), len(target_units), pairs).place(root)
    root.target = (0, len(target_units))
    return write_events(target, target_units, _events(root))


@dataclass(slots=True)
class _Node:
    """A pair of codes, a code by itself, or the whole text."""

    marks: list[Mark]
    source: Span
    """The source units within, or the place of a code by itself."""
    children: list[_Node] = field(default_factory=list)
    target: Span = (0, 0)
    """The same in the target."""

    @property
    def is_point(self) -> bool:
        return self.source[0] == self.source[1]


def _tree(marks: Sequence[Mark], source: Sequence[Span]) -> _Node:
    """The codes as a tree; a pair without units within is one point with all that is in it."""
    partner = _partners([mark.code for mark in marks])
    begins = [begin for begin, _ in source]

    def place(mark: Mark) -> int:
        return bisect.bisect_left(begins, mark.place)

    root = _Node([], (0, len(source)))
    stack = [root]
    number = 0
    while number < len(marks):
        mark, other = marks[number], partner.get(number)
        here = place(mark)
        if other is None:
            stack[-1].children.append(_Node([mark], (here, here)))
        elif other < number:
            stack.pop()
        elif place(marks[other]) <= here:
            stack[-1].children.append(_Node(list(marks[number : other + 1]), (here, here)))
            number = other
        else:
            node = _Node([mark, marks[other]], (here, place(marks[other])))
            stack[-1].children.append(node)
            stack.append(node)
        number += 1
    return root


def _partners(codes: Sequence[Code]) -> dict[int, int]:
    """For each open or close code that has one, the number of its partner; pairs never cross."""
    partner: dict[int, int] = {}
    opened: list[int] = []
    for number, code in enumerate(codes):
        if code.role is Role.OPEN:
            opened.append(number)
        elif code.role is Role.CLOSE:
            for depth in range(len(opened) - 1, -1, -1):
                if codes[opened[depth]].name == code.name:
                    partner[number], partner[opened[depth]] = opened[depth], number
                    del opened[depth:]
                    break
    return partner


def _events(root: _Node) -> list[Event]:
    """The codes in the order of the target, each at the number of units before it."""
    events: list[Event] = []
    stack: list[tuple[_Node, bool]] = [(root, False)]
    while stack:
        node, closing = stack.pop()
        if closing:
            events.append(Event(node.target[1], node.marks[1], _role(node, Role.CLOSE)))
        elif node.is_point and node.marks:
            events += [Event(node.target[0], mark, Role.SINGLE) for mark in node.marks]
        else:
            if node.marks:
                events.append(Event(node.target[0], node.marks[0], _role(node, Role.OPEN)))
                stack.append((node, True))
            # A point where one pair ends and another begins is between them.
            order = sorted(node.children, key=lambda child: (child.target[1], child.target[0]))
            stack += [(child, False) for child in reversed(order)]
    return events


def _role(node: _Node, role: Role) -> Role:
    """A pair around nothing parts no words: its codes are as if by themselves."""
    return role if node.target[0] < node.target[1] else Role.SINGLE


class _Placing:
    """Finds each node's place in the target."""

    def __init__(self, num_source: int, num_target: int, links: Sequence[Span]) -> None:
        self.num_source = num_source
        self.num_target = num_target
        self.targets_of: list[list[int]] = [[] for _ in range(num_source)]
        self.num_links = [0] * num_target
        for source, target in links:
            self.targets_of[source].append(target)
            self.num_links[target] += 1

    def place(self, root: _Node) -> None:
        """Place all nodes, from the outermost inwards."""
        root.target = (0, self.num_target)
        waiting = [root]
        while waiting:
            node = waiting.pop()
            pairs = [child for child in node.children if not child.is_point]
            self._place_pairs(node, pairs)
            taken = [child.target for child in pairs]
            points = [child for child in node.children if child.is_point]
            self._place_points(node, points, taken)
            waiting += pairs

    def _place_pairs(self, parent: _Node, pairs: Sequence[_Node]) -> None:
        low, high = parent.target
        free = [True] * (high - low)
        first = {id(pair): self._best_stretch(parent, pair, free)[1] for pair in pairs}
        for pair in sorted(pairs, key=lambda pair: -first[id(pair)]):
            begin, end = pair.target = self._best_stretch(parent, pair, free)[0]
            free[begin - low : end - low] = [False] * (end - begin)

    def _best_stretch(self, parent: _Node, pair: _Node, free: Sequence[bool]) -> tuple[Span, int]:
        """The free stretch with the most links into the pair less the links out of it."""
        low, high = parent.target
        if pair.source == parent.source and all(free):
            return (low, high), self.num_source + 1
        inside = [0] * (high - low)
        for source in range(*pair.source):
            for target in self.targets_of[source]:
                if low <= target < high:
                    inside[target - low] += 1
        best, best_sum = None, 0
        begin, total = 0, 0
        for number in range(high - low):
            if not free[number]:
                begin, total = number + 1, 0
                continue
            total += 2 * inside[number] - self.num_links[low + number]
            if total <= 0 and not inside[number]:
                begin, total = number + 1, 0
            elif total > best_sum:
                best, best_sum = (low + begin, low + number + 1), total
            elif total < 0:
                begin, total = number + 1, 0
        if best is not None:
            return best, best_sum
        # None has more links in than out: the word with most links in, else the nearest in
        # proportion.
        wanted = self._in_proportion(parent, (pair.source[0] + pair.source[1]) / 2) - 0.5
        words = [number for number in range(high - low) if free[number]]
        if not words:
            gap = round(self._in_proportion(parent, pair.source[0]))
            gaps = [g for g in range(high - low + 1) if _is_outside(g, free)]
            gap = low + min(gaps, key=lambda g: abs(low + g - gap))
            return (gap, gap), -self.num_source
        word = min(words, key=lambda number: (-inside[number], abs(low + number - wanted)))
        return (low + word, low + word + 1), inside[word] - self.num_links[low + word]

    def _place_points(self, parent: _Node, points: Sequence[_Node], taken: Sequence[Span]) -> None:
        """Each where the fewest links cross it, in proportion among equals."""
        low, high = parent.target
        allowed = np.ones(high - low + 1, bool)
        for begin, end in taken:
            allowed[begin + 1 - low : max(end - low, begin + 1 - low)] = False
        gaps = np.flatnonzero(allowed) + low
        num_links = np.array(self.num_links, np.int64)
        before = np.zeros(self.num_target, np.int64)  # links of the source before a point
        done = 0
        for point in points:
            place = point.source[0]
            for targets in self.targets_of[done:place]:
                np.add.at(before, targets, 1)
            done = max(done, place)
            # Crossing a gap: links from before the place to after the gap, and the other way.
            costs = np.concatenate([[0], np.cumsum(num_links - 2 * before)])[gaps]
            # Less than 1 for the distance: it decides among equals only.
            distances = np.abs(gaps - self._in_proportion(parent, place))
            gap = int(gaps[np.argmin(costs + distances / (self.num_target + 2))])
            point.target = (gap, gap)

    def _in_proportion(self, parent: _Node, place: float) -> float:
        """The place in the parent's target that is as far from its ends as in the source."""
        low, high = parent.target
        begin, end = parent.source
        return low + (place - begin) / max(end - begin, 1) * (high - low)


def _is_outside(gap: int, free: Sequence[bool]) -> bool:
    """Whether nothing that is taken is on both sides of a gap."""
    return gap in (0, len(free)) or free[gap - 1] or free[gap]


def _link_units(source: str, target: str, links: Sequence[CharacterLink]) -> set[Span]:
    """Links between units: of those that share characters with linked stretches."""
    source_units, target_units = units(source), units(target)
    found: set[Span] = set()
    if links:
        source_at = _units_of_characters(len(source), source_units)
        target_at = _units_of_characters(len(target), target_units)
        for (source_begin, source_end), (target_begin, target_end) in links:
            for i in {*source_at[source_begin:source_end]} - {-1}:
                found |= {(i, j) for j in {*target_at[target_begin:target_end]} - {-1}}
    if not found and source_units and target_units:
        for i, (begin, end) in enumerate(source_units):
            found.add((i, _nearest((begin + end) / 2 / len(source) * len(target), target_units)))
        for j, (begin, end) in enumerate(target_units):
            found.add((_nearest((begin + end) / 2 / len(target) * len(source), source_units), j))
    return found


def _nearest(place: float, spans: Sequence[Span]) -> int:
    return min(range(len(spans)), key=lambda n: abs((spans[n][0] + spans[n][1]) / 2 - place))


def _units_of_characters(length: int, spans: Sequence[Span]) -> list[int]:
    """The unit of each character; -1 for white space."""
    numbers = [-1] * length
    for number, (begin, end) in enumerate(spans):
        numbers[begin:end] = [number] * (end - begin)
    return numbers


def _refine(
    source: str,
    source_units: list[Span],
    target: str,
    target_units: list[Span],
    links: set[Span],
    cuts: Sequence[int],
) -> tuple[list[Span], list[Span], list[Span]]:
    """Cut source units at codes within them; a word that was copied is cut in the target too."""
    partners: dict[int, list[int]] = {}
    for i, j in links:
        partners.setdefault(i, []).append(j)
    places: dict[int, list[int]] = {}
    starts = [begin for begin, _ in source_units]
    for cut in cuts:
        number = bisect.bisect_right(starts, cut) - 1
        if number >= 0 and source_units[number][0] < cut < source_units[number][1]:
            places.setdefault(number, []).append(cut - source_units[number][0])
    if not places:
        return source_units, target_units, sorted(links)
    copies: dict[int, list[int]] = {}
    for i, offsets in places.items():
        word = source[slice(*source_units[i])].lower()
        for j in partners.get(i, ()):
            if j not in copies and target[slice(*target_units[j])].lower() == word:
                copies[j] = offsets
    new_source, source_parts = _cut(source_units, places)
    new_target, target_parts = _cut(target_units, copies)
    pairs: set[Span] = set()
    for i, j in links:
        left, right = source_parts[i], target_parts[j]
        if len(left) > 1 and len(left) == len(right):
            pairs |= set(zip(left, right, strict=True))
        else:
            pairs |= {(a, b) for a in left for b in right}
    return new_source, new_target, sorted(pairs)


def _cut(spans: Sequence[Span], places: dict[int, list[int]]) -> tuple[list[Span], list[range]]:
    """The spans cut at places in them, and the parts that each has become."""
    cut: list[Span] = []
    parts: list[range] = []
    for number, (begin, end) in enumerate(spans):
        edges = [begin, *(begin + place for place in places.get(number, ())), end]
        parts.append(range(len(cut), len(cut) + len(edges) - 1))
        cut += itertools.pairwise(edges)
    return cut, parts
