"""Several ranks compute what one computes, decide together, and end together."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor

from nmt.launch import launch
from nmt.neural.training.agreement import Agreement, Wishes
from nmt.neural.training.distribution import Alone
from nmt.neural.training.gradients import LossSums
from tests.neural.training.rank_scenarios import (
    EXACT,
    SCENARIOS,
    TRAININGS,
    exact,
    go,
    static_plain,
)
from tests.neural.training.small_training import StopAfter, make_trainer

TOLERANCE = 1e-6

Facts = dict[str, Any]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where two processes went through all scenarios."""
    folder = tmp_path_factory.mktemp("ranks")
    for name in (*TRAININGS, *SCENARIOS):
        (folder / name).mkdir()
    go(_sharded_average(folder / "continued"), StopAfter(9))
    command = [sys.executable, "-m", "tests.neural.training.rank_scenarios", str(folder)]
    assert launch(command, 2) == 0
    return folder


def _sharded_average(folder: Path) -> Any:
    return make_trainer(folder, **EXACT, **TRAININGS["sharded average"])


def facts_of(folder: Path, name: str) -> tuple[Facts, Facts]:
    """What came of a scenario on either rank."""
    one, two = (json.loads((folder / name / f"{rank}.json").read_text()) for rank in (0, 1))
    return one, two


def weights(folder: Path, rank: int) -> Tensor:
    """The weights that a rank ended with."""
    return safetensors.torch.load_file(folder / f"{rank}.safetensors")["values"]


def assert_same(found: Tensor, expected: Tensor) -> None:
    """Equal but for rounding."""
    error = float((found - expected).norm() / expected.norm())
    assert error < TOLERANCE, error


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The same trainings by one rank, each when it is asked for."""
    made: dict[str, Path] = {}

    def training(name: str) -> Path:
        if name not in made:
            made[name] = tmp_path_factory.mktemp("alone")
            facts = exact(Alone(), made[name], TRAININGS[name])
            (made[name] / "0.json").write_text(json.dumps(facts))
        return made[name]

    return training


@pytest.mark.integration
@pytest.mark.parametrize("name", TRAININGS)
def test_two_ranks_are_one(folder: Path, alone: Any, name: str) -> None:
    """After 20 updates with dropout, weights, checkpoints and validations are the same."""
    ours, reference = folder / name, alone(name)
    expected = json.loads((reference / "0.json").read_text())
    assert expected["update"] == 20
    assert facts_of(folder, name) == (expected, expected)
    assert_same(weights(ours, 0), weights(reference, 0))
    assert torch.equal(weights(ours, 0), weights(ours, 1))
    last, expected_last = (
        safetensors.torch.load_file(place / "last.safetensors") for place in (ours, reference)
    )
    assert last.keys() == expected_last.keys()
    for key, tensor in expected_last.items():
        assert last[key].shape == tensor.shape
        assert_same(last[key], tensor)
    assert {path.name for path in (ours / "best").iterdir()} == {
        path.name for path in (reference / "best").iterdir()
    }
    # Every update is logged, once.
    logged, expected_logged = (
        [json.loads(line) for line in (place / "metrics.jsonl").read_text().splitlines()]
        for place in (ours, reference)
    )
    assert len(logged) == len(expected_logged)
    for record, other in zip(logged, expected_logged, strict=True):
        assert record.keys() == other.keys()
        for key in record.keys() & {"update", "epochs", "loss", "padding", "gradient_norm"}:
            assert record[key] == pytest.approx(other[key], rel=TOLERANCE), key


@pytest.mark.integration
def test_two_ranks_continue_what_one_began(folder: Path, alone: Any) -> None:
    """Its moments are divided among them."""
    assert_same(weights(folder / "continued", 0), weights(alone("sharded average"), 0))
    assert facts_of(folder, "continued")[0]["update"] == 20


@pytest.mark.integration
def test_one_rank_continues_what_two_began(folder: Path, alone: Any, tmp_path: Path) -> None:
    """Both stop after the same update, though only one of them was asked to."""
    assert facts_of(folder, "stopped by one") == (
        {"ended": "stopped: enough", "update": 10},
        {"ended": "stopped: enough", "update": 10},
    )
    trainer = _sharded_average(folder / "stopped by one")
    assert go(trainer) == {"ended": "20 updates done", "update": 20}
    assert_same(trainer.flat.values, weights(alone("sharded average"), 0))


@pytest.mark.integration
def test_time_is_over_for_all_at_once(folder: Path) -> None:
    """By the clock of rank 0."""
    one, two = facts_of(folder, "out of time")
    assert one["ended"] == "2 minutes are over"
    assert one == two
    assert 10 < one["update"] < 120


@pytest.mark.integration
def test_all_see_a_loss_that_is_not_finite(folder: Path) -> None:
    """At the same update, whosever share it is in."""
    one, two = facts_of(folder, "not finite")
    assert "is not finite; its sentence pairs are in" in one["ended"]
    assert one == two


@pytest.mark.integration
def test_weights_that_drift_apart_are_refused(folder: Path) -> None:
    """By all, at the next validation."""
    one, two = facts_of(folder, "drifted")
    assert "the weights of rank 1 are no longer those of rank 0" in one["ended"]
    assert one == two
    assert one["update"] == 5


@pytest.mark.integration
@pytest.mark.parametrize("name", ["static", "static, sharded"])
def test_the_gpus_step_is_that_of_one_rank(folder: Path, tmp_path: Path, name: str) -> None:
    """On static buffers, with dropout: losses, norms, weights, moments and average."""
    pytest.importorskip("triton", reason="needs Triton")
    static_plain(Alone(), tmp_path)
    expected = safetensors.torch.load_file(tmp_path / "0.safetensors")
    for rank in (0, 1):
        found = safetensors.torch.load_file(folder / name / f"{rank}.safetensors")
        assert found.keys() == expected.keys()
        for key, tensor in expected.items():
            assert_same(found[key], tensor)


class Doubled(Alone):
    """Two ranks of which the other does the same as this one."""

    size = 2

    def add_up(self, tensor: Tensor) -> None:
        """Twice this rank's."""
        tensor.mul_(2)


def test_wishes_are_granted_to_all_at_once_though_late() -> None:
    """A device that is not waited for says two updates later what was wished."""
    agreement = Agreement(Doubled())
    sums = LossSums(torch.tensor(3.0), torch.tensor(2.0))
    granted = []
    for update in range(6):
        wishes = Wishes(stop=update == 1, save=update == 2)
        total, agreed = agreement.reach(sums, wishes, now=update == 5)
        assert (float(total.loss), float(total.nll)) == (6.0, 4.0)
        granted.append(agreed)
    assert granted == [
        Wishes(), Wishes(), Wishes(), Wishes(stop=True), Wishes(save=True), Wishes(),
    ]  # fmt: skip
    # Who waits learns all that is on its way.
    agreement.reach(sums, Wishes(end=True), now=False)
    agreement.reach(sums, Wishes(save=True), now=False)
    assert agreement.reach(sums, Wishes(), now=True)[1] == Wishes(end=True, save=True)


def test_one_rank_decides_at_once() -> None:
    """And nothing is computed for it."""
    sums = LossSums(torch.tensor(3.0), torch.tensor(2.0))
    wishes = Wishes(stop=True)
    assert Agreement(Alone()).reach(sums, wishes, now=False) == (sums, wishes)
