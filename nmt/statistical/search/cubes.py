"""Cubes: which source spans can follow a group of hypotheses, and to which group that leads."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from nmt.statistical.features import DISTORTION
from nmt.statistical.search.coverage import cover, is_covered
from nmt.statistical.search.recombination import mix
from nmt.statistical.search.records import CUBES_FULL, DISCONTINUOUS, MONOTONE, NONE, SWAP


@njit(cache=True, nogil=True)
def expand(group_index: Any, covered: Any, size: Any, model: Any, limits: Any, s: Any) -> int:
    """Make the cubes of a group: one for each source span that can follow.

    Return 0, or CUBES_FULL.
    """
    group = s.groups[group_index]
    gap, window, last_end = group.gap, group.window, group.end
    swap, first = group.swap, group.first
    limit = limits.distortion_limit
    weight = model.weights[DISTORTION]
    past = weight * (abs(last_end - gap) + covered - gap) if limits.future_distortion else 0.0
    buckets = len(s.cubes)
    run_begin = gap
    while run_begin < size:
        run_end = run_begin + 1
        while run_end < size and not is_covered(gap, window, run_end):
            run_end += 1
        whole = group.future + past - s.future[run_begin, run_end]
        for begin in range(run_begin, run_end):
            # A phrase that leaves the first gap open must not end too far from it.
            if begin > gap and begin + 1 - gap > limit:
                return 0
            jump = abs(begin - last_end)
            if jump > limit:
                continue
            left = whole + s.future[run_begin, begin]
            for n in range(min(limits.max_phrase_words, run_end - begin)):
                end = begin + n + 1
                if begin > gap and end - gap > limit:
                    break
                count = s.spans[begin, n, 1]
                if count == 0:
                    continue
                orientation = DISCONTINUOUS
                if begin == last_end:
                    orientation = MONOTONE
                elif end == swap:
                    orientation = SWAP
                future = left + s.future[end, run_end]
                if limits.future_distortion and covered + n + 1 < size:
                    new_gap = cover(gap, window, begin, end)[0]
                    future -= weight * (abs(end - new_gap) + covered + n + 1 - new_gap)
                options = s.spans[begin, n, 0]
                corner = (
                    s.rows[orientation, first].value
                    + s.columns[orientation, options].value
                    - weight * jump
                    + future
                )
                bucket = (covered + n + 1) % buckets
                if corner < s.cube_best[bucket] - limits.threshold:
                    continue
                s.cube_best[bucket] = max(corner, s.cube_best[bucket])
                index = s.cube_counts[bucket]
                if index == s.cubes.shape[1]:
                    return CUBES_FULL
                s.cube_counts[bucket] = index + 1
                cube = s.cubes[bucket, index]
                cube.jump = -weight * jump
                cube.future = future
                cube.corner = corner
                cube.group = group_index
                cube.target = NONE
                cube.options = options
                cube.num_options = count
                cube.begin = begin
                cube.end = end
                cube.orientation = orientation
        run_begin = run_end
        while run_begin < size and is_covered(gap, window, run_begin):
            run_begin += 1
    return 0


@njit(cache=True, nogil=True)
def find_group(
    cube: Any, size: Any, covered: Any, stack_first: Any, num_groups: Any, mask: Any, s: Any
) -> Any:
    """The group that a cube's hypotheses go to; it is made if it is the first to come there.

    Return the group's index, and the number of groups.
    """
    before = s.groups[cube.group]
    gap, window = cover(before.gap, before.window, cube.begin, cube.end)
    end, swap, following = cube.end, cube.begin, True
    if covered == size:
        # Nothing follows, so that all complete hypotheses are alike.
        end, swap, following = np.int32(size), np.int32(NONE), False
    else:
        following = end < size and not is_covered(gap, window, end)
        if swap == 0 or is_covered(gap, window, swap - 1):
            swap = np.int32(NONE)
    slot = mix(mix(window * 31 + gap) + (np.int64(end) << 32) + swap) & mask
    index = int(s.group_slots[slot])
    # Groups of former stacks, with lower numbers, are as good as none.
    while index >= stack_first:
        group = s.groups[index]
        if (group.window, group.gap, group.end, group.swap) == (window, gap, end, swap):
            return index, num_groups
        slot = (slot + 1) & mask
        index = int(s.group_slots[slot])
    s.group_slots[slot] = num_groups
    group = s.groups[num_groups]
    group.future = cube.future
    group.window = window
    group.gap = gap
    group.end = end
    group.swap = swap
    group.next = following
    group.count = 0
    return num_groups, num_groups + 1
