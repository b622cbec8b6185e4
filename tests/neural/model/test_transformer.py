"""The Transformer against torch.nn's, with the same weights; and what must not matter to it."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nmt.neural.kernels.dropout import DropoutKeys
from nmt.neural.model.attention import CrossAttention, SelfAttention
from nmt.neural.model.layers import FeedForward
from nmt.neural.model.transformer import DecoderLayer, EncoderLayer, Transformer
from nmt.neural.packed import PackedBatch, pack, pack_batch, pack_source
from nmt.tokenization.protocol import EOS_ID
from tests.neural.models import SMALL, make_model, random_rows

SOURCE_LENGTHS = [5, 1, 9, 3]
TARGET_LENGTHS = [4, 7, 1, 6]

VARIANTS: list[dict[str, Any]] = [
    {},
    {"norm_position": "post"},
    {"norm": "rmsnorm"},
    {"activation": "gelu"},
    {"activation": "swiglu"},
    {"positions": "rotary"},
    {"positions": "learned"},
    {"tied_embeddings": "decoder", "target_vocabulary_size": 23},
    {"tied_embeddings": "none", "source_vocabulary_size": 29},
    {"encoder_layers": 1, "decoder_layers": 3},
    {"decoder": "ssru"},
]


# --- torch.nn's Transformer with the same weights


def copy_linear(to: nn.Linear, weight: Tensor, bias: Tensor) -> None:
    to.weight.data.copy_(weight)
    to.bias.data.copy_(bias)


def copy_norm(to: nn.LayerNorm, norm: nn.Module) -> None:
    assert isinstance(norm, nn.LayerNorm)
    to.load_state_dict(norm.state_dict())


def copy_self_attention(to: nn.MultiheadAttention, ours: SelfAttention) -> None:
    assert to.in_proj_weight is not None
    to.in_proj_weight.data.copy_(ours.qkv.weight)
    to.in_proj_bias.data.copy_(ours.qkv.bias)
    copy_linear(to.out_proj, ours.out.weight, ours.out.bias)


def copy_cross_attention(to: nn.MultiheadAttention, ours: CrossAttention) -> None:
    assert to.in_proj_weight is not None
    to.in_proj_weight.data.copy_(torch.cat((ours.q.weight, ours.kv.weight)))
    to.in_proj_bias.data.copy_(torch.cat((ours.q.bias, ours.kv.bias)))
    copy_linear(to.out_proj, ours.out.weight, ours.out.bias)


def copy_feed_forward(
    to: nn.TransformerEncoderLayer | nn.TransformerDecoderLayer, ours: FeedForward
) -> None:
    copy_linear(to.linear1, ours.inner.weight, ours.inner.bias)
    copy_linear(to.linear2, ours.outer.weight, ours.outer.bias)


def copy_encoder_layer(to: nn.Module, ours: nn.Module) -> None:
    assert isinstance(to, nn.TransformerEncoderLayer)
    assert isinstance(ours, EncoderLayer)
    copy_self_attention(to.self_attn, ours.self_attention)
    copy_feed_forward(to, ours.feed_forward)
    copy_norm(to.norm1, ours.self_attention_norm)
    copy_norm(to.norm2, ours.feed_forward_norm)


def copy_decoder_layer(to: nn.Module, ours: nn.Module) -> None:
    assert isinstance(to, nn.TransformerDecoderLayer)
    assert isinstance(ours, DecoderLayer)
    copy_self_attention(to.self_attn, ours.self_attention)
    copy_cross_attention(to.multihead_attn, ours.cross_attention)
    copy_feed_forward(to, ours.feed_forward)
    copy_norm(to.norm1, ours.self_attention_norm)
    copy_norm(to.norm2, ours.cross_attention_norm)
    copy_norm(to.norm3, ours.feed_forward_norm)


def as_torch(model: Transformer) -> nn.Transformer:
    """torch.nn's Transformer with the weights of ours, in float64."""
    sizes = model.architecture
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "enable_nested_tensor is True")
        theirs = nn.Transformer(
            d_model=sizes.width,
            nhead=sizes.heads,
            num_encoder_layers=sizes.encoder_layers,
            num_decoder_layers=sizes.decoder_layers,
            dim_feedforward=sizes.feed_forward_width,
            dropout=0.0,
            activation="gelu" if sizes.activation == "gelu" else "relu",
            norm_first=sizes.norm_position == "pre",
            batch_first=True,
            dtype=torch.float64,
        )
    encoder, decoder = theirs.encoder, theirs.decoder
    assert isinstance(encoder, nn.TransformerEncoder)
    assert isinstance(decoder, nn.TransformerDecoder)
    for theirs_layer, ours_layer in zip(encoder.layers, model.encoder, strict=True):
        copy_encoder_layer(theirs_layer, ours_layer)
    for theirs_layer, ours_layer in zip(decoder.layers, model.decoder, strict=True):
        copy_decoder_layer(theirs_layer, ours_layer)
    if sizes.norm_position == "pre":
        assert isinstance(encoder.norm, nn.LayerNorm)
        assert isinstance(decoder.norm, nn.LayerNorm)
        copy_norm(encoder.norm, model.encoder_norm)
        copy_norm(decoder.norm, model.decoder_norm)
    else:  # as in the paper, and unlike torch.nn, nothing comes after the last layer's norm
        encoder.norm = decoder.norm = None
    return theirs


def padded(rows_ND: Tensor, lengths: list[int]) -> tuple[Tensor, Tensor]:
    """Packed rows as a grid [B, L, D], and where it is padding [B, L]."""
    grid = nn.utils.rnn.pad_sequence(list(torch.split(rows_ND, lengths)), batch_first=True)
    padding = torch.arange(grid.shape[1]) >= torch.tensor(lengths)[:, None]
    return grid, padding


def torch_hidden_states(model: Transformer, batch: PackedBatch) -> Tensor:
    """What torch.nn's Transformer makes of the embeddings of ours, packed again."""
    source_lengths = batch.source.offsets.diff().tolist()
    target_lengths = batch.target.offsets.diff().tolist()
    source, source_padding = padded(
        model.source_embedding(batch.source.pieces_N, batch.source.positions_N)[
            : sum(source_lengths)
        ],
        source_lengths,
    )
    target, target_padding = padded(
        model.target_embedding(batch.target.pieces_N, batch.target.positions_N)[
            : sum(target_lengths)
        ],
        target_lengths,
    )
    length = target.shape[1]
    hidden: Tensor = as_torch(model)(
        source,
        target,
        tgt_mask=torch.ones(length, length, dtype=torch.bool).triu(1),
        src_key_padding_mask=source_padding,
        memory_key_padding_mask=source_padding,
        tgt_key_padding_mask=target_padding,
    )
    return hidden[~target_padding]


@pytest.mark.parametrize("padding", [0, 5])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("norm_position", ["pre", "post"])
def test_it_is_the_transformer_of_pytorch(
    norm_position: str, activation: str, padding: int
) -> None:
    model = make_model(
        dtype=torch.float64,
        norm_position=norm_position,
        activation=activation,
        encoder_layers=2,
        decoder_layers=3,
    )
    batch = pack_batch(
        random_rows(SOURCE_LENGTHS),
        random_rows(TARGET_LENGTHS),
        sum(SOURCE_LENGTHS) + 4 + padding,
        sum(TARGET_LENGTHS) + 4 + padding,
    )
    with torch.no_grad():
        hidden = model(batch)[: int(batch.target.offsets[-1])]
        expected = torch_hidden_states(model, batch)
    torch.testing.assert_close(hidden, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("norm_position", ["pre", "post"])
def test_its_gradients_are_those_of_pytorch(norm_position: str) -> None:
    """Of the embeddings, which all the rest of the backward pass flows into."""
    model = make_model(dtype=torch.float64, norm_position=norm_position)
    batch = pack_batch(random_rows(SOURCE_LENGTHS), random_rows(TARGET_LENGTHS))
    gradients = []
    for hidden in (model(batch), torch_hidden_states(model, batch)):
        weights = torch.linspace(-1, 1, hidden.numel(), dtype=torch.float64).view(hidden.shape)
        loss = (hidden * weights).sum()
        gradients.append(torch.autograd.grad(loss, model.source_embedding.table.weight)[0])
    torch.testing.assert_close(gradients[0], gradients[1], rtol=0, atol=1e-10)


# --- what must not matter


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 2e-5)])
def test_a_batch_of_one_is_a_batch_of_sixty_four(
    changes: dict[str, Any], dtype: torch.dtype, tolerance: float
) -> None:
    model = make_model(dtype=dtype, **changes)
    lengths = [1 + 7 * number % 13 for number in range(64)]
    sources, targets = random_rows(lengths), random_rows(lengths[::-1], seed=1)
    with torch.no_grad():
        together = model(pack_batch(sources, targets))
        alone = torch.cat(
            [
                model(pack_batch([source], [target]))
                for source, target in zip(sources, targets, strict=True)
            ]
        )
    torch.testing.assert_close(together, alone, rtol=0, atol=tolerance)


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_padding_changes_nothing(changes: dict[str, Any]) -> None:
    model = make_model(dtype=torch.float64, **changes)
    sources, targets = random_rows(SOURCE_LENGTHS), random_rows(TARGET_LENGTHS)
    tight = pack_batch(sources, targets)
    loose = pack_batch(sources, targets, 50, 60)
    assert loose.num_target_pieces == tight.num_target_pieces == sum(TARGET_LENGTHS) + 4
    hidden, padded_hidden = model(tight), model(loose)
    torch.testing.assert_close(padded_hidden[: len(hidden)], hidden, rtol=0, atol=1e-12)
    assert bool(padded_hidden.isfinite().all())


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_the_future_of_the_target_is_not_seen(changes: dict[str, Any]) -> None:
    model = make_model(dtype=torch.float64, **changes)
    sources, (target,) = random_rows([6]), random_rows([8])
    with torch.no_grad():
        before = model(pack_batch(sources, [target]))
        target[4:] = target[4:] % 7 + 4
        after = model(pack_batch(sources, [target]))
    assert torch.equal(before[:5], after[:5])  # BOS and four pieces
    assert not torch.equal(before[5:], after[5:])


def test_every_source_piece_and_the_order_of_pieces_matter() -> None:
    model = make_model(dtype=torch.float64)
    (source,), targets = random_rows([6]), random_rows([3])
    with torch.no_grad():
        hidden = model(pack_batch([source], targets))
        for position in range(6):
            changed = source.copy()
            changed[position] = (source[position] + 1 - 4) % 15 + 4
            assert not torch.allclose(hidden, model(pack_batch([changed], targets)), atol=1e-4)
        assert not torch.allclose(hidden, model(pack_batch([source[::-1]], targets)), atol=1e-4)


def test_encoding_and_decoding_are_the_forward_pass() -> None:
    model = make_model()
    batch = pack_batch(random_rows(SOURCE_LENGTHS), random_rows(TARGET_LENGTHS))
    memory = model.encode(batch.source)
    assert torch.equal(model(batch), model.decode(batch.target, memory, batch.source))


# --- dropout


@pytest.mark.parametrize(
    "rate", ["dropout", "attention_dropout", "activation_dropout", "embedding_dropout"]
)
def test_each_dropout_does_something_of_its_own(rate: str) -> None:
    rates: dict[str, Any] = {"dropout": 0.0, "embedding_dropout": 0.0, rate: 0.5}
    model = make_model(**rates)
    batch = pack_batch(random_rows(SOURCE_LENGTHS), random_rows(TARGET_LENGTHS))
    with torch.no_grad():
        plain = model(batch)
        one, same, other = (model(batch, DropoutKeys(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.allclose(one, other)
    assert not torch.allclose(one, plain)


def test_without_keys_nothing_is_dropped() -> None:
    batch = pack_batch(random_rows(SOURCE_LENGTHS), random_rows(TARGET_LENGTHS))
    rates: dict[str, Any] = {
        "dropout": 0.5, "attention_dropout": 0.5, "activation_dropout": 0.5,
        "embedding_dropout": 0.5, "encoder_layer_drop": 0.5, "decoder_layer_drop": 0.5,
    }  # fmt: skip
    none: dict[str, Any] = dict.fromkeys(rates, 0.0)
    with torch.no_grad():
        assert torch.equal(make_model(**rates)(batch), make_model(**none)(batch))
        assert torch.equal(make_model(**none)(batch, DropoutKeys(1)), make_model(**none)(batch))


@pytest.mark.parametrize("side", ["encoder", "decoder"])
def test_layer_drop_leaves_out_whole_layers(side: str) -> None:
    """With two layers, a pass is that of a model of two, one or no layers."""
    rates: dict[str, Any] = {
        "dropout": 0.0, "embedding_dropout": 0.0, f"{side}_layer_drop": 0.5
    }  # fmt: skip
    model = make_model(**rates)
    batch = pack_batch(random_rows(SOURCE_LENGTHS), random_rows(TARGET_LENGTHS))
    layers = getattr(model, side)
    subsets: list[list[int]] = [[0, 1], [0], [1], []]
    with torch.no_grad():
        possible = []
        for subset in subsets:
            setattr(model, side, nn.ModuleList(layers[number] for number in subset))
            possible.append(model(batch))
        setattr(model, side, layers)
        counts = [0] * len(subsets)
        for seed in range(80):
            hidden = model(batch, DropoutKeys(seed))
            counts[[torch.equal(hidden, other) for other in possible].index(True)] += 1
    # Each has a chance of a quarter: 20 of 80, with a standard deviation of 3.9.
    assert min(counts) >= 4


# --- embeddings


def num_parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def test_tied_embeddings_share_their_storage() -> None:
    width, pieces = SMALL.width, SMALL.source_vocabulary_size
    all_tied, decoder_tied, untied = (
        make_model(tied_embeddings=tied) for tied in ("all", "decoder", "none")
    )
    table = all_tied.source_embedding.table.weight
    assert table is all_tied.target_embedding.table.weight
    assert table is all_tied.output
    assert decoder_tied.output is decoder_tied.target_embedding.table.weight
    assert decoder_tied.output is not decoder_tied.source_embedding.table.weight
    assert untied.output is not untied.target_embedding.table.weight
    assert num_parameters(decoder_tied) == num_parameters(all_tied) + pieces * width
    assert num_parameters(untied) == num_parameters(all_tied) + 2 * pieces * width


def test_vocabularies_of_different_sizes() -> None:
    model = make_model(
        tied_embeddings="decoder", source_vocabulary_size=11, target_vocabulary_size=23
    )
    assert model.source_embedding.table.weight.shape == (11, SMALL.width)
    assert model.output.shape == (23, SMALL.width)


@pytest.mark.parametrize("activation", ["relu", "swiglu"])
@pytest.mark.parametrize("norm_position", ["pre", "post"])
def test_the_number_of_parameters(norm_position: str, activation: str) -> None:
    """Counted from the paper's equations, with biases and norms."""
    model = make_model(norm_position=norm_position, activation=activation)
    d, f = SMALL.width, SMALL.feed_forward_width
    attention = 4 * (d * d + d)
    gates = 2 if activation == "swiglu" else 1
    feed_forward = gates * (d * f + f) + f * d + d
    norm = 2 * d
    encoder_layer = attention + feed_forward + 2 * norm
    decoder_layer = 2 * attention + feed_forward + 3 * norm
    last_norms = 2 * norm if norm_position == "pre" else 0
    table = SMALL.source_vocabulary_size * d
    assert num_parameters(model) == table + 2 * encoder_layer + 2 * decoder_layer + last_norms


def test_the_logits_of_a_new_model_are_of_ordinary_size() -> None:
    """At the start the loss is near that of guessing, log V: nothing explodes or vanishes."""
    architecture = replace(
        SMALL, width=64, feed_forward_width=256, heads=4, source_vocabulary_size=1000,
        target_vocabulary_size=1000,
    )  # fmt: skip
    for norm_position in ("pre", "post"):
        torch.manual_seed(1)
        model = Transformer(replace(architecture, norm_position=norm_position))
        rows = random_rows([10] * 20, vocabulary=1000)
        batch = pack_batch(rows, rows[::-1])
        with torch.no_grad():
            logits = model(batch) @ model.output.T
            loss = nn.functional.cross_entropy(logits, batch.labels_T)
        assert 6.5 < float(loss) < 8.5  # log 1000 = 6.9


def test_the_source_is_closed_by_the_end_and_the_target_opened() -> None:
    """The packing that the model is used with; a model tells these from other pieces."""
    model = make_model(dtype=torch.float64)
    (source,) = random_rows([4])
    with torch.no_grad():
        packed = model.encode(pack_source([source]))
        by_hand = model.encode(pack([[*source.tolist(), EOS_ID]]))
    assert torch.equal(packed, by_hand)
