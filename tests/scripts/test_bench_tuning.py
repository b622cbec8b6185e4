"""The benchmark of tuning runs, and what it says of BLEU holds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nmt.statistical.features import FIRST_WEIGHTS
from nmt.statistical.tuning.settings import TuningSettings
from nmt.statistical.tuning.tune import tune
from scripts.bench_tuning import Instance, main


def test_a_small_instance(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "result.json"
    arguments = ["--sentences", "30", "--nbest", "5", "--rounds", "2", "--output", str(output)]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    result = json.loads(output.read_text(encoding="utf-8"))
    assert result["bleu"]["ours"] == pytest.approx(result["bleu"]["sacrebleu"], abs=1e-9)
    for run in result["runs"]:
        assert run["rounds"][0]["hypotheses"] == 150
        assert run["rounds"][1]["hypotheses"] > 150
        assert all(0 <= row["cpu_seconds"] < 60 for row in run["rounds"])
    assert main(["--show", str(output)]) == 0
    assert capsys.readouterr().out == printed


def test_lists_of_a_tuning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    instance = Instance(20, 15, seed=1)
    result = tune(
        lambda weights: instance.decode(weights, 5),
        [instance.references],
        FIRST_WEIGHTS,
        TuningSettings(max_rounds=2),
        report=lambda _: None,
        state=tmp_path,
    )
    assert main(["--lists", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [line.split() for line in lines[2:-1]]
    assert [row[1] for row in rows] == [str(done.num_hypotheses) for done in result.rounds]
    # MERT never returns worse weights than it was given; MIRA may, with so few sentences.
    assert all(float(mert) >= float(first) for _, _, first, _, _, mert, _ in rows)
