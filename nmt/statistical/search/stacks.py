"""The search itself: a stack for each number of covered words, filled by cube pruning.

Hypotheses that cover the same source words and end with the same source phrase form a group. A
group and the options of a source span form a cube: a grid of hypotheses by options, both in the
order of their scores, so that its best cells are near the corner. A stack is filled from all cubes
that lead to it: a heap holds cells by their estimated score, which lacks only how the language
model likes the option's first words after the hypothesis; popped cells become hypotheses
(Huang and Chiang 2007).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from nmt.statistical.features import DISTORTION, LANGUAGE_MODEL
from nmt.statistical.language_model.tables import EMPTY_STATE, advance
from nmt.statistical.search.coverage import cover, is_covered
from nmt.statistical.search.heap import (
    heapify,
    kth_greatest,
    sift_down,
    sift_up,
    sort_ranked,
    write_cell,
)
from nmt.statistical.search.options import collect_options
from nmt.statistical.search.records import (
    CUBES_FULL,
    DISCONTINUOUS,
    HYPOTHESES_FULL,
    MONOTONE,
    NONE,
    NUM_ORIENTATIONS,
    SWAP,
)
from nmt.statistical.vocabulary import END


@njit(inline="always")
def _mix(value: Any) -> Any:
    """Spread what differs in a few bits over all of them."""
    value ^= value >> 31
    value *= -7046029254386353131
    value ^= value >> 29
    return value


@njit(cache=True, nogil=True)
def _expand(group_index: Any, covered: Any, size: Any, model: Any, limits: Any, s: Any) -> int:
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
def _find_group(
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
    slot = _mix(_mix(window * 31 + gap) + (np.int64(end) << 32) + swap) & mask
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


@njit(inline="always")
def _same_after(group: Any, one: Any, other: Any, after: Any) -> Any:
    """Whether two options score the phrases that can follow alike."""
    if one == other:
        return True
    return (
        after[one, DISCONTINUOUS] == after[other, DISCONTINUOUS]
        and (not group.next or after[one, MONOTONE] == after[other, MONOTONE])
        and (group.swap == NONE or after[one, SWAP] == after[other, SWAP])
    )


@njit(inline="always")
def _recombine(new: Any, twin: Any, score: Any, keep_arcs: Any, hypotheses: Any) -> Any:
    """Decide which of two equal hypotheses stays: the better, at the place of ``twin``.

    If arcs are kept, the other hangs on to it, at the place ``new``. Return where the new one is to
    be written (NONE: nowhere) and whether the place ``new`` is taken.
    """
    better = score > hypotheses[twin].score
    if not keep_arcs:
        return (twin if better else NONE), 0
    if better:
        hypotheses[new] = hypotheses[twin]
        hypotheses[new].group = NONE
        hypotheses[twin].arc = new
        return twin, 1
    hypotheses[new].group = NONE
    hypotheses[new].arc = hypotheses[twin].arc
    hypotheses[twin].arc = new
    return new, 1


@njit(cache=True, nogil=True)
def _fill(
    covered: Any,
    size: Any,
    first_hypothesis: Any,
    first_group: Any,
    mask: Any,
    model: Any,
    limits: Any,
    s: Any,
) -> Any:
    """Make the hypotheses of a stack from its cubes, from ``first_hypothesis`` on.

    Return the numbers of hypotheses (or HYPOTHESES_FULL, CUBES_FULL) and of groups then in use, and
    the best total score.
    """
    bucket = covered % len(s.cubes)
    num_hypotheses, num_groups = first_hypothesis, first_group
    cubes, heap, hypotheses, groups = s.cubes[bucket], s.heap, s.hypotheses, s.groups
    rows, columns, options, words = s.rows, s.columns, s.options, s.target_words
    slots, after_bits = s.hypothesis_slots, s.after_bits
    language_model = model.language_model
    language_weight = model.weights[LANGUAGE_MODEL]
    complete = covered == size
    bar = s.cube_best[bucket] - limits.threshold
    best = -np.inf
    num_cells = 0
    for index in range(s.cube_counts[bucket]):
        if cubes[index].corner >= bar:
            write_cell(heap, num_cells, cubes[index].corner, index, 0, 0)
            num_cells += 1
    if limits.cube_pruning:
        heapify(heap, num_cells)
    pops = 0
    while num_cells > 0 and pops < limits.pop_limit:
        # The best cell; without cube pruning the heap is a mere stack, and all its cells are taken.
        place = 0 if limits.cube_pruning else num_cells - 1
        if limits.cube_pruning and heap[place].value < bar:
            break
        pops += 1
        cube_index, row, column = heap[place].cube, heap[place].row, heap[place].column
        cube = cubes[cube_index]
        orientation = cube.orientation
        group = groups[cube.group]
        ranked = rows[orientation, group.first + row]
        back = ranked.index
        option_index = columns[orientation, cube.options + column].index
        known = ranked.value + columns[orientation, cube.options + column].value + cube.jump

        # Each cell is reached in one way: along its row, which begins in the first column.
        if column + 1 < cube.num_options:
            value = columns[orientation, cube.options + column + 1].value + ranked.value
            write_cell(heap, place, value + cube.jump + cube.future, cube_index, row, column + 1)
        else:
            num_cells -= 1
            heap[place] = heap[num_cells]
        if limits.cube_pruning:
            sift_down(heap, num_cells, 0)
        if column == 0 and row + 1 < group.count:
            if num_cells == len(heap):
                return CUBES_FULL, num_groups, best
            value = rows[orientation, group.first + row + 1].value
            value += columns[orientation, cube.options].value + cube.jump + cube.future
            write_cell(heap, num_cells, value, cube_index, row + 1, 0)
            if limits.cube_pruning:
                sift_up(heap, num_cells)
            num_cells += 1

        # The language model reads the option's words until what is before them has no effect.
        option = options[option_index]
        state = int(hypotheses[back].state)
        log_p = 0.0
        for n in range(option.first_word, option.last_word):
            word_log_p, state = advance(language_model, state, words[n].word)
            log_p += word_log_p
            if state == words[n].state:
                log_p += words[n].rest
                state = int(option.state)
                break
        if complete:
            word_log_p, state = advance(language_model, state, END)
            log_p += word_log_p
            state = EMPTY_STATE
        score = known + language_weight * (log_p - option.isolated)
        total = score + cube.future
        if total < best - limits.threshold:
            continue
        best = max(best, total)

        if num_hypotheses == len(hypotheses) or 2 * (num_hypotheses - first_hypothesis) > mask:
            return HYPOTHESES_FULL, num_groups, best
        if cube.target == NONE:
            cube.target, num_groups = _find_group(
                cube, size, covered, first_group, num_groups, mask, s
            )
        target = cube.target
        to = groups[target]
        key = (np.int64(target) << 32) + state
        if not complete:
            key = _mix(key) + after_bits[option_index, DISCONTINUOUS]
            if to.next:
                key = _mix(key) + after_bits[option_index, MONOTONE]
            if to.swap != NONE:
                key = _mix(key) + after_bits[option_index, SWAP]
        slot = _mix(key) & mask
        twin = slots[slot]
        # Hypotheses of former stacks, with lower numbers, are as good as none.
        while twin >= first_hypothesis:
            other = hypotheses[twin]
            if (
                other.group == target
                and other.state == state
                and (complete or _same_after(to, other.option, option_index, s.after))
            ):
                break
            slot = (slot + 1) & mask
            twin = slots[slot]
        if twin < first_hypothesis:
            new = num_hypotheses
            slots[slot] = new
            hypotheses[new].group = target
            hypotheses[new].arc = NONE
            num_hypotheses += 1
        else:
            new, taken = _recombine(num_hypotheses, twin, score, limits.keep_arcs, hypotheses)
            num_hypotheses += taken
            if new == NONE:
                continue
        hypotheses[new].score = score
        hypotheses[new].total = total
        hypotheses[new].state = state
        hypotheses[new].back = back
        hypotheses[new].option = option_index
        hypotheses[new].end = cube.end
        hypotheses[new].length = cube.end - cube.begin
    s.cube_counts[bucket] = 0
    s.cube_best[bucket] = -np.inf
    return num_hypotheses, num_groups, best


@njit(cache=True, nogil=True)
def _prune(first: Any, last: Any, best: Any, limits: Any, s: Any) -> Any:
    """The total score below which the hypotheses of a stack are dropped."""
    count = 0
    for n in range(first, last):
        if s.hypotheses[n].group != NONE:
            s.totals[count] = s.hypotheses[n].total
            count += 1
    bar = best - limits.threshold
    if count > limits.stack_size:
        bar = max(bar, kth_greatest(s.totals, count, limits.stack_size))
    return bar


@njit(cache=True, nogil=True)
def _rank(
    first: Any, last: Any, first_group: Any, last_group: Any, bar: Any, place: Any, s: Any
) -> Any:
    """Lay out the hypotheses of a stack that reach ``bar``, group by group, best first.

    ``place``: where in ``s.rows`` the first goes. Return where the last ends.
    """
    for n in range(first, last):
        group = s.hypotheses[n].group
        if group != NONE and s.hypotheses[n].total >= bar:
            s.groups[group].count += 1
    for index in range(first_group, last_group):
        s.groups[index].first = place
        place += s.groups[index].count
        s.groups[index].count = 0
    for n in range(first, last):
        hypothesis = s.hypotheses[n]
        if hypothesis.group == NONE or hypothesis.total < bar:
            continue
        group = s.groups[hypothesis.group]
        for orientation in range(NUM_ORIENTATIONS):
            value = hypothesis.score
            if hypothesis.option != NONE:
                value += s.after[hypothesis.option, orientation]
            s.rows[orientation, group.first + group.count].value = value
            s.rows[orientation, group.first + group.count].index = n
        group.count += 1
    for index in range(first_group, last_group):
        if s.groups[index].count > 1:
            for orientation in range(NUM_ORIENTATIONS):
                sort_ranked(s.rows[orientation], s.groups[index].first, s.groups[index].count)
    return place


@njit(cache=True, nogil=True)
def _begin(size: Any, mask: Any, model: Any, s: Any) -> None:
    """Empty the stacks, and put the hypothesis that covers nothing into the first."""
    s.hypothesis_slots[: mask + 1] = NONE
    s.group_slots[: mask + 1] = NONE
    s.cube_counts[:] = 0
    s.cube_best[:] = -np.inf
    group = s.groups[0]
    group.future = s.future[0, size]
    group.window = 0
    group.gap = 0
    group.end = 0
    group.swap = NONE
    group.next = True
    group.count = 0
    hypothesis = s.hypotheses[0]
    hypothesis.score = 0.0
    hypothesis.total = s.future[0, size]
    hypothesis.state = model.begin_state
    hypothesis.group = 0
    hypothesis.back = NONE
    hypothesis.option = NONE
    hypothesis.end = 0
    hypothesis.length = 0
    hypothesis.arc = NONE


@njit(cache=True, nogil=True)
def search_sentence(sentence: Any, model: Any, limits: Any, s: Any) -> int:
    """Search the best translation of a sentence of at least one word.

    Return its last hypothesis, from which the others are reached by ``back``, or which array was
    full (a negative number).
    """
    full = collect_options(sentence, model, limits, s)
    if full < 0:
        return full
    size = len(sentence)
    slots = len(s.hypothesis_slots)
    mask = slots - 1
    # A small table stays in the processor's cache.
    while mask > 4 * limits.pop_limit:
        mask >>= 1
    _begin(size, mask, model, s)
    # For the literals 0 and 1 Numba would compile what is called with them a second time.
    first = first_group = place = np.int64(0)
    last = last_group = np.int64(1)
    bar = -np.inf
    for covered in range(size):
        place = _rank(first, last, first_group, last_group, bar, place, s)
        for group in range(first_group, last_group):
            if s.groups[group].count > 0:
                full = _expand(group, covered, size, model, limits, s)
                if full < 0:
                    return full
        first, first_group = last, last_group
        last, last_group, best = _fill(
            covered + 1, size, first, first_group, mask, model, limits, s
        )
        if last < 0:
            return int(last)
        bar = _prune(first, last, best, limits, s)
    return int(first)
