"""A system that learns from another one's translations."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from nmt import teaching
from nmt.corpus import TextPairs, prepare_corpus
from nmt.corpus.text import PairsWriter
from nmt.model_folder import ModelFolder, open_model_folder
from nmt.recipe import read_recipe
from nmt.run import Run, train_systems
from nmt.stopping import StopRequest
from nmt.systems import Device, load
from nmt.teaching import add_taught_pairs
from nmt.translator import Translator
from tests.small_corpus import PHRASE_BASED, write_corpus

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of a phrase-based teacher."""
    folder = tmp_path_factory.mktemp("teacher")
    recipe = read_recipe(str(write_corpus(folder)), [f"systems.phrases={PHRASE_BASED}"])
    run = Run(recipe, folder / "runs", "cpu", Console(file=io.StringIO()), StopRequest())
    train_systems(run, ["phrases"])
    return folder


@pytest.fixture
def teacher(trained: Path) -> ModelFolder:
    """The teacher."""
    return open_model_folder(trained / "runs" / "small" / "phrases")


@pytest.fixture
def pairs(tmp_path: Path) -> TextPairs:
    """Pairs of two sources of different weights; the teacher has nothing to say about one."""
    with PairsWriter(tmp_path / "pairs") as writer:
        for _ in range(2):
            writer.append(["The cat sees the door.", "The lamp."], ["So.", "Licht."], 0)
            writer.append(["\u200b", "The old street."], ["Nichts.", "Alt."], 1)
    return TextPairs.open(tmp_path / "pairs", (1.0, 3.0))


def taught(pairs: TextPairs, teacher: ModelFolder, cache: Path) -> TextPairs:
    """What a pupil learns from."""
    return add_taught_pairs(pairs, teacher, cache=cache, device="cpu", report=print)


def rows(pairs: TextPairs) -> list[tuple[str, str, int]]:
    """Everything about each pair."""
    return list(zip(pairs.source, pairs.target, pairs.origins.tolist(), strict=True))


def test_the_teachers_translations_follow_the_texts_own(
    pairs: TextPairs, teacher: ModelFolder, tmp_path: Path
) -> None:
    """Of the same origin, so that weights stay what the recipe says; nothing where it is silent."""
    result = taught(pairs, teacher, tmp_path / "cache")
    found = rows(result)
    assert found[: len(pairs)] == rows(pairs)
    assert result.weights == pairs.weights
    translator = load(teacher.path, device="cpu")
    expected = [
        (source, translation.text, origin)
        for (source, _, origin), translation in zip(
            rows(pairs), translator.translate(list(pairs.source)), strict=True
        )
        if translation.text.strip("\u200b")
    ]
    assert sorted(found[len(pairs) :]) == sorted(expected)
    assert len(expected) == 6


def test_a_killed_run_goes_on_where_it_was(
    pairs: TextPairs, teacher: ModelFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chunks that are translated stay so, and the end is as if nothing had happened."""
    whole = rows(taught(pairs, teacher, tmp_path / "whole"))
    monkeypatch.setattr(teaching, "_CHUNK", 3)
    seen: list[list[str]] = []

    def loading(killed_after: int) -> Callable[[Path, Device], Translator]:
        def load_watched(path: Path, device: Device) -> Translator:
            translator = load(path, device=device)
            translate = translator.translate

            def watched(lines: list[str]) -> object:
                if len(seen) == killed_after:
                    raise KeyboardInterrupt
                seen.append(lines)
                return translate(lines)

            monkeypatch.setattr(translator, "translate", watched)
            return translator

        return lambda path, device: load_watched(path, device)

    monkeypatch.setattr(teaching, "load", loading(2))
    cache = tmp_path / "cache"
    with pytest.raises(KeyboardInterrupt):
        taught(pairs, teacher, cache)
    assert [path.name.split("-")[0] for path in cache.iterdir()] == ["teaching"]
    monkeypatch.setattr(teaching, "load", loading(-1))
    assert sorted(rows(taught(pairs, teacher, cache))) == sorted(whole)
    assert [line for lines in seen for line in lines] == list(pairs.source)
    assert [path.name.split("-")[0] for path in cache.iterdir()] == ["taught"]


def test_a_pupil_is_trained_on_both(trained: Path, tmp_path: Path) -> None:
    """Its tokenizer is that of the text alone, so that it can stand in an ensemble with others."""
    overrides = [f"systems.phrases={PHRASE_BASED}", "systems.small.teacher=phrases"]
    recipe = read_recipe(str(trained / "small.yaml"), overrides)
    out = io.StringIO()
    run = Run(recipe, trained / "runs", "cpu", Console(file=out, width=200), StopRequest())
    model = train_systems(run, ["small"])["small"]
    assert "phrases is trained already" in out.getvalue()
    teacher = open_model_folder(trained / "runs" / "small" / "phrases")
    assert model.training["identity"]["teacher"] == {"phrases": teacher.content_hashes}
    corpus = prepare_corpus(recipe.corpus, cache=run.cache, report=print)
    learned = taught(corpus.train, teacher, run.cache)
    assert len(learned) == 2 * len(corpus.train)
    # Two passes over the text alone would be less than one over both.
    target_pieces = model.training["target_pieces"] / model.training["epochs"]
    translator = load(model.path, device="cpu")
    tokenizer = translator.tokenizers.target  # type: ignore[attr-defined]  # of neural translators
    assert target_pieces == pytest.approx(
        sum(len(row) + 1 for row in tokenizer.encode(list(learned.target))), rel=0.2
    )
    assert np.array_equal(learned.origins, np.concatenate([corpus.train.origins] * 2))

    plain = read_recipe(str(trained / "small.yaml"), [f"systems.phrases={PHRASE_BASED}"])
    alone = Run(plain, tmp_path / "runs", "cpu", Console(file=io.StringIO()), StopRequest())
    train_systems(alone, ["small"])
    both = [load(run.folder / "small", device="cpu"), load(alone.folder / "small", device="cpu")]
    first, second = (one.tokenizers.content_hash for one in both)  # type: ignore[attr-defined]  # of neural translators
    assert first == second
