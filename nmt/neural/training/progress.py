"""What a training says while it runs: a bar on a terminal or lines, and metrics as JSON lines."""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from nmt.errors import UserError
from nmt.files import explain_os_error, replacing_file
from nmt.recipe.neural import TrainingSettings


@dataclass(frozen=True, slots=True)
class TrainingRecord:
    """Figures of the updates since the last record."""

    update: int
    epochs: float
    """Passes over the data that are done."""
    loss: float
    """Training loss a target piece, smoothing and all."""
    perplexity: float
    """``exp`` of the unsmoothed negative log-likelihood a target piece, under dropout."""
    learning_rate: float
    gradient_norm: float
    """Mean Euclidean norm before clipping."""
    target_pieces_per_second: float
    """Target pieces, no padding counted, a second of wall-clock time, validation left out."""
    target_pieces_per_cpu_second: float
    """The same a second of processor time, all cores summed."""
    padding: float
    """Share of the computed positions that hold no piece."""
    seconds: float
    """Wall-clock time of the training so far, validation included."""
    cpu_seconds: float
    """Processor time of the same."""


@dataclass(frozen=True, slots=True)
class ValidationRecord:
    """Scores on the validation set."""

    update: int
    epochs: float
    loss: float
    """Smoothed cross-entropy a target piece."""
    perplexity: float
    """``exp`` of the unsmoothed negative log-likelihood a target piece."""
    scores: dict[str, float]
    """BLEU and chrF of beam-searched output."""
    value: float
    """The score that ranks checkpoints; higher is better."""
    is_best: bool
    seconds: float
    cpu_seconds: float


class Reporter:
    """Shows and stores records; use as a context manager."""

    def __init__(
        self, folder: Path, settings: TrainingSettings, console: Console, *, update: int = 0
    ) -> None:
        """Begin to report, or go on after ``update`` updates.

        Args:
            folder: where ``metrics.jsonl`` (and ``tensorboard/``) go. Records of later updates
                that are there already belong to updates that a kill undid, and are taken back.
            settings: say whether TensorBoard is wanted.
            console: shows a bar if it is a terminal, else lines.
            update: the number of updates done.

        Raises UserError if TensorBoard is wanted and not installed, or metrics cannot be written.
        """
        self._path = folder / "metrics.jsonl"
        self._console = console
        self._latest = ""
        self._left = TimeLeft()
        self._bar: Progress | None = None
        self._tensorboard = (
            _tensorboard(folder / "tensorboard", update) if settings.tensorboard else None
        )
        _drop_later_records(self._path, update)
        if console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.percentage:>3.0f} %", markup=False),
                BarColumn(bar_width=20),
                TextColumn("{task.description}", markup=False),
                console=console,
            )
            self._task = self._bar.add_task("", total=1.0)

    def __enter__(self) -> Reporter:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        if self._tensorboard is not None:
            self._tensorboard.close()

    def training(self, record: TrainingRecord, done: float) -> None:
        """Report updates; ``done`` is the share of the training behind us, as far as is known."""
        self._write("training", record)
        left = self._left.after(record.seconds, done)
        parts = [
            f"update {record.update}",
            f"epoch {record.epochs:.2f}",
            f"loss {record.loss:.3f}",
            f"{record.target_pieces_per_second:,.0f} pieces/s",
        ]
        if self._bar is not None:
            shown = [*parts, *filter(None, (left and f"{left} left", self._latest))]
            self._bar.update(self._task, completed=done, description="  ".join(shown))
            return
        parts += [f"padding {100 * record.padding:.1f} %", f"norm {record.gradient_norm:.2f}"]
        self.say("  ".join([*parts, f"{left} left"] if left else parts))

    def validation(self, record: ValidationRecord) -> None:
        """Report a validation."""
        self._write("validation", record)
        scores = "".join(f"  {name} {value:.2f}" for name, value in record.scores.items())
        self._latest = f"valid perplexity {record.perplexity:.2f}{scores}"
        best = "  (best so far)" if record.is_best else ""
        self.say(f"update {record.update}  {self._latest}{best}")

    def say(self, text: str) -> None:
        """Print a line, above the bar if there is one."""
        self._console.print(text, markup=False, emoji=False, highlight=False, soft_wrap=True)

    def _write(self, kind: str, record: TrainingRecord | ValidationRecord) -> None:
        values = {"kind": kind, **asdict(record)}
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(_finite(values), allow_nan=False) + "\n")
        except OSError as error:
            raise explain_os_error(error, self._path) from error
        if self._tensorboard is not None:
            scores = values.pop("scores", {})
            for name, value in {**values, **scores}.items():
                if name not in ("kind", "update") and math.isfinite(value):
                    self._tensorboard.add_scalar(f"{kind}/{name}", value, record.update)


class SilentReporter(Reporter):
    """That of a rank that does not lead: nothing is said or written."""

    def __init__(self) -> None:
        self._bar = None
        self._tensorboard = None

    def training(self, record: TrainingRecord, done: float) -> None:
        """Nothing."""

    def validation(self, record: ValidationRecord) -> None:
        """Nothing."""

    def say(self, text: str) -> None:
        """Nothing."""


class TimeLeft:
    """How long the rest of a training takes, if it goes as fast as the last records.

    The average over the whole training would mislead for hours once it has gone on on another
    machine, or on the same one with less beside it.
    """

    def __init__(self, records: int = 20) -> None:
        """Look back over ``records`` records."""
        self._seen: deque[tuple[float, float]] = deque(maxlen=records)

    def after(self, seconds: float, done: float) -> str:
        """The time left as ``h:mm:ss`` when ``done`` of all is behind us after ``seconds``.

        Empty while nothing is known.
        """
        then, done_then = self._seen[0] if self._seen else (0.0, 0.0)
        self._seen.append((seconds, done))
        if not done_then < done <= 1:
            return ""
        left = round((seconds - then) * (1 - done) / (done - done_then))
        return f"{left // 3600}:{left // 60 % 60:02d}:{left % 60:02d}"


def share_done(settings: TrainingSettings, update: int, epochs: float, seconds: float) -> float:
    """How much of a training is behind us, by whichever limit is nearest."""
    shares = [0.0]
    if settings.max_updates is not None:
        shares.append(update / settings.max_updates)
    if settings.max_epochs is not None:
        shares.append(epochs / settings.max_epochs)
    if settings.max_minutes is not None:
        shares.append(seconds / 60 / settings.max_minutes)
    return min(1.0, max(shares))


def _finite(value: Any) -> Any:
    """The same with null for numbers that JSON does not know."""
    if isinstance(value, dict):
        return {key: _finite(below) for key, below in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _drop_later_records(path: Path, update: int) -> None:
    """Take back records of updates that a kill undid."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            if json.loads(line)["update"] <= update:
                kept.append(line)
        except (ValueError, KeyError, TypeError):  # the kill came in the middle of the line
            continue
    with replacing_file(path) as temporary:
        temporary.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")


def _tensorboard(folder: Path, update: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise UserError(
            "training.tensorboard needs the package tensorboard",
            mend="pip install 'bitext-nmt[tensorboard]', or set training.tensorboard to false",
        ) from error
    writer: Callable[..., Any] = SummaryWriter
    return writer(str(folder), purge_step=update + 1)
