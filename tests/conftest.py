"""Fixtures that all tests share."""

from __future__ import annotations

import contextlib
import io
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.small_corpus import write_corpus

# The first call of a compiled loop loads or compiles it, and the machine may be busy.
hypothesis.settings.register_profile("nmt", deadline=None)
hypothesis.settings.load_profile("nmt")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real corpora beside the repository; tests that need it skip without it."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real corpora (../shared/data) are not on this machine")
    return folder


@pytest.fixture
def apt_packages() -> None:
    """Skip where the LibreOffice help cannot be fetched with apt."""
    if shutil.which("apt-get") is None:
        pytest.skip("libreoffice-help is fetched with apt-get, which this machine does not have")
    policy = subprocess.run(
        ["apt-cache", "policy", "libreoffice-help-de"], capture_output=True, text=True, check=False
    )
    if "Candidate:" not in policy.stdout or "Candidate: (none)" in policy.stdout:
        pytest.skip("apt does not know libreoffice-help-de; run: apt-get update")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """An empty disk of one megabyte."""
    with _mounted(tmp_path / "small-disk", "size=1m") as disk:
        yield disk


@pytest.fixture
def read_only_disk(tmp_path: Path) -> Iterator[Path]:
    """An empty disk that cannot be written to, not even by root."""
    with _mounted(tmp_path / "read-only-disk", "size=1m,ro") as disk:
        yield disk


@pytest.fixture(scope="session")
def trained_once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder in which a small recipe was run, and what was said; not to be changed.

    The model is in ``runs/small/small``.
    """
    from rich.console import Console

    from nmt.recipe import read_recipe
    from nmt.run import Run, train_systems
    from nmt.stopping import StopRequest

    folder = tmp_path_factory.mktemp("trained")
    recipe = read_recipe(str(write_corpus(folder)))
    out = io.StringIO()
    run = Run(recipe, folder / "runs", "cpu", Console(file=out, width=60), StopRequest())
    train_systems(run, ["small"])
    return folder, out.getvalue()


@contextlib.contextmanager
def _mounted(folder: Path, options: str) -> Iterator[Path]:
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("mounting a disk of memory needs root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
