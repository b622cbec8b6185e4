"""One flat buffer, and yet what PyTorch's AdamW and clipping do to parameters one by one."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from nmt.neural.training.cores import Cores
from nmt.neural.training.optimizer import FlatParameters, Optimizer, learning_rate
from nmt.recipe.neural import TrainingSettings


class Small(nn.Module):
    """Matrices and vectors in turn, and a matrix used twice."""

    def __init__(self, dtype: torch.dtype = torch.float64) -> None:
        super().__init__()
        self.first = nn.Linear(5, 7, dtype=dtype)
        self.norm = nn.LayerNorm(7, dtype=dtype)
        self.second = nn.Linear(7, 5, dtype=dtype)
        self.third = nn.Linear(5, 7, bias=False, dtype=dtype)
        self.third.weight = self.first.weight

    def forward(self, x: Tensor) -> Tensor:
        """A sum that depends on every parameter."""
        hidden = torch.tanh(self.norm(self.first(x)))
        out: Tensor = self.third(torch.tanh(self.second(hidden)))
        return out.square().sum()


def clone(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Copies, as a file would hold."""
    return {name: tensor.clone() for name, tensor in tensors.items()}


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 2e-6)], ids=["64", "32"]
)
@pytest.mark.parametrize(
    "settings",
    [
        TrainingSettings(max_updates=100, warmup_updates=3, clip_norm=0.5, weight_decay=0.1),
        TrainingSettings(max_updates=100, warmup_updates=0, clip_norm=None, beta2=0.9),
        TrainingSettings(max_updates=20, warmup_updates=5, schedule="cosine", clip_norm=1e6),
    ],
    ids=["clipped", "unclipped", "cosine"],
)
@pytest.mark.parametrize(("size", "number_of_cores"), [(1 << 16, 1), (8, 1), (8, 2)])
def test_as_adamw_on_parameters_one_by_one(
    monkeypatch: pytest.MonkeyPatch,
    settings: TrainingSettings,
    dtype: torch.dtype,
    tolerance: float,
    size: int,
    number_of_cores: int,
) -> None:
    """Step by step: values, norms, and gradients that are cleared; in any slices, on any cores."""
    monkeypatch.setattr("nmt.neural.training.optimizer._SLICE", size)
    ours = Small(dtype)
    theirs = copy.deepcopy(ours)
    cores = Cores(number_of_cores)
    optimizer = Optimizer(FlatParameters(ours), settings, cores)
    decayed = [p for p in theirs.parameters() if p.ndim > 1]
    others = [p for p in theirs.parameters() if p.ndim == 1]
    adam = torch.optim.AdamW(
        [
            {"params": decayed, "weight_decay": settings.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ],
        betas=(settings.beta1, settings.beta2), eps=1e-9, foreach=False,
    )  # fmt: skip
    for update in range(1, 21):
        num_pieces = 10 + update
        x = torch.randn(3, 5, dtype=dtype)
        torch.autograd.backward(ours(x))
        norm = optimizer.step(update, num_pieces)
        torch.autograd.backward(theirs(x) / num_pieces)
        limit = math.inf if settings.clip_norm is None else settings.clip_norm
        expected_norm = nn.utils.clip_grad_norm_(theirs.parameters(), limit)
        for group in adam.param_groups:
            group["lr"] = learning_rate(settings, update)
        adam.step()
        adam.zero_grad()
        assert float(norm) == pytest.approx(float(expected_norm), rel=10 * tolerance)
        for name, parameter in ours.named_parameters():
            torch.testing.assert_close(
                parameter, theirs.get_parameter(name), rtol=tolerance, atol=tolerance
            )
            assert parameter.grad is not None
            assert not parameter.grad.any()
    cores.close()


def test_clipping_bounds_the_step_of_plain_gradients() -> None:
    """Clipped or not, the reported norm is the one before clipping."""
    settings = TrainingSettings(max_updates=10, warmup_updates=0, clip_norm=1e-3)
    model = Small()
    optimizer = Optimizer(FlatParameters(model), settings)
    torch.autograd.backward(1e3 * model(torch.randn(3, 5, dtype=torch.float64)))
    expected = float(optimizer.flat.gradients.norm()) / 7
    assert float(optimizer.step(1, 7)) == pytest.approx(expected)
    assert float(optimizer.state()["first moment"].norm()) == pytest.approx(
        1e-3 * (1 - settings.beta1), rel=1e-4
    )


def test_flat_values_are_the_models() -> None:
    """A model that computes with the buffer: same output, shared ones once, matrices first."""
    model = Small()
    x = torch.randn(3, 5, dtype=torch.float64)
    before = float(model(x).detach())
    flat = FlatParameters(model)
    assert float(model(x).detach()) == before
    assert flat.values.numel() == sum(p.numel() for p in model.parameters())
    assert flat.num_matrix_elements == 2 * 35
    flat.values.zero_()
    assert not any(p.any() for p in model.parameters())
    torch.autograd.backward(model(x))
    for name, part in flat.views(flat.gradients).items():
        assert part.data_ptr() == getattr(model.get_parameter(name).grad, "data_ptr", int)()


@given(
    update=st.integers(1, 10**6),
    warmup=st.integers(0, 10**5),
    rate=st.floats(1e-6, 1.0),
)
def test_schedules_have_their_closed_forms(update: int, warmup: int, rate: float) -> None:
    """Vaswani et al. (2017), equation 3, up to its factor; half a cosine; a constant."""

    def at(schedule: str, update: int = update) -> float:
        settings = TrainingSettings.model_validate(
            {
                "schedule": schedule, "warmup_updates": warmup, "learning_rate": rate,
                "max_updates": 10**6 + 1,
            }
        )  # fmt: skip
        return learning_rate(settings, update)

    noam = min(update**-0.5, update * max(warmup, 1) ** -1.5) * max(warmup, 1) ** 0.5
    assert at("inverse-square-root") == pytest.approx(rate * noam)
    linear = min(1.0, update / max(warmup, 1))
    assert at("constant") == pytest.approx(rate * linear)
    share = max(0, update - warmup) / (10**6 + 1 - warmup)
    assert at("cosine") == pytest.approx(rate * linear * math.cos(math.pi / 2 * share) ** 2)
    assert at("cosine", 10**6 + 1) == pytest.approx(0, abs=1e-12)


def test_the_average_is_the_weighted_mean_of_all_values() -> None:
    """Against the sum over the values of every update, written out."""
    settings = TrainingSettings(max_updates=100, warmup_updates=0, ema_decay=0.7)
    model = Small()
    optimizer = Optimizer(FlatParameters(model), settings)
    history, decays = [optimizer.flat.values.clone()], []
    for update in range(1, 30):
        torch.autograd.backward(model(torch.randn(3, 5, dtype=torch.float64)))
        optimizer.step(update, 5)
        history.append(optimizer.flat.values.clone())
        decays.append(min(0.7, (1 + update) / (10 + update)))
    assert decays[0] < 0.2
    assert decays[-1] == 0.7
    expected = torch.zeros_like(history[0])
    for number, values in enumerate(history):
        own = 1.0 if number == 0 else 1 - decays[number - 1]
        expected += own * math.prod(decays[number:]) * values
    torch.testing.assert_close(optimizer.evaluated, expected, rtol=1e-12, atol=1e-12)


def test_without_an_average_the_values_are_evaluated() -> None:
    """Not a copy of them."""
    optimizer = Optimizer(FlatParameters(Small()), TrainingSettings(max_updates=1))
    assert optimizer.evaluated is optimizer.flat.values


@pytest.mark.parametrize("ema_decay", [None, 0.9])
@pytest.mark.parametrize("before", [0, 1, 5])
def test_a_restored_state_goes_on_exactly(ema_decay: float | None, before: int) -> None:
    """Bit for bit, also from before the first step."""
    settings = TrainingSettings(max_updates=100, warmup_updates=4, ema_decay=ema_decay)
    inputs = [torch.randn(3, 5, dtype=torch.float32) for _ in range(10)]

    def steps(model: Small, optimizer: Optimizer, begin: int, end: int) -> None:
        for update in range(begin, end):
            torch.autograd.backward(model(inputs[update]))
            optimizer.step(update + 1, 11)

    model = Small(torch.float32)
    other = Small(torch.float32)
    optimizer = Optimizer(FlatParameters(model), settings)
    steps(model, optimizer, 0, before)
    saved = clone(optimizer.state())
    steps(model, optimizer, before, 10)
    restored = Optimizer(FlatParameters(other), settings)
    restored.restore(saved)
    steps(other, restored, before, 10)
    expected, found = optimizer.state(), restored.state()
    assert expected.keys() == found.keys()
    for name in expected:
        assert torch.equal(expected[name], found[name]), name


def test_restoring_does_not_tie_the_state_to_what_was_restored() -> None:
    """Steps must not change the tensors given."""
    optimizer = Optimizer(FlatParameters(Small()), TrainingSettings(max_updates=9, ema_decay=0.5))
    optimizer.flat.gradients.fill_(1.0)
    optimizer.step(1, 1)
    saved = clone(optimizer.state())
    kept = clone(saved)
    optimizer.restore(saved)
    optimizer.flat.gradients.fill_(1.0)
    optimizer.step(2, 1)
    assert all(torch.equal(saved[name], kept[name]) for name in saved)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_a_gradient_that_is_not_finite_changes_nothing(bad: float, precision: str) -> None:
    """Whatever the loss scale has fallen to, 1 included."""
    settings = TrainingSettings.model_validate(
        {"max_updates": 9, "precision": precision, "ema_decay": 0.5}
    )
    optimizer = Optimizer(FlatParameters(Small()), settings)
    optimizer.flat.gradients.fill_(1.0)
    optimizer.step(1, 1)
    before = clone(optimizer.state())
    for loss_scale in (8.0, 1.0):
        optimizer.flat.gradients.fill_(bad)
        assert not optimizer.step(2, 1, loss_scale).isfinite()
        assert not optimizer.flat.gradients.any()
    after = optimizer.state()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_the_loss_scale_cancels() -> None:
    """A power of two, so exactly."""
    found = []
    for scale in (1.0, 2.0**13, 2.0**-5):
        torch.manual_seed(3)
        optimizer = Optimizer(FlatParameters(Small()), TrainingSettings(max_updates=9))
        optimizer.flat.gradients.normal_().mul_(scale)
        norm = optimizer.step(1, 7, scale)
        found.append((float(norm), optimizer.flat.values.clone()))
    for other in found[1:]:
        assert other[0] == found[0][0]
        assert torch.equal(other[1], found[0][1])
