"""A training as rank 0 tells the others of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nmt.corpus import prepare_corpus
from nmt.errors import UserError
from nmt.neural.training.task import Task
from nmt.recipe import read_recipe
from tests.small_corpus import write_corpus


@pytest.fixture
def task(tmp_path: Path) -> Task:
    """A task whose corpus is prepared, with settings unlike the usual ones."""
    changes = ("systems.small.training.max_minutes=1.5", "corpus.max_pairs=40")
    recipe = read_recipe(str(write_corpus(tmp_path)), changes)
    cache = tmp_path / "cache"
    corpus = prepare_corpus(recipe.corpus, cache=cache, report=lambda text: None)
    return Task(
        recipe, "small", corpus, corpus.train, tmp_path / "runs", {"corpus": "a1"}, cache, "cpu"
    )


def test_another_process_understands_the_same(task: Task) -> None:
    """Through JSON: settings, text, weights and places."""
    again = Task.from_json(json.loads(json.dumps(task.to_json())))
    assert again.recipe == task.recipe
    assert again.system.training.max_minutes == 1.5
    assert list(again.corpus.train.source) == list(task.corpus.train.source)
    assert list(again.corpus.valid.target) == list(task.corpus.valid.target)
    assert again.corpus.train.weights == task.corpus.train.weights
    assert again.pairs.folder == task.pairs.folder
    for name in ("name", "folder", "inputs", "cache", "device_name", "training_folder"):
        assert getattr(again, name) == getattr(task, name)


def test_places_do_not_depend_on_the_current_folder(
    task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which may be another one on another machine."""
    monkeypatch.chdir(tmp_path)
    relative = Task(
        task.recipe, task.name, task.corpus, task.pairs, Path("runs"), task.inputs, Path("cache"),
        "cpu",
    )  # fmt: skip
    assert relative.to_json() == task.to_json()


def test_a_disk_that_is_not_shared_is_named(task: Task) -> None:
    """Another machine would look for the corpus in vain."""
    value = task.to_json() | {"train": "/nowhere/cache/corpus-1/train"}
    with pytest.raises(UserError, match="this machine does not see it") as raised:
        Task.from_json(value)
    assert "/nowhere/cache/corpus-1/train" in str(raised.value)
    assert "--output" in str(raised.value)
