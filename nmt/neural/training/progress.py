"""What a training says while it runs: bars on a terminal, lines elsewhere, metrics as JSON lines."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from nmt.errors import UserError
from nmt.recipe.systems import TrainingSettings


@dataclass(frozen=True, slots=True)
class TrainingRecord:
    """Figures of the updates since the last record."""

    update: int
    epoch: int
    loss: float
    """Training loss a target piece, smoothing and all."""
    perplexity: float
    """``exp`` of the unsmoothed negative log-likelihood a target piece, under dropout."""
    learning_rate: float
    gradient_norm: float
    target_pieces_per_second: float
    """Target pieces, no padding counted, a second of wall-clock time."""
    target_pieces_per_cpu_second: float
    """The same a second of processor time, all cores summed."""
    padding: float
    """Share of the computed positions that hold no piece."""
    seconds: float
    """Wall-clock time of the training so far."""
    cpu_seconds: float
    """Processor time of the training so far."""


@dataclass(frozen=True, slots=True)
class ValidationRecord:
    """Scores on the validation set."""

    update: int
    epoch: int
    loss: float
    """Smoothed cross-entropy a target piece."""
    perplexity: float
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
        self,
        folder: Path,
        settings: TrainingSettings,
        console: Console,
        *,
        update: int = 0,
    ) -> None:
        self._path = folder / "metrics.jsonl"
        self._settings = settings
        self._console = console
        self._bar: Progress | None = None
        self._tensorboard = _tensorboard(folder / "tensorboard", update) if settings.tensorboard else None
        self._latest = ""
        _drop_later_records(self._path, update)
        if console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=None),
                TaskProgressColumn(),
                TimeRemainingColumn(elapsed_when_finished=True),
                console=console,
            )
            self._task = self._bar.add_task("training", total=1.0)

    def __enter__(self) -> Reporter:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        if self._tensorboard is not None:
            self._tensorboard.close()

    def training(self, record: TrainingRecord, done: float) -> None:
        """Report updates; ``done`` is the share of the training behind us, as far as is known."""
        self._write("training", record)
        text = (
            f"update {record.update}  epoch {record.epoch + 1}  loss {record.loss:.3f}  "
            f"{record.target_pieces_per_second:,.0f} pieces/s"
        )
        if self._bar is not None:
            self._bar.update(self._task, completed=done, description=f"{text}  {self._latest}")
        else:
            left = time_left(record.seconds, done)
            self._console.print(
                f"{text}  padding {100 * record.padding:.1f} %  norm {record.gradient_norm:.2f}"
                + (f"  {left} left" if left else ""),
                highlight=False,
                soft_wrap=True,
            )

    def validation(self, record: ValidationRecord) -> None:
        """Report a validation."""
        self._write("validation", record)
        scores = "".join(f"  {name} {value:.2f}" for name, value in record.scores.items())
        self._latest = f"valid perplexity {record.perplexity:.2f}{scores}"
        self._console.print(
            f"update {record.update}  {self._latest}{'  (best so far)' if record.is_best else ''}",
            highlight=False,
            soft_wrap=True,
        )

    def say(self, text: str) -> None:
        """Print a line beside the bar."""
        self._console.print(text, highlight=False, soft_wrap=True)

    def _write(self, kind: str, record: TrainingRecord | ValidationRecord) -> None:
        values = asdict(record)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"kind": kind, **values}) + "\n")
        if self._tensorboard is not None:
            scalars = {**values, **values.pop("scores", {})}
            for name, value in scalars.items():
                if name != "update" and math.isfinite(value):
                    self._tensorboard.add_scalar(f"{kind}/{name}", value, record.update)


def time_left(seconds: float, done: float) -> str:
    """The time left, as ``h:mm:ss``, if the rest goes as fast; empty while nothing is known."""
    if not 0 < done <= 1:
        return ""
    left = round(seconds * (1 - done) / done)
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


def _drop_later_records(path: Path, update: int) -> None:
    """Take back records of updates that a kill undid."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            if json.loads(line)["update"] <= update:
                kept.append(line)
        except (ValueError, KeyError):  # the kill came in the middle of the line
            continue
    path.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")


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
