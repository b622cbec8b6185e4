"""The pocket corpus as a source of a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nmt.corpus.fingerprint import FileHashes
from nmt.corpus.named import Surroundings
from nmt.corpus.pocket import PocketReader
from nmt.corpus.prepare import prepare_corpus
from nmt.corpus.settings import CorpusSettings, PocketSource
from nmt.corpus.sources import open_source
from nmt.errors import UserError, UserErrors
from nmt.recipe import read_recipe


def opened(tmp_path: Path, languages: tuple[str, str] = ("en", "de"), **source: Any) -> Any:
    around = Surroundings(languages, tmp_path, None, None, lambda _: None)
    return open_source(PocketSource(kind="pocket", **source), around)


def test_both_directions(tmp_path: Path) -> None:
    (english, german), *_ = opened(tmp_path, split="valid").batches()
    assert len(english) == len(german) == 500
    assert list(opened(tmp_path, ("de", "en"), split="valid").batches()) == [(german, english)]


def test_train_has_as_many_pairs_as_asked_for(tmp_path: Path) -> None:
    batches = list(opened(tmp_path, pairs=321).batches())
    assert [len(side) for side in batches[0]] == [321, 321]
    assert len(batches) == 1


def test_other_languages(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="English and German, not en and fr"):
        opened(tmp_path, ("en", "fr"))
    source = {"kind": "pocket"}
    settings = CorpusSettings.model_validate(
        {"source_language": "en", "target_language": "fr", "train": [source], "valid": source}
    )
    with pytest.raises(UserErrors, match="English and German"):
        prepare_corpus(settings, cache=tmp_path)


def test_the_fingerprint_tells_corpora_apart(tmp_path: Path) -> None:
    hashes = FileHashes(tmp_path / "hashes.json")
    readers = [
        PocketReader(("en", "de"), "train", 100, 1), PocketReader(("en", "de"), "train", 200, 1),
        PocketReader(("en", "de"), "train", 100, 2), PocketReader(("de", "en"), "train", 100, 1),
        PocketReader(("en", "de"), "test", 100, 1),
    ]  # fmt: skip
    prints = [str(reader.fingerprint(hashes)) for reader in readers]
    assert len(set(prints)) == len(prints)
    same = PocketReader(("en", "de"), "test", 200, 1)
    assert str(same.fingerprint(hashes)) == prints[-1]


def test_it_is_honest(tmp_path: Path) -> None:
    recipe = read_recipe("pocket-en-de")
    assert "generated" in recipe.description
    settings = recipe.corpus.model_copy(
        update={"train": [PocketSource(kind="pocket", pairs=500)], "test": {}}
    )
    said: list[str] = []
    corpus = prepare_corpus(settings, cache=tmp_path, report=said.append)
    assert all("generated" in source.name for source in corpus.report.sources)
    assert corpus.report.kept == 500
    assert not corpus.report.overlap or not any(corpus.report.overlap.values())
