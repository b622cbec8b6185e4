"""The frame of the commands: exit codes, sentences in place of tracebacks, quick start."""

from __future__ import annotations

import importlib.metadata
import os
import pkgutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import pytest
import typer

import nmt.cli
from nmt.cli.common import run
from nmt.errors import UserError, UserErrors


def command(
    what: Annotated[str, typer.Argument(help="What happens.")] = "nothing",
    number: Annotated[int, typer.Option(help="A number.")] = 3,
) -> None:
    """Do what is asked for."""
    match what:
        case "nothing":
            print(f"number {number}")
        case "mistake":
            raise UserError("is empty", where="file.txt:3", mend="fill it")
        case "mistakes":
            raise UserErrors([UserError("one", where="a:1"), UserError("two", where="a:2")])
        case "interrupt":
            raise KeyboardInterrupt
        case "missing":
            Path("/nowhere/at/all").read_text()
        case "bug":
            raise ZeroDivisionError("ours")
        case "much":
            for line in range(200_000):
                print(line)


def outcome(
    capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[int | str | None, str, str]:
    """Exit code, standard output and standard error of the command."""
    with pytest.raises(SystemExit) as raised:
        run(command, arguments=arguments, interrupted="stopped")
    return raised.value.code, *capsys.readouterr()


@pytest.fixture(autouse=True)
def _name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/nmt-do"])


def test_all_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert outcome(capsys, "--number", "4") == (0, "number 4\n", "")


def test_a_mistake_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert outcome(capsys, "mistake") == (2, "", "nmt-do: file.txt:3: is empty\n  fill it\n")


def test_mistakes_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    assert outcome(capsys, "mistakes") == (2, "", "nmt-do: 2 problems\na:1: one\na:2: two\n")


def test_the_system_s_errors_are_sentences_too(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, error = outcome(capsys, "missing")
    assert code == 2
    assert error.startswith("nmt-do: /nowhere/at/all: No such file or directory\n")


def test_an_interruption_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert outcome(capsys, "interrupt") == (130, "", "\nnmt-do: stopped\n")


@pytest.mark.parametrize("arguments", [("--nmuber", "3"), ("--number", "x"), ("a", "b")])
def test_wrong_arguments_end_like_other_mistakes(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    code, output, error = outcome(capsys, *arguments)
    assert (code, output) == (2, "")
    assert "Usage" in error


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    version = importlib.metadata.version("bitext-nmt")
    assert outcome(capsys, "--version") == (0, f"bitext-nmt {version}\n", "")


def test_help_shows_own_and_common_options(capsys: pytest.CaptureFixture[str]) -> None:
    code, output, _ = outcome(capsys, "--help")
    assert code == 0
    for words in ("Do what is asked for.", "--number", "A number.", "--version", "--debug"):
        assert words in output


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, error = outcome(capsys, "mistake", "--debug")
    assert code == 2
    assert error.startswith("Traceback")
    assert error.endswith("nmt-do: file.txt:3: is empty\n  fill it\n")


def test_a_bug_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        run(command, arguments=["bug"])


PROGRAM = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_common import command
from nmt.cli.common import run
sys.argv[0] = "nmt-do"
run(command)
"""


def test_a_reader_that_goes_away_is_no_error() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "much"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"0\n"
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_a_sentence() -> None:
    with Path("/dev/full").open("wb") as full:
        process = subprocess.run(
            [sys.executable, "-c", PROGRAM], stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert process.returncode == 2
    assert process.stderr.decode().startswith(f"nmt-do: {os.strerror(28)}")


@pytest.mark.parametrize("name", [module.name for module in pkgutil.iter_modules(nmt.cli.__path__)])
def test_commands_start_without_torch(name: str) -> None:
    slow = "torch", "datasets", "sentencepiece", "sacrebleu", "numba", "numpy"
    program = f"import sys, nmt.cli.{name}; print([m for m in {slow} if m in sys.modules])"
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert process.stdout.decode().strip() == "[]"


def test_a_recipe_is_read_without_torch() -> None:
    slow = "torch", "datasets", "sentencepiece", "sacrebleu", "numba", "numpy"
    read = "import sys, nmt.recipe; nmt.recipe.read_recipe('multi30k-en-de')"
    program = f"{read}; print([m for m in {slow} if m in sys.modules])"
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert process.stdout.decode().strip() == "[]"
