from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from nmt.neural.kernels import cross_entropy
from nmt.neural.kernels.cross_entropy import (
    smoothed_cross_entropy,
    smoothed_cross_entropy_reference,
)
from nmt.tokenization.protocol import PAD_ID
from tests.neural.exactness import assert_as_exact, with_gradients

SHAPES = [(1, 3, 5), (2, 1, 7), (6, 16, 11), (40, 24, 301)]
"""Rows, width, vocabulary."""


def make_targets(rows: int, vocabulary: int, padding: int, views: int = 1) -> Tensor:
    targets = torch.randint(1, vocabulary, (rows,))
    if padding:
        targets[-padding:] = PAD_ID
    return targets.repeat(views)


def chunk_rows(monkeypatch: pytest.MonkeyPatch, rows: int, vocabulary: int) -> None:
    monkeypatch.setattr(cross_entropy, "CHUNK_ELEMENTS", rows * vocabulary)


@pytest.mark.parametrize("r_drop", [0.0, 0.7])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("shape", SHAPES)
def test_loss_and_gradients_are_as_exact_as_pytorch(
    shape: tuple[int, int, int],
    padding: int,
    smoothing: float,
    r_drop: float,
) -> None:
    rows, width, vocabulary = shape
    views = 2 if r_drop else 1
    targets = make_targets(rows, vocabulary, padding, views)
    inputs = [torch.randn(views * rows, width), torch.randn(vocabulary, width)]

    def results(
        function: Callable[..., tuple[Tensor, Tensor]], dtype: torch.dtype = torch.float32
    ) -> list[Tensor]:
        return with_gradients(
            lambda h, w: function(h, w, targets, smoothing, r_drop)[0],
            inputs,
            torch.tensor(1.7),
            dtype,
        )

    ours = results(smoothed_cross_entropy)
    pytorch = results(smoothed_cross_entropy_reference)
    exact = results(smoothed_cross_entropy_reference, torch.float64)
    torch.testing.assert_close(ours[0].double(), exact[0], rtol=1e-6, atol=1e-6)
    for of_ours, of_pytorch, of_exact in zip(ours[1:], pytorch[1:], exact[1:], strict=True):
        assert_as_exact(of_ours, of_pytorch, of_exact)


@pytest.mark.parametrize("r_drop", [0.0, 0.7])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_gradients_by_finite_differences(smoothing: float, r_drop: float) -> None:
    views = 2 if r_drop else 1
    targets = make_targets(5, 7, 2, views)
    hidden = torch.randn(views * 5, 4, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(7, 4, dtype=torch.float64, requires_grad=True)
    for function in (smoothed_cross_entropy, smoothed_cross_entropy_reference):
        assert torch.autograd.gradcheck(
            lambda h, w, f=function: f(h, w, targets, smoothing, r_drop)[0], [hidden, weight]
        )


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.9])
def test_it_is_the_label_smoothing_of_pytorch(smoothing: float) -> None:
    hidden = torch.randn(9, 6, dtype=torch.float64)
    weight = torch.randn(13, 6, dtype=torch.float64)
    targets = make_targets(9, 13, 3)

    def library(smoothing: float) -> Tensor:
        return F.cross_entropy(
            hidden @ weight.T,
            targets,
            ignore_index=PAD_ID,
            reduction="sum",
            label_smoothing=smoothing,
        )

    for function in (smoothed_cross_entropy, smoothed_cross_entropy_reference):
        loss, nll = function(hidden, weight, targets, smoothing)
        torch.testing.assert_close(loss, library(smoothing), rtol=1e-12, atol=0)
        torch.testing.assert_close(nll, library(0.0), rtol=1e-12, atol=0)


def test_r_drop_is_the_symmetric_divergence_of_pytorch() -> None:
    """Equation 4 of Liang et al. (2021), with PyTorch's own divergence."""
    weight = torch.randn(13, 6, dtype=torch.float64)
    hidden = torch.randn(10, 6, dtype=torch.float64)
    targets = make_targets(5, 13, 2, views=2)
    log_p, log_q = F.log_softmax(hidden @ weight.T, dim=-1)[targets != PAD_ID].chunk(2)
    divergence = F.kl_div(log_q, log_p, reduction="sum", log_target=True)
    divergence = divergence + F.kl_div(log_p, log_q, reduction="sum", log_target=True)
    without, nll_without = smoothed_cross_entropy(hidden, weight, targets, 0.1)
    with_it, nll = smoothed_cross_entropy(hidden, weight, targets, 0.1, r_drop=3.0)
    torch.testing.assert_close(with_it - without, 3.0 / 2 * divergence, rtol=1e-10, atol=0)
    torch.testing.assert_close(nll, nll_without, rtol=1e-12, atol=0)


@pytest.mark.parametrize("r_drop", [0.0, 0.7])
@pytest.mark.parametrize("rows_a_chunk", [0, 1, 2, 3, 11, 12, 13, 100])
def test_chunks_do_not_show(
    rows_a_chunk: int, r_drop: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    views = 2 if r_drop else 1
    targets = make_targets(12, 17, 2, views)
    inputs = [
        torch.randn(views * 12, 5, dtype=torch.float64),
        torch.randn(17, 5, dtype=torch.float64),
    ]

    def results() -> list[Tensor]:
        return with_gradients(
            lambda h, w: smoothed_cross_entropy(h, w, targets, 0.1, r_drop)[0],
            inputs,
            torch.tensor(1.0),
            torch.float64,
        )

    whole = results()
    chunk_rows(monkeypatch, views * rows_a_chunk, 17)
    for chunked, expected in zip(results(), whole, strict=True):
        torch.testing.assert_close(chunked, expected, rtol=1e-12, atol=1e-12)


def test_padding_neither_gives_nor_gets() -> None:
    hidden = torch.randn(6, 4, requires_grad=True)
    weight = torch.randn(9, 4, requires_grad=True)
    targets = make_targets(6, 9, 2)
    loss, nll = smoothed_cross_entropy(hidden, weight, targets, 0.1)
    d_hidden, d_weight = torch.autograd.grad(loss, [hidden, weight])
    alone, nll_alone = smoothed_cross_entropy(hidden[:4], weight, targets[:4], 0.1)
    torch.testing.assert_close(loss, alone)
    torch.testing.assert_close(nll, nll_alone)
    torch.testing.assert_close(d_weight, torch.autograd.grad(alone, weight)[0])
    assert not d_hidden[4:].any()
    assert d_hidden[:4].any(dim=1).all()


def test_only_padding_is_no_loss() -> None:
    hidden = torch.randn(3, 4, requires_grad=True)
    weight = torch.randn(9, 4, requires_grad=True)
    loss, nll = smoothed_cross_entropy(hidden, weight, torch.full((3,), PAD_ID), 0.1)
    assert float(loss.detach()) == float(nll) == 0
    for gradient in torch.autograd.grad(loss, [hidden, weight]):
        assert not gradient.any()


@pytest.mark.parametrize("scale", [1e2, 1e4])
def test_large_logits(scale: float) -> None:
    hidden, weight = torch.randn(8, 4), scale * torch.randn(9, 4)
    targets = make_targets(8, 9, 0)
    loss, nll = smoothed_cross_entropy(hidden, weight, targets, 0.1)
    exact, exact_nll = smoothed_cross_entropy_reference(
        hidden.double(), weight.double(), targets, 0.1
    )
    torch.testing.assert_close(loss.double(), exact, rtol=1e-5, atol=0)
    torch.testing.assert_close(nll.double(), exact_nll, rtol=1e-5, atol=0)


def test_the_loss_of_a_sure_prediction_is_nothing() -> None:
    hidden, weight = torch.eye(4) * 50, torch.eye(4)
    targets = torch.tensor([1, 2, 3, PAD_ID])
    loss, nll = smoothed_cross_entropy(hidden[[1, 2, 3, 0]], weight, targets, 0.0)
    assert 0 <= float(loss) < 1e-6
    assert float(loss) == float(nll)


@pytest.mark.parametrize("wanted", ["hidden", "weight"])
def test_one_gradient_without_the_other(wanted: str) -> None:
    hidden, weight = torch.randn(6, 4), torch.randn(9, 4)
    targets = make_targets(6, 9, 1)
    leaves = {"hidden": hidden, "weight": weight}
    leaves[wanted].requires_grad_()
    ours, _ = smoothed_cross_entropy(hidden, weight, targets, 0.1)
    reference, _ = smoothed_cross_entropy_reference(hidden, weight, targets, 0.1)
    torch.testing.assert_close(
        torch.autograd.grad(ours, leaves[wanted]), torch.autograd.grad(reference, leaves[wanted])
    )


def test_evaluation_needs_no_gradient() -> None:
    hidden, weight = torch.randn(6, 4), torch.randn(9, 4, requires_grad=True)
    targets = make_targets(6, 9, 1)
    with torch.no_grad():
        loss, nll = smoothed_cross_entropy(hidden, weight, targets, 0.1)
    assert not loss.requires_grad
    expected = smoothed_cross_entropy(hidden, weight, targets, 0.1)
    assert expected[0].requires_grad
    assert not expected[1].requires_grad
    torch.testing.assert_close((loss, nll), (expected[0].detach(), expected[1]))


def half(
    function: Callable[..., tuple[Tensor, Tensor]], hidden: Tensor, weight: Tensor, targets: Tensor
) -> list[Tensor]:
    """The loss of hidden states in half type; the weights and their gradient stay in float32."""
    hidden = hidden.detach().requires_grad_()
    weight = weight.detach().requires_grad_()
    loss, _ = function(hidden, weight, targets, 0.1)
    return [loss.detach(), *torch.autograd.grad(loss, [hidden, weight])]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_hidden_states_in_half_types(dtype: torch.dtype) -> None:
    """As training with mixed precision calls it: half hidden states, float32 weights."""
    hidden, weight = torch.randn(30, 8).to(dtype), torch.randn(21, 8).to(dtype).float()
    targets = make_targets(30, 21, 2)
    ours = half(smoothed_cross_entropy, hidden, weight, targets)
    pytorch = half(
        lambda h, w, t, s: smoothed_cross_entropy_reference(h, w.to(dtype), t, s),
        hidden,
        weight,
        targets,
    )
    exact = half(smoothed_cross_entropy_reference, hidden.double(), weight.double(), targets)
    assert ours[0].dtype == torch.float32
    for of_ours, of_pytorch, of_exact in zip(ours[1:], pytorch[1:], exact[1:], strict=True):
        assert_as_exact(of_ours, of_pytorch, of_exact)
    torch.testing.assert_close(ours[0].double(), exact[0], rtol=3e-3, atol=0)


def test_a_large_loss_scale_does_not_overflow_in_float16() -> None:
    """The weight's gradient sums over all targets; times the scale, that leaves float16."""
    hidden = torch.ones(4096, 4, dtype=torch.float16, requires_grad=True)
    weight = torch.zeros(8, 4, requires_grad=True)
    loss, _ = smoothed_cross_entropy(hidden, weight, torch.full((4096,), 5), 0.0)
    (loss * 2.0**13).backward()
    assert weight.grad is not None
    torch.testing.assert_close(weight.grad[5], torch.full((4,), 4096 * 2.0**13 * (1 / 8 - 1)))
    assert hidden.grad is not None
    assert hidden.grad.isfinite().all()


def test_numbers_that_are_none_show() -> None:
    hidden, weight = torch.randn(6, 4), torch.randn(9, 4)
    hidden[2, 1] = torch.nan
    loss, nll = smoothed_cross_entropy(hidden, weight, make_targets(6, 9, 1), 0.1)
    assert loss.isnan()
    assert nll.isnan()
