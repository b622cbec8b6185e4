"""Where a process stands among the ranks, by its environment."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.errors import UserError
from nmt.ranks import Place, read_place

TORCHRUN = {
    "RANK": "9", "LOCAL_RANK": "1", "WORLD_SIZE": "16", "LOCAL_WORLD_SIZE": "8",
    "MASTER_ADDR": "node-0", "MASTER_PORT": "29500",
}  # fmt: skip


def test_torchruns_variables_are_read() -> None:
    """On the second of two machines with eight GPUs each."""
    place = read_place(TORCHRUN)
    assert place == Place(rank=9, size=16, local_rank=1, local_size=8)
    assert not place.leads


@given(size=st.integers(1, 100), data=st.data())
def test_what_is_handed_on_is_read(size: int, data: st.DataObject) -> None:
    """By the processes that are started with it."""
    rank = data.draw(st.integers(0, size - 1))
    place = Place(rank, size, rank, size)
    assert read_place(place.environment(port=1234)) == place


def test_most_processes_have_no_place() -> None:
    """An address alone, as some clusters set it, makes no ranks."""
    assert read_place({}) is None
    assert read_place({"MASTER_ADDR": "node-0", "MASTER_PORT": "1"}) is None


@pytest.mark.parametrize("missing", ["RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR"])
@pytest.mark.parametrize("empty", [False, True])
def test_an_environment_in_part_is_refused(missing: str, empty: bool) -> None:
    """By the names of what is missing and of what is there."""
    environment = {**TORCHRUN, **({missing: ""} if empty else {})}
    if not empty:
        del environment[missing]
    with pytest.raises(UserError, match=f"{missing} is missing") as raised:
        read_place(environment)
    assert "MASTER_PORT is set" in str(raised.value)
    assert "torchrun" in str(raised.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"RANK": "first"}, ["RANK: 'first' is not a number"]),
        ({"RANK": "16"}, ["RANK: there are 16 ranks, no number 16"]),
        ({"LOCAL_RANK": "8"}, ["LOCAL_RANK: there are 8 ranks, no number 8"]),
        ({"RANK": "-1", "MASTER_PORT": "http"}, ["'-1' is not a number", "'http' is not"]),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused(changes: dict[str, str], words: list[str]) -> None:
    """All of it at once."""
    with pytest.raises(UserError) as raised:
        read_place({**TORCHRUN, **changes})
    for word in words:
        assert word in str(raised.value)
