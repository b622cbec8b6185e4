"""Data sets: local files and folders with any column names, and a hub that cannot be reached."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from nmt.corpus.fingerprint import FileHashes
from nmt.corpus.named import Surroundings
from nmt.corpus.settings import HuggingFaceSource
from nmt.corpus.sources import open_source
from nmt.errors import UserError

# The library's own use of what its dependencies have deprecated is not ours to mend.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

PAIRS = [("a dog", "ein Hund"), ("two\u2028cats", "zwei\x85Katzen"), ("", "leer"), ("end", "Ende")]


@pytest.fixture
def around(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Surroundings:
    """Surroundings of a recipe in ``tmp_path``, and the library's cache in there too."""
    import datasets.config

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "library-cache")
    return Surroundings(("en", "de"), tmp_path / "cache", None, tmp_path, print)


def read(around: Surroundings, **settings: Any) -> list[tuple[str, str]]:
    reader = open_source(HuggingFaceSource(**settings), around)
    return [pair for batch in reader.batches() for pair in zip(*batch, strict=True)]


def write_jsonl(path: Path, rows: list[Any]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def test_json_lines_with_nested_columns(around: Surroundings, tmp_path: Path) -> None:
    rows = [{"id": 1, "translation": {"de": target, "en": source}} for source, target in PAIRS]
    write_jsonl(tmp_path / "data.jsonl", rows)
    assert read(around, path="data.jsonl") == PAIRS
    backwards = Surroundings(("de", "en"), around.cache, None, tmp_path, print)
    assert read(backwards, path="data.jsonl") == [(b, a) for a, b in PAIRS]


def test_parquet_with_flat_and_dotted_columns(around: Surroundings, tmp_path: Path) -> None:
    import datasets

    sources, targets = zip(*PAIRS, strict=True)
    table = datasets.Dataset.from_dict({"text.en": sources, "de": targets})
    table.to_parquet(tmp_path / "data.parquet")
    columns = {"source_column": "text.{source}", "target_column": "{target}"}
    assert read(around, path="data.parquet", split="test", **columns) == PAIRS


def test_folders_as_the_hub_converts_data_sets(around: Surroundings, tmp_path: Path) -> None:
    """CONFIG/SPLIT/0000.parquet, as on the branch refs/convert/parquet."""
    import datasets

    rows = [{"translation": {"de": target, "en": source}} for source, target in PAIRS]
    for split, part in (("train", rows[1:]), ("validation", rows[:1]), ("test", rows[2:])):
        folder = tmp_path / "converted" / "de-en" / split
        folder.mkdir(parents=True)
        datasets.Dataset.from_list(part).to_parquet(folder / "0000.parquet")
    assert read(around, path="converted", split="train") == PAIRS[1:]
    assert read(around, path="converted", split="validation") == PAIRS[:1]
    assert read(around, path="converted", split="test") == PAIRS[2:]


def test_folders(around: Surroundings, tmp_path: Path) -> None:
    import datasets

    rows = [{"en": source, "de": target} for source, target in PAIRS]
    columns = {"source_column": "en", "target_column": "de"}
    (tmp_path / "plain").mkdir()
    write_jsonl(tmp_path / "plain" / "train.jsonl", rows)
    write_jsonl(tmp_path / "plain" / "test.jsonl", rows[:1])
    assert read(around, path="plain", **columns) == PAIRS
    assert read(around, path="plain", split="test", **columns) == PAIRS[:1]
    saved = datasets.Dataset.from_list(rows)
    saved.save_to_disk(str(tmp_path / "saved"))
    assert read(around, path="saved", **columns) == PAIRS
    datasets.DatasetDict({"valid": saved}).save_to_disk(str(tmp_path / "saved-splits"))
    assert read(around, path="saved-splits", split="valid", **columns) == PAIRS
    with pytest.raises(UserError, match="splits there: valid"):
        read(around, path="saved-splits", split="train", **columns)


def test_null_is_an_empty_side_and_line_feeds_become_blanks(
    around: Surroundings, tmp_path: Path
) -> None:
    write_jsonl(tmp_path / "data.jsonl", [{"en": None, "de": "x"}, {"en": "a\r\nb\nc", "de": "y"}])
    pairs = read(around, path="data.jsonl", source_column="en", target_column="de")
    assert pairs == [("", "x"), ("a b c", "y")]


@pytest.mark.parametrize(
    ("row", "column", "message"),
    [
        ({"en": "a", "de": "b"}, "fr", "columns there: de, en"),
        ({"en": "a", "de": {"text": "b"}}, "de.txt", r"columns there: de\.text"),
        ({"en": "a", "de": "b"}, "de.text", "columns there: de, en"),
        ({"en": "a", "de": 3}, "de", "row 1.*holds int, not text"),
    ],
)
def test_wrong_columns(
    row: dict[str, Any], column: str, message: str, around: Surroundings, tmp_path: Path
) -> None:
    write_jsonl(tmp_path / "data.jsonl", [row])
    with pytest.raises(UserError) as caught:
        read(around, path="data.jsonl", source_column="en", target_column=column)
    assert re.search(message, str(caught.value))


@pytest.mark.parametrize("broken", [b'{"en": "a", "d', b'{"en": "\xff"}', b'"text"', b"[1]"])
def test_a_broken_line_of_json(broken: bytes, around: Surroundings, tmp_path: Path) -> None:
    (tmp_path / "data.jsonl").write_bytes(b'{"en": "a", "de": "b"}\n\n' + broken + b"\n")
    with pytest.raises(UserError, match=r"data\.jsonl:3: "):
        read(around, path="data.jsonl", source_column="en", target_column="de")


@pytest.mark.filterwarnings("ignore:.*:ResourceWarning")
def test_a_broken_parquet_file(around: Surroundings, tmp_path: Path) -> None:
    (tmp_path / "data.parquet").write_bytes(b"PAR1 but not really PAR1")
    with pytest.raises(UserError, match=r"data\.parquet"):
        read(around, path="data.parquet")


def test_one_json_document(around: Surroundings, tmp_path: Path) -> None:
    rows = [{"en": source, "de": target} for source, target in PAIRS]
    (tmp_path / "data.json").write_text(json.dumps(rows), encoding="utf-8")
    assert read(around, path="data.json", source_column="en", target_column="de") == PAIRS


def test_lone_surrogates_are_replaced(around: Surroundings, tmp_path: Path) -> None:
    (tmp_path / "data.jsonl").write_text('{"en": "a\\ud800b\\ud83d\\ude00", "de": "x"}\n')
    pairs = read(around, path="data.jsonl", source_column="en", target_column="de")
    assert pairs == [("a\ufffdb\U0001f600", "x")]


def test_a_missing_local_file_is_not_taken_for_a_name_on_the_hub(around: Surroundings) -> None:
    with pytest.raises(UserError, match="no such file"):
        read(around, path="data/missing.parquet")
    with pytest.raises(UserError, match="no such file"):
        read(around, path="./owner/name")


def test_a_hub_that_cannot_be_reached(
    around: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    def unreachable(*_: object, **__: object) -> None:
        raise ConnectionError("Name or service not known")

    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", unreachable)
    with pytest.raises(UserError, match=r"owner/name.*hub.*Name or service not known"):
        read(around, path="owner/name")


def test_the_fingerprint_follows_content_and_settings(around: Surroundings, tmp_path: Path) -> None:
    hashes = FileHashes(tmp_path / "hashes.json")

    def fingerprint(**settings: Any) -> dict[str, Any]:
        return open_source(HuggingFaceSource(**settings), around).fingerprint(hashes)

    write_jsonl(tmp_path / "a.jsonl", [{"en": "a", "de": "b"}])
    write_jsonl(tmp_path / "b.jsonl", [{"en": "a", "de": "b"}])
    assert fingerprint(path="a.jsonl") == fingerprint(path="b.jsonl")
    assert fingerprint(path="a.jsonl") != fingerprint(path="a.jsonl", source_column="de")
    assert fingerprint(path="o/n") != fingerprint(path="o/n", revision="abc")
    write_jsonl(tmp_path / "b.jsonl", [{"en": "a", "de": "c"}])
    assert fingerprint(path="a.jsonl") != fingerprint(path="b.jsonl")
