"""The sets of the pocket corpus, generated once for all tests of this folder."""

from __future__ import annotations

import pytest

from nmt.corpus.pocket import held_out_pairs, training_pairs
from nmt.corpus.pocket.derivation import Pair
from nmt.corpus.pocket.lexicon import Lexicon
from nmt.corpus.pocket.splits import shared_lexicon


@pytest.fixture(scope="session")
def lexicon() -> Lexicon:
    """The words."""
    return shared_lexicon()


@pytest.fixture(scope="session")
def training() -> list[Pair]:
    """The training set of the recipe."""
    return list(training_pairs(1, 40_000))


@pytest.fixture(scope="session")
def held_out() -> dict[str, list[Pair]]:
    """The other sets of the recipe."""
    return held_out_pairs(1)
