"""The parts of a model that work on each position by itself."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nmt.neural.kernels.counter import DeviceKeys
from nmt.neural.kernels.dropout import DropoutKeys, dropout
from nmt.neural.kernels.embedding import RowGroups, embed
from nmt.neural.kernels.float8 import Float8Linear
from nmt.neural.kernels.linear_relu import linear_relu
from nmt.neural.model.architecture import BIAS_COLUMNS, Architecture


def make_norm(architecture: Architecture) -> nn.LayerNorm | nn.RMSNorm:
    """The normalisation that the architecture names, over the model width."""
    if architecture.norm == "rmsnorm":
        return nn.RMSNorm(architecture.width, eps=1e-6)
    return nn.LayerNorm(architecture.width)


def make_linear(inputs: int, outputs: int, *, bias: bool = True) -> nn.Linear:
    """A linear layer with Glorot-uniform weights and zero bias (as Vaswani et al. 2017)."""
    linear = nn.Linear(inputs, outputs, bias=bias)
    nn.init.xavier_uniform_(linear.weight)
    if bias:
        nn.init.zeros_(linear.bias)
    return linear


def make_table(size: int, width: int, bias_columns: int = 0) -> nn.Embedding:
    """A table of embeddings whose vectors are of about unit length, and columns for a bias of 0."""
    table = nn.Embedding(size, width + bias_columns)
    nn.init.normal_(table.weight[:, :width], std=width**-0.5)
    nn.init.zeros_(table.weight[:, width:])
    return table


class WithOne(nn.Module):
    """A norm, and after its columns those that an output bias is multiplied by: 1, then zeros.

    So ``hidden @ output.T`` has the bias in it, wherever that is computed.
    """

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, x_ND: Tensor) -> Tensor:
        """[N, D] to [N, D + 8]."""
        y_ND: Tensor = self.norm(x_ND)
        one_N8 = y_ND.new_zeros(len(y_ND), BIAS_COLUMNS)
        one_N8[:, 0] = 1.0
        return torch.cat((y_ND, one_N8), dim=1)


class FeedForward(nn.Module):
    """``W2 f(W1 x)``: Vaswani et al. (2017), section 3.3; SwiGLU is Shazeer (2020), equation 6."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.activation = architecture.activation
        self.dropout = architecture.activation_dropout
        gates = 2 if architecture.activation == "swiglu" else 1
        self.inner = make_linear(architecture.width, gates * architecture.feed_forward_width)
        self.outer = make_linear(architecture.feed_forward_width, architecture.width)

    def forward(self, x_ND: Tensor, keys: DropoutKeys | DeviceKeys | None = None) -> Tensor:
        """Map each position by itself: [..., D] to [..., D]."""
        in_float8 = isinstance(self.inner, Float8Linear)
        if self.activation == "relu" and isinstance(keys, DeviceKeys) and not in_float8:
            h_NF = linear_relu(x_ND, self.inner.weight, self.inner.bias, keys)
            return self._close(h_NF, keys)
        return self._close(self.activate(self.inner(x_ND)), keys)

    def activate(self, h_NF: Tensor) -> Tensor:
        """``f``, in place where it can be; SwiGLU takes gates and, right of them, values."""
        if self.activation == "relu":
            return F.relu(h_NF, inplace=True)
        if self.activation == "gelu":
            return F.gelu(h_NF)
        if self.activation == "swish":
            return F.silu(h_NF)
        gate_NF, value_NF = h_NF.chunk(2, dim=-1)
        return F.silu(gate_NF) * value_NF

    def _close(self, h_NF: Tensor, keys: DropoutKeys | DeviceKeys | None) -> Tensor:
        outer: Tensor = self.outer(dropout(h_NF, self.dropout, keys))
        return outer


def sinusoids(num_positions: int, width: int) -> Tensor:
    """Sinusoidal positions, [num_positions, width]: Vaswani et al. (2017), section 3.5.

    ``PE(pos, 2i) = sin(pos / 10000^(2i/D))``, ``PE(pos, 2i+1)`` the cosine of the same.
    """
    position = torch.arange(num_positions, dtype=torch.float64)[:, None]
    rate = torch.exp(torch.arange(0, width, 2, dtype=torch.float64) * (-math.log(10000.0) / width))
    table = torch.zeros(num_positions, width, dtype=torch.float64)
    table[:, 0::2] = torch.sin(position * rate)
    table[:, 1::2] = torch.cos(position * rate)
    return table.to(torch.get_default_dtype())


class Embedding(nn.Module):
    """Pieces and their positions to vectors: ``dropout(sqrt(D) * E[piece] + position)``."""

    positions: Tensor

    def __init__(self, table: nn.Embedding, architecture: Architecture) -> None:
        super().__init__()
        self.table = table
        self.width = architecture.width
        self.scale = math.sqrt(architecture.width)
        self.dropout = architecture.embedding_dropout
        self.kind = architecture.positions
        if self.kind == "learned":
            self.learned = nn.Parameter(
                torch.randn(architecture.max_positions, architecture.width)
                * architecture.width**-0.5
            )
        elif self.kind == "sinusoidal":
            table_LD = sinusoids(architecture.max_positions, architecture.width)
            self.register_buffer("positions", table_LD, persistent=False)

    def forward(
        self,
        pieces_N: Tensor,
        positions_N: Tensor,
        keys: DropoutKeys | DeviceKeys | None = None,
        groups: RowGroups | None = None,
    ) -> Tensor:
        """Embed pieces at the given positions of their sentences: [N, D]; ``groups`` for a GPU."""
        positions_LD = None
        if self.kind != "rotary":
            positions_LD = self.learned if self.kind == "learned" else self.positions
        table_VD = self.table.weight
        if table_VD.shape[1] > self.width:  # tied to an output with a bias
            table_VD, groups = table_VD[:, : self.width], None
        return embed(
            pieces_N, positions_N, table_VD, positions_LD, self.scale, self.dropout, keys, groups
        )
