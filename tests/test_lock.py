"""One process at a time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from nmt.errors import UserError
from nmt.lock import only_one

fcntl = pytest.importorskip("fcntl", reason="this system has no file locks")

HOLDER = """
import sys, time
from pathlib import Path
from nmt.lock import only_one
with only_one(Path(sys.argv[1])):
    print("in", flush=True)
    time.sleep(60)
"""


def test_another_process_is_kept_out_until_the_end(tmp_path: Path) -> None:
    """Also if that end is a kill; nothing is left behind."""
    folder = tmp_path / "new" / "folder"
    command = [sys.executable, "-c", HOLDER, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"in\n"
        with pytest.raises(UserError, match="another process") as raised, only_one(folder):
            pass
        assert str(folder) in str(raised.value)
        process.kill()
        process.wait()
        with only_one(folder):
            pass
    assert list(folder.iterdir()) == []


def test_other_folders_are_free(tmp_path: Path) -> None:
    """The lock is of one folder only, and is given back."""
    with only_one(tmp_path / "a"), only_one(tmp_path / "b"):
        pass
    with only_one(tmp_path / "a"):
        pass


def test_a_lock_is_given_back_after_an_error(tmp_path: Path) -> None:
    """Which goes on its way."""
    with pytest.raises(KeyError), only_one(tmp_path):
        raise KeyError
    with only_one(tmp_path):
        pass


def test_disks_without_locks_let_everybody_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some network disks."""

    def fail(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", fail)
    with only_one(tmp_path), only_one(tmp_path):
        pass


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    """Below a file."""
    (tmp_path / "file").touch()
    with (
        pytest.raises(UserError, match="cannot write") as raised,
        only_one(tmp_path / "file" / "x"),
    ):
        pass
    assert str(tmp_path / "file" / "x") in str(raised.value)
