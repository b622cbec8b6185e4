"""The recurrent model against one written with torch.nn's cells; and what must not matter to it."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nmt.neural.kernels.dropout import DropoutKeys
from nmt.neural.model.recurrent import LSTM, EncoderLayer, Recurrent
from nmt.neural.packed import PackedBatch, pack_batch
from tests.neural.models import SMALL_RECURRENT, make_recurrent, random_rows

SOURCE_LENGTHS = [5, 1, 9, 3]
TARGET_LENGTHS = [4, 7, 1, 6]

VARIANTS: list[dict[str, Any]] = [
    {},
    {"heads": 4},
    {"encoder_layers": 1, "decoder_layers": 1},
    {"encoder_layers": 3, "decoder_layers": 3},
    {"tied_embeddings": "decoder", "target_vocabulary_size": 23},
    {"tied_embeddings": "none", "source_vocabulary_size": 29},
]


# --- the same model, one step and one sentence at a time


def as_cell(lstm: LSTM) -> nn.LSTMCell:
    """torch.nn's cell with the weights of ours; gradients flow into ours."""
    width, inputs = lstm.hidden.shape[1], lstm.inputs.shape[1]
    cell = nn.LSTMCell(inputs, width, dtype=lstm.bias.dtype)
    cell.weight_ih, cell.weight_hh, cell.bias_ih = lstm.inputs, lstm.hidden, lstm.bias
    nn.init.zeros_(cell.bias_hh)
    return cell


def read(lstm: LSTM, inputs: list[Tensor], h: Tensor | None = None) -> list[Tensor]:
    """Hidden states after each input, from zeros or a given one on."""
    cell = as_cell(lstm)
    c = torch.zeros(lstm.hidden.shape[1], dtype=lstm.bias.dtype)
    h = torch.zeros_like(c) if h is None else h
    states = []
    for x in inputs:
        h, c = cell(x, (h, c))
        states.append(h)
    return states


def attend(model: Recurrent, query: Tensor, memory: list[Tensor]) -> Tensor:
    """What one position takes from the source: a weighted sum of its projected memory, by heads."""
    attention, heads = model.attention, model.architecture.heads
    kv = attention.kv(torch.stack(memory))
    keys, values = kv.chunk(2, dim=1)
    mixed = []
    for q, k, v in zip(
        attention.q(query).chunk(heads), keys.chunk(heads, 1), values.chunk(heads, 1), strict=True
    ):
        scores = torch.stack([(q * key).sum() / math.sqrt(len(q)) for key in k])
        mixed.append((torch.softmax(scores, dim=0)[:, None] * v).sum(dim=0))
    context: Tensor = attention.out(torch.cat(mixed))
    return context


def plain_sentence(model: Recurrent, source: list[int], target: list[int]) -> Tensor:
    """Hidden states that predict what follows each target piece: [T, W]."""
    scale = math.sqrt(model.architecture.width)
    xs = [model.source_table.weight[piece] * scale for piece in source]
    for number, layer in enumerate(model.encoder):
        assert isinstance(layer, EncoderLayer)
        back = read(layer.back, xs[::-1])[::-1]
        ys = [torch.cat(both) for both in zip(read(layer.onward, xs), back, strict=True)]
        xs = ys if number == 0 else [x + y for x, y in zip(xs, ys, strict=True)]
    half = model.architecture.width // 2
    summary = torch.cat((xs[-1][:half], xs[0][half:]))
    firsts = torch.tanh(model.start(summary)).chunk(model.architecture.decoder_layers)
    bottom, *upper = model.decoder_lstms
    ys = read(bottom, [model.target_table.weight[piece] * scale for piece in target], firsts[0])
    contexts = [attend(model, y, xs) for y in ys]
    for layer, first in zip(upper, firsts[1:], strict=True):
        inputs = [torch.cat(both) for both in zip(ys, contexts, strict=True)]
        ys = [y + more for y, more in zip(ys, read(layer, inputs, first), strict=True)]
    merged = [torch.tanh(model.merge(torch.cat(b))) for b in zip(ys, contexts, strict=True)]
    return torch.stack(merged)


def plain(model: Recurrent, batch: PackedBatch) -> Tensor:
    """All sentences of a batch, one after the other."""
    pieces = [
        [
            side.pieces_N[begin:end].tolist()
            for begin, end in itertools.pairwise(side.offsets.tolist())
        ]
        for side in (batch.source, batch.target)
    ]
    return torch.cat([plain_sentence(model, *pair) for pair in zip(*pieces, strict=True)])


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_it_is_what_it_says_it_is(changes: dict[str, Any]) -> None:
    """Forward, and the gradient of every parameter."""
    model = make_recurrent(dtype=torch.float64, **changes)
    batch = pack_batch(random_rows(SOURCE_LENGTHS), random_rows(TARGET_LENGTHS))
    hidden, expected = model(batch), plain(model, batch)
    torch.testing.assert_close(hidden, expected, rtol=0, atol=1e-10)
    weights = torch.linspace(-1, 1, hidden.numel(), dtype=torch.float64).view(hidden.shape)
    parameters = [p for name, p in model.named_parameters() if name != "output"]
    ours, theirs = (
        torch.autograd.grad((states * weights).sum(), parameters) for states in (hidden, expected)
    )
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-10)


# --- what must not matter


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 2e-5)])
def test_a_batch_of_one_is_a_batch_of_sixty_four(
    changes: dict[str, Any], dtype: torch.dtype, tolerance: float
) -> None:
    model = make_recurrent(dtype=dtype, **changes)
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


def test_padding_changes_nothing() -> None:
    model = make_recurrent(dtype=torch.float64)
    sources, targets = random_rows(SOURCE_LENGTHS), random_rows(TARGET_LENGTHS)
    hidden = model(pack_batch(sources, targets))
    padded_hidden = model(pack_batch(sources, targets, 50, 60))
    torch.testing.assert_close(padded_hidden[: len(hidden)], hidden, rtol=0, atol=1e-12)
    assert bool(padded_hidden.isfinite().all())


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_the_future_of_the_target_is_not_seen(changes: dict[str, Any]) -> None:
    model = make_recurrent(dtype=torch.float64, **changes)
    sources, (target,) = random_rows([6]), random_rows([8])
    with torch.no_grad():
        before = model(pack_batch(sources, [target]))
        target[4:] = target[4:] % 7 + 4
        after = model(pack_batch(sources, [target]))
    assert torch.equal(before[:5], after[:5])  # BOS and four pieces
    assert not torch.equal(before[5:], after[5:])


def test_every_source_piece_and_the_order_of_pieces_matter() -> None:
    model = make_recurrent(dtype=torch.float64)
    (source,), targets = random_rows([6]), random_rows([3])
    with torch.no_grad():
        hidden = model(pack_batch([source], targets))
        for position in range(6):
            changed = source.copy()
            changed[position] = (source[position] + 1 - 4) % 15 + 4
            assert not torch.allclose(hidden, model(pack_batch([changed], targets)), atol=1e-4)
        assert not torch.allclose(hidden, model(pack_batch([source[::-1]], targets)), atol=1e-4)


# --- dropout


@pytest.mark.parametrize("rate", ["dropout", "recurrent_dropout", "attention_dropout"])
def test_each_dropout_does_something_of_its_own(rate: str) -> None:
    rates: dict[str, Any] = {"dropout": 0.0, rate: 0.5}
    model = make_recurrent(**rates)
    batch = pack_batch(random_rows(SOURCE_LENGTHS), random_rows(TARGET_LENGTHS))
    with torch.no_grad():
        plain = model(batch)
        one, same, other = (model(batch, DropoutKeys(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.allclose(one, other)
    assert not torch.allclose(one, plain)


def test_without_keys_nothing_is_dropped() -> None:
    batch = pack_batch(random_rows(SOURCE_LENGTHS), random_rows(TARGET_LENGTHS))
    rates: dict[str, Any] = dict.fromkeys(
        ("dropout", "recurrent_dropout", "attention_dropout"), 0.5
    )
    none: dict[str, Any] = dict.fromkeys(rates, 0.0)
    with torch.no_grad():
        expected = make_recurrent(**none)(batch)
        assert torch.equal(make_recurrent(**rates)(batch), expected)
        assert torch.equal(make_recurrent(**none)(batch, DropoutKeys(1)), expected)


# --- parameters


def num_parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def test_tied_embeddings_share_their_storage() -> None:
    width, pieces = SMALL_RECURRENT.width, SMALL_RECURRENT.source_vocabulary_size
    all_tied, decoder_tied, untied = (
        make_recurrent(tied_embeddings=tied) for tied in ("all", "decoder", "none")
    )
    assert all_tied.source_table.weight is all_tied.target_table.weight is all_tied.output
    assert decoder_tied.output is decoder_tied.target_table.weight
    assert decoder_tied.output is not decoder_tied.source_table.weight
    assert untied.output is not untied.target_table.weight
    assert num_parameters(decoder_tied) == num_parameters(all_tied) + pieces * width
    assert num_parameters(untied) == num_parameters(all_tied) + 2 * pieces * width


def test_the_number_of_parameters() -> None:
    """Counted from the equations, with biases."""
    w = SMALL_RECURRENT.width
    half = w // 2
    encoder_layer = 2 * 4 * (half * w + half * half + half)
    bottom, upper = 4 * (w * w + w * w + w), 4 * (2 * w * w + w * w + w)
    attention = 4 * (w * w + w)
    start, merge = 2 * (w * w + w), 2 * w * w + w
    table = SMALL_RECURRENT.source_vocabulary_size * w
    expected = table + 2 * encoder_layer + bottom + upper + attention + start + merge
    assert num_parameters(make_recurrent()) == expected


def test_a_new_model_keeps_what_its_cells_hold() -> None:
    """Forget gates begin with a bias of 1, all others with 0."""
    torch.manual_seed(1)
    model = Recurrent(SMALL_RECURRENT)
    lstms = [module for module in model.modules() if isinstance(module, LSTM)]
    assert len(lstms) == 6
    for lstm in lstms:
        i, f, g, o = lstm.bias.chunk(4)
        assert bool((f == 1).all())
        assert not torch.cat((i, g, o)).any()


def test_the_logits_of_a_new_model_are_of_ordinary_size() -> None:
    """At the start the loss is near that of guessing, log V: nothing explodes or vanishes."""
    for layers in (1, 2, 8):
        torch.manual_seed(1)
        architecture = replace(
            SMALL_RECURRENT, width=64, encoder_layers=layers, decoder_layers=layers,
            source_vocabulary_size=1000, target_vocabulary_size=1000,
        )  # fmt: skip
        model = Recurrent(architecture)
        rows = random_rows([10] * 20, vocabulary=1000)
        batch = pack_batch(rows, rows[::-1])
        with torch.no_grad():
            logits = model(batch) @ model.output.T
            loss = nn.functional.cross_entropy(logits, batch.labels_T)
        assert 6.5 < float(loss) < 8.0  # log 1000 = 6.9
