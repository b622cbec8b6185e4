"""A recipe in which every setting is written out, and files that it can name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from nmt.recipe import read_recipe

RECIPE = """\
corpus:
  source_language: en
  target_language: no
  train:
    - {kind: files, source: train.en, target: train.no}
    - {kind: tsv, path: more.tsv}
    - {kind: huggingface, path: owner/name}
    - {kind: tatoeba}
  valid: {kind: tatoeba, split: valid}
  test:
    test: {kind: tatoeba, split: test}
tokenizer: {kind: sentencepiece}
systems:
  transformer:
    kind: transformer
    training: {max_updates: 100}
"""


@pytest.fixture
def recipe_file(tmp_path: Path) -> Path:
    """A small recipe beside the files that it names."""
    for name in ("train.en", "train.no", "more.tsv"):
        (tmp_path / name).touch()
    path = tmp_path / "small.yaml"
    path.write_text(RECIPE, encoding="utf-8")
    return path


@pytest.fixture
def full_values(recipe_file: Path) -> dict[str, Any]:
    """The values of the small recipe, defaults included."""
    values: dict[str, Any] = read_recipe(str(recipe_file)).model_dump(mode="json")
    return values


@pytest.fixture
def full_file(full_values: dict[str, Any], recipe_file: Path) -> Path:
    """The small recipe with every setting written out."""
    path = recipe_file.with_name("full.yaml")
    path.write_text(yaml.safe_dump(full_values, sort_keys=False), encoding="utf-8")
    return path
