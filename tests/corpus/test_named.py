"""Corpora with a name: found under any of their names, and fetched if they are nowhere."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from nmt.corpus import libreoffice, named
from nmt.corpus.named import Surroundings, find_named, open_named
from nmt.corpus.readers import FilePairReader
from nmt.corpus.settings import NamedSource
from nmt.errors import UserError


def around(tmp_path: Path, languages: str = "en-de", data_root: Path | None = None) -> Surroundings:
    source, target = languages.split("-")
    return Surroundings((source, target), tmp_path / "cache", data_root, tmp_path, lambda _: None)


def touch(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()


def found(tmp_path: Path, data_root: Path | None, languages: str = "en-de", **source: Any) -> Any:
    reader = find_named(NamedSource(**source), around(tmp_path, languages, data_root))
    return reader and (reader.source, reader.target)


@pytest.mark.parametrize(
    "folder", ["tatoeba", "tatoeba_en_de", "tatoeba-en-de", "tatoeba_de_en", "tatoeba-2018"]
)
def test_under_the_data_root(folder: str, tmp_path: Path) -> None:
    touch(tmp_path / folder, "train.en", "train.de")
    touch(tmp_path / "tatoeba_en_fr", "train.en", "train.fr")
    files = tmp_path / folder / "train.en", tmp_path / folder / "train.de"
    assert found(tmp_path, tmp_path, kind="tatoeba") == files
    assert found(tmp_path, tmp_path, "de-en", kind="tatoeba") == files[::-1]
    assert found(tmp_path, None, kind="tatoeba", root=tmp_path) == files
    assert found(tmp_path, None, kind="tatoeba", root=tmp_path / folder) == files
    assert found(tmp_path, None, kind="tatoeba", root=Path(folder)) == files


def test_names_of_splits_and_compressed_files(tmp_path: Path) -> None:
    touch(tmp_path, "train.en.gz", "train.de.gz", "val.en.gz", "val.de.xz")
    touch(tmp_path, "test_2016_flickr.en", "test_2016_flickr.de", "test_2017_flickr.en")
    for split, names in (
        ("train", ("train.en.gz", "train.de.gz")),
        ("valid", ("val.en.gz", "val.de.xz")),
        ("test", ("test_2016_flickr.en", "test_2016_flickr.de")),
    ):
        files = found(tmp_path, None, kind="multi30k", split=split, root=tmp_path)
        assert files == tuple(tmp_path / name for name in names)


def test_a_language_that_the_corpus_lacks(tmp_path: Path) -> None:
    touch(tmp_path / "multi30k", "train.en", "train.de", "train.fr", "valid.en")
    with pytest.raises(UserError) as caught:
        found(tmp_path, tmp_path, "en-cs", kind="multi30k")
    assert "train text in en and cs" in str(caught.value)
    assert "languages there: de, en, fr" in str(caught.value)
    with pytest.raises(UserError, match="languages there: en "):
        found(tmp_path, tmp_path, kind="multi30k", split="valid")


def test_nowhere_and_no_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def unreachable(*_: object, **__: object) -> None:
        raise ConnectionError("Name or service not known")

    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", unreachable)
    reader = open_named(NamedSource(kind="multi30k", split="test"), around(tmp_path))
    with pytest.raises(UserError, match="--data") as caught:
        list(reader.batches())
    assert "test.en" in str(caught.value)
    with pytest.raises(UserError, match="en and de, not in en and fr"):
        open_named(NamedSource(kind="multi30k"), around(tmp_path, "en-fr"))
    for languages in ("en-de", "de-fr"):
        with pytest.raises(UserError, match="--data"):
            open_named(NamedSource(kind="tatoeba"), around(tmp_path, languages, tmp_path))
    assert list((tmp_path / "cache").iterdir()) == []


def test_tatoeba_of_the_hub_is_split_once_for_both_directions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = [(f"sentence {number}", f"Satz {number}") for number in range(64)]
    calls = []

    def fetch(languages: tuple[str, str], advice: str) -> list[tuple[str, str]]:
        calls.append(languages)
        return pairs

    monkeypatch.setattr(named, "_fetch_tatoeba", fetch)
    seen: list[tuple[str, str]] = []
    for languages in ("en-de", "de-en"):
        for split in ("train", "valid", "test"):
            source = NamedSource.model_validate({"kind": "tatoeba", "split": split})
            for en, de in open_named(source, around(tmp_path, languages)).batches():
                seen += zip(*((en, de) if languages == "en-de" else (de, en)), strict=True)
    assert sorted(seen) == sorted(pairs * 2)
    assert calls == [("en", "de")]


def test_help_pages_are_paired_by_paragraph(tmp_path: Path) -> None:
    english = """<h1 id="a" dir="auto">Big &amp; <b>bold</b></h1>
        <p class="x" id="b">one<br/>two\n  <span id="q">three</span></p><pre id="no">code</pre>
        <p id="c">untranslated</p><p id="d">42</p><p>no id</p><p id="e">only English</p>
        <p id="b">second of its id</p>"""
    german = """<p id="b">eins<br>zwei drei</p><h1 id="a">Groß &amp; fett</h1>
        <p id="c">untranslated</p><p id="d">zweiundvierzig</p>"""
    for folder, page in (("en", english), ("de", german)):
        for name in ("one.html", "deep/repeated.html"):
            path = tmp_path / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(page, encoding="utf-8")
    (tmp_path / "en" / "only.html").write_text('<p id="z">not in German</p>')
    assert libreoffice.read_help(tmp_path / "en", tmp_path / "de") == [
        ("Big & bold", "Groß & fett"),
        ("one two three", "eins zwei drei"),
    ]


def test_a_machine_without_apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="apt-get, which this machine does not have"):
        open_named(NamedSource(kind="libreoffice-help"), around(tmp_path))


@pytest.mark.parametrize(
    ("listed", "message"),
    [("", "apt-get update"), ("libreoffice-help-de\nlibreoffice-help-en-us\n", "de, en-us")],
)
def test_apt_without_package_lists_or_language(
    listed: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(command: list[str], *_: object, **__: object) -> subprocess.CompletedProcess[str]:
        stderr = "W: unsandboxed\nE: Unable to locate package libreoffice-help-xx\n"
        if command[0] == "apt-cache":
            return subprocess.CompletedProcess(command, 0, listed, "")
        return subprocess.CompletedProcess(command, 100, "", stderr)

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(UserError, match=message):
        open_named(NamedSource(kind="libreoffice-help"), around(tmp_path, "en-xx"))
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.network
def test_the_whole_corpus_is_that_of_its_description(shared_data: Path, tmp_path: Path) -> None:
    """Fetched from the package registry: the very pairs of ../shared/data."""
    if shutil.which("apt-get") is None:
        pytest.skip("libreoffice-help is fetched with apt-get")
    shown = subprocess.run(
        ["apt-cache", "policy", "libreoffice-help-de"], capture_output=True, text=True, check=False
    )
    if "4:7.4.7-1+deb12u14" not in shown.stdout:
        pytest.skip("this machine's apt has another version of libreoffice-help-de")
    place = around(tmp_path)
    sources = [
        NamedSource.model_validate({"kind": "libreoffice-help", "split": split})
        for split in ("train", "valid", "test")
    ]
    try:
        readers = [open_named(source, place) for source in sources]
    except UserError as error:
        if "cannot be fetched" not in str(error):
            raise
        pytest.skip(f"no package registry: {error}")
    first = readers[0]
    assert isinstance(first, FilePairReader)
    rest = FilePairReader(first.source.parent / "left_out.en", first.source.parent / "left_out.de")
    counts = []
    pairs: set[tuple[str, ...]] = set()
    for reader in (*readers, rest):
        part = [pair for batch in reader.batches() for pair in zip(*batch, strict=True)]
        counts.append(len(part))
        pairs.update(part)
    assert sum(counts) == len(pairs) == 35_895
    assert counts[1:3] == [2_000, 2_000]
    published: set[tuple[str, ...]] = set()
    folder = shared_data / "libreoffice_help_en_de"
    for split in ("train", "valid", "test"):
        texts = [
            (folder / f"{split}.{language}").read_text(encoding="utf-8").split("\n")[:-1]
            for language in ("en", "de")
        ]
        published.update(zip(*texts, strict=True))
    extra = (folder / "heldout_extra.tsv").read_text(encoding="utf-8").split("\n")[:-1]
    published.update(tuple(line.split("\t")) for line in extra)
    assert pairs == published


@pytest.mark.parametrize(
    ("kind", "folder", "languages"),
    [
        ("europarl", "europarl_it_en", "it-en"),
        ("small-parallel-enja", "small_parallel_enja", "en-ja"),
    ],
)
def test_what_is_not_fetched_is_missed_at_once(
    kind: str, folder: str, languages: str, tmp_path: Path
) -> None:
    """Before any work starts, where other corpora would be fetched later."""
    with pytest.raises(UserError, match="is not on this machine") as caught:
        found(tmp_path, tmp_path, languages, kind=kind, split="valid")
    assert "--data" in str(caught.value)
    source, target = languages.split("-")
    touch(tmp_path / folder, f"dev.{source}", f"dev.{target}.gz")
    files = found(tmp_path, tmp_path, languages, kind=kind, split="valid")
    assert files == (tmp_path / folder / f"dev.{source}", tmp_path / folder / f"dev.{target}.gz")
