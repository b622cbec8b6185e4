"""Made-up test sets: sentences, and systems of known order of quality."""

from __future__ import annotations

import random

import pytest

_TEXT = "the a dog cat house tree runs sleeps quickly under over near red green small old ."
_WORDS = _TEXT.split()


def _worsened(lines: list[str], rate: float, seed: int) -> list[str]:
    rng = random.Random(seed)
    return [
        " ".join(rng.choice(_WORDS) if rng.random() < rate else word for word in line.split())
        for line in lines
    ]


@pytest.fixture(scope="session")
def references() -> list[list[str]]:
    """Two references of 120 random sentences."""
    rng = random.Random(0)
    lines = [" ".join(rng.choices(_WORDS, k=rng.randint(3, 15))) for _ in range(120)]
    return [lines, _worsened(lines, 0.2, seed=1)]


@pytest.fixture(scope="session")
def systems(references: list[list[str]]) -> dict[str, list[str]]:
    """Three systems: two about as good as each other, and one that is worse."""
    return {
        "first": _worsened(references[0], 0.30, seed=2),
        "equal": _worsened(references[0], 0.30, seed=3),
        "worse": _worsened(references[0], 0.45, seed=4),
    }
