"""A command once for each rank: places, exit codes, signals; and no rank outlives the others."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from nmt import launch as module
from nmt.errors import UserError
from nmt.launch import launch

pytestmark = pytest.mark.integration

PRELUDE = """
import os, pathlib, signal, sys, time
rank = int(os.environ["RANK"])
folder = pathlib.Path(sys.argv[1])
(folder / f"{rank}.pid").write_text(str(os.getpid()))
def wait_for(*names):
    while not all((folder / name).exists() and (folder / name).read_text() for name in names):
        time.sleep(0.01)
wait_for("0.pid", "1.pid")
"""


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ranks have half a second to end."""
    monkeypatch.setattr(module, "_SECONDS_TO_END", 0.5)


def launched(folder: Path, script: str) -> int:
    """The exit code of two ranks of a script; none of them is left."""
    try:
        return launch([sys.executable, "-S", "-c", PRELUDE + script, str(folder)], 2)
    finally:
        for rank in (0, 1):
            with pytest.raises(ProcessLookupError):
                os.kill(int((folder / f"{rank}.pid").read_text()), 0)


def test_each_rank_finds_its_place(tmp_path: Path) -> None:
    """And all ends well if all ranks do."""
    script = """
sys.path.insert(0, os.getcwd())
from nmt.ranks import read_place
(folder / f"{rank}.place").write_text(repr(read_place(os.environ)))
"""
    assert launched(tmp_path, script) == 0
    for rank in (0, 1):
        words = (tmp_path / f"{rank}.place").read_text()
        assert words == f"Place(rank={rank}, size=2, local_rank={rank}, local_size=2)"


@pytest.mark.parametrize("failing", [0, 1])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV], ids=lambda n: n.name)
def test_a_rank_that_is_killed_ends_the_other(
    tmp_path: Path, failing: int, number: signal.Signals
) -> None:
    """Which would wait for it forever."""
    script = f"os.kill(os.getpid(), {int(number)}) if rank == {failing} else time.sleep(1000)"
    began = time.monotonic()
    with pytest.raises(UserError, match=f"rank {failing} was ") as raised:
        launched(tmp_path, script)
    assert time.monotonic() - began < 60
    assert ("memory" in str(raised.value)) == (number is signal.SIGKILL)
    assert "the same command continues" in str(raised.value)


@pytest.mark.parametrize("failing", [0, 1])
def test_a_rank_that_fails_ends_the_other_with_its_exit_code(tmp_path: Path, failing: int) -> None:
    """It has said itself why."""
    assert launched(tmp_path, f"sys.exit(3) if rank == {failing} else time.sleep(1000)") == 3


def test_rank_0_may_be_the_last(tmp_path: Path) -> None:
    """The others have nothing to write."""
    assert launched(tmp_path, "time.sleep(1.5) if rank == 0 else None") == 0


def test_a_rank_that_does_not_end_is_ended(tmp_path: Path) -> None:
    """When all is done."""
    assert launched(tmp_path, "time.sleep(1000) if rank == 1 else None") == 0


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["SIGTERM", "SIGINT"]
)
def test_signals_are_passed_on_once(tmp_path: Path, number: signal.Signals, code: int) -> None:
    """And ranks that stop in good order have time for it."""
    script = f"""
count = 0
def receive(number, frame):
    global count
    count += 1
signal.signal({int(number)}, receive)
(folder / f"{{rank}}.ready").write_text("ready")
while not count:
    time.sleep(0.01)
time.sleep(1.0 if rank == 0 else 0.0)
(folder / f"{{rank}}.count").write_text(str(count))
sys.exit({code})
"""

    def send() -> None:
        while not all((tmp_path / f"{rank}.ready").exists() for rank in (0, 1)):
            time.sleep(0.01)
        os.kill(os.getpid(), number)

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    before = signal.getsignal(number)
    assert launched(tmp_path, script) == code
    sender.join()
    assert signal.getsignal(number) is before
    assert [(tmp_path / f"{rank}.count").read_text() for rank in (0, 1)] == ["1", "1"]


def test_a_command_that_is_not_there(tmp_path: Path) -> None:
    """Is no traceback of ours."""
    with pytest.raises(FileNotFoundError):
        launch([str(tmp_path / "nothing")], 2)
