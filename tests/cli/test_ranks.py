"""nmt-train in several processes: started, stopped, continued, and ended by one that fails."""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch
import typer

from nmt.cli.common import run
from nmt.cli.train import train
from nmt.launch import launch
from nmt.model_folder import open_model_folder
from tests.small_corpus import write_corpus

TRAIN = ("-m", "nmt.cli.train", "small.yaml", "--device", "cpu")

SHORT = "systems.small.training.validate_every=20"


@pytest.fixture
def repository(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes find the package and the tests in whichever folder they are."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[2]))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.mark.integration
def test_ranks_are_stopped_and_continued(
    tmp_path: Path, repository: None, capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Ours by one signal, with one message; then torchrun's, from that state to a model."""
    write_corpus(tmp_path)
    monkeypatch.chdir(tmp_path)
    metrics = tmp_path / "runs" / "small" / "small" / "training" / "metrics.jsonl"

    def stop() -> None:
        while not metrics.exists() or metrics.read_text().count("\n") < 3:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=stop, daemon=True).start()
    long = ("systems.small.training.max_updates=2000", "systems.small.training.log_every=1")
    assert launch([sys.executable, *TRAIN, SHORT, *long], 2) == 143
    captured = capfd.readouterr()
    out = captured.out + captured.err
    assert "on 2 ranks on" in out
    assert out.count("stopping, state will be saved") == 1
    assert out.count("stopped; the same command continues") == 1
    assert "Traceback" not in out
    stopped_at = max(int(found) for found in re.findall(r"^update (\d+) ", out, re.MULTILINE))
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    few = f"systems.small.training.max_updates={stopped_at + 3}"
    done = subprocess.run([*torchrun, *TRAIN, SHORT, few], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"going on after update {stopped_at}" in done.stdout
    assert done.stdout.count("training ends") == 1
    model = open_model_folder(tmp_path / "runs" / "small" / "small")
    model.verify()
    assert model.training["updates"] == stopped_at + 3
    assert model.scores() is not None


@pytest.mark.integration
@pytest.mark.parametrize(
    ("way", "words"),
    [
        ("user error", "here: rank 1 cannot\n  do otherwise"),
        ("killed", "rank 1 was killed"),
        ("hangs", "rank 1 did not answer"),
    ],
)
def test_one_failure_ends_all_with_one_message(
    repository: None, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    way: str, words: str,
) -> None:  # fmt: skip
    """Of the rank that failed, not of those that then miss it."""
    monkeypatch.setattr(sys, "argv", ["failing_rank.py"])

    def command() -> None:
        raise typer.Exit(launch([sys.executable, "-m", "tests.cli.failing_rank", way], 2))

    with pytest.raises(SystemExit) as raised:
        run(command, arguments=[])
    said = capfd.readouterr().err
    assert raised.value.code == 2
    assert words in said
    assert said.count("failing_rank.py:") == 1, said
    assert "Traceback" not in said


@pytest.fixture
def message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> pytest.CaptureFixture[str]:
    """What the command says in a folder with a recipe."""
    write_corpus(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["nmt-train"])
    return capsys


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The message about a mistake, of which nothing is left."""
    with pytest.raises(SystemExit) as raised:
        run(train, arguments=["small.yaml", *arguments])
    assert raised.value.code == 2
    assert not Path("runs").exists()
    return capsys.readouterr().err


def test_no_number_of_gpus(message: pytest.CaptureFixture[str]) -> None:
    """Is 0, or less."""
    assert "--gpus: 0 is no number of GPUs" in refused(message, "--gpus", "0")


def test_gpus_are_no_processors(
    message: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Said with what to do instead."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    said = refused(message, "--gpus", "2")
    assert "--gpus: there is no CUDA device" in said
    assert "leave --gpus out" in said
    assert "--device cpu does not go" in refused(message, "--gpus", "2", "--device", "cpu")


def test_more_gpus_than_there_are(
    message: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told before anything is begun."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert "--gpus: there are 2 GPUs, not 4" in refused(message, "--gpus", "4")


@pytest.mark.parametrize("module", [None, "nmt.cli.train"])
def test_ranks_are_started_as_the_command_was(
    message: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, module: str | None
) -> None:
    """With the same arguments, by its script or its module; their exit code is that of all."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    spec = None if module is None else importlib.util.find_spec(module)
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", spec)
    arguments = ["small.yaml", "--gpus", "2", "--fresh"]
    monkeypatch.setattr(sys, "argv", ["bin/nmt-train", *arguments])
    started = []

    def note(command: list[str], size: int) -> int:
        started.append((command, size))
        return 143

    monkeypatch.setattr("nmt.launch.launch", note)
    with pytest.raises(SystemExit) as raised:
        run(train, arguments=arguments)
    assert raised.value.code == 143
    how = ["bin/nmt-train"] if module is None else ["-m", module]
    assert started == [([sys.executable, *how, *arguments], 2)]


def test_the_recipe_is_read_before_ranks_are_started(
    message: pytest.CaptureFixture[str],
) -> None:
    """So that its mistakes are told once."""
    assert "no system 'big'" in refused(message, "--gpus", "2", "--system", "big")


def test_an_environment_in_part_is_refused(
    message: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one is that contradicts the command line."""
    monkeypatch.setenv("RANK", "0")
    assert "WORLD_SIZE, MASTER_ADDR, MASTER_PORT are missing" in refused(message)
    for name, value in {
        "LOCAL_RANK": "0", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    assert "--gpus: it says 4, but 2 ranks were started" in refused(message, "--gpus", "4")
