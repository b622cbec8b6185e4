"""What stays beside a training: the machine, and how it computed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from nmt.errors import UserError
from nmt.machine import describe_machine
from nmt.neural.train import _begin


@pytest.fixture(autouse=True)
def precision() -> Iterator[None]:
    """Give PyTorch its setting back."""
    before = torch.get_float32_matmul_precision()
    yield
    torch.set_float32_matmul_precision(before)


def begun(folder: Path, machine: dict[str, Any], measured: str) -> str:
    """How products are computed after a start that measured so."""
    torch.set_float32_matmul_precision(measured)
    _begin(folder, machine)
    return torch.get_float32_matmul_precision()


def test_a_continued_training_computes_as_before(tmp_path: Path) -> None:
    """What was measured at the first start counts, on the same machine."""
    machine = describe_machine("2 CPU cores", "torch")
    folder = tmp_path / "training"
    assert begun(folder, machine, "high") == "high"
    assert begun(folder, machine, "highest") == "high"
    other = {**machine, "processor": "another"}
    assert begun(folder, other, "highest") == "highest"
    assert begun(folder, other, "high") == "highest"
    assert json.loads((folder / "machine.json").read_text("utf-8"))["processor"] == "another"


def test_a_record_that_is_broken_is_named(tmp_path: Path) -> None:
    """With what to do."""
    (tmp_path / "machine.json").write_text("{")
    with pytest.raises(UserError, match="not JSON") as raised:
        _begin(tmp_path, {})
    assert "machine.json" in str(raised.value)
