"""Multi-head attention: Vaswani et al. (2017), section 3.2.2.

Shapes: N packed positions, M packed memory positions, D model width, H heads, E head width
(D = H * E).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nmt.neural.kernels.attention_spans import AttentionSpans
from nmt.neural.kernels.counter import DeviceKeys
from nmt.neural.kernels.dropout import DropoutKeys
from nmt.neural.kernels.packed_attention import packed_cross_attention, packed_self_attention
from nmt.neural.model.architecture import Architecture
from nmt.neural.model.layers import make_linear
from nmt.neural.model.recurrent_architecture import RecurrentArchitecture


def rotate(x_NHE: Tensor, positions_N: Tensor) -> Tensor:
    """Rotary positions (Su et al. 2021, equation 34): pairs of columns turned by their position."""
    width = x_NHE.shape[-1]
    dtype = torch.promote_types(x_NHE.dtype, torch.float32)
    rate_F = 10000.0 ** (-torch.arange(0, width, 2, device=x_NHE.device, dtype=dtype) / width)
    angle_N1F = (positions_N[:, None].to(dtype) * rate_F)[:, None, :]
    cos, sin = angle_N1F.cos(), angle_N1F.sin()
    even, odd = x_NHE[..., 0::2].to(dtype), x_NHE[..., 1::2].to(dtype)
    rotated = torch.stack((even * cos - odd * sin, even * sin + odd * cos), dim=-1)
    return rotated.flatten(-2).to(x_NHE.dtype)


class SelfAttention(nn.Module):
    """Attention of a sentence to itself, with queries, keys and values from one product."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.heads = architecture.heads
        self.dropout = architecture.attention_dropout
        self.rotary = architecture.positions == "rotary"
        width = architecture.width
        self.qkv = make_linear(width, 3 * width)
        # Each of the three maps is initialised as a matrix of its own, not as one wide one.
        for part in self.qkv.weight.data.chunk(3):
            nn.init.xavier_uniform_(part)
        self.out = make_linear(width, width)

    def project(self, x_ND: Tensor, positions_N: Tensor) -> Tensor:
        """Queries, keys and values, [N, 3, H, E]."""
        qkv_N3HE: Tensor = self.qkv(x_ND).view(x_ND.shape[0], 3, self.heads, -1)
        if not self.rotary:
            return qkv_N3HE
        q_NHE, k_NHE, v_NHE = qkv_N3HE.unbind(1)
        return torch.stack((rotate(q_NHE, positions_N), rotate(k_NHE, positions_N), v_NHE), dim=1)

    def forward(
        self,
        x_ND: Tensor,
        positions_N: Tensor,
        offsets: Tensor,
        *,
        causal: bool = False,
        keys: DropoutKeys | DeviceKeys | None = None,
        spans: AttentionSpans | None = None,
    ) -> Tensor:
        """Attend within each sentence: [N, D] to [N, D]; ``spans`` for a GPU, if they are known."""
        mixed_NHE = packed_self_attention(
            self.project(x_ND, positions_N),
            offsets,
            causal=causal,
            dropout_rate=self.dropout,
            keys=keys,
            spans=spans,
        )
        out: Tensor = self.out(mixed_NHE.flatten(1))
        return out


class CrossAttention(nn.Module):
    """Attention of target positions to the encoder's output (the memory)."""

    def __init__(self, architecture: Architecture | RecurrentArchitecture) -> None:
        super().__init__()
        self.heads = architecture.heads
        self.dropout = architecture.attention_dropout
        width = architecture.width
        self.q = make_linear(width, width)
        self.kv = make_linear(width, 2 * width)
        for part in self.kv.weight.data.chunk(2):
            nn.init.xavier_uniform_(part)
        self.out = make_linear(width, width)

    def project_queries(self, x_ND: Tensor) -> Tensor:
        """Queries, [N, H, E]."""
        q_NHE: Tensor = self.q(x_ND).view(x_ND.shape[0], self.heads, -1)
        return q_NHE

    def project_memory(self, memory_MD: Tensor) -> Tensor:
        """Keys and values of the memory, [M, 2, H, E]."""
        kv_M2HE: Tensor = self.kv(memory_MD).view(memory_MD.shape[0], 2, self.heads, -1)
        return kv_M2HE

    def forward(
        self,
        x_ND: Tensor,
        memory_MD: Tensor,
        offsets: Tensor,
        memory_offsets: Tensor,
        keys: DropoutKeys | DeviceKeys | None = None,
        spans: AttentionSpans | None = None,
    ) -> Tensor:
        """Attend to the memory of the same sentence: [N, D] to [N, D]; ``spans`` as above."""
        mixed_NHE = packed_cross_attention(
            self.project_queries(x_ND),
            self.project_memory(memory_MD),
            offsets,
            memory_offsets,
            dropout_rate=self.dropout,
            keys=keys,
            spans=spans,
        )
        out: Tensor = self.out(mixed_NHE.flatten(1))
        return out
