"""What a target piece costs, and that peers train on all pairs and count what is there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from nmt.neural.model.architecture import Architecture, small
from scripts.training_flops import flop_per_target_piece
from scripts.training_peers import (
    EOS,
    PAD,
    Job,
    PlainTransformer,
    Rows,
    matrix_products,
    torch_transformer,
)


def make_job(rows: Path, **changes: object) -> Job:
    values: dict[str, object] = {
        "contender": "torch.nn.Transformer", "tuned": False, "seconds": 0.05, "warmup": 0.0,
        "rows": str(rows), "batch_tokens": 64, "micro_batch_tokens": 32, "width": 32,
        "feed_forward_width": 64, "heads": 4, "layers": 2, "vocabulary": 100, "dropout": 0.1,
        "label_smoothing": 0.1, "source_positions": 32,
    }  # fmt: skip
    return Job(**{**values, **changes})  # type: ignore[arg-type]  # any of the cases


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """60 pairs of 1 to 12 pieces."""
    rng = np.random.default_rng(1)
    lengths = [rng.integers(1, 13, size=60) for _ in range(2)]
    flat = [rng.integers(4, 100, size=counts.sum()).astype(np.uint16) for counts in lengths]
    offsets = [np.concatenate(([0], np.cumsum(counts))) for counts in lengths]
    path = tmp_path / "rows.npz"
    np.savez(
        path,
        source_flat=flat[0], source_offsets=offsets[0],
        target_flat=flat[1], target_offsets=offsets[1],
    )  # fmt: skip
    return path


def test_an_epoch_has_every_pair_once(rows: Path) -> None:
    data = Rows(str(rows))
    batches: list[list[int]] = []
    for batch in data.batches(40):
        batches.append(batch)
        if sum(map(len, batches)) >= 60:
            break
    assert sorted(i for batch in batches for i in batch) == list(range(60))
    pieces = sum(len(row) + 1 for row in data.target)
    assert len(batches) == pytest.approx(pieces / 40, abs=2)
    positions = sum(data.collate(batch)[2].numel() for batch in batches)
    assert positions < 1.15 * pieces


def test_inputs_and_labels_are_the_pair(rows: Path) -> None:
    data = Rows(str(rows))
    source, inputs, labels = data.collate([3, 5])
    for place, pair in enumerate((3, 5)):
        assert source[place][source[place] != PAD].tolist() == [*data.source[pair], EOS]
        assert labels[place][labels[place] != PAD].tolist() == [*data.target[pair], EOS]
        assert inputs[place][inputs[place] != PAD].tolist() == [1, *data.target[pair]]


@pytest.mark.parametrize("tuned", [False, True])
def test_a_peer_is_measured(rows: Path, tuned: bool) -> None:
    found = torch_transformer(make_job(rows, tuned=tuned))
    assert found["updates"] >= 1
    # About 64 pieces an update, in one batch or two.
    assert 40 <= found["target_pieces"] / found["updates"] <= 90
    rate = found["target_pieces"] / found["cpu_seconds"]
    assert found["target_pieces_per_cpu_second"] == pytest.approx(rate)


def test_matrix_products(rows: Path) -> None:
    assert matrix_products(make_job(rows))["flop_per_cpu_second"] > 1e6


def test_the_cost_of_a_piece_is_what_torch_counts(rows: Path) -> None:
    # Long enough for attention to matter.
    sentences, source_length, target_length = 3, 24, 16
    job = make_job(rows, dropout=0.0)
    model = PlainTransformer(job)
    source = torch.randint(4, 100, (sentences, source_length))
    target = torch.randint(4, 100, (sentences, target_length))
    # The counter does not know the processor's fused attention.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        torch.autograd.backward(model(source, target).sum())
    architecture = Architecture(
        encoder_layers=2, decoder_layers=2, width=32, feed_forward_width=64, heads=4,
        source_vocabulary_size=100, target_vocabulary_size=100,
    )  # fmt: skip
    ours = flop_per_target_piece(
        architecture, np.full(sentences, source_length), np.full(sentences, target_length)
    )
    counted = counter.get_total_flops() / (sentences * target_length)
    masked_half = 3 * 2 * architecture.decoder_layers * architecture.width * target_length
    assert ours + masked_half == pytest.approx(counted, rel=1e-6)


def test_the_issue_s_model_costs_45_mflop_a_piece() -> None:
    # Multi30k's mean lengths: 15.3 source and 15.9 target pieces.
    lengths = np.full(100, 15.3), np.full(100, 15.9)
    assert flop_per_target_piece(small(), *lengths) == pytest.approx(45.3e6, rel=0.01)
