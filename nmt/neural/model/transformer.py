"""The encoder-decoder Transformer (Vaswani et al. 2017), top to bottom.

Shapes: S source positions and T target positions of a packed batch, N either, D model width.
There is no training mode: a forward pass drops out when it is given keys to do so, and only then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from nmt.neural.kernels.dropout import DropoutKeys, dropout_add
from nmt.neural.kernels.few_rows_layer import FewRowsLayer
from nmt.neural.kernels.few_rows_linear import FewRowsLinear
from nmt.neural.kernels.int8_linear import Int8Linear
from nmt.neural.model.architecture import Architecture
from nmt.neural.model.attention import CrossAttention, SelfAttention
from nmt.neural.model.layers import Embedding, FeedForward, WithOne, make_norm, make_table
from nmt.neural.model.ssru import SSRU
from nmt.neural.packed import Packed, PackedBatch

if TYPE_CHECKING:
    from nmt.neural.search.graph_steps import StepGraphs


class _Layer(nn.Module):
    """What encoder and decoder layers share: a residual sum around each sublayer."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.pre_norm = architecture.norm_position == "pre"
        self.dropout = architecture.dropout

    def enter(self, x: Tensor, norm: nn.Module) -> Tensor:
        """What a sublayer reads: the stream, normalised if norms come first."""
        entered: Tensor = norm(x) if self.pre_norm else x
        return entered

    def leave(self, y: Tensor, x: Tensor, norm: nn.Module, keys: DropoutKeys | None) -> Tensor:
        """The stream after a sublayer: ``x + dropout(y)``, normalised if norms come last."""
        x = dropout_add(y, x, self.dropout, keys)
        left: Tensor = x if self.pre_norm else norm(x)
        return left


class EncoderLayer(_Layer):
    """Self-attention and feed-forward."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__(architecture)
        self.self_attention = SelfAttention(architecture)
        self.self_attention_norm = make_norm(architecture)
        self.feed_forward = FeedForward(architecture)
        self.feed_forward_norm = make_norm(architecture)

    def forward(self, x_SD: Tensor, source: Packed, keys: DropoutKeys | None = None) -> Tensor:
        """[S, D] to [S, D]."""
        y_SD = self.self_attention(
            self.enter(x_SD, self.self_attention_norm),
            source.positions_N,
            source.offsets,
            keys=keys,
        )
        x_SD = self.leave(y_SD, x_SD, self.self_attention_norm, keys)
        y_SD = self.feed_forward(self.enter(x_SD, self.feed_forward_norm), keys)
        return self.leave(y_SD, x_SD, self.feed_forward_norm, keys)


class DecoderLayer(_Layer):
    """Causal self-attention or an SSRU, attention to the memory, and feed-forward."""

    self_attention: SelfAttention
    self_attention_norm: nn.Module
    recurrence: SSRU
    recurrence_norm: nn.Module

    def __init__(self, architecture: Architecture) -> None:
        super().__init__(architecture)
        self.kind = architecture.decoder
        if self.kind == "ssru":
            self.recurrence = SSRU(architecture)
            self.recurrence_norm = make_norm(architecture)
        else:
            self.self_attention = SelfAttention(architecture)
            self.self_attention_norm = make_norm(architecture)
        self.cross_attention = CrossAttention(architecture)
        self.cross_attention_norm = make_norm(architecture)
        self.feed_forward = FeedForward(architecture)
        self.feed_forward_norm = make_norm(architecture)

    def look_back(self, x_TD: Tensor, target: Packed, keys: DropoutKeys | None = None) -> Tensor:
        """The first sublayer, by which a position learns of those before it: [T, D] to [T, D]."""
        if self.kind == "ssru":
            y_TD = self.recurrence(self.enter(x_TD, self.recurrence_norm), target.offsets)
            return self.leave(y_TD, x_TD, self.recurrence_norm, keys)
        y_TD = self.self_attention(
            self.enter(x_TD, self.self_attention_norm),
            target.positions_N,
            target.offsets,
            causal=True,
            keys=keys,
        )
        return self.leave(y_TD, x_TD, self.self_attention_norm, keys)

    def forward(
        self,
        x_TD: Tensor,
        target: Packed,
        memory_SD: Tensor,
        source: Packed,
        keys: DropoutKeys | None = None,
    ) -> Tensor:
        """[T, D] to [T, D], every position seeing itself and those before in its sentence."""
        x_TD = self.look_back(x_TD, target, keys)
        y_TD = self.cross_attention(
            self.enter(x_TD, self.cross_attention_norm),
            memory_SD,
            target.offsets,
            source.offsets,
            keys,
        )
        x_TD = self.leave(y_TD, x_TD, self.cross_attention_norm, keys)
        y_TD = self.feed_forward(self.enter(x_TD, self.feed_forward_norm), keys)
        return self.leave(y_TD, x_TD, self.feed_forward_norm, keys)


class Transformer(nn.Module):
    """Pieces to the decoder's last hidden states; loss and search multiply them by ``output``."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        tied, width = architecture.tied_embeddings, architecture.width
        bias_columns = architecture.output_width - width
        source_table = make_table(
            architecture.source_vocabulary_size, width, bias_columns if tied == "all" else 0
        )
        if tied == "all":
            target_table = source_table
        else:
            target_table = make_table(
                architecture.target_vocabulary_size, width, bias_columns if tied != "none" else 0
            )
        self.source_embedding = Embedding(source_table, architecture)
        self.target_embedding = Embedding(target_table, architecture)
        self.encoder = nn.ModuleList(
            EncoderLayer(architecture) for _ in range(architecture.encoder_layers)
        )
        self.decoder = nn.ModuleList(
            DecoderLayer(architecture) for _ in range(architecture.decoder_layers)
        )
        pre_norm = architecture.norm_position == "pre"
        self.encoder_norm = make_norm(architecture) if pre_norm else nn.Identity()
        self.decoder_norm: nn.Module = make_norm(architecture) if pre_norm else nn.Identity()
        if architecture.output_bias:
            self.decoder_norm = WithOne(self.decoder_norm)
        self.output = (
            make_table(architecture.target_vocabulary_size, width, bias_columns).weight
            if tied == "none"
            else target_table.weight
        )
        self.output_map: Int8Linear | FewRowsLinear | None = None
        """What multiplies by ``output`` in search, where `use_int8` or `prepare_few_rows` says."""
        self.takes_few_rows = False
        """Whether few rows may come as they are: see `nmt.neural.search.rows`."""
        self.few_rows_layers: list[FewRowsLayer] | None = None
        """The decoder's layers for few rows, where one call can compute a whole layer."""
        self.step_graphs: StepGraphs | None = None
        """What searches on a GPU, where `nmt.neural.search.graph_steps.prepare_graphs` says."""

    def encode(self, source: Packed, keys: DropoutKeys | None = None) -> Tensor:
        """The memory, [S, D]."""
        x_SD: Tensor = self.source_embedding(source.pieces_N, source.positions_N, keys)
        for layer in self.encoder:
            if not _skipped(self.architecture.encoder_layer_drop, keys):
                x_SD = layer(x_SD, source, keys)
        memory_SD: Tensor = self.encoder_norm(x_SD)
        return memory_SD

    def decode(
        self, target: Packed, memory_SD: Tensor, source: Packed, keys: DropoutKeys | None = None
    ) -> Tensor:
        """Hidden states that predict the piece after each of the target's: [T, D].

        With an output bias they have the columns for it, [T, D + 8]; see `WithOne`.
        """
        x_TD: Tensor = self.target_embedding(target.pieces_N, target.positions_N, keys)
        for layer in self.decoder:
            if not _skipped(self.architecture.decoder_layer_drop, keys):
                x_TD = layer(x_TD, target, memory_SD, source, keys)
        hidden_TD: Tensor = self.decoder_norm(x_TD)
        return hidden_TD

    def forward(self, batch: PackedBatch, keys: DropoutKeys | None = None) -> Tensor:
        """Hidden states [T, D] that predict the batch's labels, given the true pieces before."""
        return self.decode(batch.target, self.encode(batch.source, keys), batch.source, keys)


def _skipped(rate: float, keys: DropoutKeys | None) -> bool:
    """Whether layer drop (Fan et al. 2020) leaves a layer out of this pass."""
    return keys is not None and rate > 0 and keys.uniform() < rate
