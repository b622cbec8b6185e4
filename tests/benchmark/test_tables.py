"""The tables: every figure in its column, wherever they are printed."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from nmt.benchmark.results import SizePoint
from nmt.benchmark.tables import duration, ladder_table, signature_lines, sizes_table
from nmt.evaluation.metrics import Score
from tests.benchmark.made_up import results, step

KINDS = {"phrases": "phrase-based", "a-long-name-of-a-system": "transformer"}
FOUND = results(
    {"phrases": 30.0, "a-long-name-of-a-system": 38.5}, KINDS,
    steps=[step("phrases", "a-long-name-of-a-system", 8.5, 0.0001)],
)  # fmt: skip


def cells(line: str) -> list[str]:
    """What stands between two blanks or more."""
    return re.split(r" {2,}", line.strip())


def test_columns_are_aligned_and_nothing_is_missing() -> None:
    lines = ladder_table(FOUND).lines()
    found = {cells(line)[0]: cells(line)[1:] for line in lines[1:]}
    assert cells(lines[0]) == list(KINDS)
    assert found["BLEU"] == ["30.00", "38.50"]
    assert found["95 % interval"] == ["[29.0, 31.0]", "[37.5, 39.5]"]
    assert found["step"] == ["+8.50"]
    assert found["p, bootstrap"] == found["p, randomisation"] == ["0.0001"]
    assert found["training, processor time"] == ["4 min 10 s"] * 2
    assert found["training memory"] == ["-"] * 2
    assert found["size on disk"] == ["1.2 MB"] * 2
    assert found["sentences/s, one core"] == ["35.2"] * 2
    assert found["translation memory"] == ["432 MB"] * 2
    # A step is of the system on the right.
    right = len(lines[0])
    assert all(len(line) == right for line in lines if "+8.50" in line or "0.0001" in line)


@pytest.mark.parametrize("width", [200, 40])
@pytest.mark.parametrize("terminal", [True, False])
def test_every_console_shows_the_same_words(width: int, terminal: bool) -> None:
    """In colour, in plain text, and without breaking lines where it is too narrow."""
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=terminal, color_system="standard")
    table = ladder_table(FOUND)
    table.print_to(console)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue())
    assert [line.split() for line in plain.splitlines()] == [line.split() for line in table.lines()]
    assert ("\x1b" in out.getvalue()) == (terminal and width == 200)


def test_signatures_are_of_all_metrics() -> None:
    lines = signature_lines(FOUND)
    assert [line.split()[:2] for line in lines[:3]] == [
        ["BLEU", "sig-bleu"], ["chrF2", "sig-chrf"], ["TER", "sig-ter"],
    ]  # fmt: skip
    assert "bootstrap" in lines[3]


def test_sizes_are_in_order_and_the_best_has_a_star() -> None:
    values = {
        (1000, "phrases"): 20.0,
        (1000, "best"): 10.0,
        (500, "phrases"): 3.0,
        (500, "best"): 4.0,
    }
    points = [
        SizePoint(
            num_pairs=size, system=name, test="test", bleu=Score("bleu", value, "sig"),
            training_cpu_seconds=1.0,
        )
        for (size, name), value in values.items()
    ]  # fmt: skip
    kinds = {"phrases": "phrase-based", "best": "transformer"}
    found = results({"phrases": 20.0, "best": 10.0}, kinds).model_copy(update={"sizes": points})
    lines = sizes_table(found, "test").lines()
    assert [cells(line) for line in lines[2:]] == [
        ["500", "3.00", "4.00*"], ["1,000", "20.00*", "10.00"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (3599.6, "1 h 00 min"),
     (7500, "2 h 05 min")],
)  # fmt: skip
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words
