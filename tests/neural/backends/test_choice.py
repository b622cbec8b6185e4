"""``auto`` follows what was measured."""

from __future__ import annotations

import itertools
import json

import pytest

from nmt.neural.backends.choice import FASTEST_FIRST
from scripts.benchmark import RESULTS


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_the_fastest_first(precision: str) -> None:
    """Of those within a twentieth of each other either may come first."""
    result = json.loads((RESULTS / "bench_backends.json").read_text(encoding="utf-8"))
    seconds = {
        row["backend"]: min(row["cpu_seconds"]["5"])
        for row in result["rows"]
        if row["precision"] == precision and "skipped" not in row
    }
    order = [backend for backend in FASTEST_FIRST["cpu", precision] if backend in seconds]
    assert set(order) == set(seconds)
    for first, second in itertools.pairwise(order):
        assert seconds[first] < 1.05 * seconds[second]
