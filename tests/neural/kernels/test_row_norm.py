from __future__ import annotations

import pytest
import torch
from torch import nn

from nmt.neural.kernels.row_norm import RowNorm


def random_norm(kind: str, width: int) -> nn.LayerNorm | nn.RMSNorm:
    norm = nn.LayerNorm(width) if kind == "layernorm" else nn.RMSNorm(width, eps=1e-6)
    with torch.no_grad():
        for parameter in norm.parameters():
            parameter.add_(torch.randn(width))
    return norm.requires_grad_(False)


@pytest.mark.parametrize("kind", ["layernorm", "rmsnorm"])
@pytest.mark.parametrize("width", [1, 7, 16, 128, 250])
@pytest.mark.parametrize("rows", [1, 5, 40])
def test_it_is_pytorchs_norm(rows: int, width: int, kind: str) -> None:
    """With at most twice the error that PyTorch makes."""
    norm = random_norm(kind, width)
    x = torch.randn(rows, width) * torch.logspace(-2, 2, rows)[:, None] + 0.5
    pytorch = norm(x)
    exact = norm.double()(x.double())
    norm.float()
    found = RowNorm(norm)(x)
    error = (pytorch - exact).abs().max()
    assert float((found - exact).abs().max()) <= 2 * float(error) + 1e-6


def test_a_row_does_not_depend_on_the_others() -> None:
    norm = RowNorm(random_norm("layernorm", 96))
    x = torch.randn(65, 96)
    assert torch.equal(norm(x)[3:8], norm(x[3:8]))


def test_what_is_no_number_shows() -> None:
    x = torch.zeros(3, 16)
    x[1, 3], x[2, 3] = torch.nan, torch.inf
    y = RowNorm(random_norm("layernorm", 16))(x)
    assert bool(y[0].isfinite().all())
    assert bool(y[1:].isnan().any(dim=1).all())


def test_parameters_stay_those_of_the_norm_and_keep_their_names() -> None:
    for kind in ("layernorm", "rmsnorm"):
        norm = random_norm(kind, 8)
        assert dict(RowNorm(norm).named_parameters()) == dict(norm.named_parameters())
