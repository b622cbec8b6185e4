"""What killed processes leave is cleared away; what living ones use is not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nmt.files import build_once, replacing_folder

pytest.importorskip("fcntl", reason="this system has no locks to tell the living by")

BUILDER = """
import sys, time
from pathlib import Path
from nmt.files import replacing_folder

with replacing_folder(Path(sys.argv[1])) as temporary:
    (temporary / "half").write_text("half")
    print(temporary, flush=True)
    time.sleep(600)
"""


def start_builder(path: Path) -> tuple[subprocess.Popen[str], Path]:
    process = subprocess.Popen(
        [sys.executable, "-c", BUILDER, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    temporary = Path(process.stdout.readline().strip())
    assert (temporary / "half").exists()
    return process, temporary


def age(folder: Path) -> None:
    os.utime(folder, (0, 0))


def test_folders_of_the_killed_are_removed_those_of_the_living_stay(tmp_path: Path) -> None:
    path = tmp_path / "result"
    processes: list[subprocess.Popen[str]] = []
    folders: list[Path] = []
    try:
        for _ in range(3):
            process, folder = start_builder(path)
            processes.append(process)
            folders.append(folder)
        killed, killed_just_now, living = folders
        for process in processes[:2]:
            process.send_signal(signal.SIGKILL)
            process.wait()
        age(killed)
        age(living)
        other = tmp_path / ".result-of-another.x"
        other.mkdir()
        age(other)
        with replacing_folder(path) as temporary:
            (temporary / "whole").touch()
        assert not killed.exists()
        assert killed_just_now.exists()
        assert (living / "half").exists()
        assert other.exists()
        assert (path / "whole").exists()
    finally:
        for process in processes:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


def test_a_stage_is_built_once(tmp_path: Path) -> None:
    built: list[Path] = []
    first = build_once(tmp_path, "stage", {"a": 1}, built.append)
    assert build_once(tmp_path, "stage", {"a": 1}, built.append) == first
    assert build_once(tmp_path, "stage", {"a": 2}, built.append) != first
    assert len(built) == 2
    assert {folder.name for folder in tmp_path.iterdir()} == {
        first.name,
        *(folder.name for folder in tmp_path.glob("stage-*")),
    }


def test_of_two_that_build_at_once_the_first_to_be_done_stays(tmp_path: Path) -> None:
    """Its files may be open, and for no instant may the folder be gone."""

    def slower(folder: Path) -> None:
        (folder / "what").write_text("mine")
        build_once(tmp_path, "stage", {"of": "both"}, quicker)

    def quicker(folder: Path) -> None:
        (folder / "what").write_text("the other one's")

    assert (build_once(tmp_path, "stage", {"of": "both"}, slower) / "what").read_text() == (
        "the other one's"
    )
    assert len(list(tmp_path.iterdir())) == 1
