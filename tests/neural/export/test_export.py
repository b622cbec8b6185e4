"""Exported folders: complete by themselves, and translating as the model did."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

import nmt
from nmt.cli.export import main
from nmt.cli.translate import main as translate
from nmt.errors import UserError
from nmt.model_folder import open_model_folder
from nmt.neural.backends.choice import choose_backend
from nmt.neural.export import check
from nmt.neural.export.check import check_export
from nmt.neural.export.export import Format, export_model
from nmt.neural.search.shortlist import Shortlist
from nmt.search_options import Sampling, SearchOptions
from tests.small_corpus import WORDS

pytestmark = pytest.mark.integration

LINES = [f"{word.capitalize()} {other}." for word in WORDS for other in ("sees", "the green door")]


@pytest.fixture(scope="module")
def model(trained_once: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The trained model, norms last and without its checkpoints."""
    folder = tmp_path_factory.mktemp("export") / "model"
    shutil.copytree(
        trained_once[0] / "runs" / "small" / "small", folder,
        ignore=shutil.ignore_patterns("training"),
    )  # fmt: skip
    return folder


@pytest.mark.parametrize("to", ["ctranslate2", "onnx", "huggingface", "safetensors"])
def test_greedy_translations_are_the_same(to: Format, model: Path, tmp_path: Path) -> None:
    folder = export_model(model, to, tmp_path / "exported")
    folder.verify()
    found = check_export(model, tmp_path / "exported", LINES)
    assert found.agrees
    # This small a model repeats itself, which the native search ends and CTranslate2 does not.
    assert found.same > 0.9 or to == "ctranslate2"
    moved = tmp_path / "moved"
    (tmp_path / "exported").rename(moved)
    assert nmt.load(moved, device="cpu").translate("")[0].text == ""


@pytest.mark.parametrize("backend", ["ctranslate2", "onnx"])
def test_a_model_that_cannot_be_written_to(
    backend: str, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is converted into the user's cache, or, if that is read-only too, for a moment."""
    before = {path: path.stat().st_mtime_ns for path in model.rglob("*")}
    expected = [one.text for one in nmt.load(model, device="cpu").translate(LINES, beam=1)]
    for cache in (tmp_path / "cache", Path("/proc/nowhere")):
        monkeypatch.setattr("platformdirs.user_cache_path", lambda _, path=cache: path)
        translator = nmt.load(model, device="cpu", backend=backend)  # type: ignore[arg-type]  # any of the cases
        assert translator.backend == backend
        assert [one.text for one in translator.translate(LINES, beam=1)] == expected
    assert len(list((tmp_path / "cache" / "converted").iterdir())) == 1
    assert before == {path: path.stat().st_mtime_ns for path in model.rglob("*")}


def test_smaller_types(model: Path, tmp_path: Path) -> None:
    export_model(model, "safetensors", tmp_path / "exported", "float16")
    tensors = safetensors.numpy.load_file(tmp_path / "exported" / "model.safetensors")
    assert {str(tensor.dtype) for tensor in tensors.values()} == {"float16"}
    assert check_export(model, tmp_path / "exported", LINES).same > 0.9


def test_a_shortlist_is_no_difference_of_models(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(path: Path, **options: Any) -> Any:
        translator: Any = nmt.load(path, **options)
        if path == model:  # translates among three pieces, unless it is told not to
            source, target = (
                one.vocabulary_size
                for one in (translator.tokenizers.source, translator.tokenizers.target)
            )
            searcher = translator.searchers.searcher
            searcher.shortlist = Shortlist(
                np.arange(4, 7, dtype=np.int32), np.zeros(source + 1, dtype=np.int64),
                np.zeros(0, dtype=np.int32), target,
            )  # fmt: skip
            searcher.settings = searcher.settings.model_copy(update={"shortlist": True})
        return translator

    monkeypatch.setattr(check, "load", load)
    export_model(model, "safetensors", tmp_path / "exported")
    found = check.check_export(model, tmp_path / "exported", LINES)
    assert found.same == 1
    assert found.same_beam < 1  # each one's own search, so there the shortlist counts


def test_what_goes_with_what(model: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="int16 does not go with --to onnx"):
        export_model(model, "onnx", tmp_path / "exported", "int16")
    _changed(model, tmp_path / "other", norm="rmsnorm")
    with pytest.raises(UserError, match="cannot hold this model: norm"):
        export_model(tmp_path / "other", "huggingface", tmp_path / "exported")
    assert not (tmp_path / "exported").exists()
    with pytest.raises(UserError, match="the model itself"):
        export_model(model, "onnx", model)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter").touch()
    with pytest.raises(UserError, match="holds something else"):
        export_model(model, "onnx", tmp_path / "full")


def _changed(model: Path, folder: Path, **changes: str) -> None:
    import json

    shutil.copytree(model, folder)
    facts = json.loads((folder / "model.json").read_text())
    facts["settings"]["architecture"] |= changes
    (folder / "model.json").write_text(json.dumps(facts))
    if changes.get("norm") == "rmsnorm":
        from nmt.neural.model.architecture import Architecture
        from nmt.neural.model.transformer import Transformer
        from nmt.neural.weights import save_weights

        architecture = Architecture.from_json(facts["settings"]["architecture"])
        save_weights(Transformer(architecture), folder / "model.safetensors")
        facts["files"]["model.safetensors"] = _facts(folder / "model.safetensors")
        (folder / "model.json").write_text(json.dumps(facts))


def _facts(path: Path) -> dict[str, object]:
    from nmt.files import hash_file

    return {"size": path.stat().st_size, "sha256": hash_file(path)}


def test_auto_takes_what_can_do_it(model: Path, tmp_path: Path) -> None:
    folder = open_model_folder(model)
    assert choose_backend(folder, "auto", device="cpu") == "native"
    sampling = SearchOptions(sampling=Sampling())
    for options in (sampling, SearchOptions(explain=True), SearchOptions(shortlist=True)):
        assert choose_backend(folder, "auto", device="cpu", precision="int8", options=options) == (
            "native"
        )
    export_model(model, "ctranslate2", tmp_path / "exported")
    exported = open_model_folder(tmp_path / "exported")
    assert choose_backend(exported, "auto", device="cpu") == "ctranslate2"
    with pytest.raises(UserError, match="exported for ctranslate2"):
        choose_backend(exported, "onnx", device="cpu")


def test_what_ctranslate2_cannot_do(model: Path) -> None:
    translator = nmt.load(model, device="cpu", backend="ctranslate2")
    with pytest.raises(UserError, match="cannot do what is asked for: sampling"):
        translator.translate(LINES, sampling=Sampling())
    best = translator.translate(LINES[0], beam=4, nbest=3)[0].alternatives
    assert [one.score for one in best] == sorted((one.score for one in best), reverse=True)
    assert len({one.text for one in best}) > 1


def test_the_command(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "lines").write_text("".join(f"{line}\n" for line in LINES), encoding="utf-8")

    def run(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["nmt-export", str(model), *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0)

    output, lines = str(tmp_path / "exported"), str(tmp_path / "lines")
    assert run("--to", "huggingface", "-o", output, "--check", lines) == 0
    said = capsys.readouterr().out
    assert "100.0 % the same in greedy search" in said
    assert "transformers, in greedy search: 100.0 % the same" in said
    int8 = ["--to", "ctranslate2", "-o", output, "--quantization", "int8"]
    assert run(*int8, "--check", lines, "--reference", lines) == 0
    assert "of the float32 model" in capsys.readouterr().out
    assert run(*int8, "--reference", lines) == 2
    assert "no effect without --check" in capsys.readouterr().err
    before = sorted((tmp_path / "exported").iterdir())
    (tmp_path / "blank").write_text("\n \n")
    assert run(*int8, "--check", str(tmp_path / "blank")) == 2
    assert "there is nothing to translate in it" in capsys.readouterr().err
    assert run(*int8, "--check", lines, "--no-check") == 2
    assert "--check and --no-check contradict each other" in capsys.readouterr().err
    assert sorted((tmp_path / "exported").iterdir()) == before
    assert run("--to", "safetensors", "--quantization", "float16", "--no-check") == 0
    assert (model.parent / f"{model.name}-safetensors-float16" / "model.safetensors").exists()


def test_an_exported_model_begins_as_it_is_told(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    exported, lines = str(tmp_path / "onnx"), tmp_path / "lines.tsv"
    export_model(model, "onnx", tmp_path / "onnx")
    lines.write_text(f"{LINES[0]}\tOh \n", encoding="utf-8")

    def run(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["nmt-translate", exported, *arguments])
        with pytest.raises(SystemExit) as ended:
            translate()
        return int(ended.value.code or 0)

    assert run("-i", str(lines), "--prefix-column", "2") == 0
    assert capfd.readouterr().out.split("\t")[2].startswith("Oh ")
    assert run("-i", str(lines), "--shortlist") == 2
    assert "the backend onnx knows no shortlists" in capfd.readouterr().err
