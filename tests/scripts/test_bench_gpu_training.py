from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from nmt.neural.kernels.gpu import KERNELS
from nmt.tokenization.protocol import BOS_ID, EOS_ID, NUM_CONTROL_IDS, PAD_ID
from scripts import bench_gpu_training
from scripts.gpu_training_contenders import BLOCKS, Job, Step, _padded_batches, timed
from scripts.gpu_training_data import LENGTHS, draw_pairs
from scripts.gpu_training_trace import kind_of, summarize


def test_lengths_are_stored_as_numbers_and_drawn_as_they_are() -> None:
    stored = json.loads(LENGTHS.read_text(encoding="utf-8"))
    assert set(stored) == {
        f"{name} {size}" for name in ("tatoeba", "europarl", "newstest") for size in (8000, 32000)
    }
    for pair in stored.values():
        assert len(pair["source"]) == len(pair["target"]) == 1500
        assert all(isinstance(length, int) for side in pair.values() for length in side)
    pairs = draw_pairs("newstest", 32_000, 20_000)
    mean = np.mean(stored["newstest 32000"]["target"])
    assert float(pairs.target_lengths.mean()) == pytest.approx(mean, rel=0.02)
    assert 28 <= mean <= 30
    flat = pairs.sources.flat
    assert int(flat.min()) >= NUM_CONTROL_IDS
    assert int(flat.max()) < 32_000
    counts = np.bincount(flat)
    assert counts[NUM_CONTROL_IDS] > 20 * counts[NUM_CONTROL_IDS + 99]


def test_a_padded_batch_holds_each_sentence_once_and_as_many_positions_as_ours() -> None:
    pairs = draw_pairs("tatoeba", 8_000, 3_000)
    batches = list(_padded_batches(pairs, 2_048, 10_000, torch.device("cpu")))
    assert sum(step.target_pieces for _, step in batches) == int(pairs.target_lengths.sum())
    for (source, inputs, labels), step in batches:
        assert labels.numel() <= 2_048
        assert int((labels != PAD_ID).sum()) == step.target_pieces
        assert int((source != PAD_ID).sum()) == step.pieces - step.target_pieces
        assert bool((inputs[:, 0] == BOS_ID).all())
        assert bool(((labels == EOS_ID).sum(1) == 1).all())
        assert torch.equal(inputs[:, 1:], labels[:, :-1].where(labels[:, :-1] != EOS_ID, PAD_ID))
    padding = 1 - sum(s.pieces for _, s in batches) / sum(s.positions for _, s in batches)
    assert padding < 0.2


def test_rates_are_of_the_pieces_after_the_warm_up() -> None:
    job = Job("nmt", "base", 8_000, "tatoeba", 64, 1, warmup=3, updates=10, seconds=60.0)
    steps = iter([Step(7, 20, 10, torch.tensor(14.0))] * 100)
    result = timed(steps, job, torch.device("cpu"))
    assert result["updates"] == 10
    assert len(result["rates_of_blocks"]) == BLOCKS
    assert result["target_pieces_per_update"] == 7
    assert result["padding"] == 0.5
    assert result["loss_last"] == 2.0
    expected = 1e3 * 7 / result["ms_per_update"]
    assert result["target_pieces_per_second"] == pytest.approx(expected)
    assert len(list(steps)) == 100 - 1 - 3 - 10


def test_a_line_that_does_not_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(bench_gpu_training.ProcessEnded, match="not done in 0 s"):
        bench_gpu_training.run_process("scripts.gpu_peak", {}, 0.01)
    with pytest.raises(bench_gpu_training.ProcessEnded, match="No module"):
        bench_gpu_training.run_process("scripts.there_is_none", {}, 60.0)


def test_all_lines_ask_for_something_else_and_the_bars_come_first() -> None:
    lines = list(bench_gpu_training.all_lines())
    assert len({line.name for line in lines}) == len(lines) == len({line.job for line in lines})
    bars = [line for line in lines[:6] if line.job.references == ()]
    assert {(line.job.preset, line.job.contender, line.job.compiled) for line in bars} == {
        (preset, *how)
        for preset in ("big", "base")
        for how in (("nmt", False), ("padded", False), ("padded", True))
    }
    assert {kernel for line in lines for kernel in line.job.references} == set(KERNELS)


def test_a_table_compares_with_the_padded_loop_of_the_same_case() -> None:
    row = {
        "ms_per_update": 10.0, "flop_per_second": 4e14, "peak_bytes": 2**30, "padding": 0.01,
        "seconds_to_first_update": 3.0,
    }  # fmt: skip
    result = {
        "device": {"bfloat16_flops_per_second": 8e14},
        "rows": [
            {"name": "big: nmt", "target_pieces_per_second": 300.0, **row},
            {"name": "big: padded", "target_pieces_per_second": 100.0, **row},
            {"name": "base: nmt", "failed": "not done in 40 s"},
        ],
        "not measured": ["base: padded"],
    }
    table = bench_gpu_training.render(result).splitlines()
    ours = next(line for line in table if line.startswith("big: nmt"))
    assert "50.0 %" in ours
    assert "3.00" in ours
    assert "failed: base: nmt: not done in 40 s" in table
    assert "not measured: base: padded" in table


def test_kernels_are_told_apart_by_their_names() -> None:
    names = {
        "sm90_xmma_gemm_bf16bf16_bf16f32": "matrix products",
        "nvjet_hsh_128x256_64x4": "matrix products",
        "adamw_kernel": "optimizer",
        "add_norm_backward_kernel": "norms",
        "attention_backward_kernel": "attention",
        "loss_kernel": "loss",
        "Memcpy HtoD (Pinned -> Device)": "copies and clearing",
        "vectorized_elementwise_kernel": "elementwise",
    }
    assert {name: kind_of(name) for name in names} == names
    assert kind_of("round_kernel") == "rounding to float8"
    summary = summarize(dict.fromkeys(names, (1.0, 2)), 10.0)
    assert summary["busy_ms"] == pytest.approx(8.0)
    assert summary["in_words"].startswith("of 10.00 ms an update: 20% matrix products")
    assert "20% nothing; 16 kernels" in summary["in_words"]


@pytest.mark.integration
def test_every_way_is_gone_without_a_gpu(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("triton", reason="needs Triton")
    output = tmp_path / "result.json"
    assert bench_gpu_training.main(["--smoke", "--output", str(output)]) == 0
    rows = json.loads(output.read_text(encoding="utf-8"))["rows"]
    assert [row["name"] for row in rows] == [
        "smoke: nmt", "smoke: nmt, plain", "smoke: nmt, float8", "smoke: padded",
    ]  # fmt: skip
    for row in rows:
        assert row["target_pieces_per_second"] > 0
        # Next to the loss of a model that knows nothing.
        assert abs(row["loss_last"] - math.log(60)) < 1.5
    assert "an update:" in rows[1]["trace"]["in_words"]
    assert "x padded" in capsys.readouterr().out
