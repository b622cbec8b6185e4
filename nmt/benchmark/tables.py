"""The results of a benchmark as tables of text: systems side by side, a figure a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nmt.benchmark.results import Results, SystemCost, TestSet
from nmt.evaluation.names import METRIC_NAMES, TITLES, MetricName

if TYPE_CHECKING:
    from rich.console import Console

_INDENT: Final = "  "
_UNKNOWN: Final = "-"


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a table: a label and a cell for each column, or a heading without cells."""

    label: str
    cells: tuple[str, ...] = ()
    best: int | None = None
    """The column to be stressed."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under columns with names."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    def lines(self) -> list[str]:
        """As aligned plain text."""
        cells = [["", *self.columns], *([row.label, *row.cells] for row in self.rows)]
        widths = [
            max(len(row[number]) for row in cells if number < len(row))
            for number in range(len(self.columns) + 1)
        ]
        return [
            "  ".join(
                cell.ljust(width) if number == 0 else cell.rjust(width)
                for number, (cell, width) in enumerate(zip(row, widths, strict=False))
            ).rstrip()
            for row in cells
        ]

    def print_to(self, console: Console) -> None:
        """Print: in colour to a terminal that is wide enough, otherwise as plain text."""
        lines = self.lines()
        if not console.is_terminal or max(map(len, lines)) > console.width:
            for line in lines:
                console.print(line, markup=False, emoji=False, highlight=False, soft_wrap=True)
            return
        from rich.table import Table as RichTable
        from rich.text import Text

        table = RichTable(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column("", no_wrap=True)
        for name in self.columns:
            table.add_column(name, justify="right", no_wrap=True)
        for row in self.rows:
            cells = [Text(cell) for cell in row.cells]
            if row.best is not None:
                cells[row.best].stylize("bold green")
            table.add_row(Text(row.label, style="" if row.cells else "bold"), *cells)
        console.print(table)


def ladder_table(results: Results) -> Table:
    """Scores, the significance of each step, and costs: the table of the benchmark."""
    names = tuple(system.name for system in results.systems)
    rows = [row for test in results.tests for row in _score_rows(test, names)]
    rows.append(Row("cost"))
    costs = [system.cost for system in results.systems]
    for label, describe in _COSTS:
        rows.append(Row(_INDENT + label, tuple(describe(cost) for cost in costs)))
    return Table(names, tuple(rows))


def signature_lines(results: Results) -> list[str]:
    """How the scores were computed: each metric's signature, and what the p-values are."""
    scores = next(iter(results.tests[0].scores.values()))
    width = max(len(score.title) for score in scores.values())
    lines = [f"{score.title:<{width}}  {score.signature}" for score in scores.values()]
    if len(results.systems) > 1:
        lines.append(
            "steps and p: against the system to the left; two-sided; paired bootstrap (Koehn "
            "2004) and approximate randomisation (Riezler and Maxwell 2005)"
        )
    return lines


def sizes_table(results: Results, test: str) -> Table:
    """BLEU by the number of training pairs, the best of each size stressed."""
    names = tuple(system.name for system in results.systems)
    points = [point for point in results.sizes if point.test == test]
    rows = [Row(f"BLEU on {test}, by training pairs")]
    for size in sorted({point.num_pairs for point in points}):
        values = {point.system: point.bleu.value for point in points if point.num_pairs == size}
        best = max(names, key=lambda name: values[name])
        cells = tuple(f"{values[name]:.2f}{'*' if name == best else ' '}" for name in names)
        rows.append(Row(f"{_INDENT}{size:,}", cells, names.index(best)))
    return Table(names, tuple(rows))


def _score_rows(test: TestSet, names: Sequence[str]) -> list[Row]:
    rows = [Row(f"{test.name}, {len(test.sentences):,} sentences")]
    for metric in METRIC_NAMES:
        scores = [test.scores[name][metric] for name in names]
        values = [score.value for score in scores]
        best = values.index(min(values) if metric == "ter" else max(values))
        lower = " (lower is better)" if metric == "ter" else ""
        rows.append(
            Row(
                f"{_INDENT}{TITLES[metric]}{lower}",
                tuple(f"{value:.2f}" for value in values),
                best if len(names) > 1 else None,
            )
        )
        intervals = (score.interval for score in scores)
        rows.append(
            Row(
                f"{_INDENT * 2}95 % interval",
                tuple(f"[{low:.1f}, {high:.1f}]" for low, high in filter(None, intervals)),
            )
        )
        rows += _step_rows(test, metric)
    return rows


def _step_rows(test: TestSet, metric: MetricName) -> list[Row]:
    """Difference and p-values of each step; the first system has none before it."""
    tests = [next(one for one in step.tests if one.metric == metric) for step in test.steps]
    if not tests:
        return []
    columns = {
        "step": [f"{one.difference:+.2f}" for one in tests],
        "p, bootstrap": [f"{one.p_bootstrap:.4f}" for one in tests],
        "p, randomisation": [f"{one.p_randomization:.4f}" for one in tests],
    }
    return [Row(_INDENT * 2 + label, ("", *cells)) for label, cells in columns.items()]


def _training_time(cost: SystemCost) -> str:
    return duration(cost.training_cpu_seconds)


def _megabytes(count: int | None) -> str:
    if count is None:
        return _UNKNOWN
    return f"{count / 1e6:,.1f} MB" if count < 1e7 else f"{count / 1e6:,.0f} MB"


def _speed(cost: SystemCost) -> str:
    rate = cost.sentences_per_second
    return _UNKNOWN if rate is None else f"{rate:,.1f}" if rate < 100 else f"{rate:,.0f}"


def _parameters(cost: SystemCost) -> str:
    return _UNKNOWN if cost.parameters is None else f"{cost.parameters / 1e6:,.1f} M"


_COSTS: Final = (
    ("trained on", lambda cost: cost.training_device),
    ("training, processor time", _training_time),
    ("training, by the clock", lambda cost: duration(cost.training_seconds)),
    ("training memory", lambda cost: _megabytes(cost.training_memory_bytes)),
    ("size on disk", lambda cost: _megabytes(cost.model_bytes)),
    ("parameters", _parameters),
    ("sentences/s, one core", _speed),
    ("translation memory", lambda cost: _megabytes(cost.translation_memory_bytes)),
)


def duration(seconds: float) -> str:
    """Seconds in words: ``35 s``, ``4 min 10 s``, ``2 h 05 min``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
