from __future__ import annotations

import pytest
import torch
from torch import Tensor

from nmt.neural.kernels.adamw import (
    AdamWSettings,
    FlatState,
    adamw_step_reference,
    gradient_norm,
    step_scalars,
)
from tests.neural.exactness import assert_as_exact

kernel = pytest.importorskip(
    "nmt.neural.kernels.adamw_triton", reason="needs Triton", exc_type=ImportError
)

SIZE, MATRICES = 1500, 1100
"""More than a block; the bound of weight decay lies in a block."""


def make_state(values: Tensor, half: torch.dtype | None = None) -> FlatState:
    return FlatState(
        values=values.clone(),
        gradients=torch.zeros_like(values),
        first_moment=torch.zeros_like(values),
        second_moment=torch.zeros_like(values),
        copies=None if half is None else values.to(half),
        num_matrix_elements=MATRICES,
    )


def kernel_step(state: FlatState, scalars: Tensor, settings: AdamWSettings) -> Tensor:
    norm = gradient_norm(state.gradients, scalars)
    kernel.step(state, scalars, settings, norm)
    return norm


def by_library(values: Tensor, gradients: list[Tensor], settings: AdamWSettings) -> Tensor:
    """PyTorch's optimiser and clipping, in float64."""
    matrices, vectors = values[:MATRICES].clone(), values[MATRICES:].clone()
    for part in (matrices, vectors):
        part.requires_grad_()
    decays = [settings.weight_decay, 0.0]
    optimizer = torch.optim.AdamW(
        [
            {"params": [part], "weight_decay": decay}
            for part, decay in zip((matrices, vectors), decays, strict=True)
        ],
        lr=0.01, betas=(settings.beta1, settings.beta2), eps=settings.eps, foreach=False,
    )  # fmt: skip
    for gradient in gradients:
        matrices.grad, vectors.grad = gradient[:MATRICES] / 8, gradient[MATRICES:] / 8
        if settings.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_([matrices, vectors], settings.clip_norm)
        optimizer.step()
    return torch.cat((matrices, vectors)).detach()


@pytest.mark.parametrize(
    "settings",
    [
        AdamWSettings(eps=1e-8),
        AdamWSettings(weight_decay=0.1, clip_norm=0.5, eps=1e-8),
        AdamWSettings(beta1=0.95, beta2=0.999, weight_decay=0.3, clip_norm=1e9),
    ],
)
def test_some_steps_are_as_exact_as_pytorch(settings: AdamWSettings, device: str) -> None:
    values = torch.randn(SIZE, device=device)
    gradients = [torch.randn(SIZE, device=device) for _ in range(3)]
    states = {
        "kernel": make_state(values),
        "reference": make_state(values),
        "exact": make_state(values.double()),
    }
    norms = {}
    for number, gradient in enumerate(gradients, start=1):
        scalars = step_scalars(0.01, number, 8.0, settings).to(device)
        for name, state in states.items():
            state.gradients.copy_(gradient)
            step = kernel_step if name == "kernel" else adamw_step_reference
            norms[name] = step(state, scalars, settings)
            assert not state.gradients.any()
    torch.testing.assert_close(norms["kernel"].double(), norms["exact"].double())
    for name in ("values", "first_moment", "second_moment"):
        ours, pytorch, exact = (getattr(state, name) for state in states.values())
        assert_as_exact(ours, pytorch, exact)
    # The scalars are float32 in the exact state too.
    of_library = by_library(values.double(), [g.double() for g in gradients], settings)
    torch.testing.assert_close(states["exact"].values, of_library, rtol=1e-6, atol=1e-6)


# The interpreter does not round to bfloat16 but cuts.
@pytest.mark.parametrize(
    "half", [torch.float16, *([torch.bfloat16] if torch.cuda.is_available() else [])]
)
def test_copies_are_the_values_rounded(half: torch.dtype, device: str) -> None:
    state = make_state(torch.randn(SIZE, device=device), half)
    gradient = torch.randn(SIZE, device=device).to(half)
    narrow = FlatState(
        state.values, gradient, state.first_moment, state.second_moment, state.copies, MATRICES
    )
    settings = AdamWSettings()
    before = state.values.clone()
    kernel_step(narrow, step_scalars(0.01, 1, 1.0, settings).to(device), settings)
    assert narrow.copies is not None
    assert torch.equal(narrow.copies, narrow.values.to(half))
    # The first step of Adam is as large as the learning rate.
    torch.testing.assert_close(
        (narrow.values - before).abs(), torch.full_like(before, 0.01), rtol=1e-3, atol=1e-5
    )
    assert not narrow.gradients.any()


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("bad", [torch.inf, torch.nan])
def test_a_gradient_that_is_none_is_cleared_and_does_nothing(bad: float, device: str) -> None:
    settings = AdamWSettings(clip_norm=1.0)
    scalars = step_scalars(0.01, 1, 1.0, settings).to(device)
    for step in (kernel_step, adamw_step_reference):
        state = make_state(torch.randn(SIZE, device=device), torch.bfloat16)
        assert state.copies is not None
        before = [x.clone() for x in (state.values, state.first_moment, state.second_moment)]
        copies = state.copies.clone()
        state.gradients.normal_()
        state.gradients[7] = bad
        norm = step(state, scalars, settings)
        assert not norm.isfinite()
        after = (state.values, state.first_moment, state.second_moment)
        assert all(torch.equal(x, y) for x, y in zip(before, after, strict=True))
        assert torch.equal(state.copies, copies)
        assert not state.gradients.any()


def test_parts_with_the_norm_of_all_make_the_whole(device: str) -> None:
    """As ranks do that hold a share of the parameters each."""
    settings = AdamWSettings(clip_norm=0.1, weight_decay=0.2)
    scalars = step_scalars(0.01, 1, 4.0, settings).to(device)
    values, gradient = torch.randn(2, SIZE, device=device)
    whole = make_state(values)
    whole.gradients.copy_(gradient)
    kernel_step(whole, scalars, settings)
    parts = []
    slices = [slice(0, 300), slice(300, SIZE)]
    norm = torch.stack([gradient_norm(gradient[s], scalars) for s in slices]).square().sum().sqrt()
    for part, matrices in zip(slices, (300, MATRICES - 300), strict=True):
        state = FlatState(
            values[part].clone(), gradient[part].clone(),
            torch.zeros_like(values[part]), torch.zeros_like(values[part]), None, matrices,
        )  # fmt: skip
        kernel.step(state, scalars, settings, norm)
        parts.append(state.values)
    torch.testing.assert_close(torch.cat(parts), whole.values, rtol=1e-6, atol=1e-7)
