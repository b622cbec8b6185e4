"""A word-by-word system from a recipe: what is kept, what is refused, what it translates."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

import nmt
from nmt.errors import UserError
from nmt.model_folder import open_model_folder
from nmt.recipe import read_recipe
from nmt.run import Run, train_systems
from nmt.search_options import MinimumRisk, Sampling
from nmt.statistical.word_by_word.system import WordByWordTranslator
from nmt.stopping import StopRequest
from nmt.translator import Translator
from tests.small_corpus import write_corpus

pytestmark = pytest.mark.integration

SYSTEM = "systems={words: {kind: word-by-word}}"


def train_in(folder: Path, *overrides: str, fresh: bool = False) -> str:
    """Run the recipe in a folder; returns what was said."""
    out = io.StringIO()
    recipe = read_recipe(str(folder / "small.yaml"), [SYSTEM, *overrides])
    run = Run(recipe, folder / "runs", "cpu", Console(file=out), StopRequest())
    train_systems(run, ["words"], fresh=fresh)
    return out.getvalue()


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the recipe was run; not to be changed."""
    folder = tmp_path_factory.mktemp("words")
    write_corpus(folder)
    train_in(folder)
    return folder


@pytest.fixture(scope="module")
def translator(once: Path) -> Translator:
    """The system that was trained there."""
    return nmt.load(once / "runs" / "small" / "words")


def model_bytes(folder: Path) -> dict[str, bytes]:
    """The files of the model."""
    model = open_model_folder(folder / "runs" / "small" / "words")
    return {name: model.file(name).read_bytes() for name in model.files}


def test_each_word_is_translated_and_unknown_ones_are_copied(translator: Translator) -> None:
    found = translator.translate(["The old cat sees a door.", "", "Lamp finds Zyzzyva, 42."])
    assert [one.text for one in found] == [
        "Die alte Katze sieht eine Tür.", "", "Lampe findet Zyzzyva, 42.",
    ]  # fmt: skip


def test_the_record_says_what_each_stage_cost(once: Path) -> None:
    training = open_model_folder(once / "runs" / "small" / "words").training
    assert list(training["stages"]) == ["words", "word-table", "language-model"]
    total = sum(cost["cpu_seconds"] for cost in training["stages"].values())
    assert training["cpu_seconds"] == pytest.approx(total, abs=0.06)


def test_other_settings_are_refused_and_fresh_takes_them(once: Path, tmp_path: Path) -> None:
    work = Path(shutil.copytree(once, tmp_path / "work"))
    before = model_bytes(work)
    assert "words is trained already" in train_in(work)
    for override in ("iterations=2", "search.language_weight=1"):
        with pytest.raises(UserError, match="other settings") as raised:
            train_in(work, f"systems.words.{override}")
        assert f"systems.words.{override.partition('=')[0]}" in str(raised.value)
    assert model_bytes(work) == before
    said = train_in(work, "systems.words.iterations=2", fresh=True)
    assert "language-model: is there already" in said
    assert model_bytes(work)["word-table/scores.npy"] != before["word-table/scores.npy"]


def test_killed_at_any_moment_it_goes_on_to_the_same_model(once: Path, tmp_path: Path) -> None:
    write_corpus(tmp_path)
    rng = random.Random(os.getpid())
    command = [
        sys.executable, "-c", "from nmt.cli.train import main; main()",
        str(tmp_path / "small.yaml"), "--output", str(tmp_path / "runs"), SYSTEM,
    ]  # fmt: skip
    kills = 0
    for num_lines in sorted(rng.sample(range(1, 12), 2)):
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1"}
        ) as process:
            assert process.stdout is not None
            for _ in range(num_lines):
                process.stdout.readline()
            time.sleep(rng.uniform(0, 0.05))
            process.send_signal(signal.SIGKILL)
        kills += process.returncode == -signal.SIGKILL
    assert kills > 0
    train_in(tmp_path)
    assert model_bytes(tmp_path) == model_bytes(once)


def test_explanations_add_up(translator: Translator) -> None:
    translation = translator.translate("The old cat. Zyzzyva sees a door.", explain=True)[0]
    (explanation,) = translation.alternatives[0].explanations
    record = json.loads(json.dumps(explanation.to_json()))
    assert record["score"] == pytest.approx(translation.score)
    assert record["source"] == ["the", "old", "cat", ".", "Zyzzyva", "sees", "a", "door", "."]
    assert [phrase["source"] for phrase in record["phrases"] if phrase["copied"]] == [["Zyzzyva"]]
    assert str(explanation).count("Zyzzyva") == 4  # both sentences, both columns of its row


def test_more_hypotheses_are_worse_ones(translator: Translator) -> None:
    line = "The small green lamp never opens a street."
    best = translator.translate(line)[0]
    found = translator.translate(line, nbest=10)[0].alternatives
    assert found[0] == best.alternatives[0]
    scores = [one.score for one in found]
    assert scores == sorted(scores, reverse=True)
    assert len({one.text for one in found}) == len(found) == 10
    chosen = translator.translate(line, minimum_risk=MinimumRisk(candidates=10))[0]
    assert chosen.alternatives[0] in found


@pytest.mark.parametrize(
    ("options", "words"),
    [({"sampling": Sampling()}, "does not sample"), ({"length_penalty": 1.0}, "length penalty")],
)
def test_what_it_cannot_do_is_refused(
    translator: Translator, options: dict[str, object], words: str
) -> None:
    with pytest.raises(UserError, match=f"word-by-word system .*{words}"):
        translator.translate("The cat.", **options)  # type: ignore[arg-type]  # any of the cases


def test_any_number_of_workers_gives_the_same(once: Path, translator: Translator) -> None:
    assert isinstance(translator, WordByWordTranslator)
    lines = (once / "train.en").read_text("utf-8").splitlines()[:40]
    results = []
    for workers in (1, 3):
        translator._workers = workers
        results.append(translator.translate(lines))
    assert results[0] == results[1]
    assert results[0] == translator.translate(lines, beam=40)


def damage_settings(folder: Path) -> None:
    """Settings of no version that there is."""
    path = folder / "model.json"
    model = json.loads(path.read_text(encoding="utf-8"))
    model["settings"]["search"]["beam"] = -1
    path.write_text(json.dumps(model), encoding="utf-8")


def cut_table(folder: Path) -> None:
    """A file of the table that was cut off."""
    path = folder / "word-table" / "scores.npy"
    path.write_bytes(path.read_bytes()[:100])


def remove_model(folder: Path) -> None:
    """No language model."""
    (folder / "language-model" / "slots.npy").unlink()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (damage_settings, "word-by-word system of this version"),
        (cut_table, "scores.npy"),
        (remove_model, "slots.npy"),
    ],
)
def test_a_damaged_folder_is_refused(
    once: Path, tmp_path: Path, damage: Callable[[Path], None], words: str
) -> None:
    folder = Path(shutil.copytree(once / "runs" / "small" / "words", tmp_path / "model"))
    damage(folder)
    with pytest.raises(UserError, match=words):
        nmt.load(folder)
