"""Checkpoints: everything comes back, and a kill or a full disk leaves the old one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from nmt.errors import UserError
from nmt.neural.training.batches import Position
from nmt.neural.training.checkpoint import Best, Checkpoints, Counters


def some_tensors(value: float = 1.0) -> dict[str, Tensor]:
    """Tensors of several types and shapes, one of them a view."""
    flat = torch.arange(24, dtype=torch.float32) * value
    return {"values": flat[3:20], "matrix": flat.view(4, 6).T, "step": torch.tensor(7.0)}


def names(folder: Path) -> list[str]:
    """Every file below a folder."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))


@given(
    counters=st.builds(
        Counters,
        update=st.integers(0),
        position=st.builds(Position, st.integers(0), st.integers(0), st.integers(0)),
        seconds=st.floats(0, 1e9),
        best=st.lists(
            st.builds(
                Best,
                st.integers(0),
                st.floats(allow_nan=False),
                st.fixed_dictionaries({"loss": st.floats(0, 1e9)}),
            ),
            max_size=3,
        ),
    )
)
def test_counters_survive_json(counters: Counters) -> None:
    """Every field, floats to the last bit."""
    assert Counters.from_json(counters.to_json()) == counters


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    """Tensors bit for bit; counters and inputs equal."""
    checkpoints = Checkpoints(tmp_path / "training")
    inputs: dict[str, Any] = {"system": {"dropout": 0.1}, "list": [1, None, "ä"]}
    counters = Counters(update=5, seconds=1.5, position=Position(1, 2, 3))
    assert checkpoints.load() is None
    checkpoints.save(counters, some_tensors(), inputs)
    loaded = Checkpoints(tmp_path / "training").load()
    assert loaded is not None
    assert loaded[0] == counters
    assert loaded[2] == inputs
    assert loaded[1].keys() == some_tensors().keys()
    for name, tensor in some_tensors().items():
        assert torch.equal(loaded[1][name], tensor)
    assert names(tmp_path) == ["training/last.safetensors"]


def test_only_named_best_ones_are_kept(tmp_path: Path) -> None:
    """And never fewer than the last checkpoint names, whenever the kill comes."""
    checkpoints = Checkpoints(tmp_path)
    first, second = (Best(update, 1.0, {"loss": 1.0}) for update in (10, 20))
    checkpoints.save_best(10, some_tensors(10))
    checkpoints.save(Counters(update=10, best=[first]), some_tensors(), {})
    checkpoints.save_best(20, some_tensors(20))
    # A kill here: the last checkpoint names update 10 alone.
    assert checkpoints.best_path(10).exists()
    Checkpoints(tmp_path).load()
    assert names(tmp_path) == ["best/00000010.safetensors", "last.safetensors"]
    checkpoints.save_best(20, some_tensors(20))
    checkpoints.save(Counters(update=20, best=[second]), some_tensors(), {})
    assert names(tmp_path) == ["best/00000020.safetensors", "last.safetensors"]


def test_leftovers_of_a_kill_are_cleared_away(tmp_path: Path) -> None:
    """Ten kills while saving must not fill the disk."""
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save_best(1, some_tensors())
    checkpoints.save(Counters(best=[Best(1, 1.0, {"loss": 1.0})]), some_tensors(), {})
    (tmp_path / ".last.safetensors.abc123").write_bytes(b"half")
    (tmp_path / "best" / ".00000002.safetensors.xyz").write_bytes(b"half")
    assert checkpoints.load() is not None
    assert names(tmp_path) == ["best/00000001.safetensors", "last.safetensors"]


def test_averages_are_means(tmp_path: Path) -> None:
    """In float64, given as float32; of one it is that one, bit for bit."""
    checkpoints = Checkpoints(tmp_path)
    weights = [{"w": torch.randn(50)} for _ in range(3)]
    for update, tensors in enumerate(weights):
        checkpoints.save_best(update, tensors)
    mean = torch.stack([tensors["w"].double() for tensors in weights]).mean(dim=0).float()
    torch.testing.assert_close(checkpoints.average([0, 1, 2])["w"], mean, rtol=1e-7, atol=0)
    assert torch.equal(checkpoints.average([1])["w"], weights[1]["w"])


@pytest.mark.parametrize("keep", [0, 7, 100, 500])
def test_a_truncated_checkpoint_is_named(tmp_path: Path, keep: int) -> None:
    """With the way out."""
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(Counters(), some_tensors(), {})
    checkpoints.last.write_bytes(checkpoints.last.read_bytes()[:keep])
    with pytest.raises(UserError, match="cannot be read as a checkpoint") as raised:
        checkpoints.load()
    assert raised.value.where == str(checkpoints.last)
    assert "--fresh" in str(raised.value)


def test_a_missing_best_one_is_named(tmp_path: Path) -> None:
    """Somebody cleared it away."""
    with pytest.raises(UserError, match="cannot be read") as raised:
        Checkpoints(tmp_path).average([3])
    assert "00000003" in str(raised.value)


def test_a_failed_save_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever fails, and nothing half written stays."""
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(Counters(update=1), some_tensors(1), {})

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("safetensors.torch.save_file", fail)
    with pytest.raises(UserError, match="No space left"):
        checkpoints.save(Counters(update=2), some_tensors(2), {})
    loaded = checkpoints.load()
    assert loaded is not None
    assert loaded[0].update == 1
    assert names(tmp_path) == ["last.safetensors"]


def test_a_full_disk_is_told_as_such(small_disk: Path) -> None:
    """By the library's own error, on a real full disk."""
    checkpoints = Checkpoints(small_disk / "training")
    checkpoints.save(Counters(update=1), {"values": torch.zeros(1000)}, {})
    with pytest.raises(UserError, match="No space left on device") as raised:
        checkpoints.save(Counters(update=2), {"values": torch.zeros(10**6)}, {})
    assert str(checkpoints.last) in str(raised.value)
    loaded = checkpoints.load()
    assert loaded is not None
    assert loaded[0].update == 1
    assert names(small_disk) == ["training/last.safetensors"]
