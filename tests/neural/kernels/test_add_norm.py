from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from nmt.neural.kernels.add_norm import add_norm, add_norm_reference, epsilon
from nmt.neural.kernels.counter import CounterKey, key_words
from nmt.neural.kernels.dropout import DropoutKeys, dropout_add
from tests.neural.exactness import assert_as_exact, with_gradients

kernel = pytest.importorskip(
    "nmt.neural.kernels.add_norm_triton", reason="needs Triton", exc_type=ImportError
)

SHAPES = [(1, 1), (2, 32), (5, 33), (70, 100)]


def make_norm(kind: type[nn.LayerNorm | nn.RMSNorm], width: int) -> nn.LayerNorm | nn.RMSNorm:
    norm = kind(width, eps=1e-5)
    for parameter in norm.parameters():
        nn.init.normal_(parameter)
    return norm


def outputs(
    function: str, norm: nn.LayerNorm | nn.RMSNorm, rate: float, both: bool, device: str
) -> Callable[..., Tensor]:
    """A function of y, residual, weight (and bias) to the results one after the other."""
    key = CounterKey(key_words(8, 9, device), 2)
    centred = isinstance(norm, nn.LayerNorm)

    def run(y: Tensor, residual: Tensor, *parameters: Tensor) -> Tensor:
        if function == "kernel":
            bias = parameters[1] if centred else None
            summed, normed = kernel.add_norm(
                y, residual, parameters[0], bias, epsilon(norm, y.dtype), rate, key,
                centred=centred,
            )  # fmt: skip
        else:
            twin = copy.deepcopy(norm)
            for name, parameter in zip(("weight", "bias"), parameters, strict=False):
                delattr(twin, name)
                setattr(twin, name, parameter)
            summed, normed = add_norm_reference(y, residual, twin, rate, key)
        return torch.cat((summed, normed)) if both else normed

    return run


@pytest.mark.parametrize("both", [True, False])
@pytest.mark.parametrize("rate", [0.0, 0.3])
@pytest.mark.parametrize("kind", [nn.LayerNorm, nn.RMSNorm])
@pytest.mark.parametrize("shape", SHAPES)
def test_it_is_as_exact_as_pytorch(
    shape: tuple[int, int],
    kind: type[nn.LayerNorm | nn.RMSNorm],
    rate: float,
    both: bool,
    device: str,
    dtype: torch.dtype,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With norms first both results go on; with norms last the normed alone."""
    monkeypatch.setattr(kernel, "PROGRAMS", 2)
    rows, width = shape
    norm = make_norm(kind, width)
    inputs = [torch.randn(rows, width), torch.randn(rows, width), *norm.parameters()]
    inputs = [x.detach().to(device, dtype) for x in inputs]
    d_out = torch.randn(rows * (2 if both else 1), width).to(device, dtype)
    ours = with_gradients(outputs("kernel", norm, rate, both, device), inputs, d_out, dtype)
    reference = outputs("reference", norm, rate, both, device)
    pytorch = with_gradients(reference, inputs, d_out, dtype)
    exact = with_gradients(reference, inputs, d_out, torch.float64)
    for of_ours, of_pytorch, of_exact in zip(ours, pytorch, exact, strict=True):
        if width == 1 and kind is nn.LayerNorm:
            # The normed is the bias, and gradients are rounding errors of zero.
            torch.testing.assert_close(of_ours.double(), of_exact, atol=1e-2, rtol=1e-2)
        else:
            assert_as_exact(of_ours, of_pytorch, of_exact)


def test_no_rows(device: str) -> None:
    x = torch.randn(0, 8, device=device, requires_grad=True)
    weight = torch.randn(8, device=device, requires_grad=True)
    summed, normed = kernel.add_norm(x, x, weight, None, 1e-6, 0.1, None, centred=False)
    assert summed.shape == normed.shape == (0, 8)
    (gradient,) = torch.autograd.grad(normed.sum(), weight)
    assert not gradient.any()


def test_only_the_sum_is_used(device: str) -> None:
    y, residual = torch.randn(2, 3, 8, device=device, requires_grad=True)
    weight = torch.ones(8, device=device)
    summed, _ = kernel.add_norm(y, residual, weight, None, 1e-6, 0.0, None, centred=False)
    d_out = torch.randn_like(summed)
    for gradient in torch.autograd.grad(summed, (y, residual), d_out):
        torch.testing.assert_close(gradient, d_out)


def test_a_wider_residual_stays_wide(device: str) -> None:
    y = torch.randn(4, 32, device=device).to(torch.bfloat16)
    residual = torch.randn(4, 32, device=device)
    norm = make_norm(nn.LayerNorm, 32).to(device)
    arguments = (norm.weight, norm.bias, 1e-5, 0.0, None)
    summed, normed = kernel.add_norm(y, residual, *arguments, centred=True)
    expected = add_norm_reference(y, residual, norm, 0.0)
    assert (summed.dtype, normed.dtype) == (torch.float32, torch.bfloat16)
    torch.testing.assert_close(summed, expected[0])
    torch.testing.assert_close(normed, expected[1], atol=0.02, rtol=0.01)


def test_torch_compile_takes_it_whole(device: str) -> None:
    norm = make_norm(nn.LayerNorm, 16).to(device)
    words = key_words(1, 2, device)

    def sublayer(y: Tensor, residual: Tensor) -> Tensor:
        summed, normed = kernel.add_norm(
            y, residual, norm.weight, norm.bias, 1e-5, 0.3, CounterKey(words, 1), centred=True
        )
        return torch.cat((summed, normed))

    inputs = [torch.randn(3, 16, device=device) for _ in range(2)]
    d_out = torch.randn(6, 16, device=device)
    compiled = torch.compile(sublayer, fullgraph=True, backend="aot_eager")
    expected = with_gradients(sublayer, inputs, d_out, torch.float32)
    given = with_gradients(compiled, inputs, d_out, torch.float32)
    torch.testing.assert_close(given, expected, rtol=0, atol=0)


@pytest.mark.parametrize("kind", [nn.LayerNorm, nn.RMSNorm])
def test_on_the_cpu_it_is_dropout_sum_and_norm(kind: type[nn.LayerNorm | nn.RMSNorm]) -> None:
    norm = make_norm(kind, 8)
    y, residual = torch.randn(2, 5, 8)
    summed, normed = add_norm(y, residual, norm, 0.4, DropoutKeys(1))
    expected = dropout_add(y, residual, 0.4, DropoutKeys(1))
    assert torch.equal(summed, expected)
    assert torch.equal(normed, norm(expected))
