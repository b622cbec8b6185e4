"""Text files: every compression, every line kept as it is, and errors that say where."""

from __future__ import annotations

import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from nmt.corpus.textfiles import find_input, iterate_file
from nmt.errors import UserError

COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".zst": zstandard.ZstdCompressor(write_checksum=True).compress,
}

odd_lines = st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r")))


@given(lines=odd_lines, suffix=st.sampled_from(sorted(COMPRESSORS)))
def test_lines_come_back_whatever_is_in_them(
    lines: list[str], suffix: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("lines") / f"text{suffix}"
    text = "\ufeff" + "".join(f"{line}\n" for line in lines)
    path.write_bytes(COMPRESSORS[suffix](text.encode()))
    assert list(iterate_file(path)) == (lines or ([""] if text == "\ufeff" else []))


@pytest.mark.parametrize("suffix", COMPRESSORS)
def test_a_file_of_several_blocks_and_frames(suffix: str, tmp_path: Path) -> None:
    lines = [f"line {number} \u2028 \x85 \x0b \x0c \0" for number in range(60_000)]
    halves = "\n".join(lines[:30_000]) + "\n", "\n".join(lines[30_000:])
    path = tmp_path / f"text{suffix}"
    path.write_bytes(b"".join(COMPRESSORS[suffix](half.encode()) for half in halves))
    assert list(iterate_file(path)) == lines


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".zst"])
@pytest.mark.parametrize("damage", ["truncated", "garbled", "another format"])
def test_a_damaged_compressed_file_is_never_a_short_one(
    suffix: str, damage: str, tmp_path: Path
) -> None:
    text = "".join(f"{number * 7919 % 100_003}\n" for number in range(50_000))
    data = COMPRESSORS[suffix](text.encode())
    path = tmp_path / f"text{suffix}"
    middle = len(data) // 2
    path.write_bytes(
        {
            "truncated": data[:middle],
            "garbled": data[:middle] + bytes(64) + data[middle + 64 :],
            "another format": b"plain text\n",
        }[damage]
    )
    with pytest.raises(UserError) as caught:
        list(iterate_file(path))
    assert path.name in str(caught.value)


def test_invalid_utf8_is_told_with_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "text.gz"
    path.write_bytes(gzip.compress(b"good\n" * 20_000 + b"caf\xe9\n" + b"good\n"))
    with pytest.raises(UserError, match=r"text\.gz:20001: .*UTF-8"):
        list(iterate_file(path))


def test_a_folder_in_place_of_a_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="folder"):
        list(iterate_file(tmp_path))


def test_a_missing_file_names_those_that_come_close(tmp_path: Path) -> None:
    (tmp_path / "train.en").touch()
    with pytest.raises(UserError) as caught:
        find_input(tmp_path / "trian.en")
    assert "train.en" in str(caught.value)


def test_relative_paths_are_of_the_current_folder_then_of_the_base(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, base = tmp_path / "here", tmp_path / "base"
    for folder in (here, base):
        folder.mkdir()
    (base / "text").touch()
    monkeypatch.chdir(here)
    assert find_input(Path("text"), base) == base / "text"
    (here / "text").touch()
    assert find_input(Path("text"), base) == here / "text"
    (base / "other.en").touch()
    with pytest.raises(UserError, match=r"other\.en"):
        find_input(Path("othr.en"), base)
