from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from nmt.neural.kernels.cross_entropy import smoothed_cross_entropy_reference
from nmt.tokenization.protocol import PAD_ID
from tests.neural.exactness import assert_as_exact

kernel = pytest.importorskip(
    "nmt.neural.kernels.cross_entropy_triton", reason="needs Triton", exc_type=ImportError
)

SHAPES = [(1, 8, 5), (7, 16, 33), (5, 8, 4099)]
"""Rows, width, vocabulary; the last goes over the bounds of a block."""


def make_inputs(
    shape: tuple[int, int, int], padding: int, device: str
) -> tuple[Tensor, Tensor, Tensor]:
    rows, width, vocabulary = shape
    targets = torch.randint(1, vocabulary, (rows,))
    targets[rows - padding :] = PAD_ID
    hidden, weight = torch.randn(rows, width), torch.randn(vocabulary, width) / width**0.5
    return hidden.to(device), weight.to(device), targets.to(device)


def results(
    function: Callable[..., tuple[Tensor, Tensor]],
    inputs: tuple[Tensor, Tensor, Tensor],
    smoothing: float,
    dtype: torch.dtype,
) -> list[Tensor]:
    hidden, weight = (x.detach().to(dtype).requires_grad_() for x in inputs[:2])
    loss, nll = function(hidden, weight, inputs[2], smoothing)
    return [loss.detach(), nll, *torch.autograd.grad(1.7 * loss, [hidden, weight])]


def assert_exact(
    inputs: tuple[Tensor, Tensor, Tensor], smoothing: float, dtype: torch.dtype
) -> None:
    hidden, weight, targets = inputs
    inputs = (hidden.to(dtype), weight.to(dtype), targets)
    ours = results(kernel.smoothed_cross_entropy, inputs, smoothing, dtype)
    pytorch = results(smoothed_cross_entropy_reference, inputs, smoothing, dtype)
    exact = results(smoothed_cross_entropy_reference, inputs, smoothing, torch.float64)
    for i in (0, 1):  # the sums stay in float32
        assert ours[i].dtype == torch.float32
        bound = 3e-3 if dtype != torch.float32 else 1e-6
        torch.testing.assert_close(ours[i].double(), exact[i], rtol=bound, atol=bound)
    for of_ours, of_pytorch, of_exact in zip(ours[2:], pytorch[2:], exact[2:], strict=True):
        assert_as_exact(of_ours, of_pytorch, of_exact)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("shape", SHAPES)
def test_loss_and_gradients_are_as_exact_as_pytorch(
    shape: tuple[int, int, int], padding: int, smoothing: float, device: str, dtype: torch.dtype
) -> None:
    assert_exact(make_inputs(shape, padding, device), smoothing, dtype)


@pytest.mark.parametrize("rows", [1, 2, 3, 7, 8])
def test_chunks_do_not_show(
    rows: int, monkeypatch: pytest.MonkeyPatch, device: str, dtype: torch.dtype
) -> None:
    monkeypatch.setattr(kernel, "CHUNK_MULTIPLE", 1)
    monkeypatch.setattr(kernel, "VOCABULARY_MULTIPLE", 1)
    monkeypatch.setattr(kernel, "LEAST_CHUNKS", 1)
    monkeypatch.setattr(kernel, "CHUNK_ELEMENTS", rows * 11)
    assert kernel.chunk_rows(7, 11) == min(rows, 7)
    assert_exact(make_inputs((7, 8, 11), 2, device), 0.1, dtype)


@pytest.mark.parametrize("multiple", [1, 8, 64])
def test_a_vocabulary_of_any_size_gives_the_same(
    multiple: int, monkeypatch: pytest.MonkeyPatch, device: str, dtype: torch.dtype
) -> None:
    inputs = make_inputs((5, 8, 61), 1, device)
    usual = results(kernel.smoothed_cross_entropy, inputs, 0.1, dtype)
    monkeypatch.setattr(kernel, "VOCABULARY_MULTIPLE", multiple)
    given = results(kernel.smoothed_cross_entropy, inputs, 0.1, dtype)
    torch.testing.assert_close(given, usual)


def test_a_scale_inside_does_not_show(monkeypatch: pytest.MonkeyPatch, device: str) -> None:
    inputs = make_inputs((5, 8, 33), 1, device)
    usual = results(kernel.smoothed_cross_entropy, inputs, 0.1, torch.float32)
    monkeypatch.setattr(kernel, "_scale", lambda dtype: 1024.0)
    given = results(kernel.smoothed_cross_entropy, inputs, 0.1, torch.float32)
    torch.testing.assert_close(given, usual)


@pytest.mark.parametrize("rows", [1, 127, 512, 25_000, 1_000_000])
@pytest.mark.parametrize("vocabulary", [10, 8_000, 32_000, 64_000, 2**28])
def test_the_logits_of_a_large_batch_are_never_held(rows: int, vocabulary: int) -> None:
    step = kernel.chunk_rows(rows, vocabulary)
    assert step >= 1
    if rows >= 4 * kernel.CHUNK_MULTIPLE:
        assert 3 * step < rows
    spare = kernel.CHUNK_MULTIPLE * vocabulary
    assert step * vocabulary <= kernel.CHUNK_ELEMENTS + spare


@pytest.mark.parametrize("scale", [1e2, 1e4])
def test_large_logits(scale: float, device: str) -> None:
    hidden, weight, targets = make_inputs((4, 4, 9), 0, device)
    loss, nll = kernel.smoothed_cross_entropy(hidden, scale * weight, targets, 0.1)
    exact = smoothed_cross_entropy_reference(hidden.double(), scale * weight.double(), targets, 0.1)
    torch.testing.assert_close((loss.double(), nll.double()), exact, rtol=1e-5, atol=0)


def test_only_padding_and_no_rows_at_all_are_no_loss(device: str) -> None:
    for rows in (3, 0):
        hidden = torch.randn(rows, 4, device=device, requires_grad=True)
        weight = torch.randn(9, 4, device=device, requires_grad=True)
        targets = torch.full((rows,), PAD_ID, device=device)
        loss, nll = kernel.smoothed_cross_entropy(hidden, weight, targets, 0.1)
        assert float(loss.detach()) == float(nll) == 0
        for gradient in torch.autograd.grad(loss, [hidden, weight]):
            assert not gradient.any()


def test_evaluation_needs_no_gradient(device: str) -> None:
    hidden, weight, targets = make_inputs((4, 4, 9), 1, device)
    weight.requires_grad_()
    with torch.no_grad():
        loss, nll = kernel.smoothed_cross_entropy(hidden, weight, targets, 0.1)
    assert not loss.requires_grad
    expected = kernel.smoothed_cross_entropy(hidden, weight, targets, 0.1)
    assert expected[0].requires_grad
    assert not expected[1].requires_grad
    torch.testing.assert_close((loss, nll), (expected[0].detach(), expected[1]), rtol=0, atol=0)


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # of NaN in the interpreter
def test_a_number_that_is_none_shows(device: str) -> None:
    hidden, weight, targets = make_inputs((4, 4, 9), 1, device)
    hidden[2, 1] = torch.nan
    loss, nll = kernel.smoothed_cross_entropy(hidden, weight, targets, 0.1)
    assert loss.isnan()
    assert nll.isnan()


def test_torch_compile_takes_it_whole(device: str) -> None:
    hidden, weight, targets = make_inputs((5, 8, 33), 1, device)
    compiled = torch.compile(kernel.smoothed_cross_entropy, fullgraph=True, backend="aot_eager")
    expected = results(kernel.smoothed_cross_entropy, (hidden, weight, targets), 0.1, torch.float32)
    given = results(compiled, (hidden, weight, targets), 0.1, torch.float32)
    torch.testing.assert_close(given, expected, rtol=0, atol=0)
