"""Symmetrisation as its authors publish it, with sets: the oracles of the compiled one."""

from __future__ import annotations

import itertools

Link = tuple[int, int]
"""(source position, target position)"""

# Koehn's pseudo-code leaves the order of neighbours open; this is symal's, as (source, target).
NEIGHBOURS = [(0, -1), (-1, 0), (0, 1), (1, 0), (-1, -1), (1, -1), (-1, 1), (1, 1)]


def grow_diag_final(
    forward: set[Link],
    backward: set[Link],
    num_sources: int,
    num_targets: int,
    *,
    final: bool,
    both: bool,
    grow_both: bool = False,
) -> set[Link]:
    """GROW-DIAG and FINAL or FINAL-AND of Koehn's pseudo-code (Moses' manual, word alignment).

    Args:
        forward: links of target words to source words; ``backward`` of source words.
        num_sources: words of the source sentence; ``num_targets`` of the target sentence.
        final: whether the last step is made.
        both: whether it asks for two words without link (FINAL-AND).
        grow_both: whether growing does, too, as `lilt/alignment-scripts` reads the pseudo-code.
    """
    union = forward | backward
    links = forward & backward

    def wanted(link: Link, *, both: bool) -> bool:
        source_free = link[0] not in {s for s, _ in links}
        target_free = link[1] not in {t for _, t in links}
        return (source_free and target_free) if both else (source_free or target_free)

    positions = [(s, t) for t, s in itertools.product(range(num_targets), range(num_sources))]
    while True:
        before = len(links)
        for s, t in positions:
            if (s, t) in links:
                for step in NEIGHBOURS:
                    new = s + step[0], t + step[1]
                    if new in union and wanted(new, both=grow_both):
                        links.add(new)
        if len(links) == before:
            break
    if final:
        for direction in (forward, backward):
            for link in positions:
                if link in direction and wanted(link, both=both):
                    links.add(link)
    return links
