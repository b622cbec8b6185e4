"""The training loop: exact resumption, limits, the best weights, and what users are told."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from nmt.errors import UserError
from nmt.neural.training.checkpoint import Counters
from nmt.neural.training.loop import Trainer
from nmt.neural.training.steps import UsualSteps
from nmt.neural.training.window import Clocks
from nmt.stopping import Stopped
from tests.neural.training.small_training import (
    NUM_PAIRS,
    KilledError,
    StopAfter,
    TickingClock,
    differing,
    finish,
    make_trainer,
    state,
    train,
)


def records(folder: Path, kind: str) -> list[dict[str, Any]]:
    """Records of a kind that stay."""
    lines = (folder / "metrics.jsonl").read_text("utf-8").splitlines()
    return [record for record in map(json.loads, lines) if record["kind"] == kind]


def course(trainer: Trainer) -> dict[str, Any]:
    """Where it stands, without the time that it took."""
    values = trainer.counters.to_json()
    return {name: value for name, value in values.items() if "seconds" not in name}


EXACT: list[dict[str, Any]] = [
    {},
    {"workers": 2},
    {"ema_decay": 0.9, "r_drop": 1.0},
    {"precision": "bfloat16"},
    {"precision": "float16"},
    {"precision": "float8", "workers": 2},
    {"schedule": "cosine", "weight_decay": 0.1},
    {"recurrent": True},
    {"recurrent": True, "workers": 2, "ema_decay": 0.9, "r_drop": 1.0},
    {"recurrent": True, "precision": "bfloat16"},
]


def test_a_stop_at_each_update_changes_nothing(tmp_path: Path, undisturbed: Trainer) -> None:
    """Every update is the last one of a training, and the first one of the next."""
    for _ in range(19):
        with pytest.raises(Stopped):
            train(make_trainer(tmp_path), StopAfter(0))
    trainer = make_trainer(tmp_path)
    train(trainer)
    assert list(differing(state(undisturbed), state(trainer))) == []
    assert course(undisturbed) == course(trainer)


@pytest.mark.parametrize("options", EXACT, ids=str)
def test_twenty_updates_are_ten_and_ten(tmp_path: Path, options: dict[str, Any]) -> None:
    """Bit for bit, all tensors and counters, by a new trainer from the file."""
    whole = make_trainer(tmp_path / "whole", **options)
    (tmp_path / "whole").mkdir()
    assert train(whole) == "20 updates done"
    (tmp_path / "parts").mkdir()
    stopped = make_trainer(tmp_path / "parts", **options)
    with pytest.raises(Stopped, match="enough"):
        train(stopped, StopAfter(9))
    assert stopped.counters.update == 10
    rest = make_trainer(tmp_path / "parts", **options)
    assert train(rest) == "20 updates done"
    assert list(differing(state(whole), state(rest))) == []
    assert course(whole) == course(rest)
    assert rest.counters.seconds > stopped.counters.seconds


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Trainer:
    """A training from beginning to end."""
    trainer = make_trainer(tmp_path_factory.mktemp("undisturbed"))
    train(trainer)
    return trainer


@hypothesis_settings(max_examples=10)
@given(ends=st.lists(st.tuples(st.integers(0, 12), st.booleans()), max_size=4))
def test_kills_and_stops_at_any_update_change_nothing(
    tmp_path_factory: pytest.TempPathFactory, undisturbed: Trainer, ends: list[tuple[int, bool]]
) -> None:
    """A stop saves its update; after a kill it goes back to the checkpoint before."""
    folder = tmp_path_factory.mktemp("killed")
    for updates, kill in ends:
        with contextlib.suppress(KilledError, Stopped):
            train(make_trainer(folder), StopAfter(updates, kill=kill))
    trainer = make_trainer(folder)
    train(trainer)
    assert list(differing(state(undisturbed), state(trainer))) == []
    assert course(undisturbed) == course(trainer)
    # Every update is logged once, and every validation.
    assert [r["update"] for r in records(folder, "training")] == list(range(1, 21))
    assert [r["update"] for r in records(folder, "validation")] == [
        r["update"] for r in records(undisturbed.folder, "validation")
    ]


def test_the_same_seed_gives_the_same_weights(tmp_path: Path) -> None:
    """And another one others."""
    found = []
    for number, seed in enumerate((1, 1, 2)):
        folder = tmp_path / str(number)
        folder.mkdir()
        trainer = make_trainer(folder, seed=seed)
        train(trainer)
        found.append(state(trainer))
    assert list(differing(found[0], found[1])) == []
    assert "values" in differing(found[0], found[2])


@pytest.mark.parametrize("recurrent", [False, True])
@pytest.mark.parametrize(("micro_batches", "workers"), [(1, 1), (4, 1), (2, 2), (5, 3)])
def test_division_changes_rounding_only(
    tmp_path: Path, micro_batches: int, workers: int, recurrent: bool
) -> None:
    """Micro-batches and workers may change between stop and continuation."""
    exact: dict[str, Any] = {"dropout": 0.0, "dtype": torch.float64, "recurrent": recurrent}
    whole = make_trainer(tmp_path, **exact)
    train(whole)
    folder = tmp_path / "changed"
    folder.mkdir()
    train(make_trainer(folder, max_updates=10, **exact))
    rest = make_trainer(folder, micro_batches=micro_batches, workers=workers, **exact)
    train(rest)
    assert rest.counters.target_pieces == whole.counters.target_pieces
    torch.testing.assert_close(rest.flat.values, whole.flat.values, rtol=1e-8, atol=1e-10)


def test_limits(tmp_path: Path) -> None:
    """Whichever comes first, in words."""
    assert train(make_trainer(tmp_path, max_updates=3)) == "3 updates done"
    trainer = make_trainer(tmp_path, max_updates=1000, max_epochs=2)
    assert train(trainer) == "2 epochs done"
    assert trainer.counters.epochs == pytest.approx(2.0)
    assert trainer.counters.position.epoch == 2
    # At every look the clock goes on by a second.
    clocks = Clocks(TickingClock(1.0), TickingClock(2.0))
    trainer = make_trainer(tmp_path, max_updates=10**6, max_minutes=2.0, clocks=clocks)
    assert train(trainer) == "2 minutes are over"
    assert 120 <= trainer.counters.seconds < 150
    # The time before the stop counts.
    again = make_trainer(tmp_path, max_updates=10**6, max_minutes=2.0)
    assert train(again) == "2 minutes are over"
    assert again.counters.update == trainer.counters.update


def test_an_epoch_holds_every_pair(tmp_path: Path) -> None:
    """By what was counted."""
    trainer = make_trainer(tmp_path, max_updates=None, max_epochs=3)
    train(trainer)
    rng = np.random.default_rng(1)
    assert trainer.counters.target_pieces == 3 * int((rng.integers(1, 10, NUM_PAIRS) + 1).sum())


def test_patience_counts_validations_without_a_better_one(tmp_path: Path) -> None:
    """And is remembered over a stop."""
    losses = [5.0, 4.0, 4.5, 4.2, 3.9, 4.0, 3.95, 3.95, 1.0]
    options: dict[str, Any] = {"losses": losses, "max_updates": 200, "patience": 3}
    trainer = make_trainer(tmp_path, **options)
    assert train(trainer) == "no better validation in 3"
    assert trainer.counters.update == 8 * 5
    assert trainer.counters.best[0].update == 5 * 5
    assert train(make_trainer(tmp_path, **options)) == "no better validation in 3"


@pytest.mark.parametrize("metric", ["loss", "bleu"])
def test_the_best_are_kept(tmp_path: Path, metric: str) -> None:
    """As many as asked for, best first, as files with the weights of their update."""
    values = [3.0, 1.0, 2.0, 1.5]
    trainer = make_trainer(
        tmp_path, losses=values, bleus=[-v for v in values], validate_metric=metric, keep_best=2
    )
    train(trainer)
    assert [best.update for best in trainer.counters.best] == [10, 20]
    assert sorted(path.name for path in (tmp_path / "best").iterdir()) == [
        "00000010.safetensors",
        "00000020.safetensors",
    ]
    kept = safetensors.torch.load_file(trainer.checkpoints.best_path(20))
    for name, weights in trainer.flat.views(trainer.flat.values).items():
        assert torch.equal(kept[name], weights)


def test_what_is_kept_is_the_moving_average(tmp_path: Path) -> None:
    """If there is one."""
    trainer = make_trainer(tmp_path, ema_decay=0.9)
    train(trainer)
    kept = safetensors.torch.load_file(trainer.checkpoints.best_path(5))
    assert trainer.counters.best[0].update == 5
    assert not torch.equal(kept["output"], trainer.flat.views(trainer.flat.values)["output"])
    short = make_trainer(tmp_path / "short", ema_decay=0.9, max_updates=5)
    (tmp_path / "short").mkdir()
    train(short)
    assert torch.equal(kept["output"], short.flat.views(short.optimizer.evaluated)["output"])


def test_of_equal_scores_the_loss_decides(tmp_path: Path) -> None:
    """At the beginning the BLEU of everything is 0."""
    trainer = make_trainer(
        tmp_path, losses=[5.0, 4.0, 3.0, 3.5], bleus=[0.0], validate_metric="bleu", patience=2
    )
    assert train(trainer) == "20 updates done"
    assert trainer.counters.best[0].update == 15
    assert trainer.counters.validations_since_best == 1


def test_a_validation_loss_that_is_no_number_is_the_worst(tmp_path: Path) -> None:
    """It must not hide better ones."""
    trainer = make_trainer(tmp_path, losses=[float("nan"), 4.0, float("nan"), float("inf")])
    train(trainer)
    assert trainer.counters.best[0].update == 10


def test_the_last_updates_are_validated_too(tmp_path: Path) -> None:
    """Training need not end on a multiple; a stop is no end."""
    trainer = make_trainer(tmp_path, max_updates=13)
    train(trainer)
    assert [r["update"] for r in records(tmp_path, "validation")] == [5, 10, 13]
    train(make_trainer(tmp_path, max_updates=13))
    assert len(records(tmp_path, "validation")) == 3
    (tmp_path / "stopped").mkdir()
    with pytest.raises(Stopped):
        train(make_trainer(tmp_path / "stopped", max_updates=13), StopAfter(6))
    assert [r["update"] for r in records(tmp_path / "stopped", "validation")] == [5]


@pytest.mark.parametrize(
    ("mean_loss", "chosen"), [(0.5, "the mean of 2 checkpoints (updates 10, 20)"),
                              (9.0, "one checkpoint (updates 10)")],
)  # fmt: skip
def test_the_final_model_is_the_better_one(tmp_path: Path, mean_loss: float, chosen: str) -> None:
    """The mean of the best checkpoints, or the best alone; both by the validation set."""
    losses = [3.0, 1.0, 2.0, 1.5, mean_loss]
    trainer = make_trainer(tmp_path, losses=losses, keep_best=3, average_checkpoints=2)
    train(trainer)
    scores, said = finish(trainer)
    assert chosen in said
    assert scores == {"loss": min(mean_loss, 1.0), "bleu": 10.0, "chrf": 50.0}
    updates = [10, 20] if mean_loss < 1 else [10]
    expected = trainer.checkpoints.average(updates)
    for name, parameter in trainer._translator.model.named_parameters():
        assert torch.equal(parameter, expected[name])
    assert not torch.equal(trainer.flat.views(trainer.flat.values)["output"], expected["output"])


def test_output_is_searched_only_where_it_ranks(tmp_path: Path) -> None:
    """A validation by loss takes no search; the final model gets its scores."""
    trainer = make_trainer(tmp_path, validate_metric="loss")
    train(trainer)
    validator: Any = trainer._validator
    assert (validator.validated, validator.searched) == (4, 0)
    assert finish(trainer)[0].keys() == {"loss", "bleu", "chrf"}
    assert (validator.validated, validator.searched) == (4, 1)


def test_a_checkpoint_is_written_every_so_many_seconds(tmp_path: Path) -> None:
    """By the clock, whatever the number of updates."""
    clock = TickingClock(1.0)
    trainer = make_trainer(
        tmp_path, validate_every=10**6, clocks=Clocks(clock, TickingClock(1.0)), save_seconds=30.0
    )
    with pytest.raises(KilledError):
        train(trainer, StopAfter(15, kill=True))
    loaded = trainer.checkpoints.load()
    assert loaded is not None
    assert 0 < loaded[0].update < 15
    assert clock.now - loaded[0].seconds < 60


def test_what_is_not_finite_stops_with_the_batch_saved(tmp_path: Path) -> None:
    """The text of its pairs, in a file that the message names; the checkpoint is from before."""
    trainer = make_trainer(tmp_path, spoilt=7, max_updates=50, validate_every=1)
    with pytest.raises(UserError, match=r"loss of update (\d+) is not finite") as raised:
        train(trainer)
    (path,) = tmp_path.glob("not-finite-*.jsonl")
    assert path.name in str(raised.value)
    pairs = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert {"pair": 7, "source": "source 7", "target": "target 7"} in pairs
    number = int(path.stem.split("-")[-1])
    loaded = trainer.checkpoints.load()
    assert (loaded[0].update if loaded else 0) == number - 1


def test_a_device_that_does_not_look_at_once_saves_nothing_bad(tmp_path: Path) -> None:
    """As on a GPU, where the host looks only when it logs, validates or saves."""
    trainer = make_trainer(tmp_path, spoilt=7, max_updates=50, validate_every=3, log_every=10**6)
    trainer._checks_each_update = False
    trainer.optimizer._looks_before_step = False
    with pytest.raises(UserError, match="is not finite"):
        train(trainer)
    loaded = trainer.checkpoints.load()
    if loaded is not None:
        assert trainer.flat.views(loaded[1]["values"])["output"].isfinite().all()


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB"), MemoryError(),
     RuntimeError("DefaultCPUAllocator: can't allocate memory")],
    ids=["gpu", "host", "allocator"],
)  # fmt: skip
def test_a_lack_of_memory_says_what_to_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """In training, and in the check before."""
    trainer = make_trainer(tmp_path, batch_tokens=64)

    def fail(*_: object) -> None:
        raise error

    assert isinstance(trainer.steps, UsualSteps)
    monkeypatch.setattr(trainer.steps.workers, "accumulate", fail)
    for act in (lambda: train(trainer), lambda: trainer.check_fit(np.arange(3))):
        with pytest.raises(UserError, match="64 tokens does not fit in memory") as raised:
            act()
        assert "micro_batch_tokens to less, such as 32" in str(raised.value)


def test_other_errors_are_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not every RuntimeError is a lack of memory."""
    trainer = make_trainer(tmp_path)

    def fail(*_: object) -> None:
        raise RuntimeError("shapes differ")

    assert isinstance(trainer.steps, UsualSteps)
    monkeypatch.setattr(trainer.steps.workers, "accumulate", fail)
    with pytest.raises(RuntimeError, match="shapes differ"):
        train(trainer)


def test_the_check_of_memory_leaves_no_trace(tmp_path: Path) -> None:
    """Neither gradients nor counters."""
    trainer = make_trainer(tmp_path)
    before = state(trainer)
    trainer.check_fit(np.arange(5))
    assert list(differing(before, state(trainer))) == []
    assert not trainer.flat.gradients.any()
    assert trainer.counters == Counters()


def test_a_checkpoint_may_be_refused(tmp_path: Path) -> None:
    """The caller sees its inputs and where it stands."""
    train(make_trainer(tmp_path, max_updates=3))
    seen: list[tuple[dict[str, Any], int]] = []

    def refuse(inputs: dict[str, Any], counters: Counters) -> None:
        seen.append((inputs, counters.update))
        raise UserError("not this one")

    trainer = make_trainer(tmp_path)
    with pytest.raises(UserError, match="not this one"):
        trainer.restore(refuse)
    assert seen == [({"seed": 1}, 3)]
    assert trainer.counters == Counters()


def test_a_checkpoint_of_another_version_is_told(tmp_path: Path) -> None:
    """One that holds not all that this version needs, with the file and the way out."""
    trainer = make_trainer(tmp_path, max_updates=3)
    train(trainer)
    file = trainer.checkpoints.last
    with safetensors.safe_open(file, framework="pt") as opened:
        metadata = opened.metadata()
    tensors = safetensors.torch.load_file(file)
    del tensors["first moment"]
    safetensors.torch.save_file(tensors, file, metadata=metadata)
    with pytest.raises(UserError, match=r"another version .* no 'first moment'") as raised:
        make_trainer(tmp_path).restore(lambda inputs, counters: None)
    assert str(file) in str(raised.value)
    assert "--fresh" in str(raised.value)


def test_logged_figures_are_those_of_the_updates(tmp_path: Path) -> None:
    """Speed by the clock, which stands still in validations; epochs and counts as they are."""
    clock = TickingClock(1.0)
    trainer = make_trainer(
        tmp_path, log_every=4, validate_every=4, max_updates=12,
        clocks=Clocks(clock, TickingClock(1.0)),
    )  # fmt: skip
    validator: Any = trainer._validator
    real = validator.loss

    def slow(translator: Any) -> tuple[float, float]:
        clock.now += 1000.0
        loss: tuple[float, float] = real(translator)
        return loss

    validator.loss = slow
    train(trainer)
    logged = records(tmp_path, "training")
    assert [record["update"] for record in logged] == [4, 8, 12]
    # Four updates with a few looks each: far from the 1,000 seconds of a validation.
    for record in logged:
        seconds = 4 * 64 / record["target_pieces_per_second"]
        assert 4 < seconds < 40
    assert logged[-1]["seconds"] > 2000
    assert records(tmp_path, "validation")[-1]["seconds"] > 2000
    assert trainer.counters.seconds > 3000
    assert logged[-1]["learning_rate"] == pytest.approx(0.01 * (4 / 12) ** 0.5)


def test_float16_goes_on_after_an_overflow(tmp_path: Path) -> None:
    """With a smaller scale, which the checkpoint keeps."""
    trainer = make_trainer(tmp_path, precision="float16", max_updates=6)
    trainer.counters.loss_scale = 2.0**40
    train(trainer)
    assert trainer.counters.update == 6
    assert 2.0**20 < trainer.counters.loss_scale < 2.0**40
    loaded = trainer.checkpoints.load()
    assert loaded is not None
    assert loaded[0].loss_scale == trainer.counters.loss_scale
