"""A phrase-based system from a recipe: what is kept, what is refused, what it translates."""

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
from nmt.statistical.system import PhraseBasedTranslator
from nmt.stopping import StopRequest
from nmt.translator import Translator
from tests.small_corpus import PHRASE_BASED, write_corpus

pytestmark = pytest.mark.integration

Train = Callable[..., str]
SYSTEM = f"systems={{phrases: {PHRASE_BASED}}}"


def train_in(folder: Path, *overrides: str, fresh: bool = False) -> str:
    """Run the recipe in a folder; returns what was said."""
    out = io.StringIO()
    recipe = read_recipe(str(folder / "small.yaml"), [SYSTEM, *overrides])
    run = Run(recipe, folder / "runs", "cpu", Console(file=out), StopRequest())
    train_systems(run, ["phrases"], fresh=fresh)
    return out.getvalue()


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the recipe was run; not to be changed."""
    folder = tmp_path_factory.mktemp("phrases")
    write_corpus(folder)
    train_in(folder)
    return folder


@pytest.fixture(scope="module")
def translator(once: Path) -> Translator:
    """The system that was trained there."""
    return nmt.load(once / "runs" / "small" / "phrases")


@pytest.fixture
def work(once: Path, tmp_path: Path) -> Path:
    """The test's own copy of that folder."""
    return Path(shutil.copytree(once, tmp_path / "work"))


def model_bytes(folder: Path) -> dict[str, bytes]:
    """The files of the model, but for times and the hash of files in other places."""
    model = open_model_folder(folder / "runs" / "small" / "phrases")
    return {name: model.file(name).read_bytes() for name in model.files}


def test_words_are_translated_and_put_together(translator: Translator) -> None:
    found = translator.translate(["The old cat sees a door.", "Lamp finds street here."])
    assert [one.text for one in found] == [
        "Die alte Katze sieht eine Tür.", "Lampe findet Straße hier.",
    ]  # fmt: skip


def test_unknown_words_are_copied(translator: Translator) -> None:
    assert translator.translate("The old Zyzzyva sees 42.")[0].text == "Die alte Zyzzyva sieht 42."


def test_the_record_says_what_each_stage_cost(once: Path) -> None:
    training = open_model_folder(once / "runs" / "small" / "phrases").training
    assert list(training["stages"]) == [
        "words", "alignment", "phrases", "language-model", "class-model", "tuning",
    ]  # fmt: skip
    for cost in training["stages"].values():
        assert cost["seconds"] >= 0
        assert cost["cpu_seconds"] >= 0
    total = sum(cost["cpu_seconds"] for cost in training["stages"].values())
    assert training["cpu_seconds"] == pytest.approx(total, abs=0.06)


def test_a_second_run_does_nothing(work: Path) -> None:
    before = model_bytes(work)
    stamp = (work / "runs/small/phrases/model.json").stat().st_mtime_ns
    said = train_in(work)
    assert "phrases is trained already" in said
    assert model_bytes(work) == before
    assert (work / "runs/small/phrases/model.json").stat().st_mtime_ns == stamp


def test_other_settings_are_refused_and_fresh_takes_them(work: Path) -> None:
    before = model_bytes(work)
    with pytest.raises(UserError, match="other settings") as raised:
        train_in(work, "systems.phrases.language_model.order=2")
    assert "systems.phrases.language_model.order" in str(raised.value)
    assert model_bytes(work) == before
    said = train_in(work, "systems.phrases.language_model.order=2", fresh=True)
    assert "alignment: is there already" in said
    name = "language-model/slots.npy"
    assert model_bytes(work)[name] != before[name]


def test_the_same_recipe_gives_the_same_model(once: Path, tmp_path: Path) -> None:
    write_corpus(tmp_path)
    train_in(tmp_path)
    assert model_bytes(tmp_path) == model_bytes(once)


def test_killed_at_any_moment_it_goes_on_to_the_same_model(once: Path, tmp_path: Path) -> None:
    write_corpus(tmp_path)
    rng = random.Random(os.getpid())
    command = [
        sys.executable, "-c", "from nmt.cli.train import main; main()",
        str(tmp_path / "small.yaml"), "--output", str(tmp_path / "runs"), SYSTEM,
    ]  # fmt: skip
    kills = 0
    for num_lines in sorted(rng.sample(range(1, 14), 6)):
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1"}
        ) as process:
            assert process.stdout is not None
            for _ in range(num_lines):
                process.stdout.readline()
            time.sleep(rng.uniform(0, 0.05))
            process.send_signal(signal.SIGKILL)
        kills += process.returncode == -signal.SIGKILL
    assert kills > 1
    train_in(tmp_path)
    assert model_bytes(tmp_path) == model_bytes(once)


def test_explanations_add_up(translator: Translator) -> None:
    translation = translator.translate("The old cat. Zyzzyva sees a door.", explain=True)[0]
    (explanation,) = translation.alternatives[0].explanations
    record = json.loads(json.dumps(explanation.to_json()))
    weighted = sum(one["weight"] * one["value"] for one in record["features"])
    assert weighted == pytest.approx(translation.score)
    assert [w for phrase in record["phrases"] for w in phrase["target"]] == record["target"]
    spans = sorted(tuple(phrase["source_span"]) for phrase in record["phrases"])
    assert [begin for begin, _ in spans] == [0, *(end for _, end in spans[:-1])]
    assert [phrase["source"] for phrase in record["phrases"] if phrase["copied"]] == [["Zyzzyva"]]
    assert str(explanation).count("Zyzzyva") == 4  # both sentences, both sides of its phrase


def test_more_hypotheses_are_worse_ones(translator: Translator) -> None:
    line = "The small green lamp never opens a street."
    best = translator.translate(line)[0]
    found = translator.translate(line, nbest=10)[0].alternatives
    assert found[0] == best.alternatives[0]
    scores = [one.score for one in found]
    assert scores == sorted(scores, reverse=True)
    assert len({one.text for one in found}) == len(found) > 1
    chosen = translator.translate(line, minimum_risk=MinimumRisk(candidates=10))[0]
    assert chosen.alternatives[0] in found


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sampling": Sampling()}, "does not sample"),
        ({"length_penalty": 1.0}, "length penalty"),
        ({"shortlist": True}, "no shortlist"),
    ],
)
def test_what_it_cannot_do_is_refused(
    translator: Translator, options: dict[str, object], words: str
) -> None:
    with pytest.raises(UserError, match=words):
        translator.translate("The cat.", **options)  # type: ignore[arg-type]  # any of the cases


def test_compounds_are_split_in_training_and_in_translation(tmp_path: Path) -> None:
    write_corpus(tmp_path)
    for name in ("train.en", "valid.en"):
        text = (tmp_path / name).read_text("utf-8").replace("lamp door", "lampdoor")
        (tmp_path / name).write_text(text, encoding="utf-8")
    train_in(tmp_path, "systems.phrases.split_compounds=true")
    translator = nmt.load(tmp_path / "runs" / "small" / "phrases")
    (found,) = translator.translate("The old streetlamp sees.", explain=True)
    assert found.text == "Die alte Straße Lampe sieht."
    assert "streetlamp" not in str(found.alternatives[0].explanations[0])


def test_any_number_of_workers_gives_the_same(once: Path, translator: Translator) -> None:
    assert isinstance(translator, PhraseBasedTranslator)
    lines = (once / "train.en").read_text("utf-8").splitlines()[:40]
    results = []
    for workers in (1, 3):
        translator._workers = workers
        results.append(translator.translate(lines))
    assert results[0] == results[1]
