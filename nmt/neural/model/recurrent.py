"""The recurrent encoder-decoder with attention, after Wu et al. (2016), top to bottom.

Every layer of the encoder reads its sentence in both directions. The decoder's bottom layer reads
the target; what it knows after each piece asks the source by attention (Luong et al. 2015, in one
head or several), and the layers above it read on with the context found. Residual sums go around
all layers but the bottom ones. In training there is thus no loop but that over steps inside a
layer. Other than the paper's: the contexts do not flow back into the bottom layer, which begins
with a summary of the source instead, and the encoder's upper layers are bidirectional too.

Shapes: S source positions and T target positions of a packed batch, N either, B sentences,
R rows of a search, L layers of the decoder, I input width, W width, G gates (four times the width).
There is no training mode: a forward pass drops out when it is given keys to do so, and only then.
"""

from __future__ import annotations

import math
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nmt.neural.kernels.dropout import DropoutKeys, dropout
from nmt.neural.kernels.int8_linear import Int8Linear
from nmt.neural.kernels.packed_lstm import Visits, lstm_cell, packed_lstm
from nmt.neural.model.attention import CrossAttention
from nmt.neural.model.layers import make_linear, make_table
from nmt.neural.model.recurrent_architecture import RecurrentArchitecture
from nmt.neural.packed import Packed, PackedBatch


class LSTM(nn.Module):
    """One layer in one direction."""

    def __init__(self, inputs: int, width: int, architecture: RecurrentArchitecture) -> None:
        super().__init__()
        self.dropout = architecture.recurrent_dropout
        self.inputs = nn.Parameter(torch.empty(4 * width, inputs))
        self.hidden = nn.Parameter(torch.empty(4 * width, width))
        self.bias = nn.Parameter(torch.zeros(4 * width))
        # Each gate's map is initialised as a matrix of its own.
        for part in self.inputs.data.chunk(4):
            nn.init.xavier_uniform_(part)
        for part in self.hidden.data.chunk(4):
            nn.init.orthogonal_(part)
        # What is new is kept at first (Jozefowicz et al. 2015, section 2.2).
        self.bias.data[width : 2 * width] = 1.0

    def forward(
        self,
        x_NI: Tensor,
        visits: Visits,
        h_BW: Tensor | None = None,
        keys: DropoutKeys | None = None,
    ) -> Tensor:
        """Hidden states after each position, [N, W], from ``h_BW`` or zeros on."""
        hidden = dropout(self.hidden, self.dropout, keys)
        return packed_lstm(x_NI, self.inputs, hidden, self.bias, h_BW, visits)

    def step(self, x_RI: Tensor, h_RW: Tensor, c_RW: Tensor) -> tuple[Tensor, Tensor]:
        """Hidden state and cell, [R, W] each, after one more input."""
        gates_RG = F.linear(x_RI, self.inputs, self.bias).addmm_(h_RW, self.hidden.T)
        return lstm_cell(gates_RG, c_RW)


class EncoderLayer(nn.Module):
    """Two LSTMs of half the width, one in each direction, side by side."""

    def __init__(self, architecture: RecurrentArchitecture) -> None:
        super().__init__()
        width = architecture.width
        self.onward = LSTM(width, width // 2, architecture)
        self.back = LSTM(width, width // 2, architecture)

    def forward(
        self, x_SW: Tensor, onward: Visits, back: Visits, keys: DropoutKeys | None = None
    ) -> Tensor:
        """[S, W] to [S, W]."""
        return torch.cat(
            (self.onward(x_SW, onward, keys=keys), self.back(x_SW, back, keys=keys)), dim=1
        )


class Recurrent(nn.Module):
    """Pieces to the decoder's last hidden states; loss and search multiply them by ``output``."""

    def __init__(self, architecture: RecurrentArchitecture) -> None:
        super().__init__()
        self.architecture = architecture
        width, layers = architecture.width, architecture.decoder_layers
        self.source_table = make_table(architecture.source_vocabulary_size, width)
        self.target_table = (
            self.source_table
            if architecture.tied_embeddings == "all"
            else make_table(architecture.target_vocabulary_size, width)
        )
        self.encoder = nn.ModuleList(
            EncoderLayer(architecture) for _ in range(architecture.encoder_layers)
        )
        self.start = make_linear(width, layers * width)
        self.attention = CrossAttention(architecture)
        self.decoder = nn.ModuleList(
            LSTM(width if number == 0 else 2 * width, width, architecture)
            for number in range(layers)
        )
        self.merge = make_linear(2 * width, width)
        self.output = (
            make_table(architecture.target_vocabulary_size, width).weight
            if architecture.tied_embeddings == "none"
            else self.target_table.weight
        )
        self.output_map: Int8Linear | None = None
        """The output weights as `use_int8` rounds them, where it did."""

    @property
    def decoder_lstms(self) -> list[LSTM]:
        """The layers of the decoder, the bottom one first."""
        return [cast(LSTM, layer) for layer in self.decoder]

    def embed(self, pieces_N: Tensor, table: nn.Embedding) -> Tensor:
        """Pieces as vectors whose elements are of about unit size, as the layers' are: [N, W]."""
        x_NW: Tensor = table(pieces_N) * math.sqrt(self.architecture.width)
        return x_NW

    def encode(self, source: Packed, keys: DropoutKeys | None = None) -> Tensor:
        """The memory, [S, W]."""
        onward, back = Visits.of(source.offsets), Visits.of(source.offsets, reverse=True)
        x_SW = self.embed(source.pieces_N, self.source_table)
        for number, layer in enumerate(self.encoder):
            y_SW = layer(self.drop(x_SW, keys), onward, back, keys)
            x_SW = y_SW if number == 0 else x_SW + y_SW
        return x_SW

    def begin(self, memory_SW: Tensor, source: Packed) -> Tensor:
        """The decoder's hidden states before the first piece, [B, L, W], from where reading ended.

        That is the last position on the way onward, and the first on the way back.
        """
        onward_SW, back_SW = memory_SW.chunk(2, dim=1)
        begins, ends = source.offsets[:-1].long(), source.offsets[1:].long()
        summary_BW = torch.cat((onward_SW[ends - 1], back_SW[begins]), dim=1)
        return torch.tanh(self.start(summary_BW)).view(len(begins), len(self.decoder), -1)

    def decode(
        self, target: Packed, memory_SW: Tensor, source: Packed, keys: DropoutKeys | None = None
    ) -> Tensor:
        """Hidden states that predict the piece after each of the target's: [T, W]."""
        visits = Visits.of(target.offsets)
        h_BLW = self.begin(memory_SW, source)
        bottom, *upper = self.decoder_lstms
        x_TW = self.drop(self.embed(target.pieces_N, self.target_table), keys)
        y_TW = bottom(x_TW, visits, h_BLW[:, 0], keys)
        context_TW = self.attention(
            self.drop(y_TW, keys), self.drop(memory_SW, keys),
            target.offsets, source.offsets, keys,
        )  # fmt: skip
        for number, layer in enumerate(upper, start=1):
            x_TI = self.drop(torch.cat((y_TW, context_TW), dim=1), keys)
            y_TW = y_TW + layer(x_TI, visits, h_BLW[:, number], keys)
        return self.drop(self.attend(y_TW, context_TW), keys)

    def attend(self, y_NW: Tensor, context_NW: Tensor) -> Tensor:
        """What the decoder and its context say together, [N, W]: Luong et al. (2015), eq. 5."""
        return torch.tanh(self.merge(torch.cat((y_NW, context_NW), dim=1)))

    def drop(self, x_NW: Tensor, keys: DropoutKeys | None) -> Tensor:
        """Dropout between layers."""
        return dropout(x_NW, self.architecture.dropout, keys)

    def forward(self, batch: PackedBatch, keys: DropoutKeys | None = None) -> Tensor:
        """Hidden states [T, W] that predict the batch's labels, given the true pieces before."""
        return self.decode(batch.target, self.encode(batch.source, keys), batch.source, keys)
