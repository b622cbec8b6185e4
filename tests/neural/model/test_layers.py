from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from nmt.neural.model.attention import SelfAttention, rotate
from nmt.neural.model.layers import FeedForward, make_norm, sinusoids
from tests.neural.models import SMALL, make_model


def test_sinusoids_are_those_of_the_paper() -> None:
    table = sinusoids(50, 12)
    assert table.dtype == torch.get_default_dtype()
    for position in (0, 1, 7, 49):
        for i in range(6):
            angle = position / 10000 ** (2 * i / 12)
            assert float(table[position, 2 * i]) == pytest.approx(math.sin(angle), abs=1e-6)
            assert float(table[position, 2 * i + 1]) == pytest.approx(math.cos(angle), abs=1e-6)


def test_far_sinusoids_are_exact() -> None:
    """Computed in float64: float32 angles of thousands would be off in the third digit."""
    assert float(sinusoids(10_000, 4)[9_999, 0]) == pytest.approx(math.sin(9_999), abs=1e-6)


def test_embeddings_are_scaled_and_added_to_their_position() -> None:
    for positions in ("sinusoidal", "learned", "rotary"):
        model = make_model(positions=positions)
        embedding = model.source_embedding
        pieces, places = torch.tensor([5, 7, 5]), torch.tensor([0, 1, 63])
        expected = embedding.table.weight[pieces] * SMALL.width**0.5
        if positions == "sinusoidal":
            expected = expected + sinusoids(64, SMALL.width)[places]
        elif positions == "learned":
            expected = expected + embedding.learned[places]
        torch.testing.assert_close(embedding(pieces, places), expected)


def test_learned_positions_are_learned_and_sinusoids_are_not() -> None:
    names = {name for name, _ in make_model(positions="learned").named_parameters()}
    assert {"source_embedding.learned", "target_embedding.learned"} <= names
    model = make_model()
    assert not any("position" in name for name, _ in model.named_parameters())
    assert not any("position" in name for name in model.state_dict())


def test_rotation_is_that_of_complex_numbers() -> None:
    """Su et al. (2021), equation 34: pair i turns by position / 10000^(2i/E)."""
    x = torch.randn(4, 2, 6, dtype=torch.float64)
    positions = torch.tensor([0, 1, 5, 100])
    rate = 10000.0 ** (-torch.arange(0, 6, 2, dtype=torch.float64) / 6)
    turn = torch.polar(torch.ones(4, 3, dtype=torch.float64), positions[:, None] * rate)
    turned = torch.view_as_complex(x.reshape(4, 2, 3, 2)) * turn[:, None]
    expected = torch.view_as_real(turned).flatten(-2)
    torch.testing.assert_close(rotate(x, positions), expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("shift", [1, 17, 400])
def test_rotary_scores_know_only_relative_positions(shift: int) -> None:
    q, k = torch.randn(2, 9, 2, 8, dtype=torch.float64)
    positions = torch.arange(9)

    def scores(positions: torch.Tensor) -> torch.Tensor:
        return torch.einsum("qhe,khe->hqk", rotate(q, positions), rotate(k, positions))

    torch.testing.assert_close(scores(positions), scores(positions + shift), rtol=0, atol=1e-10)
    assert not torch.allclose(scores(positions), scores(2 * positions))


def test_rotary_attention_does_not_change_when_a_sentence_is_shifted() -> None:
    attention = make_model(positions="rotary", dtype=torch.float64).encoder[0].self_attention
    assert isinstance(attention, SelfAttention)
    x, offsets = torch.randn(7, SMALL.width, dtype=torch.float64), torch.tensor([0, 7]).int()
    positions = torch.arange(7)
    here, there = (attention(x, positions + shift, offsets) for shift in (0, 30))
    torch.testing.assert_close(here, there, rtol=0, atol=1e-12)
    # The values are not turned: at one position alone nothing is.
    q, k, v = attention.project(x, positions).unbind(1)
    plain = attention.qkv(x).view(7, 3, SMALL.heads, -1)
    torch.testing.assert_close(v, plain[:, 2])
    torch.testing.assert_close(q[0], plain[0, 0])
    assert not torch.allclose(k[1:], plain[1:, 1])


def test_rmsnorm_divides_by_the_root_mean_square() -> None:
    norm = make_norm(replace(SMALL, norm="rmsnorm"))
    assert isinstance(norm, nn.RMSNorm)
    with torch.no_grad():
        norm.weight.normal_()
    x = torch.randn(5, SMALL.width)
    expected = x / x.square().mean(dim=-1, keepdim=True).add(1e-6).sqrt() * norm.weight
    torch.testing.assert_close(norm(x), expected)


def test_swiglu_is_that_of_the_paper() -> None:
    """Shazeer (2020), equation 6: (Swish(x W) * x V) W2, here with biases."""
    layer = FeedForward(replace(SMALL, activation="swiglu"))
    x = torch.randn(5, SMALL.width)
    w, v = layer.inner.weight.chunk(2)
    expected = (F.silu(x @ w.T) * (x @ v.T)) @ layer.outer.weight.T
    torch.testing.assert_close(layer(x), expected)


@pytest.mark.parametrize("activation", ["relu", "gelu", "swiglu"])
def test_feed_forward_gradients(activation: Literal["relu", "gelu", "swiglu"]) -> None:
    """The activation works in place where it may; the gradient must not notice."""
    layer = FeedForward(replace(SMALL, activation=activation)).double()
    x = torch.randn(3, SMALL.width, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, [x])


@pytest.mark.parametrize("name", ["self_attention.qkv", "cross_attention.kv"])
def test_maps_computed_together_are_initialised_apart(name: str) -> None:
    """Glorot's bound of one map of D by D, not that of the wide matrix: sqrt(6 / 2D)."""
    model = make_model(width=64, feed_forward_width=64)
    weight = model.decoder[0].get_submodule(name).weight
    bound = math.sqrt(6 / (2 * 64))
    assert isinstance(weight, torch.Tensor)
    assert 0.98 * bound < float(weight.detach().abs().max()) <= bound
