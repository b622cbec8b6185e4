"""Trainings in which several processes take part: run by ``test_distribution`` as each of them.

``python -m tests.neural.training.rank_scenarios FOLDER`` goes through all of them, one after the
other, and leaves in ``FOLDER/SCENARIO/RANK.json`` what came of each, with the weights beside it.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from nmt.errors import UserError
from nmt.neural.kernels.gpu import KERNELS
from nmt.neural.training.agreement import Agreement, Wishes
from nmt.neural.training.distribution import Ranks, Together
from nmt.neural.training.loop import Trainer
from nmt.neural.training.noticeboard import Noticeboard
from nmt.neural.training.static_step import StaticStep
from nmt.neural.training.window import Clocks
from nmt.ranks import read_place
from nmt.recipe.neural import TrainingSettings
from nmt.stopping import Stopped, StopRequest
from tests.neural.training.small_training import StopAfter, TickingClock, make_trainer, train

EXACT: dict[str, Any] = {"dtype": torch.float64, "micro_batches": 4}
"""Without rounding that could hide a mistake, and the same dropout masks for any ranks."""

TRAININGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "sharded": {"sharding": "optimizer"},
    "average": {"ema_decay": 0.9, "r_drop": 1.0, "weight_decay": 0.1, "keep_best": 2},
    "sharded average": {"sharding": "optimizer", "ema_decay": 0.9, "weight_decay": 0.1},
    "no clipping, workers": {"clip_norm": None, "workers": 2},
    "recurrent, sharded": {"recurrent": True, "sharding": "optimizer"},
    "float8": {"precision": "float8"},
    "some updates are of one pair": {"room": 12, "sharding": "optimizer", "ema_decay": 0.9},
}
"""Options of ``make_trainer``; the result must be that of one rank."""

Facts = dict[str, Any]


def go(trainer: Trainer, stop: StopRequest | None = None) -> Facts:
    """Train, and say where it ended and why."""
    try:
        ended = train(trainer, stop)
    except Stopped as stopped:
        ended = f"stopped: {stopped}"
    except UserError as error:
        ended = f"error: {error}"
    return {"ended": ended, "update": trainer.counters.update}


def exact(ranks: Ranks, folder: Path, options: dict[str, Any]) -> Facts:
    """A training from beginning to end; its weights are kept."""
    trainer = make_trainer(folder, ranks=ranks, **EXACT, **options)
    facts = go(trainer)
    values = {"values": trainer.flat.values[: trainer.flat.num_elements].clone()}
    safetensors.torch.save_file(values, folder / f"{ranks.rank}.safetensors")
    moments = trainer.optimizer.state()["first moment"]
    return {**facts, "best": [best.update for best in trainer.counters.best], "all": len(moments)}


def stopped_by_one(ranks: Ranks, folder: Path) -> Facts:
    """Rank 1 alone is asked to stop, after its tenth update."""
    stop = StopAfter(9) if ranks.rank == 1 else StopRequest()
    return go(make_trainer(folder, ranks=ranks, **EXACT, **TRAININGS["sharded average"]), stop)


def continued(ranks: Ranks, folder: Path) -> Facts:
    """What one rank began is continued."""
    return exact(ranks, folder, TRAININGS["sharded average"])


def out_of_time(ranks: Ranks, folder: Path) -> Facts:
    """Only the clock of rank 0 counts, which the others' overtake."""
    speed = 1.0 if ranks.rank == 0 else 1000.0
    clocks = Clocks(TickingClock(speed), TickingClock(1.0))
    options: dict[str, Any] = {"max_updates": 10**6, "max_minutes": 2.0, "clocks": clocks}
    return go(make_trainer(folder, ranks=ranks, save_seconds=10.0, **EXACT, **options))


def not_finite(ranks: Ranks, folder: Path) -> Facts:
    """One rank's share of an update holds a pair whose loss is not a number."""
    return go(make_trainer(folder, ranks=ranks, spoilt=7, max_updates=50))


def drifted(ranks: Ranks, folder: Path) -> Facts:
    """A weight of rank 1 is not what it should be."""
    trainer = make_trainer(folder, ranks=ranks, **EXACT)
    if ranks.rank == 1:
        trainer.flat.values[17] += 1e-9
    return go(trainer)


def static(ranks: Ranks, folder: Path, settings: dict[str, Any]) -> Facts:
    """Updates on static buffers, as a GPU takes them; results and weights are kept."""
    from tests.neural.training import test_static_step  # which wants to be skipped without Triton

    chosen = TrainingSettings(**test_static_step.SETTINGS | settings)
    changes = {**test_static_step.NO_DROPOUT, **test_static_step.DROPOUT}
    model, optimizer = test_static_step.make_optimizer(torch.float64, chosen, changes, ranks)
    step = StaticStep(
        model, optimizer, chosen, test_static_step.SHAPE, 4 // ranks.size,
        ranks=ranks, references=KERNELS,
    )  # fmt: skip
    agreement = Agreement(ranks)
    results = []
    for number, update in enumerate(test_static_step.updates(4, 4), 1):
        numbers = range(ranks.rank, 4, ranks.size)
        share = replace(
            update, micro_batches=[update.micro_batches[i] for i in numbers], numbers=numbers
        )
        sums, norm = step(share, number)
        sums, _ = agreement.reach(sums, Wishes(), now=True)
        results.append(torch.stack((sums.loss, sums.nll, norm)))
    state = {name: tensor.contiguous() for name, tensor in optimizer.state().items()}
    state["results"] = torch.stack(results)
    safetensors.torch.save_file(state, folder / f"{ranks.rank}.safetensors")
    return {}


def static_plain(ranks: Ranks, folder: Path) -> Facts:
    """Every rank takes the whole step."""
    return static(ranks, folder, {})


def static_sharded(ranks: Ranks, folder: Path) -> Facts:
    """Each rank takes a part of it."""
    return static(ranks, folder, {"sharding": "optimizer"})


SCENARIOS: dict[str, Callable[[Ranks, Path], Facts]] = {
    "stopped by one": stopped_by_one,
    "continued": continued,
    "out of time": out_of_time,
    "not finite": not_finite,
    "drifted": drifted,
}
if importlib.util.find_spec("triton"):
    SCENARIOS |= {"static": static_plain, "static, sharded": static_sharded}


def main(folder: Path) -> None:
    """Go through all scenarios as one of the ranks."""
    torch.set_num_threads(1)
    place = read_place(os.environ)
    assert place is not None
    board = Noticeboard.join(place)
    board.watch()
    ranks = Together(place, board, collective_seconds=60.0, meeting_seconds=60.0)
    with ranks.connected(torch.device("cpu")):
        for name, options in TRAININGS.items():
            _keep(exact(ranks, folder / name, options), folder / name, ranks)
        for name, scenario in SCENARIOS.items():
            _keep(scenario(ranks, folder / name), folder / name, ranks)


def _keep(facts: Facts, folder: Path, ranks: Ranks) -> None:
    (folder / f"{ranks.rank}.json").write_text(json.dumps(facts), encoding="utf-8")
    ranks.meet()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
