"""The report's figures, drawn by matplotlib as SVG for the page."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

from nmt.benchmark.formatting import count, duration, points
from nmt.benchmark.report.svg import for_page
from nmt.benchmark.results import CurvePoint, LengthBin, Results, SizePoint, TestSet
from nmt.benchmark.summary import main_metric
from nmt.evaluation.names import TITLES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

NUM_COLOURS: Final = 8
"""Systems beyond these share colours; the markers differ further."""

# Colours that matplotlib is given only to be told apart; the page's variables take their place.
_INK, _MUTED, _GRID, _PAPER = "#0a0000", "#0a0001", "#0a0002", "#0a0003"
_SYSTEM_COLOURS: Final = [f"#0b000{n}" for n in range(NUM_COLOURS)]
_VARIABLES: Final = {
    _INK: "--ink", _MUTED: "--muted", _GRID: "--line", _PAPER: "--card",
    **{colour: f"--system-{n}" for n, colour in enumerate(_SYSTEM_COLOURS)},
}  # fmt: skip
_MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">", "p")

_STYLE: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",  # text stays text, in the page's font
    "svg.hashsalt": "nmt",  # the same picture from the same figures, byte for byte
    "text.parse_math": False,  # a dollar sign in a name is a dollar sign
    "font.family": "DejaVu Sans",  # comes with matplotlib; wider than most, so there is room
    "font.size": 11,
    "text.color": _INK, "axes.labelcolor": _MUTED, "axes.edgecolor": _GRID,
    "xtick.color": _GRID, "ytick.color": _GRID,
    "xtick.labelcolor": _MUTED, "ytick.labelcolor": _MUTED,
    "axes.spines.top": False, "axes.spines.right": False, "axes.spines.left": False,
    "axes.grid": True, "axes.grid.axis": "y", "grid.color": _GRID, "grid.linewidth": 0.8,
    "axes.axisbelow": True, "ytick.major.size": 0, "xtick.major.size": 3,
    "legend.frameon": False, "legend.handlelength": 1.6, "legend.columnspacing": 1.4,
    "lines.linewidth": 2, "lines.markersize": 6,
    "figure.facecolor": "none", "axes.facecolor": "none",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure for the page, and the same as a table."""

    title: str
    caption: str
    svg: str
    columns: list[str]
    rows: list[list[str]]


_P = ParamSpec("_P")
_R = TypeVar("_R")


def _styled(draw: Callable[_P, _R]) -> Callable[_P, _R]:
    """Draw with our style, and leave matplotlib's settings as they are for all others."""

    @functools.wraps(draw)
    def styled(*args: _P.args, **keywords: _P.kwargs) -> _R:
        from matplotlib import rc_context

        with rc_context(_STYLE):
            return draw(*args, **keywords)

    return styled


@_styled
def bleu_by_system(results: Results, test: TestSet, name: str) -> Figure:
    """Bars of the main metric with its confidence intervals, in the order of the ladder."""
    metric = main_metric(test)
    systems = [system.name for system in results.systems if system.name in test.scores]
    scores = [test.scores[system][metric] for system in systems]
    canvas, axes = _canvas(0.62 * len(systems) + 0.55)
    axes.grid(visible=False)
    axes.spines["bottom"].set_visible(False)
    axes.set_yticks([])
    axes.set_xticks([])
    highest = max([1.0, *(bound for s in scores for bound in (s.value, *(s.interval or ())))])
    for row, (system, score) in enumerate(zip(systems, scores, strict=True)):
        colour = _colour(results, system)
        axes.barh(row, score.value, height=0.42, color=colour)
        axes.text(0, row - 0.3, system, va="bottom", fontsize=12)
        end = score.value
        if score.interval:
            low, high = score.interval
            axes.plot([low, high], [row, row], color=_INK, linewidth=1.4, marker="|", markersize=7)
            end = max(end, high)
        axes.annotate(
            points(score.value), (end, row), xytext=(7, 0), textcoords="offset points",
            va="center", fontsize=14, fontweight="bold",
        )  # fmt: skip
    axes.set_xlim(0, highest * 1.14)
    axes.set_ylim(len(systems) - 0.6, -0.75)
    rows = [
        [system, points(score.value), _bounds(score.interval)]
        for system, score in zip(systems, scores, strict=True)
    ]
    title = f"{TITLES[metric]} by system"
    return _finish(
        canvas, name, title, f"Whiskers: 95 % intervals. {test.name}.",
        ["system", TITLES[metric], "95 % interval"], rows,
    )  # fmt: skip


@_styled
def bleu_by_length(results: Results, test: TestSet, name: str, unit: str) -> Figure | None:
    """BLEU of the sentences of each length; None where there are no lengths to compare."""
    bins = [each for each in test.lengths if each.num_sentences]
    if len(bins) < 2:
        return None
    systems = [s.name for s in results.systems if any(s.name in each.bleu for each in bins)]
    canvas, axes = _canvas()
    for system in systems:
        known = [(n, each.bleu[system]) for n, each in enumerate(bins) if system in each.bleu]
        _line(axes, results, system, known)
    axes.set_xticks(range(len(bins)), [_range(each) for each in bins])
    axes.set_xlabel(f"{unit} in the source sentence")
    axes.set_ylim(bottom=0)
    rows = [
        [_range(each), count(each.num_sentences)]
        + [points(each.bleu[s]) if s in each.bleu else "" for s in systems]
        for each in bins
    ]
    caption = f"How well short and long sentences fare. {test.name}."
    return _finish(
        canvas, name, "BLEU by source length", caption, [unit, "sentences", *systems], rows
    )


@_styled
def learning_curves(results: Results, name: str) -> Figure | None:
    """A validation score against training time; None where no training was validated.

    A system with a single validation, such as one that is not trained in updates, is a dot and a
    line: it is as good as that from then on.
    """
    kinds = [kind for system in results.systems for point in system.curve for kind in point.scores]
    metric = next((kind for kind in ("bleu", "chrf", "loss") if kind in kinds), None)
    if metric is None:
        return None
    curves: dict[str, list[CurvePoint]] = {
        system.name: [point for point in system.curve if metric in point.scores]
        for system in results.systems
    }
    latest = max(point.cpu_seconds for curve in curves.values() for point in curve)
    per_unit, unit = (3600, "hours") if latest > 3 * 3600 else (60, "minutes")
    canvas, axes = _canvas()
    rows = []
    for system, curve in curves.items():
        if not curve:
            continue
        known = [(point.cpu_seconds / per_unit, point.scores[metric]) for point in curve]
        if len(curve) == 1:
            axes.axhline(known[0][1], color=_colour(results, system), linestyle=":")
        _line(axes, results, system, known, every=max(1, len(curve) // 8))
        best = (min if metric == "loss" else max)(curve, key=lambda point: point.scores[metric])
        rows.append(
            [system, f"{best.scores[metric]:.2f}", duration(best.cpu_seconds), count(best.update)]
        )
    axes.set_xlim(left=0)
    if metric != "loss":
        axes.set_ylim(bottom=0)
    on_cpu = all("CPU" in system.cost.training_device for system in results.systems)
    axes.set_xlabel(f"{'processor ' if on_cpu else ''}{unit} of training")
    title = {"bleu": "BLEU", "chrf": TITLES["chrf"], "loss": "loss"}[metric]
    caption = "On the validation set, by time over all cores" + (
        "." if on_cpu else " (of a GPU: by the clock)."
    )
    return _finish(
        canvas, name, f"Learning curves: {title}", caption,
        ["system", f"best {title}", "after", "updates"], rows,
    )  # fmt: skip


@_styled
def bleu_by_size(results: Results, test: str, name: str) -> Figure | None:
    """BLEU against the size of the training data; None where fewer than two were tried."""
    measured = [point for point in results.sizes if point.test == test]
    sizes = sorted({point.num_pairs for point in measured})
    if len(sizes) < 2:
        return None
    by_place: dict[tuple[str, int], SizePoint] = {(p.system, p.num_pairs): p for p in measured}
    systems = [s.name for s in results.systems if any(p.system == s.name for p in measured)]
    canvas, axes = _canvas()
    for system in systems:
        known = [by_place[system, size] for size in sizes if (system, size) in by_place]
        _line(axes, results, system, [(point.num_pairs, point.bleu.value) for point in known])
        bounded = [(p.num_pairs, *p.bleu.interval) for p in known if p.bleu.interval]
        if bounded:
            x, low, high = zip(*bounded, strict=True)
            axes.fill_between(x, low, high, color=_colour(results, system), alpha=0.13, linewidth=0)
    axes.set_xscale("log")
    axes.set_xticks(sizes, [_short(size) for size in sizes])
    axes.set_xticks([], minor=True)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("training pairs (logarithmic)")
    rows = [
        [
            count(size),
            *(
                points(by_place[system, size].bleu.value) if (system, size) in by_place else ""
                for system in systems
            ),
        ]
        for size in sizes
    ]
    caption = f"Bands: 95 % intervals. {test}."
    return _finish(
        canvas, name, "BLEU by training data", caption, ["training pairs", *systems], rows
    )


def _canvas(height: float = 3.3) -> tuple[Canvas, Axes]:
    from matplotlib.figure import Figure as Canvas

    canvas = Canvas(figsize=(5.0, height), layout="constrained")
    return canvas, canvas.add_subplot()


def _line(
    axes: Axes, results: Results, system: str, known: Sequence[tuple[float, float]], every: int = 1
) -> None:
    number = [each.name for each in results.systems].index(system)
    axes.plot(
        [x for x, _ in known], [y for _, y in known], label=system, color=_colour(results, system),
        marker=_MARKERS[number % len(_MARKERS)], markevery=every, markeredgecolor=_PAPER,
        clip_on=False, zorder=3,
    )  # fmt: skip


def _colour(results: Results, system: str) -> str:
    number = [each.name for each in results.systems].index(system)
    return _SYSTEM_COLOURS[number % NUM_COLOURS]


def _finish(
    canvas: Canvas, name: str, title: str, caption: str, columns: list[str], rows: list[list[str]]
) -> Figure:
    if canvas.axes[0].get_legend_handles_labels()[0]:
        canvas.legend(loc="outside upper left", ncols=2)
    text = io.StringIO()
    canvas.savefig(text, format="svg", metadata={"Date": None})
    return Figure(title, caption, for_page(text.getvalue(), name, title, _VARIABLES), columns, rows)


def _range(length: LengthBin) -> str:
    if length.high is None:
        return f"{length.low}+"
    return str(length.low) if length.low == length.high else f"{length.low}–{length.high}"


def _short(number: int) -> str:
    return f"{number / 1000:g}k" if number >= 1000 else str(number)


def _bounds(interval: tuple[float, float] | None) -> str:
    return f"{points(interval[0])} to {points(interval[1])}" if interval else ""
