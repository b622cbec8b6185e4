"""Model folders: written whole or not at all, checked when opened."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import nmt
from nmt.errors import UserError
from nmt.model_folder import ModelFolder, open_model_folder, write_model_folder

FILES = {"model.safetensors": "weights", "tokenizer/pieces.model": "pieces", "recipe.yaml": "a: 1"}


def write(folder: Path, files: dict[str, str] | None = None, **facts: Any) -> ModelFolder:
    """Write a model of some small files."""
    given = FILES if files is None else files

    def fill(empty: Path) -> None:
        assert list(empty.iterdir()) == []
        for name, content in given.items():
            (empty / name).parent.mkdir(parents=True, exist_ok=True)
            (empty / name).write_text(content)

    everything: dict[str, Any] = {
        "kind": "transformer",
        "source_language": "en",
        "target_language": "de",
        "settings": {"width": 128},
        "training": {"updates": 1000},
        "fill": fill,
        **facts,
    }
    return write_model_folder(folder, **everything)


def contents(folder: Path) -> dict[str, bytes]:
    """All files by their names."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run folder with a model in it."""
    write(tmp_path / "run" / "transformer")
    return tmp_path / "run" / "transformer"


class TestWriting:
    def test_what_was_written_is_opened(self, folder: Path) -> None:
        model = open_model_folder(folder)
        assert (model.kind, model.source_language, model.target_language) == (
            "transformer",
            "en",
            "de",
        )
        assert model.settings == {"width": 128}
        assert model.training == {"updates": 1000}
        assert {name: model.file(name).read_text() for name in model.files} == FILES
        assert set(contents(folder)) == {"model.json", *FILES}
        model.verify()

    def test_can_be_moved(self, folder: Path, tmp_path: Path) -> None:
        shutil.move(folder, tmp_path / "elsewhere")
        assert open_model_folder(tmp_path / "elsewhere").path == tmp_path / "elsewhere"
        assert str(tmp_path) not in (tmp_path / "elsewhere" / "model.json").read_text()

    def test_training_survives_and_stale_files_do_not(self, folder: Path) -> None:
        (folder / "training").mkdir()
        (folder / "training" / "last.safetensors").write_text("checkpoint")
        open_model_folder(folder).add_scores({"bleu": 30})
        write(folder, {"model.safetensors": "better", "tokenizer/new.model": "new"})
        assert set(contents(folder)) == {
            "model.json",
            "model.safetensors",
            "tokenizer/new.model",
            "training/last.safetensors",
        }
        assert open_model_folder(folder).scores() is None

    def test_folders_of_stale_files_do_not_stay_either(self, folder: Path) -> None:
        """How a tokenizer is loaded depends on which folders it has."""
        write(folder, {"tokenizer/joint/deep/pieces.txt": "a", "tokenizer/joint/note.txt": "b"})
        write(folder, {"tokenizer/source/pieces.txt": "a"})
        assert [path.name for path in (folder / "tokenizer").iterdir()] == ["source"]

    def test_scores_are_added_later_and_kept_with_the_same_model(self, folder: Path) -> None:
        model = open_model_folder(folder)
        assert model.scores() is None
        model.add_scores({"test2016": {"bleu": 38.5}})
        write(folder, training={"updates": 1000, "note": "written again"})
        assert open_model_folder(folder).scores() == {"test2016": {"bleu": 38.5}}
        assert open_model_folder(folder).training["note"] == "written again"

    @pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
    def test_a_failure_while_filling_leaves_the_old_model(
        self, folder: Path, error: BaseException
    ) -> None:
        def fill(empty: Path) -> None:
            (empty / "model.safetensors").write_text("half")
            raise error

        before = contents(folder)
        with pytest.raises((UserError, KeyboardInterrupt)):
            write(folder, fill=fill)
        assert contents(folder) == before

    def test_a_kill_at_any_rename_never_leaves_a_mixture(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Stop at the first, second, ... change of the disk: the old model, none, or the new."""
        new = {name: f"another {content}" for name, content in FILES.items()}
        before = contents(folder)
        outcomes = []
        for stop_at in range(1, 20):
            shutil.rmtree(folder)
            write(folder)
            with monkeypatch.context() as patch:
                _stop_at_change(patch, stop_at)
                try:
                    write(folder, new)
                except _Killed:
                    finished = False
                else:
                    finished = True
            now = contents(folder)
            if "model.json" in now:
                open_model_folder(folder).verify()
                outcomes.append("old" if now["model.json"] == before["model.json"] else "new")
            else:
                outcomes.append("none")
            write(folder, new)
            assert open_model_folder(folder).file("recipe.yaml").read_text() == "another a: 1"
            if finished:
                break
        assert outcomes == sorted(outcomes, key=["old", "none", "new"].index)
        assert len(set(outcomes)) == 3

    def test_what_killed_runs_left_is_cleared(self, folder: Path) -> None:
        (folder / ".model.0123").mkdir()
        (folder / ".model.0123" / "model.safetensors").write_text("weights")
        (folder / ".model.json.4567").write_text("{")
        before = contents(write(folder).path)
        assert not [name for name in before if name.startswith(".model.")]

    def test_a_read_only_place_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(UserError, match="cannot write"):
            write(tmp_path / "file" / "model")


class _Killed(BaseException):
    pass


def _stop_at_change(patch: pytest.MonkeyPatch, stop_at: int) -> None:
    """Let the so manieth removal or renaming of a file raise instead."""
    changes = 0

    def counting(original: Callable[..., Any]) -> Callable[..., Any]:
        def changed(*args: Any, **kwargs: Any) -> Any:
            nonlocal changes
            changes += 1
            if changes == stop_at:
                raise _Killed
            return original(*args, **kwargs)

        return changed

    patch.setattr(Path, "replace", counting(Path.replace))
    patch.setattr(Path, "unlink", counting(Path.unlink))


class TestOpening:
    @pytest.mark.parametrize("name", FILES)
    def test_a_missing_file_is_named(self, folder: Path, name: str) -> None:
        (folder / name).unlink()
        with pytest.raises(UserError, match=rf"{name}: missing"):
            nmt.load(folder)

    @pytest.mark.parametrize("name", FILES)
    def test_a_truncated_file_is_named(self, folder: Path, name: str) -> None:
        os.truncate(folder / name, 3)
        with pytest.raises(UserError, match=rf"{name}: damaged: 3 bytes"):
            nmt.load(folder)

    def test_all_damage_is_told_at_once(self, folder: Path) -> None:
        for name in FILES:
            (folder / name).unlink()
        with pytest.raises(UserError) as caught:
            open_model_folder(folder)
        assert all(name in str(caught.value) for name in FILES)
        assert "again" in str(caught.value)

    def test_changed_content_is_noticed(self, folder: Path) -> None:
        (folder / "tokenizer" / "pieces.model").write_text("PIECES")
        with pytest.raises(UserError, match=r"pieces\.model: damaged: its content"):
            open_model_folder(folder)

    def test_large_files_are_hashed_only_by_verify(self, tmp_path: Path) -> None:
        write(tmp_path, {"model.safetensors": "w" * (9 << 20)})
        with (tmp_path / "model.safetensors").open("rb+") as file:
            file.write(b"x")
        model = open_model_folder(tmp_path)
        with pytest.raises(UserError, match=r"model\.safetensors: damaged"):
            model.verify()

    def test_a_newer_format_is_refused(self, folder: Path) -> None:
        self._edit(folder, format_version=2)
        with pytest.raises(UserError, match="newer"):
            open_model_folder(folder)

    @pytest.mark.parametrize("text", ["", "{", "[]", "{}", '"text"', "\0", "[" * 100_000])
    def test_a_damaged_description_is_told(self, folder: Path, text: str) -> None:
        (folder / "model.json").write_text(text)
        with pytest.raises(UserError, match=r"model\.json"):
            open_model_folder(folder)

    @pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/../../b", "..\\b", ""])
    def test_files_outside_the_folder_are_refused(self, folder: Path, name: str) -> None:
        self._edit(folder, files={name: {"size": 1, "sha256": "0"}})
        with pytest.raises(UserError, match="does not lie in the model folder"):
            open_model_folder(folder)

    def test_an_unknown_kind_is_refused(self, folder: Path) -> None:
        self._edit(folder, kind="oracle")
        with pytest.raises(UserError, match="'oracle'"):
            nmt.load(folder)

    @staticmethod
    def _edit(folder: Path, **changes: Any) -> None:
        path = folder / "model.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


class TestNotAModel:
    def test_a_run_folder_names_its_systems(self, folder: Path) -> None:
        with pytest.raises(UserError, match=f"did you mean {folder}"):
            nmt.load(folder.parent)

    def test_a_misspelt_name_too(self, folder: Path) -> None:
        with pytest.raises(UserError, match=f"(?s)no such folder.*did you mean {folder}"):
            nmt.load(str(folder) + "s")

    def test_a_file_of_a_model(self, folder: Path) -> None:
        with pytest.raises(UserError, match=f"give its folder: {folder}"):
            nmt.load(folder / "model.safetensors")

    def test_a_training_that_has_not_ended(self, tmp_path: Path) -> None:
        (tmp_path / "training").mkdir()
        with pytest.raises(UserError, match="not finished"):
            nmt.load(tmp_path)

    def test_something_else(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match=r"no model\.json"):
            nmt.load(tmp_path)

    def test_an_unlisted_file_is_not_given(self, folder: Path) -> None:
        with pytest.raises(UserError, match="no file vocabulary"):
            open_model_folder(folder).file("vocabulary")
