"""The simpler simple recurrent unit, which can take the place of a decoder's self-attention.

Shapes: N packed positions, R rows of a search, D model width.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nmt.neural.kernels.packed_ssru import packed_ssru
from nmt.neural.model.architecture import Architecture
from nmt.neural.model.layers import make_linear


class SSRU(nn.Module):
    """``c_t = f_t c_{t-1} + (1 - f_t) W x_t``, ``f_t = sigmoid(W_f x_t + b_f)``, out ``relu(c_t)``.

    Kim et al. (2019), "From Research to Production and Back", equation 4. A step of search costs
    one product of two maps, and a hypothesis keeps one vector instead of its history.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        width = architecture.width
        self.maps = make_linear(width, 2 * width)
        # Each of the two maps is initialised as a matrix of its own, not as one wide one.
        for part in self.maps.weight.data.chunk(2):
            nn.init.xavier_uniform_(part)

    def forward(self, x_ND: Tensor, offsets: Tensor) -> Tensor:
        """Read each sentence from its beginning: [N, D] to [N, D]."""
        return packed_ssru(self.maps(x_ND), offsets)


def ssru_step(maps_R2D: Tensor, state_RD: Tensor) -> tuple[Tensor, Tensor]:
    """What comes out and the new state, [R, D] each, after one more input, of which these are maps.

    Args:
        maps_R2D: the candidates and, right of them, the gates before their sigmoid.
        state_RD: the states before; zeros at first.
    """
    candidate_RD, gate_RD = maps_R2D.chunk(2, dim=1)
    state_RD = torch.lerp(candidate_RD, state_RD, torch.sigmoid(gate_RD))
    return F.relu(state_RD), state_RD
