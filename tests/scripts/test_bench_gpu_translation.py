from __future__ import annotations

import argparse
import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nmt.neural.model.architecture import base
from nmt.tokenization.protocol import EOS_ID
from scripts import bench_gpu_translation
from scripts.gpu_translation_contenders import Job, as_request, at_random, fixed_length, measure
from scripts.gpu_translation_roofline import moved, operations

TINY = Job("nmt", "smoke", 60, "tatoeba", 5, 3, 2, "float32", graphs=False, seconds=0.0)


def test_every_contender_says_as_much_as_is_asked() -> None:
    _, sources, settings = at_random(TINY)
    order = sorted((len(source) for source in sources), reverse=True)
    expected = 3 * max(2, order[0] + 1) + 2 * max(2, order[3] + 1)
    eager = measure(as_request(TINY))
    graphs = measure(as_request(replace(TINY, graphs=True)))
    for result in (eager, graphs):
        assert result["target_pieces"] == expected
        assert result["sentences_per_second"] * result["seconds"] == pytest.approx(5)
        rate = result["target_pieces_per_second"]
        assert rate * result["seconds"] == pytest.approx(expected)
    assert eager["outputs"] == graphs["outputs"]
    assert fixed_length(settings, sources[:1]).max_length_extra == max(2, len(sources[0]) + 1)


@pytest.mark.parametrize(
    "contender",
    ["ctranslate2", pytest.param("huggingface", marks=pytest.mark.integration)],  # a slow import
)
def test_rivals_too(contender: str) -> None:
    module = bench_gpu_translation.NEEDS[contender]
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"needs {module}")
    job = {**as_request(TINY), "contender": contender}
    assert measure(job)["target_pieces"] == measure(as_request(TINY))["target_pieces"]
    if contender == "ctranslate2":
        assert measure(job)["outputs"] == measure(as_request(TINY))["outputs"]


def test_a_model_that_never_ends_may_say_all_else() -> None:
    model, *_ = at_random(TINY)
    hidden = model.decoder_norm(0.3 * model.output[10:20])
    logits = hidden @ model.output.T
    assert bool((logits[:, EOS_ID] < logits.median(dim=1).values - 50).all())
    assert len(np.unique(logits.argmax(dim=1).numpy())) > 1


def test_lines_ask_for_different_things() -> None:
    options = {"quick": False, "folder": None, "source": None}
    lines = list(bench_gpu_translation.lines(argparse.Namespace(**options)))
    assert len({name for name, _ in lines}) == len({job for _, job in lines}) == len(lines)
    first = [job for _, job in lines[: len(bench_gpu_translation.WAYS)]]
    assert {(job.preset, job.beam) for job in first} == {("base", 5)}


def test_outputs_are_compared_within_a_case() -> None:
    job = {"contender": "nmt", "folder": ""}
    rows: list[dict[str, Any]] = [
        {"name": "one: eager", "job": job, "outputs": [1, 2, 3, 4]},
        {"name": "one: graphs", "job": job, "outputs": [1, 2, 3, 5]},
        {"name": "two: eager", "job": job, "outputs": [7]},
        {"name": "two: other", "job": {**job, "contender": "huggingface"}, "outputs": [8]},
        {"name": "two: broken", "job": job, "failed": "not done"},
    ]
    bench_gpu_translation.compare_outputs(rows)
    assert [row.get("same") for row in rows] == [1.0, 0.75, 1.0, None, None]
    assert not any("outputs" in row for row in rows)


def test_the_roofline_counts_weights_twice_a_row_and_once_a_step() -> None:
    """Against the weights that the model has."""
    architecture = base()
    assert architecture.target_vocabulary_size == 8_000
    weights = 6 * (8 * 512 * 512 - 2 * 512 * 512 + 2 * 512 * 2048) + 8_000 * 512
    assert operations(architecture, 1, 0, 0) == 2 * 5 * weights
    one, two = (moved(architecture, n, 0, 0) for n in (1, 2))
    assert 2 * one - two == 2 * weights
    assert operations(architecture, 2, 16, 16) == 2 * operations(architecture, 1, 16, 16)


@pytest.mark.integration
def test_every_way_is_gone_without_a_gpu(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "result.json"
    assert bench_gpu_translation.main(["--smoke", "--output", str(output)]) == 0
    assert not output.exists()
    table = capsys.readouterr().out
    assert "smoke: float32 with graphs" in table
    assert "failed" not in table
    assert "100 %" in table
