"""Scores and comparisons for people: tables on a terminal, aligned plain text elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from nmt.evaluation.metrics import Score
from nmt.evaluation.names import TITLES, MetricName
from nmt.evaluation.significance import Comparison, SystemScores

if TYPE_CHECKING:
    from rich.console import Console

_TESTS = {
    "bootstrap": "paired bootstrap, {samples} resamples (Koehn 2004)",
    "randomization": "approximate randomisation, {samples} trials (Riezler and Maxwell 2005)",
}


def score_lines(scores: Mapping[MetricName, Score]) -> list[str]:
    """Return one system's scores as aligned lines of text, each score with its signature."""
    cells = [
        [score.title, _points(score.value), _interval(score.interval), score.signature]
        for score in scores.values()
    ]
    return _aligned(cells)


def comparison_lines(comparison: Comparison) -> list[str]:
    """Return a comparison as plain text: a block for each metric, its signature below."""
    lines = []
    for metric in comparison.metrics:
        header, *rows = _table(comparison, metric)
        lines += [*_aligned([header, *rows]), *_footer(comparison, metric), ""]
    return lines[:-1]


def print_tables(comparison: Comparison, console: Console) -> None:
    """Print the same to a rich console: a table for each metric, its signature below."""
    from rich.table import Table
    from rich.text import Text

    for metric in comparison.metrics:
        header, *rows = _table(comparison, metric)
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column(header[0], overflow="fold")
        for title in header[1:]:
            table.add_column(title, justify="right", no_wrap=True)
        best = _best(comparison, metric)
        for system, row in zip(comparison.systems, rows, strict=True):
            cells = [Text(cell) for cell in row]
            if system is best and len(comparison.systems) > 1:
                cells[1].stylize("bold")
            table.add_row(*cells)
        console.print(table)
        for line in _footer(comparison, metric):
            # Not wrapped by us, so that a signature can be copied in one piece.
            console.print(Text(line, style="dim"), soft_wrap=True)
        console.print()


def _table(comparison: Comparison, metric: MetricName) -> list[list[str]]:
    title = TITLES[metric] + (" (lower is better)" if metric == "ter" else "")
    level = f"{comparison.confidence * 100:g} %"
    several = len(comparison.systems) > 1
    header = ["system", title, f"{level} interval"]
    rows = [header + (["difference", f"{level} interval", "p"] if several else [])]
    for system in comparison.systems:
        score = system.scores[metric]
        row = [system.name, _points(score.value), _interval(score.interval)]
        if (difference := system.differences.get(metric)) is not None:
            low, high = difference.interval
            star = " *" if comparison.is_significant(difference) else "  "
            row += [
                f"{difference.value:+.2f}",
                f"[{low:+.2f}, {high:+.2f}]",
                f"{difference.p_value:.4f}{star}",
            ]
        elif several:
            row += [""] * 3
        rows.append(row)
    return rows


def _footer(comparison: Comparison, metric: MetricName) -> list[str]:
    first = comparison.systems[0]
    lines = [f"signature: {first.scores[metric].signature}"]
    if len(comparison.systems) > 1:
        test = _TESTS[comparison.test].format(samples=comparison.samples)
        level = f"{1 - comparison.confidence:g}"
        lines.append(f"difference and p: against {first.name}; * p < {level}, {test}")
    return lines


def _best(comparison: Comparison, metric: MetricName) -> SystemScores:
    choose = min if metric == "ter" else max
    return choose(comparison.systems, key=lambda system: system.scores[metric].value)


def _points(value: float) -> str:
    return f"{value:.2f}"


def _interval(bounds: tuple[float, float] | None) -> str:
    return f"[{bounds[0]:.2f}, {bounds[1]:.2f}]" if bounds else ""


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Align the first column, and a last one of text, to the left; numbers to the right."""
    from rich.cells import cell_len

    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell + pad if index == 0 or "|" in cell else pad + cell
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
            for pad in [" " * (width - cell_len(cell))]
        ]
        lines.append("  ".join(cells).rstrip())
    return lines
