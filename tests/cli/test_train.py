"""nmt-train as a user has it: killed, stopped, and given what is wrong."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
import yaml

from nmt.cli.common import run
from nmt.cli.train import train
from nmt.model_folder import open_model_folder
from tests.small_corpus import write_corpus

LONGER = (
    "systems.small.training.max_updates=300", "systems.small.training.validate_every=10",
    "systems.small.training.log_every=1",
)  # fmt: skip
"""Some seconds of updates, with a validation and a checkpoint every few hundredths of a second."""

Command = Callable[..., tuple[int, str]]


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A folder with a corpus and a recipe."""
    write_corpus(tmp_path)
    return tmp_path


@pytest.fixture
def nmt_train(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, work: Path
) -> Iterator[Command]:
    """Runs the command in the work folder; returns its exit code and what it wrote."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    monkeypatch.setattr(sys, "argv", ["nmt-train"])
    monkeypatch.chdir(work)

    def command(*arguments: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as raised:
            run(train, arguments=["small.yaml", *arguments])
        out = capsys.readouterr()
        assert isinstance(raised.value.code, int)
        return raised.value.code, out.out + out.err

    yield command
    for number, handler in handlers.items():
        signal.signal(number, handler)


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """The command as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "nmt.cli.train", "small.yaml", "--device", "cpu", *arguments],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def wait_for(process: subprocess.Popen[str], beginning: str) -> str:
    """Read the command's output up to a line that begins so, or to its end."""
    assert process.stdout is not None
    seen = ""
    for line in process.stdout:
        seen += line
        if line.startswith(beginning):
            break
    return seen


def end(process: subprocess.Popen[str]) -> tuple[int, str]:
    """The exit code, and the rest of the output."""
    out, _ = process.communicate(timeout=120)
    return process.returncode, out


def left_over(folder: Path) -> list[str]:
    """Temporary files and folders."""
    return [str(path) for path in folder.rglob(".*")]


@pytest.mark.integration
def test_ten_kills_at_random_moments_change_not_a_bit(work: Path) -> None:
    """Whatever the process was doing: starting, preparing, training, saving, finishing."""
    other = work / "undisturbed"
    other.mkdir()
    write_corpus(other)
    began = time.perf_counter()
    process = start(other, *LONGER)
    wait_for(process, "update")
    until_first_update = time.perf_counter() - began
    code, out = end(process)
    assert code == 0, out
    training = work / "runs" / "small" / "small" / "training"
    rng = random.Random(time.time_ns())
    reached = set()
    for kill in range(10):
        process = start(work, *LONGER)
        if kill % 3 == 0:
            time.sleep(rng.uniform(0, 1.2 * until_first_update))
        else:
            for _ in range(rng.randint(1, 40)):
                wait_for(process, "update")
            time.sleep(rng.uniform(0, 0.03))
        process.kill()
        process.communicate()
        if (training / "last.safetensors").exists():
            with safetensors.safe_open(training / "last.safetensors", framework="np") as file:
                reached.add(json.loads(file.metadata()["counters"])["update"])
    code, out = end(start(work, *LONGER))
    assert code == 0, out
    assert len(reached) > 2
    one, two = (folder / "runs" / "small" / "small" for folder in (other, work))
    for name in ("model.safetensors", "translations/test.txt", "tokenizer/joint/tokenizer.json"):
        assert (one / name).read_bytes() == (two / name).read_bytes(), name
    last = [
        safetensors.torch.load_file(folder / "training" / "last.safetensors")
        for folder in (one, two)
    ]
    assert last[0].keys() == last[1].keys()
    assert all(torch.equal(last[0][name], last[1][name]) for name in last[0])
    records = [
        [
            {key: value for key, value in json.loads(line).items() if "second" not in key}
            for line in (folder / "training" / "metrics.jsonl").read_text("utf-8").splitlines()
        ]
        for folder in (one, two)
    ]
    assert records[0] == records[1]
    assert left_over(two) == []


@pytest.mark.integration
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["SIGTERM", "SIGINT"]
)
def test_a_signal_stops_cleanly(work: Path, number: signal.Signals, code: int) -> None:
    """With the state of that moment saved, and the same command continues."""
    process = start(work, *LONGER)
    wait_for(process, "update 3 ")
    process.send_signal(number)
    found, rest = end(process)
    assert found == code, rest
    assert "the same command continues" in rest
    assert "Traceback" not in rest
    updates = [int(update) for update in re.findall(r"^update (\d+)", rest, flags=re.MULTILINE)]
    stopped_at = max(updates, default=3)
    assert stopped_at < 300
    shorter = f"systems.small.training.max_updates={stopped_at + 2}"
    code, out = end(start(work, *LONGER, shorter))
    assert code == 0, out
    assert f"going on after update {stopped_at}" in out


@pytest.mark.integration
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_before_training_stops_at_once(
    work: Path, number: signal.Signals, code: int
) -> None:
    """Preparation is left, with nothing half made."""
    write_corpus(work, train=100_000)
    process = start(work)
    wait_for(process, "preparing")
    process.send_signal(number)
    found, rest = end(process)
    assert found == code, rest
    assert "stopped; the same command continues" in rest
    assert "update" not in rest
    assert left_over(work / "runs") == []


@pytest.mark.integration
def test_two_at_once_are_refused(work: Path) -> None:
    """The second one says so and leaves the first alone."""
    first = start(work, *LONGER)
    wait_for(first, "update")
    code, out = end(start(work, *LONGER))
    assert code == 2
    assert "another process is training here" in out
    first.send_signal(signal.SIGTERM)
    assert end(first)[0] == 143


@pytest.mark.integration
def test_after_fresh_the_same_command_would_not_continue(work: Path) -> None:
    """So that is what is said."""
    process = start(work, *LONGER, "--fresh")
    wait_for(process, "update")
    process.send_signal(signal.SIGTERM)
    assert "the same command without --fresh continues" in end(process)[1]


def edit(work: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the recipe."""
    recipe = yaml.safe_load((work / "small.yaml").read_text("utf-8"))
    change(recipe)
    (work / "small.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")


def lose_a_line(work: Path) -> None:
    """One side is shorter than the other."""
    lines = (work / "train.de").read_text("utf-8").splitlines(keepends=True)
    (work / "train.de").write_text("".join(lines[:-3]), encoding="utf-8")


def write_latin1(work: Path) -> None:
    """One line of another encoding."""
    lines = (work / "valid.de").read_bytes().split(b"\n")
    lines[2] = "größer".encode("latin-1")
    (work / "valid.de").write_bytes(b"\n".join(lines))


def empty(name: str) -> Callable[[Path], None]:
    """Both sides of a split without a line."""

    def act(work: Path) -> None:
        for language in ("en", "de"):
            (work / f"{name}.{language}").write_text("")

    return act


def another_language(work: Path) -> None:
    """Of a local corpus that has German."""
    folder = work / "data" / "multi30k"
    folder.mkdir(parents=True)
    for split in ("train", "valid", "test"):
        for language in ("en", "de"):
            shutil.copy(work / f"{split}.{language}", folder)

    def change(recipe: dict[str, Any]) -> None:
        corpus = recipe["corpus"]
        corpus["target_language"] = "fr"
        root = {"kind": "multi30k", "root": "data"}
        corpus["train"] = [{**root, "split": "train"}]
        corpus["valid"] = {**root, "split": "valid"}
        corpus["test"] = {"test": {**root, "split": "test"}}

    edit(work, change)


def long_sentences(work: Path) -> None:
    """None of which fits the model."""
    for language in ("en", "de"):
        text = (work / f"train.{language}").read_text("utf-8").replace("\n", " x y z" * 9 + "\n")
        (work / f"train.{language}").write_text(text, encoding="utf-8")


MISTAKES: dict[str, tuple[Callable[[Path], object], tuple[str, ...], tuple[str, ...]]] = {
    "missing file": (
        lambda work: (work / "train.de").unlink(), (), ("train.de", "no file", "small.yaml:4"),
    ),
    "unequal line counts": (lose_a_line, (), ("train.en", "train.de", "150", "147")),
    "invalid UTF-8": (write_latin1, (), ("valid.de:3", "not valid UTF-8", "0xf6", "iconv")),
    "typo in a key": (
        lambda work: None, ("systems.small.droput=0.1",), ("droput", "did you mean dropout"),
    ),
    "typo in the file": (
        lambda work: edit(work, lambda recipe: recipe["systems"]["small"].update(widht=16)), (),
        ("widht", "small.yaml:", "did you mean width"),
    ),
    "empty training corpus": (empty("train"), (), ("train.en", "not a single pair")),
    "empty validation set": (empty("valid"), (), ("valid.en", "not a single pair")),
    "empty test set": (empty("test"), (), ("test.en", "not a single pair")),
    "language that the data lacks": (another_language, (), ("multi30k has no", "fr", "de, en")),
    "language that the given data lacks": (
        another_language, ("--data", "data"), ("multi30k has no", "fr", "de, en"),
    ),
    "no such data folder": (lambda work: None, ("--data", "dat"), ("--data", "no folder")),
    "no such system": (lambda work: None, ("--system", "big"), ("no system 'big'", "small")),
    "no GPU": (lambda work: None, ("--device", "cuda"), ("no CUDA device", "--device cpu")),
    "output below a file": (
        lambda work: None, ("--output", "train.en/runs"), ("cannot write", "train.en"),
    ),
    "sentences beyond the model": (
        long_sentences, ("systems.small.max_positions=16",), ("longer than 16 pieces", "raise"),
    ),
    "contradiction": (
        lambda work: None, ("systems.small.heads=3",), ("width of 16", "heads"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_sentences(work: Path, nmt_train: Command, name: str) -> None:
    """What, where and how to mend it; exit code 2; no model, nothing half written."""
    if name == "no GPU" and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    spoil, arguments, words = MISTAKES[name]
    spoil(work)
    code, out = nmt_train(*arguments)
    assert code == 2, out
    assert out.count("nmt-train:") == 1
    assert "Traceback" not in out
    for word in words:
        assert word in out
    assert not list(work.rglob("model.json"))
    assert left_over(work) == []


def test_several_mistakes_are_told_together(work: Path, nmt_train: Command) -> None:
    """In one go."""
    (work / "test.en").unlink()
    code, out = nmt_train("systems.small.dropout=2", "systems.small.search.beam=0", "nothing=1")
    assert code == 2
    assert "4 problems" in out


def test_a_full_disk_while_preparing(work: Path, nmt_train: Command, small_disk: Path) -> None:
    """Said with the place; what was half written is gone."""
    write_corpus(work, train=20_000)
    code, out = nmt_train("--output", str(small_disk))
    assert code == 2, out
    assert "No space left" in out
    assert str(small_disk) in out
    assert left_over(small_disk) == []


def test_a_full_disk_while_training(work: Path, nmt_train: Command, small_disk: Path) -> None:
    """The last checkpoint stays, and with room again the same command goes on."""
    wide = ("--output", str(small_disk), "systems.small.width=48", "systems.small.heads=4")
    code, out = nmt_train(*wide)
    assert code == 2, out
    assert "No space left" in out
    assert str(small_disk / "small" / "small") in out
    assert left_over(small_disk) == []
    assert not list(small_disk.rglob("model.json"))
    subprocess.run(["mount", "-o", "remount,size=20m", str(small_disk)], check=True)
    code, out = nmt_train(*wide)
    assert code == 0, out
    open_model_folder(small_disk / "small" / "small").verify()


def test_a_read_only_disk(work: Path, nmt_train: Command, read_only_disk: Path) -> None:
    """Not even root can write to it."""
    code, out = nmt_train("--output", str(read_only_disk / "runs"))
    assert code == 2, out
    assert "Read-only file system" in out
    assert str(read_only_disk) in out
    assert "--output" in out


def test_a_disk_that_became_read_only(work: Path, nmt_train: Command, small_disk: Path) -> None:
    """Where everything is finished, that is no harm; where not, it is said."""
    done = ("--output", str(small_disk), "systems.small.training.max_updates=4")
    code, out = nmt_train(*done)
    assert code == 0, out
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    code, out = nmt_train(*done)
    assert code == 0, out
    assert "trained already" in out
    code, out = nmt_train("--output", str(small_disk), "systems.small.training.max_updates=8")
    assert code == 2, out
    assert "Read-only file system" in out


def test_a_loss_that_is_not_finite(work: Path, nmt_train: Command) -> None:
    """Ends the command as a mistake in the recipe, with the sentences in a file."""
    code, out = nmt_train(
        "systems.small.training.learning_rate=1e30", "systems.small.norm_position=post"
    )
    assert code == 2, out
    assert "is not finite" in out
    (path,) = (work / "runs").rglob("not-finite-*.jsonl")
    assert path.name in out
    pairs = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    source = (work / "train.en").read_text("utf-8").split("\n")
    target = (work / "train.de").read_text("utf-8").split("\n")
    assert pairs
    assert all(pair["target"] == target[source.index(pair["source"])] for pair in pairs)


def test_names_with_brackets_and_spaces_are_as_they_are(work: Path, nmt_train: Command) -> None:
    """In what is said, and quoted where it is a command to be copied."""
    output = "my [bold]runs[/bold] :smile:"
    code, out = nmt_train("--output", output, "systems.small.training.max_updates=2")
    assert code == 0, out
    assert f"nmt-translate '{output}/small/small' --input FILE" in out


def test_data_goes_before_a_root_in_the_recipe(work: Path, nmt_train: Command) -> None:
    """As everything on the command line does."""
    another_language(work)
    edit(work, lambda recipe: recipe["corpus"].update(target_language="de"))
    shutil.copytree(work / "data", work / "more")
    lines = (work / "more" / "multi30k" / "train.en").read_text("utf-8").splitlines()
    for language in ("en", "de"):
        path = work / "more" / "multi30k" / f"train.{language}"
        path.write_text("".join(f"{n} {line}\n" for n, line in enumerate(lines[:50])), "utf-8")
    short = "systems.small.training.max_updates=2"
    assert "of 150 training pairs" in nmt_train(short)[1]
    assert "of 50 training pairs" in nmt_train(short, "--data", "more", "--output", "other")[1]
