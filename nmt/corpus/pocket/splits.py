"""Training, validation and test sets of the pocket corpus.

The sets share no sentence on either side. Some combinations of words (a verb with its object, an
adjective with its noun) are kept for the tests, and so are sentences with three or more levels of
clauses:

- ``valid``: like the training pairs.
- ``test``: half like the training pairs, three in ten with combinations of words that training has
  not seen together, two in ten with deeper clauses.
- ``test-deeper``: deeper clauses only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from typing import Final

from nmt.corpus.pocket.derivation import Deriver, Pair
from nmt.corpus.pocket.lexicon import Lexicon
from nmt.corpus.pocket.tables import data_folder

HELD_OUT_PAIRS: Final = 500
"""Pairs in each set that is not for training."""
MAX_TRAINING_DEPTH: Final = 2
"""Levels of clauses within clauses in training pairs."""
_DEEPEST: Final = 4

_SETS: Final = {
    "test-deeper": ("deeper",) * 10,
    "test": ("same",) * 5 + ("unseen",) * 3 + ("deeper",) * 2,
    "valid": ("same",) * 10,
}
"""What every ten pairs of a set are."""


@cache
def shared_lexicon() -> Lexicon:
    """The lexicon, read once."""
    return Lexicon(data_folder())


def is_like_training(depth: int, reserved: int) -> bool:
    """Whether a pair may be in the training set: nothing in it is kept for the tests."""
    return depth <= MAX_TRAINING_DEPTH and not reserved


_FITS: Final[dict[str, Callable[[int, int], bool]]] = {
    "same": is_like_training,
    "unseen": lambda depth, reserved: depth <= MAX_TRAINING_DEPTH and reserved > 0,
    "deeper": lambda depth, reserved: depth > MAX_TRAINING_DEPTH and not reserved,
}


class _Distinct:
    """Lets every text pass once."""

    def __init__(self) -> None:
        self.seen: set[str] = set()

    def is_new(self, pair: Pair) -> bool:
        """Whether neither side was there before; remembers both."""
        texts = (f"en {pair.english}", f"de {pair.german}")
        if any(text in self.seen for text in texts):
            return False
        self.seen.update(texts)
        return True


@lru_cache(maxsize=2)
def held_out_pairs(seed: int) -> dict[str, list[Pair]]:
    """The sets ``test-deeper``, ``test`` and ``valid`` for a seed."""
    distinct = _Distinct()
    lexicon = shared_lexicon()
    sets = {}
    for name, kinds in _SETS.items():
        sources = {
            kind: Deriver(
                lexicon, f"{seed} {name} {kind}",
                max_depth=_DEEPEST if kind == "deeper" else MAX_TRAINING_DEPTH,
            )
            for kind in dict.fromkeys(kinds)
        }  # fmt: skip
        sets[name] = [
            _next(sources[kinds[number % 10]], _FITS[kinds[number % 10]], distinct)
            for number in range(HELD_OUT_PAIRS)
        ]
    return sets


def _next(source: Deriver, fits: Callable[[int, int], bool], distinct: _Distinct) -> Pair:
    while True:
        pair = source.pair(fits)
        if distinct.is_new(pair):
            return pair


def training_pairs(seed: int, count: int) -> Iterator[Pair]:
    """The first ``count`` training pairs for a seed; a smaller count gives the same first ones."""
    distinct = _Distinct()
    for pairs in held_out_pairs(seed).values():
        for pair in pairs:
            distinct.is_new(pair)
    source = Deriver(shared_lexicon(), f"{seed} train", max_depth=MAX_TRAINING_DEPTH)
    for _ in range(count):
        yield _next(source, is_like_training, distinct)
