"""What search remembers: records in flat arrays, made once a worker and used for every sentence.

The compiled loops cannot make these arrays longer. They say which one is full (`OPTIONS_FULL` and
so on), and the sentence is searched again with twice the room.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nmt.errors import UserError

MONOTONE: Final = 0
SWAP: Final = 1
DISCONTINUOUS: Final = 2
NUM_ORIENTATIONS: Final = 3

COPY: Final = 0
"""The option that copies a source word, for words that no phrase covers."""
COPIED: Final = -1
"""In place of the index of a phrase table's entry: a source word was copied."""
NONE: Final = -1
"""No record."""

OPTIONS_FULL: Final = -2
HYPOTHESES_FULL: Final = -3
CUBES_FULL: Final = -4
SENTENCE_FULL: Final = -5

OPTION = np.dtype(
    [
        ("isolated", "f8"),  # weighted ln p of its words, without the words before
        ("states", "i8"),  # of the language models after its words, without those before
        ("first_word", "i4"),  # where its words begin among the target words
        ("last_word", "i4"),  # where they end
        ("entry", "i4"),  # of the phrase table, or COPIED
    ],
    align=True,
)
TARGET_WORD = np.dtype(
    [
        ("rest", "f8"),  # weighted ln p of the words of the option after this one
        ("states", "i8"),  # of the language models after it, without what is before the option
        ("word", "i4"),
    ],
    align=True,
)
OPTION_LIST = np.dtype(
    [
        ("best", "f8"),  # score of the best, reordering left out
        ("phrase", "i4"),
        ("first", "i4"),  # of the options
        ("count", "i4"),
    ],
    align=True,
)
HYPOTHESIS = np.dtype(
    [
        ("score", "f8"),  # weights times features, up to here
        ("total", "f8"),  # score and the estimate of what is to come
        ("states", "i8"),  # of the language models
        ("group", "i4"),
        ("back", "i4"),  # hypothesis before
        ("option", "i4"),  # translation of the last phrase
        ("end", "i4"),  # end of the last source phrase
        ("length", "i4"),  # of the last source phrase
        ("arc", "i4"),  # next of the hypotheses that were recombined with this one
        ("sorted", "i4"),  # whether the arcs are in the order of their scores
    ],
    align=True,
)
GROUP = np.dtype(
    [
        ("future", "f8"),  # estimate of what is to come
        ("window", "i8"),  # bit n: source word gap + 1 + n is covered
        ("gap", "i4"),  # first source word that is not covered
        ("end", "i4"),  # end of the last source phrase
        ("swap", "i4"),  # its beginning if a phrase that ends there can follow, else NONE
        ("next", "i4"),  # whether the word at ``end`` can follow
        ("first", "i4"),  # where its hypotheses begin in each row of ``Scratch.rows``
        ("count", "i4"),  # number of its hypotheses
    ],
    align=True,
)
CUBE = np.dtype(
    [
        ("jump", "f8"),  # weighted distortion
        ("future", "f8"),  # estimate of what is to come after its source phrase
        ("corner", "f8"),  # estimate of its best cell
        ("group", "i4"),  # of the hypotheses
        ("target", "i4"),  # group of the new hypotheses, or NONE as long as it is not known
        ("options", "i4"),  # where the options begin in each row of ``Scratch.columns``
        ("num_options", "i4"),
        ("begin", "i4"),  # of the source phrase
        ("end", "i4"),  # of the source phrase
        ("orientation", "i4"),
    ],
    align=True,
)
CELL = np.dtype([("value", "f8"), ("cube", "i4"), ("row", "i4"), ("column", "i4")], align=True)
RANKED = np.dtype([("value", "f8"), ("index", "i4")], align=True)


class Limits(NamedTuple):
    """Settings as the loops read them."""

    stack_size: int
    pop_limit: int
    threshold: float
    distortion_limit: int
    max_options: int
    max_phrase_words: int
    future_distortion: bool
    cube_pruning: bool
    keep_arcs: bool


class Scratch(NamedTuple):
    """The arrays of a worker. Options outlive a sentence, the rest does not."""

    counts: NDArray[np.int64]
    """Number of options, and of target words, that are in use."""
    lists: NDArray[np.void]
    """OPTION_LIST: the prepared source phrases, in the slot of their hash or the next free."""
    options: NDArray[np.void]
    """OPTION"""
    target_words: NDArray[np.void]
    """TARGET_WORD"""
    after: NDArray[np.float64]
    """[option, orientation] Weighted reordering score relative to the phrase after it."""
    after_bits: NDArray[np.int64]
    """The same memory as integers, for hashing."""
    columns: NDArray[np.void]
    """[orientation, ..] RANKED: the options of each list, best first, valued with the reordering
    score relative to the phrase before."""
    spans: NDArray[np.int32]
    """[begin, words - 1, 2] First option of a source span, and their number."""
    span_best: NDArray[np.float64]
    """[begin, words - 1] Score of the best option of a source span, reordering left out."""
    future: NDArray[np.float64]
    """[begin, end] Estimate of the best score of a source span."""
    hypotheses: NDArray[np.void]
    """HYPOTHESIS"""
    groups: NDArray[np.void]
    """GROUP: hypotheses of the same coverage and last phrase, which can be continued alike."""
    rows: NDArray[np.void]
    """[orientation, ..] RANKED: the hypotheses of each group, best first, valued with the
    reordering score relative to the phrase after."""
    hypothesis_slots: NDArray[np.int32]
    group_slots: NDArray[np.int32]
    cubes: NDArray[np.void]
    """[stack modulo rows, ..] CUBE"""
    cube_counts: NDArray[np.int64]
    cube_best: NDArray[np.float64]
    heap: NDArray[np.void]
    """CELL"""
    totals: NDArray[np.float64]


@dataclass(frozen=True)
class Capacity:
    """How many records there is room for."""

    options: int = 1 << 16
    hypotheses: int = 1 << 14
    cubes: int = 1 << 11
    sentence_words: int = 64
    max_phrase_words: int = 7

    def grown(self, full: int) -> Capacity:
        """Twice the room for what a loop said is full.

        Raises UserError if that would be more than a search may take.
        """
        name = {
            OPTIONS_FULL: "options",
            HYPOTHESES_FULL: "hypotheses",
            CUBES_FULL: "cubes",
            SENTENCE_FULL: "sentence_words",
        }[full]
        room = 2 * int(getattr(self, name))
        if room > 1 << 28:
            raise UserError(
                f"search needs room for more than {room} {name.replace('_', ' ')}",
                mend="set pop_limit, stack_size or distortion_limit lower, or split the sentence",
            )
        return replace(self, **{name: room})

    def scratch(self) -> Scratch:
        """New arrays, with no option prepared."""
        options, hypotheses, words = self.options, self.hypotheses, self.sentence_words
        after = np.empty((options, NUM_ORIENTATIONS))
        lists = np.empty(2 * options, OPTION_LIST)
        lists["phrase"] = NONE
        rings = self.max_phrase_words + 1
        return Scratch(
            counts=np.zeros(2, np.int64),
            lists=lists,
            options=np.empty(options, OPTION),
            target_words=np.empty(4 * options, TARGET_WORD),
            after=after,
            after_bits=after.view(np.int64),
            columns=np.empty((NUM_ORIENTATIONS, options), RANKED),
            spans=np.empty((words, self.max_phrase_words, 2), np.int32),
            span_best=np.empty((words, self.max_phrase_words)),
            future=np.empty((words + 1, words + 1)),
            hypotheses=np.empty(hypotheses, HYPOTHESIS),
            groups=np.empty(hypotheses, GROUP),
            rows=np.empty((NUM_ORIENTATIONS, hypotheses), RANKED),
            hypothesis_slots=np.empty(2 * hypotheses, np.int32),
            group_slots=np.empty(2 * hypotheses, np.int32),
            cubes=np.empty((rings, self.cubes), CUBE),
            cube_counts=np.empty(rings, np.int64),
            cube_best=np.empty(rings),
            heap=np.empty(2 * self.cubes, CELL),
            totals=np.empty(hypotheses),
        )
