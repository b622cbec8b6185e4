"""A tokenizer's folder: what is opened is what was saved, or the user is told what is wrong."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import pytest

from nmt.errors import UserError
from nmt.tokenization import Tokenizer, TokenizerPair, load_tokenizer
from tests.tokenization.conftest import SETTINGS, learn

LINE = "The old baker's <s> 日本 \u2581 wasn't it? \u2028 THE end"


def test_opened_as_saved(tokenizer: Tokenizer, tmp_path: Path) -> None:
    tokenizer.save(tmp_path / "tokenizer")
    moved = tmp_path / "elsewhere"
    shutil.move(tmp_path / "tokenizer", moved)
    opened = load_tokenizer(moved)
    assert isinstance(opened, Tokenizer)
    assert opened.content_hash == tokenizer.content_hash
    assert opened.vocabulary_size == tokenizer.vocabulary_size
    assert opened.encode([LINE]) == tokenizer.encode([LINE])
    assert json.loads((moved / "tokenizer.json").read_text())["content_hash"] == opened.content_hash


def test_sent_to_another_process(tokenizer: Tokenizer) -> None:
    copy = pickle.loads(pickle.dumps(tokenizer))
    assert copy.content_hash == tokenizer.content_hash
    assert copy.encode([LINE]) == tokenizer.encode([LINE])


@pytest.mark.parametrize("damage", ["missing", "truncated", "changed", "empty"])
def test_every_kind_of_damage_is_told(tokenizer: Tokenizer, damage: str, tmp_path: Path) -> None:
    tokenizer.save(tmp_path / "whole")
    for name in sorted(path.name for path in (tmp_path / "whole").iterdir()):
        folder = tmp_path / f"{damage}-{name}"
        shutil.copytree(tmp_path / "whole", folder)
        path = folder / name
        content = path.read_bytes()
        if damage == "missing":
            path.unlink()
        elif damage == "truncated":
            path.write_bytes(content[: len(content) // 2])
        elif damage == "empty":
            path.write_bytes(b"")
        elif content:
            at = content.rindex(b'"') - 1 if name == "tokenizer.json" else len(content) // 2
            path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        if path.exists() and path.read_bytes() == content:
            continue  # an empty list of words has no half, and nothing to change
        with pytest.raises(UserError, match=name) as caught:
            load_tokenizer(folder)
        assert caught.value.where == str(path)
        assert caught.value.mend


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="missing"):
        load_tokenizer(tmp_path / "nowhere")
    with pytest.raises(UserError, match="missing"):
        TokenizerPair.load(tmp_path / "nowhere")


@pytest.mark.parametrize("content", ["[]", "{}", '{"content_hash": 1}', "\x00"])
def test_not_a_description(content: str, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(UserError):
        load_tokenizer(tmp_path)


@pytest.mark.parametrize("kind", SETTINGS)
def test_pairs(kind: str, tmp_path: Path) -> None:
    pair = learn(kind)
    pair.save(tmp_path)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == (["joint"] if SETTINGS[kind].joint else ["source", "target"])
    opened = TokenizerPair.load(tmp_path)
    assert opened.joint == pair.joint == SETTINGS[kind].joint
    assert opened.content_hash == pair.content_hash
    (tmp_path / names[-1] / "tokenizer.json").unlink()
    with pytest.raises(UserError, match=names[-1]):
        TokenizerPair.load(tmp_path)


def test_kinds_have_hashes_of_their_own(tokenizers: dict[str, Tokenizer]) -> None:
    assert len({tokenizer.content_hash for tokenizer in tokenizers.values()}) == len(SETTINGS)
