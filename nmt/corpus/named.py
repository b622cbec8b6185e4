"""Corpora with a name: found in a local folder, or else fetched."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from nmt.corpus import libreoffice
from nmt.corpus.huggingface import HuggingFaceReader
from nmt.corpus.readers import FilePairReader, PairReader
from nmt.corpus.settings import NamedSource
from nmt.corpus.split import split_pairs
from nmt.corpus.textfiles import COMPRESSED_SUFFIXES
from nmt.errors import UserError
from nmt.files import build_once

_STEMS = {
    "train": ("train",),
    "valid": ("valid", "val", "validation", "dev"),
    "test": ("test", "test2016", "test_2016_flickr"),
}
"""How the files of a split may be called, before the language."""

_MULTI30K = "bentrevett/multi30k"
_TATOEBA = "sentence-transformers/parallel-sentences-tatoeba"
_LOCAL_ONLY = {
    "europarl": "the hub has all of it, without test sets: kind: huggingface, "
    "path: Helsinki-NLP/europarl, and a config such as en-it",
    "small-parallel-enja": "or get it: git clone https://github.com/odashi/small_parallel_enja",
}
"""Corpora that are not fetched, and where a user gets them."""
_VERSION = 1


@dataclass(frozen=True)
class Surroundings:
    """What a source needs to know besides its own settings."""

    languages: tuple[str, str]
    """Source and target language."""
    cache: Path
    """Where fetched corpora are kept."""
    data_root: Path | None
    """Folder with one folder for each corpus."""
    base: Path | None
    """Folder that relative paths are relative to, after the current one."""
    report: Callable[[str], None]
    """Takes messages for the user."""


def open_named(settings: NamedSource, around: Surroundings) -> PairReader:
    """The reader of a named corpus, from a local folder if there is one, else fetched.

    Raises UserError if the corpus lacks a language or cannot be fetched.
    """
    local = find_named(settings, around)
    if local is not None:
        return local
    source, target = around.languages
    if settings.kind == "multi30k":
        if {source, target} != {"en", "de"}:
            raise UserError(
                f"multi30k is on the hub in en and de, not in {source} and {target}",
                mend=f"{_root_advice(settings, around)}; all its languages are in "
                "data/task1/raw of https://github.com/multi30k/dataset",
            )
        split = {"train": "train", "valid": "validation", "test": "test"}[settings.split]
        advice = _root_advice(settings, around)
        return HuggingFaceReader(_MULTI30K, None, split, None, source, target, advice)
    languages = sorted_languages(around.languages)
    inputs = {"languages": languages, "version": _VERSION}

    def build(folder: Path) -> None:
        around.report(f"fetching {settings.kind} {source}-{target}")
        if settings.kind == "tatoeba":
            pairs = _fetch_tatoeba(languages, _root_advice(settings, around))
        else:
            with libreoffice.fetched_help(languages, folder) as folders:
                pairs = libreoffice.read_help(*folders)
        _write_split(pairs, languages, folder)

    folder = build_once(around.cache, settings.kind, inputs, build)
    return FilePairReader(
        folder / f"{settings.split}.{source}", folder / f"{settings.split}.{target}"
    )


def find_named(settings: NamedSource, around: Surroundings) -> FilePairReader | None:
    """The files of a named corpus under its own ``root``, else under ``data_root``; or None.

    Raises UserError if the corpus is there but not in these languages, or not this split, and for
    one that is nowhere and cannot be fetched.
    """
    for root, own in ((settings.root, True), (around.data_root, False)):
        if root is None:
            continue
        root = root.expanduser()
        if own and not root.is_absolute() and not root.exists() and around.base is not None:
            root = around.base / root
        folders = [*([root] if own else []), *_folders_of(settings.kind, root)]
        folders = [
            folder for folder in folders if _languages_in(folder, ("train", "valid", "test"))
        ]
        for folder in folders:
            files = _files_of(folder, settings.split, around.languages)
            if files is not None:
                return FilePairReader(*files)
        if folders:
            raise _lacking(settings, around.languages, folders)
    if settings.kind in _LOCAL_ONLY:
        raise UserError(
            f"{settings.kind} is not on this machine, and is not fetched",
            mend=f"{_root_advice(settings, around)}; {_LOCAL_ONLY[settings.kind]}",
        )
    return None


def sorted_languages(languages: tuple[str, str]) -> tuple[str, str]:
    """The pair in the same order for both directions: English first, else by the alphabet."""
    first, second = sorted(languages, key=lambda language: (language != "en", language))
    return first, second


def _folders_of(kind: str, root: Path) -> list[Path]:
    """Folders under ``root`` that may hold the corpus: KIND, KIND_en_de, KIND-de-en and so on."""
    pattern = re.compile(kind.replace("-", "[-_]") + r"([-_].+)?")
    entries = root.iterdir() if root.is_dir() else ()
    return sorted(entry for entry in entries if pattern.fullmatch(entry.name) and entry.is_dir())


def _files_of(folder: Path, split: str, languages: tuple[str, str]) -> tuple[Path, Path] | None:
    for stem in _STEMS[split]:
        found = []
        for language in languages:
            names = [f"{stem}.{language}{suffix}" for suffix in ("", *COMPRESSED_SUFFIXES)]
            found += [folder / name for name in names if (folder / name).is_file()][:1]
        if len(found) == 2:
            return found[0], found[1]
    return None


def _languages_in(folder: Path, splits: Iterable[str]) -> list[str]:
    """The languages in which a folder has one of the splits."""
    languages = set()
    for path in folder.iterdir() if folder.is_dir() else ():
        name = path.name
        for suffix in COMPRESSED_SUFFIXES:
            name = name.removesuffix(suffix)
        stem, _, language = name.partition(".")
        if language and any(stem in _STEMS[split] for split in splits):
            languages.add(language)
    return sorted(languages)


def _lacking(settings: NamedSource, languages: tuple[str, str], folders: list[Path]) -> UserError:
    there = {folder: _languages_in(folder, [settings.split]) for folder in folders}
    wanted = f"{settings.split} text in {languages[0]} and {languages[1]}"
    return UserError(
        f"{settings.kind} has no {wanted} here",
        where=", ".join(map(str, folders)),
        mend="languages there: "
        + "; ".join(
            f"{', '.join(found) or 'none'} ({folder.name})" for folder, found in there.items()
        ),
    )


def _root_advice(settings: NamedSource, around: Surroundings) -> str:
    source, target = around.languages
    looked = [str(place) for place in (settings.root, around.data_root) if place is not None]
    advice = (
        f"give a local folder with {settings.split}.{source} and {settings.split}.{target}: "
        f"root in the recipe, or --data with a folder {settings.kind} in it"
    )
    return f"{advice} (looked in {' and '.join(looked)})" if looked else advice


def _fetch_tatoeba(languages: tuple[str, str], advice: str) -> list[tuple[str, str]]:
    """All English pairs with one language, without exact repeats."""
    english, other = languages
    if english != "en":
        raise UserError(
            f"tatoeba is on the hub with English only, not {english}-{other}", mend=advice
        )
    config = f"en-{other}"
    reader = HuggingFaceReader(_TATOEBA, config, "train", None, "english", "non_english", advice)
    pairs = [pair for batch in reader.batches() for pair in zip(*batch, strict=True)]
    return list(dict.fromkeys((source.strip(), target.strip()) for source, target in pairs))


def _write_split(pairs: list[tuple[str, str]], languages: tuple[str, str], folder: Path) -> None:
    split = split_pairs(pairs)
    for name, indices in vars(split).items():
        for side, language in enumerate(languages):
            text = "".join(f"{pairs[index][side]}\n" for index in indices)
            (folder / f"{name}.{language}").write_text(text, encoding="utf-8", newline="\n")
