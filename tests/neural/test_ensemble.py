"""Systems that translate together: what may, what may not, and the folder that holds them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import nmt
from nmt.errors import UserError, UserErrors
from nmt.model_folder import ModelFolder, open_model_folder
from nmt.neural.ensemble import join, make_ensemble
from nmt.neural.model.ensemble import Ensemble
from nmt.neural.system import NeuralTranslator
from nmt.neural.weights import WEIGHTS
from nmt.recipe import read_recipe
from nmt.tokenization import TokenizerPair
from tests.neural.folders import TEXT, learn, write_model
from tests.small_corpus import write_corpus


@pytest.fixture(scope="module")
def tokenizers() -> TokenizerPair:
    return learn(TEXT)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory, tokenizers: TokenizerPair) -> Path:
    """A folder of models; not to be changed."""
    folder = tmp_path_factory.mktemp("models")
    write_model(folder / "one", "transformer", tokenizers, 1)
    write_model(folder / "two", "recurrent", tokenizers, 2)
    write_model(folder / "three", "transformer", tokenizers, 3)
    return folder


def loaded(*paths: Path) -> NeuralTranslator:
    """The translator of one model, or of several."""
    translator = nmt.load(paths[0] if len(paths) == 1 else paths, device="cpu")
    assert isinstance(translator, NeuralTranslator)
    return translator


def test_several_paths_load_as_one_translator(models: Path) -> None:
    together = loaded(models / "one", models / "two")
    assert isinstance(together.model, Ensemble)
    assert together.settings == loaded(models / "one").settings
    assert together.max_segment_pieces == 20  # the shortest of theirs
    found = together.translate(TEXT, nbest=2)
    alone = [loaded(models / name).translate(TEXT) for name in ("one", "two")]
    assert len(found) == len(TEXT)
    assert all(len(one.alternatives) == 2 for one in found)
    for each in alone:
        assert [one.score for one in each] != [one.score for one in found]
    (explained,) = together.translate(TEXT[0], explain=True)
    explanation = explained.alternatives[0].explanations[0].to_json()
    said = sum(explanation["log_probability"]) + explanation["end_log_probability"]
    length = (5 + explained.alternatives[0].num_pieces) / 6
    assert said / length == pytest.approx(explained.score, abs=1e-4)


def test_members_of_ensembles_count_alike(models: Path) -> None:
    """However they were put together."""
    pair = loaded(models / "one", models / "two")
    three = join({"pair": pair, "three": loaded(models / "three")})
    flat = loaded(models / "one", models / "two", models / "three")
    assert isinstance(three.model, Ensemble)
    assert len(three.model.members) == 3
    for one, other in zip(three.translate(TEXT), flat.translate(TEXT), strict=True):
        assert (one.text, one.score) == (other.text, other.score)


def test_one_path_in_a_list_is_that_model(models: Path) -> None:
    assert not isinstance(loaded(models / "one").model, Ensemble)
    with pytest.raises(UserError, match="no model to load"):
        nmt.load([])


def refusal(first: Path, *others: Path) -> list[UserError]:
    """Why models do not translate together."""
    with pytest.raises(UserErrors) as caught:
        nmt.load([first, *others], device="cpu")
    return caught.value.errors


def test_all_members_that_do_not_fit_are_named(models: Path, tmp_path: Path) -> None:
    """With the difference."""
    write_model(tmp_path / "german", "transformer", learn(TEXT), 1, source="de", target="en")
    write_model(tmp_path / "fewer", "recurrent", learn(TEXT, 320), 1)
    other = learn([line.replace("cat", "kiwi") for line in TEXT])
    write_model(tmp_path / "other", "transformer", other, 1)
    errors = refusal(models / "one", *(tmp_path / name for name in ("german", "fewer", "other")))
    assert [error.where for error in errors] == [
        str(tmp_path / name) for name in ("german", "fewer", "other")
    ]
    assert "it translates de-en, not en-de" in errors[0].what
    assert "source vocabulary is another one (320 pieces, not 330)" in errors[1].what
    assert "source vocabulary is another one (piece " in errors[2].what
    assert all(str(models / "one") in error.what for error in errors)


def test_an_ensemble_computes_in_one_precision_and_by_one_program(models: Path) -> None:
    """What is asked for holds for all members, or is refused."""
    paths = [models / "one", models / "two"]
    exact = nmt.load(paths, device="cpu").translate(TEXT)
    rounded = nmt.load(paths, device="cpu", precision="int8").translate(TEXT)
    assert [one.score for one in exact] != [one.score for one in rounded]
    with pytest.raises(UserError, match="backend onnx does not translate with several"):
        nmt.load(paths, device="cpu", backend="onnx")


def test_the_same_model_twice_is_refused(models: Path) -> None:
    (error,) = refusal(models / "one", models / "one")
    assert "a second time" in error.what


def test_a_statistical_system_is_refused(models: Path, tmp_path: Path) -> None:
    from tests.upper_case import UpperCase

    with pytest.MonkeyPatch.context() as patch:
        real = nmt.load
        patch.setattr(
            "nmt.systems.load",
            lambda path, **more: UpperCase() if path == tmp_path else real(path, **more),
        )
        (error,) = refusal(models / "one", tmp_path)
    assert "not a neural system" in error.what
    assert error.where == str(tmp_path)


def ensemble_of(models: Path, folder: Path) -> ModelFolder:
    """A recipe's system of two of the models."""
    corpus = folder / "corpus"
    corpus.mkdir()
    recipe = read_recipe(
        str(write_corpus(corpus)),
        [
            "systems.one={kind: transformer}",
            "systems.two={kind: recurrent}",
            "systems.both={kind: ensemble, members: [one, two], search: {beam: 4}}",
        ],
    )
    members = {name: open_model_folder(models / name) for name in ("one", "two")}
    return make_ensemble(recipe, "both", members, folder / "both", inputs={"a": 1})


def test_its_folder_holds_its_members(models: Path, tmp_path: Path) -> None:
    """And needs nothing else; its cost is theirs."""
    made = ensemble_of(models, tmp_path)
    shutil.move(made.path, tmp_path / "elsewhere")
    folder = open_model_folder(tmp_path / "elsewhere")
    folder.verify()
    assert folder.kind == "ensemble"
    assert folder.training["seconds"] == 20.5
    assert folder.training["cpu_seconds"] == 40.0
    assert folder.training["peak_memory_bytes"] == 2000
    assert folder.training["device"] == "2 CPU cores"
    for name in ("one", "two"):
        open_model_folder(folder.path / "members" / name).verify()
    together = loaded(folder.path)
    assert together.settings.beam == 4
    expected = loaded(models / "one", models / "two").translate(TEXT, beam=4)
    for one, other in zip(together.translate(TEXT), expected, strict=True):
        assert (one.text, one.score) == (other.text, other.score)


@pytest.mark.parametrize("damage", ["member", "list", "search"])
def test_a_damaged_folder_is_named(models: Path, tmp_path: Path, damage: str) -> None:
    folder = ensemble_of(models, tmp_path).path
    if damage == "member":
        weights = folder / "members" / "two" / WEIGHTS
        weights.write_bytes(weights.read_bytes()[:-1])
    else:
        content = json.loads((folder / "model.json").read_text())
        content["settings"]["members" if damage == "list" else "search"] = {"beam": "wide"}
        (folder / "model.json").write_text(json.dumps(content))
    with pytest.raises(UserError) as caught:
        nmt.load(folder, device="cpu")
    words = {"member": WEIGHTS, "list": "without its members", "search": "beam"}[damage]
    assert words in str(caught.value)
    assert "copy the model folder again" in str(caught.value)
