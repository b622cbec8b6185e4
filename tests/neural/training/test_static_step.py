"""The update that a GPU replays, here step by step, against the one of the processor."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from nmt.neural.kernels import gpu
from nmt.neural.kernels.gpu import KERNELS, Kernel
from nmt.neural.model.architecture import Architecture, base, big
from nmt.neural.model.fused import why_not
from nmt.neural.packed import RowBlock, StaticShape, pack_static
from nmt.neural.training.batches import Position, Update
from nmt.neural.training.cores import Cores
from nmt.neural.training.distribution import Ranks
from nmt.neural.training.gradients import GradientWorkers
from nmt.neural.training.loss_scale import FIRST, LARGEST, PATIENCE, LossScale
from nmt.neural.training.optimizer import FlatParameters, Optimizer
from nmt.neural.training.static_step import StaticStep
from nmt.neural.training.steps import why_not_static
from nmt.recipe.neural import TrainingSettings
from tests.neural.models import SMALL, SMALL_RECURRENT, make_model, random_rows
from tests.neural.training.small_training import differing, make_trainer, state, train

pytest.importorskip("triton", reason="needs Triton")

SHAPE = StaticShape(24, 26, 7, (19, 19))
SIZES: dict[str, Any] = {
    "encoder_layers": 1, "decoder_layers": 1, "width": 32, "heads": 1, "feed_forward_width": 24,
}  # fmt: skip
NO_DROPOUT: dict[str, Any] = {"dropout": 0.0, "embedding_dropout": 0.0}
DROPOUT: dict[str, Any] = {"dropout": 0.3, "embedding_dropout": 0.2, "attention_dropout": 0.1}
SETTINGS: dict[str, Any] = {
    "learning_rate": 0.01, "warmup_updates": 2, "weight_decay": 0.1, "clip_norm": 0.5,
    "ema_decay": 0.9,
}  # fmt: skip

VARIANTS: list[dict[str, Any]] = [
    {},
    {"norm_position": "post", "activation": "gelu"},
    {"norm": "rmsnorm", "activation": "swiglu", "positions": "rotary"},
    {"positions": "learned", "tied_embeddings": "none"},
]


def updates(count: int, micro_batches: int) -> Iterator[Update]:
    """Updates of random sentences, all of one shape."""
    for number in range(count):
        batches = [
            pack_static(
                RowBlock.of(random_rows([3, 1, 9, 0], seed=7 * number + part)),
                RowBlock.of(random_rows([4, 7, 1, 6], seed=9 * number + part + 100)),
                SHAPE,
            )
            for part in range(micro_batches)
        ]
        pieces = sum(batch.num_target_pieces for batch in batches)
        yield Update(
            batches, range(micro_batches), pieces, pieces, pieces, np.arange(4), Position(), 0.0
        )


@dataclass(frozen=True, slots=True)
class Trained:
    """What came of some updates."""

    results: Tensor
    """Loss, its unsmoothed part and the norm, of each update."""
    state: dict[str, Tensor]


def make_optimizer(
    dtype: torch.dtype,
    settings: TrainingSettings,
    changes: dict[str, Any],
    ranks: Ranks | None = None,
) -> tuple[Any, Optimizer]:
    """A model, the same in all types, and the optimiser of its weights."""
    sizes = {**SIZES, **changes}
    model, narrow = make_model(dtype=dtype, **sizes), make_model(**sizes)
    with torch.no_grad():
        for parameter, same in zip(model.parameters(), narrow.parameters(), strict=True):
            parameter.copy_(same)
    parts = ranks.size if ranks and settings.sharding == "optimizer" else 1
    return model, Optimizer(FlatParameters(model, parts), settings, ranks=ranks)


def train_statically(
    dtype: torch.dtype,
    references: Collection[Kernel] = (),
    *,
    micro_batches: int = 2,
    count: int = 3,
    compiles: bool = False,
    settings: dict[str, Any] | None = None,
    **changes: Any,
) -> Trained:
    chosen = TrainingSettings(**SETTINGS | (settings or {}))
    model, optimizer = make_optimizer(dtype, chosen, changes)
    step = StaticStep(
        model, optimizer, chosen, SHAPE, micro_batches, references=references, compiles=compiles
    )
    results = []
    for number, update in enumerate(updates(count, micro_batches), 1):
        sums, norm = step(update, number)
        results.append(torch.stack((sums.loss, sums.nll, norm)))
    return Trained(torch.stack(results), optimizer.state())


def train_usually(dtype: torch.dtype, *, micro_batches: int = 2, **changes: Any) -> Trained:
    settings = TrainingSettings(**SETTINGS)
    model, optimizer = make_optimizer(dtype, settings, changes)
    workers = GradientWorkers(model, optimizer.flat, settings, Cores())
    results = []
    for number, update in enumerate(updates(3, micro_batches), 1):
        sums = workers.accumulate(update, number)
        norm = optimizer.step(number, update.num_target_pieces)
        results.append(torch.stack((sums.loss, sums.nll, norm)))
    return Trained(torch.stack(results), optimizer.state())


def assert_same(one: Trained, other: Trained, tolerance: float) -> None:
    """The same results and moments; and weights, but where Adam divides nothing by nothing."""
    torch.testing.assert_close(
        one.results.double(), other.results.double(), rtol=tolerance, atol=tolerance
    )
    assert float(one.state["steps"]) == float(other.state["steps"])
    certain = other.state["second moment"].sqrt() > 1e-4
    assert float(certain.double().mean()) > 0.5
    for name, tensor in one.state.items():
        expected = other.state[name]
        if name in ("values", "average"):
            tensor, expected = tensor[certain], expected[certain]
        torch.testing.assert_close(tensor.double(), expected.double(), rtol=0, atol=tolerance)


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_three_updates_are_those_of_the_processor(changes: dict[str, Any]) -> None:
    one = train_statically(torch.float64, KERNELS, **NO_DROPOUT | changes)
    other = train_usually(torch.float64, **NO_DROPOUT | changes)
    assert_same(one, other, 1e-10)


@pytest.mark.parametrize("changes", VARIANTS[1:3], ids=str)
def test_the_kernels_train_as_their_references_do(changes: dict[str, Any]) -> None:
    """With every dropout: the masks are the same."""
    one = train_statically(torch.float32, count=1, **DROPOUT | changes)
    other = train_statically(torch.float64, KERNELS, count=1, **DROPOUT | changes)
    assert_same(one, other, 2e-4)


def test_the_kernels_train_as_the_processor_does() -> None:
    one = train_statically(torch.float32, **NO_DROPOUT)
    assert_same(one, train_usually(torch.float32, **NO_DROPOUT), 2e-4)


def test_r_drop_compares_two_passes_with_masks_of_their_own() -> None:
    settings = {"r_drop": 1.0}
    one = train_statically(torch.float32, settings=settings, count=1, **DROPOUT)
    other = train_statically(torch.float64, KERNELS, settings=settings, count=1, **DROPOUT)
    assert_same(one, other, 2e-4)
    without = train_statically(torch.float64, KERNELS, count=1, **DROPOUT)
    assert (other.results[0, 0] - without.results[0, 0]).abs() > 0.1


def test_masks_change_from_update_to_update_and_come_back_with_the_number() -> None:
    settings = TrainingSettings(**SETTINGS | {"learning_rate": 1e-30, "ema_decay": None})
    model, optimizer = make_optimizer(torch.float64, settings, DROPOUT)
    step = StaticStep(model, optimizer, settings, SHAPE, 1, references=KERNELS)
    update = next(updates(1, 1))
    losses = [float(step(update, number)[0].loss) for number in (1, 2, 1)]
    assert losses[0] == losses[2] != losses[1]


def test_micro_batches_add_up_to_one() -> None:
    """Of two micro-batches, one empty, as of the other alone."""
    settings = TrainingSettings(**SETTINGS)
    results = []
    for micro_batches in (1, 2):
        model, optimizer = make_optimizer(torch.float64, settings, NO_DROPOUT)
        step = StaticStep(model, optimizer, settings, SHAPE, micro_batches, references=KERNELS)
        sums, norm = step(next(updates(1, 1)), 1)
        results.append(Trained(torch.stack((sums.loss, sums.nll, norm))[None], optimizer.state()))
    assert_same(results[0], results[1], 1e-12)


@pytest.mark.integration
def test_torch_compile_takes_the_pass_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    compile_ = torch.compile
    monkeypatch.setattr(
        torch, "compile",
        lambda function, **options: compile_(
            function, **options, fullgraph=True, backend="aot_eager"
        ),
    )  # fmt: skip
    one = train_statically(torch.float32, compiles=True, count=1, **DROPOUT)
    torch._dynamo.reset()
    assert_same(one, train_statically(torch.float32, count=1, **DROPOUT), 1e-6)


@pytest.mark.parametrize("micro_batches", [1, 2])
def test_half_types_stay_near_float32(micro_batches: int) -> None:
    """The interpreter's products of half types are wrong, so by the references."""
    exact = train_statically(torch.float32, KERNELS, micro_batches=micro_batches, **DROPOUT)
    for precision in ("bfloat16", "float16", "float8"):
        half = train_statically(
            torch.float32, KERNELS, micro_batches=micro_batches,
            settings={"precision": precision}, **DROPOUT,
        )  # fmt: skip
        torch.testing.assert_close(half.results, exact.results, rtol=0.05, atol=0)
        assert not torch.equal(half.results, exact.results)
        assert half.state["values"].dtype == torch.float32


def test_an_update_that_is_not_finite_changes_nothing() -> None:
    settings = TrainingSettings(**SETTINGS | {"precision": "float16"})
    model, optimizer = make_optimizer(torch.float32, settings, NO_DROPOUT)
    step = StaticStep(model, optimizer, settings, SHAPE, 1, references=KERNELS)
    first, second, third = updates(3, 1)
    step(first, 1)
    before = {name: tensor.clone() for name, tensor in optimizer.state().items()}
    step.loss_scale.factor.fill_(1e30)
    _, norm = step(second, 2)
    assert not bool(norm.isfinite())
    assert float(step.loss_scale.factor) == pytest.approx(0.5e30)
    after = optimizer.state()
    assert all(torch.equal(before[name], after[name]) for name in before)
    step.loss_scale.load(FIRST, 0)
    assert bool(step(third, 3)[1].isfinite())
    assert float(optimizer.steps) == 2


def test_a_loss_scale_grows_where_nothing_overflows_and_shrinks_where_it_does() -> None:
    scale = LossScale(torch.device("cpu"), adapts=True)
    scale.load(1024.0, PATIENCE - 2)
    for finite, expected in (
        (True, (1024.0, PATIENCE - 1)),
        (True, (2048.0, 0)),
        (False, (1024.0, 0)),
        (True, (1024.0, 1)),
    ):
        scale.adapt(torch.tensor(finite))
        assert scale.read() == expected
    scale.load(LARGEST, PATIENCE - 1)
    scale.adapt(torch.tensor(True))
    assert scale.read() == (LARGEST, 0)
    constant = LossScale(torch.device("cpu"), adapts=False)
    constant.adapt(torch.tensor(False))
    assert constant.read() == (1.0, 0)


# --- what a captured graph must not do


class OnOneDevice(TorchDispatchMode):
    """Lets nothing pass that asks the device for a number, or that touches another device."""

    def __init__(self, device: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # PyTorch gives it no type
        self.device = device
        self.operations: set[str] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        name = func.name()
        for part in ("_local_scalar_dense", "nonzero", "masked_select", "unique", "is_pinned"):
            assert part not in name, f"{name} waits for the device"
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves((args, kwargs, result)):
            if isinstance(tensor, Tensor):
                assert tensor.device.type == self.device, f"{name} has a tensor of {tensor.device}"
        self.operations.add(name)
        return result


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16", "float8"])
def test_nothing_in_the_update_leaves_the_device(precision: str, changes: dict[str, Any]) -> None:
    """On PyTorch's device without memory; what reads a number there fails by itself."""
    settings = TrainingSettings(**SETTINGS | {"precision": precision})
    sizes = {**SIZES, **DROPOUT, **changes}
    model = make_model(**sizes).to("meta")
    optimizer = Optimizer(FlatParameters(model), settings)
    step = StaticStep(model, optimizer, settings, SHAPE, 2)
    step.fill(next(updates(1, 2)), 1)
    with OnOneDevice("meta") as mode:
        for phase in (step.accumulate, step.measure, step.apply, step.follow):
            phase()
    assert {
        "nmt::packed_self_attention", "nmt::packed_cross_attention", "nmt::add_norm",
        "nmt::embed", "nmt::smoothed_cross_entropy", "nmt::adamw_step",
    } <= mode.operations  # fmt: skip
    in_float8 = {"nmt::to_float8", "aten::_scaled_mm"}
    assert in_float8 & mode.operations == (in_float8 if precision == "float8" else set())


def test_a_look_at_a_number_would_be_seen() -> None:
    with OnOneDevice("cpu"), pytest.raises(AssertionError, match="waits"):
        bool(torch.ones(()) > 0)
    with OnOneDevice("meta"), pytest.raises(AssertionError, match="a tensor of cpu"):
        torch.zeros(2).to("meta")


def test_what_cannot_be_replayed_is_said() -> None:
    assert why_not(SMALL) is None
    changes: dict[str, Any]
    for changes, word in (
        ({"encoder_layer_drop": 0.1}, "layer drop"),
        ({"decoder": "ssru"}, "SSRU"),
    ):
        reason = why_not(Architecture(**SMALL.to_json() | changes))
        assert reason is not None
        assert word in reason


# --- in the training loop


def test_a_training_that_was_killed_goes_on_exactly(tmp_path: Path) -> None:
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    whole = make_trainer(tmp_path / "whole", static=True, micro_batches=1, max_updates=2)
    train(whole)
    part = make_trainer(tmp_path / "parts", static=True, micro_batches=1, max_updates=1)
    train(part)
    rest = make_trainer(tmp_path / "parts", static=True, micro_batches=1, max_updates=2)
    train(rest)
    assert not list(differing(state(whole), state(rest)))


def test_what_a_gpu_trained_goes_on_anywhere(tmp_path: Path) -> None:
    first = make_trainer(tmp_path, static=True, micro_batches=1, max_updates=1)
    train(first)
    second = make_trainer(tmp_path, micro_batches=1, max_updates=2, wide=True)
    second.restore(lambda inputs, counters: None)
    assert not list(differing(state(first), state(second)))
    train(second)
    assert second.counters.update == 2


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # of an infinite norm
def test_a_rehearsal_leaves_no_trace(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StaticStep, "_micro_batch_loss", _sum_of_squares)
        trainer = make_trainer(
            tmp_path, static=True, micro_batches=1, precision="float16", max_updates=1
        )
    before = state(trainer)
    trainer.check_fit(np.arange(5))
    assert not list(differing(before, state(trainer)))
    scale = trainer.counters.loss_scale
    trainer.steps.note_scale(trainer.counters)
    assert trainer.counters.loss_scale == scale == FIRST


def _sum_of_squares(step: StaticStep, batch: Any, words: Tensor) -> tuple[Tensor, Tensor]:
    loss = sum((p.float().square().sum() for p in step._parameters), torch.zeros(()))
    return loss, loss.detach()


def test_why_not_is_said() -> None:
    cuda = torch.device("cuda")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gpu, "usable", lambda index: True)
        assert why_not_static(base(), cuda) is None
        assert why_not_static(big(), cuda) is None
        assert "not 10" in str(why_not_static(replace(base(), width=80), cuda))
        assert "recurrent" in str(why_not_static(SMALL_RECURRENT, cuda))
        patch.setattr(gpu, "usable", lambda index: False)
        assert "Ampere" in str(why_not_static(base(), cuda))
    assert why_not_static(base(), torch.device("cpu")) == "it is for a GPU"
