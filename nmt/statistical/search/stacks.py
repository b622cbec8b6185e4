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

from nmt.statistical.features import CLASS_LANGUAGE_MODEL, LANGUAGE_MODEL
from nmt.statistical.language_model.tables import advance
from nmt.statistical.search.borrowing import borrowed
from nmt.statistical.search.cubes import expand, find_group
from nmt.statistical.search.heap import (
    heapify,
    kth_greatest,
    sift_down,
    sift_up,
    sort_ranked,
    write_cell,
)
from nmt.statistical.search.language import NO_CONTEXT, join_states
from nmt.statistical.search.options import collect_options
from nmt.statistical.search.recombination import find_twin, recombine
from nmt.statistical.search.records import CUBES_FULL, HYPOTHESES_FULL, NONE, NUM_ORIENTATIONS
from nmt.statistical.vocabulary import END


@njit(cache=True, nogil=True)
def _read_words(
    option: Any,
    words: Any,
    states: Any,
    complete: Any,
    language_model: Any,
    class_tables: Any,
    class_of_word: Any,
    weight: Any,
    class_weight: Any,
) -> Any:
    """Weighted ln p of an option's words after some states, and the states after them.

    Words are asked for until what is before the option has no effect; the rest is known. With
    ``complete`` the sentence ends after them, and all states are one.
    """
    total = 0.0
    state, class_state = int(states >> 32), int(states & 0xFFFFFFFF)
    for n in range(option.first_word, option.last_word):
        word = words[n].word
        log_p, state = advance(language_model, state, word)
        class_log_p, class_state = advance(class_tables, class_state, class_of_word[word])
        total += weight * log_p + class_weight * class_log_p
        states = join_states(state, class_state)
        if states == words[n].states:
            total += words[n].rest
            states = np.int64(option.states)
            break
    if complete:
        state, class_state = int(states >> 32), int(states & 0xFFFFFFFF)
        log_p, state = advance(language_model, state, END)
        class_log_p, class_state = advance(class_tables, class_state, class_of_word[END])
        total += weight * log_p + class_weight * class_log_p
        states = NO_CONTEXT
    return total, states


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
    slots, after, after_bits = s.hypothesis_slots, s.after, s.after_bits
    language_model, class_tables = model.language_model, model.classes.tables
    class_of_word = model.classes.class_of_word
    weight = model.weights[LANGUAGE_MODEL]
    class_weight = model.weights[CLASS_LANGUAGE_MODEL]
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

        option = options[option_index]
        states = np.int64(hypotheses[back].states)
        language, states = _read_words(
            option, words, states, complete,
            language_model, class_tables, class_of_word, weight, class_weight,
        )  # fmt: skip
        score = known + language - option.isolated
        total = score + cube.future
        if total < best - limits.threshold:
            continue
        best = max(best, total)

        if num_hypotheses == len(hypotheses) or 2 * (num_hypotheses - first_hypothesis) > mask:
            return HYPOTHESES_FULL, num_groups, best
        if cube.target == NONE:
            cube.target, num_groups = find_group(
                cube, size, covered, first_group, num_groups, mask, s
            )
        target = cube.target
        slot = find_twin(
            option_index, states, target, groups[target], complete, first_hypothesis, mask,
            hypotheses, slots, after, after_bits,
        )  # fmt: skip
        twin = slots[slot]
        if twin < first_hypothesis:
            new = num_hypotheses
            slots[slot] = new
            hypotheses[new].group = target
            hypotheses[new].arc = NONE
            num_hypotheses += 1
        else:
            new, taken = recombine(num_hypotheses, twin, score, limits.keep_arcs, hypotheses)
            num_hypotheses += taken
            if new == NONE:
                continue
        hypotheses[new].score = score
        hypotheses[new].total = total
        hypotheses[new].states = states
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
    hypothesis.states = join_states(model.begin_state, model.classes.begin_state)
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
    model, s = borrowed(model), borrowed(s)
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
                full = expand(group, covered, size, model, limits, s)
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
