"""Training that starts from a model: fine-tuning."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import pytest
from rich.console import Console
from safetensors.torch import load_file, save_file

from nmt.errors import UserError
from nmt.model_folder import open_model_folder, write_model_folder
from nmt.neural.importing.import_model import import_model
from nmt.recipe import read_recipe
from nmt.run import Run, train_systems
from nmt.stopping import StopRequest
from tests.neural.importing.marian_models import make_marian
from tests.small_corpus import write_corpus

pytestmark = pytest.mark.integration


def run(folder: Path, *overrides: str) -> str:
    recipe = read_recipe(str(folder / "small.yaml"), overrides)
    out = io.StringIO()
    train_systems(
        Run(recipe, folder / "runs", "cpu", Console(file=out, width=80), StopRequest()), ["small"]
    )
    return out.getvalue()


def test_an_imported_model_learns(tmp_path: Path) -> None:
    """Twenty updates lower the loss; sizes and tokenizer stay those of the model."""
    write_corpus(tmp_path)
    make_marian(tmp_path / "marian")
    imported = import_model(tmp_path / "marian", tmp_path / "imported")
    run(
        tmp_path, f"systems.small.initial_model={tmp_path / 'imported'}",
        "systems.small.training.max_updates=20", "systems.small.training.validate_every=10",
        "systems.small.training.validate_metric=loss", "systems.small.training.warmup_updates=1",
    )  # fmt: skip
    folder = tmp_path / "runs" / "small" / "small"
    model = json.loads((folder / "model.json").read_text())
    sizes = imported.settings["architecture"]
    kept = {k: v for k, v in model["settings"]["architecture"].items() if "drop" not in k}
    assert kept == {name: value for name, value in sizes.items() if "drop" not in name}
    for name, facts in imported.files.items():
        if name.startswith("tokenizer/"):
            assert model["files"][name]["sha256"] == facts.sha256
    lines = (folder / "training" / "metrics.jsonl").read_text().splitlines()
    losses = [one["loss"] for one in map(json.loads, lines) if one["kind"] == "validation"]
    assert len(losses) == 2
    assert losses[1] < losses[0]


def test_without_an_update_it_is_the_model(trained_once: tuple[Path, str], tmp_path: Path) -> None:
    """With a learning rate of next to nothing, what was learned is there from the start."""
    write_corpus(tmp_path)
    initial = trained_once[0] / "runs" / "small" / "small"
    out = run(
        tmp_path, f"systems.small.initial_model={initial}",
        "systems.small.training.max_updates=1", "systems.small.training.learning_rate=1e-12",
        "systems.small.training.average_checkpoints=1",
    )  # fmt: skip
    assert "training ends" in out
    translations = [
        (folder / "translations" / "test.txt").read_text()
        for folder in (initial, tmp_path / "runs" / "small" / "small")
    ]
    assert translations[0] == translations[1]


def test_pairs_that_are_too_long_for_the_model_are_told_so(tmp_path: Path) -> None:
    """The limit is that of the model, not the recipe's, which has no part in it."""
    write_corpus(tmp_path)
    shorter = ["systems.small.max_positions=16", "systems.small.training.max_updates=1"]
    said = run(tmp_path, *shorter)
    assert "longer than 16 pieces and are left out" in said
    (tmp_path / "runs" / "small").rename(tmp_path / "first")
    initial = f"systems.small.initial_model={tmp_path / 'first' / 'small'}"
    assert "longer than 16 pieces and are left out" in run(tmp_path, initial, shorter[1])


def test_another_model_in_the_same_place_is_noticed(
    trained_once: tuple[Path, str], tmp_path: Path
) -> None:
    """What began with the one is neither taken for what begins with the other nor continued."""
    write_corpus(tmp_path)
    initial = tmp_path / "initial"
    shutil.copytree(trained_once[0] / "runs" / "small" / "small", initial)
    settings = [f"systems.small.initial_model={initial}", "systems.small.training.max_updates=1"]
    run(tmp_path, *settings)
    assert "small is trained already" in run(tmp_path, *settings)

    def fill(folder: Path) -> None:
        shutil.copytree(initial / "tokenizer", folder / "tokenizer")
        weights = load_file(initial / "model.safetensors")
        name = next(iter(weights))
        save_file({**weights, name: weights[name] + 1}, folder / "model.safetensors")

    before = open_model_folder(initial)
    write_model_folder(
        initial,
        kind=before.kind,
        source_language=before.source_language,
        target_language=before.target_language,
        settings=before.settings,
        training=before.training,
        fill=fill,
    )
    with pytest.raises(UserError, match=r"initial_model: \w{12} before, now \w{12}"):
        run(tmp_path, *settings)


def test_a_model_of_other_languages(trained_once: tuple[Path, str], tmp_path: Path) -> None:
    write_corpus(tmp_path)
    initial = trained_once[0] / "runs" / "small" / "small"
    with pytest.raises(UserError, match="target language is de, the corpus' is nl"):
        run(tmp_path, f"systems.small.initial_model={initial}", "corpus.target_language=nl")
