"""What the benchmarks share, and their tables from stored results."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from scripts import bench_cores, bench_training, bench_translation, check_batch_independence
from scripts.benchmark import (
    RESULTS,
    LoadMeter,
    ProcessFailed,
    environment,
    format_table,
    machine,
    pinned,
    run_measurement,
)

PROBE = """
import os
from scripts.benchmark import answer_request

answer_request(lambda request: {**request, "cores": len(os.sched_getaffinity(0)),
    "arena": os.environ.get("MALLOC_ARENA_MAX"), "openmp": os.environ.get("OMP_NUM_THREADS")})
"""


@pytest.fixture
def probe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "probe.py").write_text(PROBE)
    (tmp_path / "broken.py").write_text("raise SystemExit('no such luck')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return "probe"


@pytest.mark.parametrize("allocator", [False, True])
def test_a_measurement_is_pinned_and_has_no_thread_settings(
    probe: str, monkeypatch: pytest.MonkeyPatch, allocator: bool
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.setenv("MALLOC_ARENA_MAX", "9")
    result = run_measurement(probe, {"text": "ä\n"}, cores=1, allocator=allocator)
    arena = "1" if allocator else None
    assert result == {"text": "ä\n", "cores": 1, "arena": arena, "openmp": None}


def test_a_measurement_that_fails_says_why(probe: str) -> None:
    with pytest.raises(ProcessFailed, match="no such luck"):
        run_measurement("broken", {})


def test_more_cores_than_there_are() -> None:
    with pytest.raises(SystemExit, match="cores wanted"):
        pinned(len(os.sched_getaffinity(0)) + 1)


def test_the_environment_finds_the_scripts() -> None:
    assert Path(environment()["PYTHONPATH"].split(os.pathsep)[0]) == RESULTS.parents[1]


def test_own_work_is_not_that_of_others() -> None:
    with LoadMeter() as meter:
        end = time.process_time() + 0.3
        while time.process_time() < end:
            pass
        subprocess.run([sys.executable, "-c", "sum(range(10**7))"], check=True)
        load = meter.load()
    assert load.others is not None
    cores = os.cpu_count() or 1
    assert 0 <= load.others <= (cores * load.wall_seconds - 0.3) / (cores * load.wall_seconds) + 0.1
    assert json.loads(json.dumps(load.to_json()))["disturbed"] is load.disturbed


def test_machine_names_the_processor_and_torch() -> None:
    facts = machine()
    assert facts["processor"]
    assert facts["torch"].startswith("2.")


def test_table() -> None:
    table = format_table(["what", "n"], [["a", "10,000"], ["longer", "1"]])
    assert table.splitlines() == [
        "what         n",
        "--------------",
        "a       10,000",
        "longer       1",
    ]


AROUND: dict[str, Any] = {
    "machine": {"processor": "Z80", "cores": 1, "torch": "2.13", "python": "3.11", "date": "1976"},
    "load": {"wall_seconds": 9.0, "others": 0.25, "stolen": 0.0, "disturbed": True},
}


def shown(script: ModuleType, result: dict[str, Any], folder: Path) -> list[str]:
    """What the script prints of a stored result."""
    path = folder / "result.json"
    path.write_text(json.dumps({**AROUND, **result}))
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        assert script.main(["--show", str(path)]) == 0
    return printed.getvalue().splitlines()


def test_training_table(tmp_path: Path) -> None:
    def row(contender: str, cores: int, rate: float, clock: float, **more: object) -> Any:
        return {
            "contender": contender, "cores": cores, "target_pieces_per_cpu_second": rate,
            "target_pieces_per_second": clock, **more,
        }  # fmt: skip

    first = {"padding": 0.011, "seconds_to_first_update": 4.21}
    rows = [
        row("nmt-train", 1, 3000.0, 2900.0, **first),
        row("nmt-train", 2, 2950.0, 5510.0, **first),
        {"contender": "matrix products", "cores": 1, "tuned": True, "flop_per_cpu_second": 2e11},
        row("OpenNMT-py", 1, 1500.0, 1500.0, tuned=False),
        {"contender": "Hugging Face Marian", "cores": 1, "tuned": False, "skipped": "not there"},
    ]
    lines = shown(bench_training, {"mflop_per_target_piece": 50.0, "rows": rows}, tmp_path)
    cells = [line.split() for line in lines]
    # 2e11 FLOP/s over 50 MFLOP a piece are 4,000 pieces a second.
    assert ["nmt-train", "1", "3,000", "2,900", "75", "%", "1.00"] in cells
    assert ["matrix", "products,", "tuned", "1", "4,000", "100", "%", "0.75"] in cells
    assert ["OpenNMT-py", "1", "1,500", "1,500", "38", "%", "2.00"] in cells
    assert "nmt-train on two cores: 1.90 times one core, by the clock" in lines
    assert "left out: Hugging Face Marian: not there" in lines
    assert "first update 4.2 s after the command, padding 1.1 % of positions" in "\n".join(lines)
    assert "25.0 % of the machine" in lines[-1]
    assert "DISTURBED" in lines[-1]


def test_translation_table(tmp_path: Path) -> None:
    nmt = {
        "contender": "nmt", "batch": 0, "cpu_seconds": [9.0, 10.0, 30.0],
        "wall_seconds": [9.0, 20.0, 30.0], "greedy_cpu_seconds": [4.0],
        "alone_wall_seconds": [0.02, 0.0144, 0.01], "peak_memory_bytes": 512_000_000,
        "bleu": 38.25, "signature": "nrefs:1", "same_beam": 1.0, "same_greedy": 1.0,
    }  # fmt: skip
    peer = {**nmt, "contender": "peer", "batch": 64, "cpu_seconds": [20.0], "same_beam": 0.905}
    missing = {"contender": "CTranslate2", "skipped": "not there"}
    result = {"lines": 1000, "beam": 5, "rows": [nmt, peer, missing]}
    lines = shown(bench_translation, result, tmp_path)
    cells = [line.split() for line in lines]
    shared = ["250.0", "14.4", "512", "38.25", "100.0", "%"]
    assert ["nmt", "own", "100.0", "50.0", "1.00", *shared, "100.0", "%"] in cells
    assert ["peer", "64", "50.0", "50.0", "0.50", *shared, "90.5", "%"] in cells
    assert "left out: CTranslate2: not there" in lines


def test_cores_table(tmp_path: Path) -> None:
    row = {
        "model": "3 + 3 layers", "one": [6.0, 5.0, 5.5], "threads": [3.0, 2.75, 2.5],
        "workers": [2.5, 2.6, 2.9],
        # Half the lines each: 0.5 / 2 + 0.5 / 4 of all lines a second.
        "apart": [[2.5, 2.5], [2.0, 4.0], [2.5, 5.0]],
    }  # fmt: skip
    lines = shown(bench_cores, {"lines": 1100, "rows": [row]}, tmp_path)
    assert ["3", "+", "3", "layers", "200", "2.00", "2.12", "2.06"] in [
        line.split() for line in lines
    ]


def test_contenders_have_names_of_their_own() -> None:
    names = [contender.name for contender in bench_translation.CONTENDERS]
    assert len(set(names)) == len(names)
    assert names[0] == "nmt"
    assert "nmt, preset fast, int8, shortlist" in names


@pytest.mark.parametrize("script", [bench_translation, check_batch_independence])
def test_a_model_is_needed(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        script.main([])
    assert exit_.value.code == 2
    assert "MODEL" in capsys.readouterr().err
