from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from nmt import machine
from nmt.errors import UserError
from nmt.machine import available_cores
from nmt.neural.device import choose_device, describe, prepare


@pytest.fixture
def unchanged_pytorch() -> Iterator[None]:
    threads, precision = torch.get_num_threads(), torch.get_float32_matmul_precision()
    yield
    torch.set_num_threads(threads)
    torch.set_float32_matmul_precision(precision)


def pretend(monkeypatch: pytest.MonkeyPatch, gpus: int) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)


def test_the_cpu_is_always_there() -> None:
    assert choose_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize(("gpus", "expected"), [(0, "cpu"), (2, "cuda")])
def test_auto_takes_the_gpu_if_there_is_one(
    gpus: int, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(monkeypatch, gpus)
    assert choose_device("auto") == torch.device(expected)


def test_a_gpu_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, 0)
    with pytest.raises(UserError, match="no CUDA device") as caught:
        choose_device("cuda")
    assert "--device cpu" in str(caught.value)
    pretend(monkeypatch, 2)
    assert choose_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(UserError, match="no device cuda:2"):
        choose_device("cuda:2")


@pytest.mark.parametrize("name", ["gpu", "", "cuda:x", "meta", "CPU"])
def test_a_device_that_does_not_exist(name: str) -> None:
    with pytest.raises(UserError, match="no device called"):
        choose_device(name)


def test_on_the_cpu_there_is_a_worker_a_core_of_one_thread_each(unchanged_pytorch: None) -> None:
    assert prepare(torch.device("cpu")) == available_cores() >= 1
    assert torch.get_num_threads() == 1


@pytest.mark.parametrize(("cores", "words"), [(1, "1 CPU core"), (2, "2 CPU cores")])
def test_the_description_says_how_many_cores(
    cores: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "available_cores", lambda: cores)
    assert describe(torch.device("cpu")) == words
