"""The figures that users see, and the records that stay."""

from __future__ import annotations

import builtins
import dataclasses
import io
import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from nmt.errors import UserError
from nmt.neural.training.batches import Position, Update
from nmt.neural.training.checkpoint import Counters
from nmt.neural.training.gradients import LossSums, perplexity
from nmt.neural.training.progress import (
    Reporter,
    TimeLeft,
    TrainingRecord,
    ValidationRecord,
    share_done,
)
from nmt.neural.training.window import Clocks, Window
from nmt.recipe.neural import TrainingSettings

SETTINGS = TrainingSettings(max_updates=100)

TRAINING = TrainingRecord(
    update=50, epochs=1.25, loss=4.5, perplexity=20.0, learning_rate=1e-3, gradient_norm=0.75,
    target_pieces_per_second=12345.6, target_pieces_per_cpu_second=6000.0, padding=0.0123,
    seconds=30.0, cpu_seconds=60.0,
)  # fmt: skip
VALIDATION = ValidationRecord(
    update=50, epochs=1.25, loss=3.0, perplexity=11.5, scores={"bleu": 31.25, "chrf": 55.0},
    value=31.25, is_best=True, seconds=31.0, cpu_seconds=62.0,
)  # fmt: skip


class FakeClock:
    """Shows what it was set to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def reported(folder: Path, *, terminal: bool = False, update: int = 0, **settings: Any) -> str:
    """What is shown of one training and one validation record."""
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=140, color_system=None)
    chosen = SETTINGS.model_copy(update=settings)
    with Reporter(folder, chosen, console, update=update) as reporter:
        reporter.validation(VALIDATION)
        reporter.training(TRAINING, 0.5)
        reporter.say("a [path] with :smile: " + "x" * 200)
    return out.getvalue()


def records(folder: Path) -> list[dict[str, Any]]:
    """What stays."""
    lines = (folder / "metrics.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line, parse_constant=pytest.fail) for line in lines]


def test_lines_say_what_the_records_hold(tmp_path: Path) -> None:
    """Every figure with its unit; long lines whole, brackets as they are."""
    validation, training, said, end = reported(tmp_path).split("\n")
    assert validation == (
        "update 50  valid perplexity 11.50  bleu 31.25  chrf 55.00  (best so far)"
    )
    assert training == (
        "update 50  epoch 1.25  loss 4.500  12,346 pieces/s  padding 1.2 %  norm 0.75  0:00:30 left"
    )
    assert said == "a [path] with :smile: " + "x" * 200
    assert end == ""


def test_a_terminal_shows_a_bar_with_the_same_figures(tmp_path: Path) -> None:
    """Loss, speed, time left, and the last validation."""
    out = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", reported(tmp_path, terminal=True))
    bar = [line for line in out.splitlines() if "━" in line][-1]
    for part in (
        "50 %", "update 50", "epoch 1.25", "loss 4.500", "12,346 pieces/s", "0:00:30 left",
        "valid perplexity 11.50", "bleu 31.25",
    ):  # fmt: skip
        assert part in bar
    assert "a [path] with :smile:" in out


def test_records_are_json_lines(tmp_path: Path) -> None:
    """All fields, in order of time."""
    reported(tmp_path)
    validation, training = records(tmp_path)
    assert validation == {"kind": "validation", **dataclasses.asdict(VALIDATION)}
    assert training == {"kind": "training", **dataclasses.asdict(TRAINING)}


def test_figures_that_json_lacks_are_null(tmp_path: Path) -> None:
    """A perplexity too large for a float, a norm that there is none of."""
    record = dataclasses.replace(TRAINING, perplexity=math.inf, gradient_norm=math.nan)
    with Reporter(tmp_path, SETTINGS, Console(file=io.StringIO())) as reporter:
        reporter.training(record, 0.0)
    (found,) = records(tmp_path)
    assert found["perplexity"] is None
    assert found["gradient_norm"] is None


@pytest.mark.parametrize("update", [0, 50, 70, 100])
def test_records_of_undone_updates_are_taken_back(tmp_path: Path, update: int) -> None:
    """What comes after the checkpoint that training goes on from, and half a line."""
    with Reporter(tmp_path, SETTINGS, Console(file=io.StringIO())) as reporter:
        for number in (50, 60, 70, 80):
            reporter.training(dataclasses.replace(TRAINING, update=number), 0.0)
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"kind": "training", "upd')
    Reporter(tmp_path, SETTINGS, Console(file=io.StringIO()), update=update)
    assert [r["update"] for r in records(tmp_path)] == [n for n in (50, 60, 70, 80) if n <= update]


def test_metrics_that_cannot_be_written_are_a_sentence(read_only_disk: Path) -> None:
    """Which says where."""
    with (
        Reporter(read_only_disk, SETTINGS, Console(file=io.StringIO())) as reporter,
        pytest.raises(UserError, match="cannot write: Read-only") as raised,
    ):
        reporter.training(TRAINING, 0.0)
    assert "metrics.jsonl" in str(raised.value)


def test_tensorboard_gets_the_same_figures(tmp_path: Path) -> None:
    """Read back by TensorBoard itself; undone updates are taken back there, too."""
    pytest.importorskip("tensorboard", reason="needs TensorBoard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    reported(tmp_path, tensorboard=True)
    with Reporter(
        tmp_path, SETTINGS.model_copy(update={"tensorboard": True}),
        Console(file=io.StringIO()), update=20,
    ) as reporter:  # fmt: skip
        reporter.training(dataclasses.replace(TRAINING, loss=1.5), 0.0)
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    loss = events.Scalars("training/loss")
    assert [(event.step, event.value) for event in loss] == [(50, 1.5)]
    assert events.Scalars("validation/bleu") == []
    names = {field.name for field in dataclasses.fields(TrainingRecord)} - {"update"}
    assert {f"training/{name}" for name in names} <= set(events.Tags()["scalars"])


def test_tensorboard_holds_validation_scores(tmp_path: Path) -> None:
    """Each by its name."""
    pytest.importorskip("tensorboard", reason="needs TensorBoard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    reported(tmp_path, tensorboard=True)
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert events.Scalars("validation/bleu")[0].value == 31.25
    assert events.Scalars("validation/perplexity")[0].value == 11.5


def test_a_missing_tensorboard_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the name of the extra."""
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if "tensorboard" in name:
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UserError, match=r"needs the package tensorboard") as raised:
        reported(tmp_path, tensorboard=True)
    assert "bitext-nmt[tensorboard]" in str(raised.value)


@given(seconds=st.floats(0.1, 1e6), done=st.floats(1e-3, 1))
def test_time_left_is_in_proportion(seconds: float, done: float) -> None:
    """``h:mm:ss``, to the second."""
    found = _seconds(TimeLeft().after(seconds, done))
    assert found == pytest.approx(seconds / done - seconds, abs=0.51)


def test_time_left_forgets_how_slow_it_was_before() -> None:
    """A training that goes on on a faster machine is told the time that this one will take."""
    left = TimeLeft(records=3)
    left.after(36_000.0, 0.1)  # ten hours for the first tenth
    for step in range(1, 4):
        found = _seconds(left.after(36_000.0 + 60 * step, 0.1 + 0.01 * step))
        assert found == pytest.approx(60 * (90 - step), abs=0.51)


def test_time_left_of_nothing_known_is_nothing() -> None:
    """No limit is near enough to tell."""
    assert TimeLeft().after(10.0, 0.0) == ""
    assert TimeLeft().after(10.0, 1.0) == "0:00:00"


def _seconds(shown: str) -> int:
    hours, minutes, rest = map(int, shown.split(":"))
    assert 0 <= minutes < 60
    assert 0 <= rest < 60
    return 3600 * hours + 60 * minutes + rest


def test_the_nearest_limit_says_how_much_is_done() -> None:
    """Updates, epochs (in fractions) or minutes, whichever comes first; never more than all."""
    settings = TrainingSettings(max_updates=100, max_epochs=10, max_minutes=1)
    assert share_done(settings, 50, 1.0, 6.0) == 0.5
    assert share_done(settings, 5, 7.5, 6.0) == 0.75
    assert share_done(settings, 5, 1.0, 54.0) == 0.9
    assert share_done(settings, 5, 1.0, 99.0) == 1.0
    assert share_done(TrainingSettings(max_epochs=4, max_updates=None), 10**6, 1.0, 1e9) == 0.25


def make_update(target_pieces: int, pieces: int, positions: int) -> Update:
    """An update of these counts."""
    return Update([], [], target_pieces, pieces, positions, np.zeros(0, int), Position(), 0.0)


def test_figures_of_a_window_are_what_happened_in_it() -> None:
    """By a clock of our own; time spent on validation and checkpoints does not count."""
    wall, cpu = FakeClock(), FakeClock()
    window = Window(Clocks(wall, cpu))
    for norm, sums in ((1.0, (600.0, 300.0)), (2.0, (900.0, 600.0))):
        wall.now += 2.0
        cpu.now += 3.0
        losses = LossSums(*(torch.tensor(value) for value in sums))
        window.add(make_update(100, 190, 200), losses, torch.tensor(norm))
        with window.paused():
            wall.now += 50.0
            cpu.now += 70.0
    counters = Counters(update=7, epochs=0.5, seconds=104.0, cpu_seconds=146.0)
    record = window.record(counters, 1e-3)
    assert record.target_pieces_per_second == 200 / 4
    assert record.target_pieces_per_cpu_second == 200 / 6
    assert record.padding == pytest.approx(1 - 380 / 400)
    assert record.loss == 1500 / 200
    assert record.perplexity == pytest.approx(math.exp(900 / 200))
    assert record.gradient_norm == 1.5
    assert (record.update, record.epochs, record.seconds) == (7, 0.5, 104.0)


def test_skipped_updates_have_no_part_in_the_mean_norm() -> None:
    """Overflows of float16."""
    window = Window(Clocks())
    for norm in (1.0, math.inf, 3.0):
        sums = LossSums(torch.tensor(1.0), torch.tensor(1.0))
        window.add(make_update(1, 1, 1), sums, torch.tensor(norm))
    assert window.record(Counters(), 0.0).gradient_norm == 2.0


def test_perplexity_has_no_overflow() -> None:
    """Infinity instead of an error."""
    assert perplexity(1e6) == math.inf
    assert perplexity(math.log(50)) == pytest.approx(50)
